// SPDX-License-Identifier: Apache-2.0
// Appraising a join over minted evidence: each line of the rule book that a charter makes, one by
// one; and that what any member may put on the ledger as collateral neither stops an appraisal nor
// replaces a subject's newest bundle.
import { type BlobStore, CodedError, fromHex, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { type EvidenceKind, encodeCollateral, encodeRoot } from '@cloister/evidence';
import {
  createDevelopmentRoot,
  type DevelopmentRoot,
  hardwareIdOf,
  type MintCollateralOptions,
  mintCollateral,
  mintEvidence,
  type OpteeMintRequest,
} from '@cloister/evidence/mint';
import { charterSpecimen } from '@cloister/testkit/world';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Environment } from '../charter/body.ts';
import { emptyState, type FoldState, type Join, type Task } from '../fold/state.ts';
import { JoinAppraiser } from './appraise-join.ts';
import { reportData } from './report-data.ts';

const AT = Date.UTC(2026, 0, 15);
const seed = new Uint8Array(32).fill(7);
const measurement = new Uint8Array(32).fill(3);
const genesis = new Uint8Array(32).fill(1);
const signer = new Uint8Array(32).fill(9);
const other = (length: number) => new Uint8Array(length).fill(8);
const roots = new Map<EvidenceKind, DevelopmentRoot>();

function rootOf(kind: EvidenceKind): DevelopmentRoot {
  const known = roots.get(kind) ?? createDevelopmentRoot(kind, { seed, enrolledBy: 'bank' });
  roots.set(kind, known);
  return known;
}

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
async function publish(name: string, number: number, bytes: Uint8Array): Promise<void> {
  const digest = await blobs.put(bytes);
  state.collateral.set(name, { number, digest, event: '', at: AT });
}

interface Change {
  readonly kind?: EvidenceKind;
  readonly mint?: Partial<OpteeMintRequest>;
  readonly environment?: Partial<Environment>;
  readonly collateral?: Partial<MintCollateralOptions>;
  /** Of the join, once its evidence is made. */
  readonly join?: Partial<Join['body']>;
  /** What the join's task allows; it has none otherwise. */
  readonly task?: readonly Uint8Array[];
}

/** A state with one join, everything being right but what is said. */
async function prepare(change: Change = {}): Promise<void> {
  const { kind = 'sgx-dcap' } = change;
  const root = rootOf(kind);
  const measured = kind === 'sev-snp' ? new Uint8Array(48).fill(3) : measurement;
  blobs = memoryBlobs();
  state = emptyState(new Uint8Array(32));
  const charter = structuredClone(charterSpecimen());
  const environment = charter.environments.find((e) => e.role === 'worker');
  if (environment === undefined) throw new Error('the specimen has no worker environment');
  Object.assign(environment, {
    tee: kind,
    family: root.root.family,
    root: await blobs.put(encodeRoot(root.root)),
    trust: 'simulated',
    measurements: [{ measurement: measured, source: 'a', recipe: 'b' }],
    tcb: 'any',
    advisories: 'any',
    minimumSvn: 'any',
    ...change.environment,
  });
  Object.assign(state, { charter, genesis, clock: AT });
  const task = new Uint8Array(32).fill(6);
  const bound = {
    role: 'worker',
    operator: 'somebody',
    charter: 1,
    environment: environment.id,
    measurement: measured,
    tls: new Uint8Array(32).fill(4),
    hpke: new Uint8Array(65).fill(5),
    checkpoint: new Uint8Array(10),
    within: 100,
    ...(change.task === undefined ? {} : { task }),
  } as const;
  if (change.task !== undefined) {
    const body = { worker: { measurements: change.task } };
    state.tasks.set(toHex(task), { body } as unknown as Task);
  }
  const data = reportData({ genesis, signing: signer, join: bound }, 64, nodeCrypto);
  const hardware = hardwareIdOf(root);
  const about = { root, measurement: measured, reportData: data, at: AT, ...change.mint };
  const { bytes } = mintEvidence(about);
  const body = { ...bound, hardware, evidence: await blobs.put(bytes), ...change.join };
  state.joins.set('join', { body, signer, seq: 0, at: AT, excluded: null });
  if (kind === 'op-tee') return;
  const newest = mintCollateral(root, { at: AT - 1_000, number: 20, ...change.collateral });
  await publish(`${kind}/${newest.subject}`, newest.number, encodeCollateral(newest));
}

beforeEach(() => prepare());

const appraise = (key = 'join') =>
  new JoinAppraiser({ crypto: nodeCrypto, blobs }).appraise(state, key);

