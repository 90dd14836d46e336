// SPDX-License-Identifier: Apache-2.0
// Appraising a join over minted evidence: each line of the rule book that a charter makes, one by
// one; and which parts of collateral it is judged with.
import { type BlobStore, CodedError, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import {
  type CollateralPart,
  type EvidenceKind,
  encodeRoot,
  partDigest,
  verifyPart,
} from '@cloister/evidence';
import {
  createDevelopmentRoot,
  type DevelopmentRoot,
  hardwareIdOf,
  type MintCollateralOptions,
  mintEvidence,
  mintParts,
  type OpteeMintRequest,
} from '@cloister/evidence/mint';
import { charterSpecimen, namedSigner } from '@cloister/testkit/world';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Environment } from '../charter/body.ts';
import type { AdmittedEvent } from '../events/event.ts';
import { foldCollateral } from '../fold/collateral.ts';
import { emptyState, type FoldState, type Join, type KeptPart, type Task } from '../fold/state.ts';
import { JoinAppraiser } from './appraise-join.ts';
import { reportData } from './report-data.ts';

/** More than any blob here has. */
const MOST = 16 * 1_048_576;

const DAY = 86_400_000;
const AT = Date.UTC(2026, 0, 15);
const seed = new Uint8Array(32).fill(7);
const measurement = new Uint8Array(32).fill(3);
const genesis = new Uint8Array(32).fill(1);
const signer = new Uint8Array(32).fill(9);
const other = (length: number) => new Uint8Array(length).fill(8);
const OTHER_PROGRAM = { measurement: other(32) };
const pinned = (...all: Uint8Array[]) =>
  all.map((of) => ({ measurement: of, source: 'a', recipe: 'b' }));
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

/** Folds parts as a member brings them; those that are here already may be void. */
async function publish(parts: readonly CollateralPart[]): Promise<void> {
  const bank = namedSigner('specimen', 'bank/identity').key;
  for (const body of parts) {
    const made = await verifyPart(body, nodeCrypto);
    const event = { kind: 'collateral', body, made, signer: bank, key: '' };
    const verdict = foldCollateral(state, event as unknown as AdmittedEvent<'collateral'>);
    if (verdict !== undefined && verdict.code !== 'collateral-not-newer') {
      throw new Error(verdict.sentence);
    }
  }
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
    rootKey: nodeCrypto.digest('sha256', root.root.key),
    evaluation: { least: 0 },
    trust: 'simulated',
    measurements: pinned(measured),
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
  await publish(mintParts(root, { at: AT - 1_000, number: 20, ...change.collateral }));
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
    ['another program', { mint: OTHER_PROGRAM }, 'measurement-not-allowed'],
    [
      'another program than it says',
      { environment: { measurements: pinned(measurement, other(32)) }, mint: OTHER_PROGRAM },
      'measurement-not-allowed',
    ],
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

  it('with a program that the charter lacks is refused, and nothing fetched for it', async () => {
    await prepare({ join: { measurement: other(32) } });
    const got = toHex(other(32));
    const mismatch = { code: 'measurement-not-allowed', wanted: toHex(measurement), got };
    blobs = memoryBlobs();
    expect(await appraise()).toEqual({ ok: false, mismatch });
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
    const broken = { ...blobs, get: fault };
    const read = new JoinAppraiser({ crypto: nodeCrypto, blobs: broken }).appraise(state, 'join');
    await expect(read).rejects.toThrow(TypeError);
  });
});

describe('collateral', () => {
  const root = rootOf('sgx-dcap');
  const of = (...names: string[]) =>
    [...state.collateral.values()].filter(({ body }) => names.includes(body.part));
  const digests = (parts: readonly KeptPart[]) =>
    parts.map(({ body }) => toHex(partDigest(body, nodeCrypto))).sort();
  const used = async () => {
    const appraised = await appraise();
    if (!appraised.ok) throw new Error(appraised.mismatch.code);
    return appraised.parts.map(toHex);
  };

  it('that it was judged by is named, and no other', async () => {
    const needed = digests([...state.collateral.values()]);
    const other = { ...root, subject: 'cd0000000001' };
    await publish(mintParts(other, { at: AT - 1_000, number: 20 }));
    expect(needed).toHaveLength(4);
    expect(state.collateral.size).toBe(5);
    expect(await used()).toEqual(needed);
  });

  it.each(['tcb-info', 'qe-identity', 'pck-crl', 'root-crl'])(
    'without %s is waited for, and blames nobody',
    async (name) => {
      for (const [key, { body }] of state.collateral) {
        if (body.part === name) state.collateral.delete(key);
      }
      expect(await appraise()).toMatchObject(NOT_NOW);
      // What is wrong anyhow is told all the same.
      const { body } = state.joins.get('join') as Join;
      const bytes = await blobs.get(body.evidence, MOST);
      const bent = bytes.map((byte, i) => (i === 400 ? byte ^ 1 : byte));
      Object.assign(body, { evidence: await blobs.put(bent) });
      expect(await appraise()).toMatchObject({ mismatch: { code: 'signature-invalid' } });
    },
  );

  it('that has expired is waited for, and comes again with the next issue', async () => {
    state.clock = AT + 31 * DAY;
    expect(await appraise()).toMatchObject(NOT_NOW);
    await publish(mintParts(root, { at: AT + 30 * DAY, number: 20 }));
    expect(await appraise()).toMatchObject({ ok: true });
  });

  it('is that of the highest number that the environment takes, part by part', async () => {
    const early = mintParts(root, { at: AT - 1_000, number: 21, status: 'OutOfDate' });
    await publish(early.filter(({ part }) => part === 'tcb-info'));
    const [twenty, twentyOne] = of('tcb-info');
    expect(twentyOne?.evaluation).toBe(21);
    expect(await used()).toContain(digests([twentyOne as KeptPart])[0]);
    const environment = state.charter?.environments.find((e) => e.role === 'worker');
    Object.assign(environment as Environment, { evaluation: { least: 20, most: 20 } });
    expect(await used()).toContain(digests([twenty as KeptPart])[0]);
    Object.assign(environment as Environment, { evaluation: { least: 21 } });
    expect(await appraise()).toMatchObject(NOT_NOW);
  });

  it('gives way to a lower number while the highest has none in force', async () => {
    await publish(mintParts(root, { at: AT - 1_000, number: 21, lifetime: DAY }));
    expect(await used()).toEqual(
      digests(of('tcb-info', 'qe-identity').filter(isOf(21)).concat(of('pck-crl', 'root-crl'))),
    );
    state.clock = AT + 2 * DAY;
    await publish(mintParts(root, { at: AT + DAY, number: 20 }));
    expect(await used()).toEqual(
      digests(of('tcb-info', 'qe-identity').filter(isOf(20)).concat(of('pck-crl', 'root-crl'))),
    );
  });

  it('of a root key that is not the root document’s is never used', async () => {
    const environment = state.charter?.environments.find((e) => e.role === 'worker');
    Object.assign(environment as Environment, { rootKey: other(32) });
    const mismatch = { code: 'root-untrusted' };
    expect(await appraise()).toMatchObject({ ok: false, mismatch });
  });
});

const NOT_NOW = { ok: false, mismatch: { code: 'collateral-not-in-force', got: 'none' } };

const isOf = (number: number) => (kept: KeptPart) => kept.evaluation === number;
