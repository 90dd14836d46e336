// SPDX-License-Identifier: Apache-2.0
// Appraising a join over minted SGX evidence: what any member may put on the ledger as collateral
// neither stops an appraisal nor replaces a subject's newest bundle.
import { type BlobStore, CodedError, fromHex, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { encodeCollateral, encodeRoot } from '@cloister/evidence';
import {
  createDevelopmentRoot,
  hardwareIdOf,
  mintCollateral,
  mintEvidence,
} from '@cloister/evidence/mint';
import { charterSpecimen } from '@cloister/testkit/world';
import { beforeEach, describe, expect, it } from 'vitest';
import { emptyState, type FoldState } from '../fold/state.ts';
import { JoinAppraiser } from './appraise-join.ts';
import { reportData } from './report-data.ts';

const AT = Date.UTC(2026, 0, 15);
const root = createDevelopmentRoot('sgx-dcap', { seed: new Uint8Array(32).fill(7) });
const measurement = new Uint8Array(32).fill(3);
const genesis = new Uint8Array(32).fill(1);
const signer = new Uint8Array(32).fill(9);

function memoryBlobs(): BlobStore & { put(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> } {
  const kept = new Map<string, Uint8Array<ArrayBuffer>>();
  return {
    async put(bytes) {
      const digest = nodeCrypto.digest('sha256', bytes);
      kept.set(toHex(digest), new Uint8Array(bytes));
      return digest;
    },
    async get(digest) {
      const found = kept.get(toHex(digest));
      if (found !== undefined) return found;
      throw new CodedError('blob-not-found', 'not-found', 'no such blob');
    },
    head: async (digest) => kept.get(toHex(digest))?.length,
    range: async (digest, start, end) =>
      (kept.get(toHex(digest)) as Uint8Array<ArrayBuffer>).slice(start, end),
  };
}

let blobs: ReturnType<typeof memoryBlobs>;
let state: FoldState;

/** Puts collateral into the state as an event that the fold accepted would. */
async function publish(subject: string, number: number, bytes: Uint8Array): Promise<void> {
  const digest = await blobs.put(bytes);
  state.collateral.set(`sgx-dcap/${subject}`, { number, digest, event: '', at: AT });
}

beforeEach(async () => {
  blobs = memoryBlobs();
  state = emptyState();
  const charter = structuredClone(charterSpecimen());
  const environment = charter.environments.find((e) => e.role === 'worker');
  if (environment === undefined) throw new Error('the specimen has no worker environment');
  Object.assign(environment, {
    tee: 'sgx-dcap',
    family: root.root.family,
    root: await blobs.put(encodeRoot(root.root)),
    trust: 'simulated',
    measurements: [{ measurement, source: 'a', recipe: 'b' }],
    tcb: 'any',
    advisories: 'any',
    minimumSvn: 'any',
  });
  Object.assign(state, { charter, genesis, clock: AT });
  const bound = {
    role: 'worker',
    operator: 'somebody',
    charter: 1,
    environment: environment.id,
    tls: new Uint8Array(32).fill(4),
    hpke: new Uint8Array(65).fill(5),
    checkpoint: new Uint8Array(10),
  } as const;
  const data = reportData({ genesis, signing: signer, join: bound }, 64, nodeCrypto);
  const hardware = hardwareIdOf(root);
  const { bytes } = mintEvidence({ root, measurement, reportData: data, at: AT });
  const body = { ...bound, hardware, evidence: await blobs.put(bytes) };
  state.joins.set('join', { body, signer, seq: 0, at: AT, excluded: null });
  const newest = mintCollateral(root, { at: AT - 1_000, number: 20 });
  await publish(root.subject, 20, encodeCollateral(newest));
});

const appraise = () => new JoinAppraiser({ crypto: nodeCrypto, blobs }).appraise(state, 'join');

describe('a join', () => {
  it('is accepted under the newest collateral', async () => {
    expect(await appraise()).toMatchObject({ ok: true });
  });

  it('is accepted while other subjects have garbage, or a blob that nobody has', async () => {
    await publish('garbage', 1, new Uint8Array(40));
    const digest = fromHex('ab'.repeat(32));
    state.collateral.set('sgx-dcap/missing', { number: 1, digest, event: '', at: AT });
    expect(await appraise()).toMatchObject({ ok: true });
  });

  it('is not judged by older collateral that comes back under another name', async () => {
    state.collateral.clear();
    const old = mintCollateral(root, { at: AT - 1_000, number: 3 });
    await publish('another', 3, encodeCollateral(old));
    const mismatch = { code: 'collateral-missing' };
    expect(await appraise()).toMatchObject({ ok: false, mismatch });
  });

  it('is not judged by a bundle with another number than its event says', async () => {
    const old = mintCollateral(root, { at: AT - 1_000, number: 3 });
    await publish(root.subject, 21, encodeCollateral(old));
    const mismatch = { code: 'collateral-missing' };
    expect(await appraise()).toMatchObject({ ok: false, mismatch });
  });

  it('is not blamed while its own collateral cannot be had', async () => {
    const digest = fromHex('ab'.repeat(32));
    state.collateral.set(`sgx-dcap/${root.subject}`, { number: 21, digest, event: '', at: AT });
    await expect(appraise()).rejects.toMatchObject({ code: 'blob-not-found' });
  });
});