describe('a join', () => {
  it.each<EvidenceKind>(['sgx-dcap', 'sev-snp', 'op-tee'])('with %s is accepted', async (kind) => {
    await prepare({ kind });
    expect(await appraise()).toMatchObject({ ok: true });
  });

  it('that is not there is not appraised', async () => {
    await expect(appraise('another')).rejects.toMatchObject({ code: 'join-unknown' });
  });

  it('is accepted when its task names its measurement', async () => {
    await prepare({ task: [other(32), measurement] });
    expect(await appraise()).toMatchObject({ ok: true });
  });

  const never = { kind: 'sev-snp' } as const;
  it.each<[string, Change, string]>([
    ['no environment of the charter', { join: { environment: 'x' } }, 'environment-not-allowed'],
    ['an environment of keepers', { environment: { role: 'keeper' } }, 'environment-not-allowed'],
    ['another trust', { environment: { trust: 'hardware' } }, 'trust-not-allowed'],
    ['another family', { environment: { family: 'amd' } }, 'family-not-allowed'],
    ['another program', { mint: { measurement: other(32) } }, 'measurement-not-allowed'],
    ['a program that its task does not name', { task: [other(32)] }, 'measurement-not-allowed'],
    ['other keys than the evidence', { join: { tls: other(32) } }, 'report-data-mismatch'],
    ['a version too low', { environment: { minimumSvn: 9 } }, 'svn-too-low'],
    [
      'a level that has fallen',
      { environment: { tcb: ['UpToDate'] }, collateral: { status: 'OutOfDate' } },
      'tcb-status-not-accepted',
    ],
    [
      'an advisory',
      { environment: { advisories: [] }, collateral: { advisories: ['INTEL-SA-00615'] } },
      'advisory-not-accepted',
    ],
    ['another machine', { join: { hardware: other(16) } }, 'hardware-not-enrolled'],
    ['a debugger', { mint: { debug: true } }, 'debug-refused'],
    ['a guest that moves', { ...never, mint: { migratable: true } }, 'migratable-refused'],
    [
      'the digest of a library',
      { kind: 'op-tee', mint: { command: 'tee-memory' } },
      'register-not-allowed',
    ],
  ])('with %s is refused', async (_what, change, code) => {
    await prepare(change);
    const refused = await appraise();
    expect(refused).toMatchObject({ ok: false, mismatch: { code } });
    if (refused.ok) return;
    // The reason is the line that failed, not the first of the rule book.
    expect(refused.mismatch.wanted).not.toBe(refused.mismatch.got);
  });

  it('with evidence of another make is refused as that', async () => {
    const snp = rootOf('sev-snp');
    const about = { root: snp, measurement: other(48), reportData: other(64), at: AT };
    const evidence = await blobs.put(mintEvidence(about).bytes);
    Object.assign(state.joins.get('join')?.body ?? {}, { evidence });
    const mismatch = { code: 'kind-not-allowed', wanted: 'sgx-dcap', got: 'sev-snp' };
    expect(await appraise()).toEqual({ ok: false, mismatch });
  });

  it('is not blamed for a fault of ours', async () => {
    const fault = () => {
      throw new TypeError('ours');
    };
    const digest: typeof nodeCrypto.digest = (hash, ...parts) => {
      return hash === 'sha512' ? fault() : nodeCrypto.digest(hash, ...parts);
    };
    const crypto = { ...nodeCrypto, digest };
    const appraised = new JoinAppraiser({ crypto, blobs }).appraise(state, 'join');
    await expect(appraised).rejects.toThrow(TypeError);
    const { root } = state.charter?.environments.find((e) => e.role === 'worker') ?? {};
    const { evidence } = state.joins.get('join')?.body ?? {};
    const get: BlobStore['get'] = async (digest) => {
      const wanted = [root, evidence].some((each) => toHex(each as Uint8Array) === toHex(digest));
      return wanted ? blobs.get(digest) : fault();
    };
    const broken = { ...blobs, get };
    const read = new JoinAppraiser({ crypto: nodeCrypto, blobs: broken }).appraise(state, 'join');
    await expect(read).rejects.toThrow(TypeError);
  });
});

describe('collateral', () => {
  const { root } = { root: rootOf('sgx-dcap') };
  const missing = fromHex('ab'.repeat(32));

  it('that it was judged by is named, and no other', async () => {
    const newest = [...state.collateral.values()].map(({ digest }) => digest);
    await publish('sgx-dcap/garbage', 1, new Uint8Array(40));
    expect(newest.length).toBe(1);
    expect(await appraise()).toMatchObject({ ok: true, collateral: newest });
  });

  it('of other subjects may be garbage, or a blob that nobody has', async () => {
    await publish('sgx-dcap/garbage', 1, new Uint8Array(40));
    state.collateral.set('sgx-dcap/x', { number: 1, digest: missing, event: '', at: AT });
    expect(await appraise()).toMatchObject({ ok: true });
  });

  it('of other kinds is not even fetched', async () => {
    state.collateral.set('sev-snp/milan', { number: 1, digest: missing, event: '', at: AT });
    const asked: string[] = [];
    const get: BlobStore['get'] = (digest) => {
      asked.push(toHex(digest));
      return blobs.get(digest);
    };
    const appraiser = new JoinAppraiser({ crypto: nodeCrypto, blobs: { ...blobs, get } });
    expect(await appraiser.appraise(state, 'join')).toMatchObject({ ok: true });
    expect(asked).not.toContain(toHex(missing));
  });

  it('that is older does not come back under another name', async () => {
    state.collateral.clear();
    const old = mintCollateral(root, { at: AT - 1_000, number: 3 });
    await publish('sgx-dcap/another', 3, encodeCollateral(old));
    const mismatch = { code: 'collateral-missing' };
    expect(await appraise()).toMatchObject({ ok: false, mismatch });
  });

  it('with another number than its event says counts for nothing', async () => {
    const old = mintCollateral(root, { at: AT - 1_000, number: 3 });
    await publish(`sgx-dcap/${root.subject}`, 21, encodeCollateral(old));
    const mismatch = { code: 'collateral-missing' };
    expect(await appraise()).toMatchObject({ ok: false, mismatch });
  });

  it('that cannot be had is blamed on nobody', async () => {
    const about = { number: 21, digest: missing, event: '', at: AT };
    state.collateral.set(`sgx-dcap/${root.subject}`, about);
    await expect(appraise()).rejects.toMatchObject({ code: 'blob-not-found' });
  });
});
