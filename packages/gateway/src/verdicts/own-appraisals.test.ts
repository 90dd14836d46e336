// SPDX-License-Identifier: Apache-2.0
// A member looks itself at the workers behind its runs, over a real ledger with minted evidence:
// what keepers signed is not enough, what cannot be had is not yet, and what was found stays.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  bills,
  type EventBody,
  emptyState,
  foldEntry,
  JoinAppraiser,
  type KeptPart,
  type Said,
} from '@cloister/contract';
import { type BlobStore, CodedError, systemTimers, type Timers, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { partDigest } from '@cloister/evidence';
import { mintEvidence, mintParts } from '@cloister/evidence/mint';
import { accepted, type Node, namedBytes, World } from '@cloister/testkit/world';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { charterOnHardware, giveEvidence, workerMaker } from '../../testing/hardware.ts';
import type { EntryRecord } from '../ledger/follower.ts';
import { OwnAppraisals, type VerdictStore } from './own-appraisals.ts';
import { verdictsIn } from './verdict-store.ts';

const START = Date.UTC(2026, 0, 15);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const blobs = new Map<string, Uint8Array<ArrayBuffer>>();
const put = async (bytes: Uint8Array) => {
  const digest = nodeCrypto.digest('sha256', bytes);
  blobs.set(toHex(digest), new Uint8Array(bytes));
  return digest;
};
const get: BlobStore['get'] = async (digest) => {
  const found = blobs.get(toHex(digest));
  if (found === undefined) throw new CodedError('blob-not-found', 'not-found', 'no such blob');
  return found;
};
const told: string[] = [];
const log = pino({ level: 'warn' }, { write: (line) => void told.push(line) });

let base: World;
let claims: Said<'dataset'>;
let home: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'cloister-appraisals-'));
  base = new World({}, charterOnHardware({}));
  await base.found();
  await base.tickAll(START);
  await giveEvidence(base, put, START);
  await base.formEpoch();
  claims = await base.addDataset('insurer');
});
const started: OwnAppraisals[] = [];
afterAll(async () => {
  for (const own of started) own.stop();
  await rm(home, { recursive: true });
});

/** A run of the bank's on the insurer's data, joined on the hospital's machine. */
async function joined(change: Partial<EventBody<'join'>> = {}): Promise<[World, Node]> {
  const world = base.fork();
  const task = await world.propose('bank', [claims], {
    outputs: [{ id: 1, recipients: ['bank'] }],
  });
  await world.approve('insurer', task, [claims], { until: START + 300 * DAY });
  const { submitted, node } = await world.tryJoinWorker('hospital', task, change);
  accepted(submitted);
  return [world, node];
}

/** The parts that the ledger has for the worker's make, as keepers name them. */
function partsOf(world: World): Uint8Array[] {
  const { rootKey } = world.inForce.environments.find((e) => e.role === 'worker') ?? {};
  const kept = [...world.state.collateral.values()].filter((one: KeptPart) => {
    return toHex(one.rootKey) === toHex(rootKey as Uint8Array);
  });
  const digests = kept.map(({ body }) => toHex(partDigest(body, nodeCrypto))).sort();
  return digests.map((hex) => Uint8Array.from(Buffer.from(hex, 'hex')));
}

/** The usage record of the run, whose keepers judged at `at`. */
async function recorded(
  world: World,
  node: Node,
  at: { size?: number; parts?: Uint8Array[] } = {},
  liar?: { size?: number; parts: Uint8Array[] },
): Promise<string> {
  const { receipts: _none, ...plain } = await world.usageBody(node);
  const receipt = { size: world.state.seq, parts: partsOf(world), ...at };
  const receipts = await world.receipts(plain, receipt);
  // The first keeper's word in place of what it should have said.
  const [lie] = liar === undefined ? [] : await world.receipts(plain, { ...receipt, ...liar });
  if (lie !== undefined) receipts[0] = lie;
  return toHex(await world.must(node.signer, 'usage', { ...plain, receipts }));
}

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !holds(); i++) await new Promise((done) => setTimeout(done, 10));
  expect(holds()).toBe(true);
}

interface Reader {
  readonly own: OwnAppraisals;
  readonly asked: () => number;
}

/** A member's gateway that follows this ledger, from its first entry. */
async function reader(
  world: World,
  as: { me?: string; store?: VerdictStore; signs?: () => boolean; timers?: Timers } = {},
): Promise<Reader> {
  const { me = 'bank', store = memory(), signs = () => true, timers = systemTimers } = as;
  const real = new JoinAppraiser({ crypto: nodeCrypto, blobs: { get } as unknown as BlobStore });
  let asked = 0;
  const appraise: typeof real.appraise = (state, key) => {
    asked++;
    return real.appraise(state, key);
  };
  const own = await OwnAppraisals.open({
    me,
    store,
    appraiser: { appraise },
    timers,
    log,
  });
  const state = emptyState(world.genesis);
  for (const bytes of world.log) {
    const { outcome, event } = await foldEntry(state, bytes, nodeCrypto);
    const record = { seq: outcome.seq, size: 0, status: outcome.status, event } as EntryRecord;
    own.heard(record, state);
  }
  const checkpointOf = async (least: number, owners: readonly string[]) => {
    expect(owners).toEqual(['insurer']);
    expect(least).toBeGreaterThan(0);
    if (!signs()) throw new CodedError('quorum-unreachable', 'unavailable', 'not now');
    return {} as never;
  };
  own.start({ checkpointOf });
  started.push(own);
  return { own, asked: () => asked };
}

function memory(): VerdictStore {
  const kept = new Map();
  return { all: async () => kept, put: async (key, verdict) => void kept.set(key, verdict) };
}

describe('a run', () => {
  it.each(['bank', 'insurer'])('whose worker is as it should be is good to %s', async (me) => {
    const [world, node] = await joined();
    const usage = await recorded(world, node);
    const { own } = await reader(world, { me });
    expect(await own.settled(usage)).toEqual({ status: 'yes', at: START });
    expect(own.known(usage)).toEqual({ status: 'yes', at: START });
  });

  it('that does not concern a member is not looked at', async () => {
    const [world, node] = await joined();
    const usage = await recorded(world, node);
    const { own, asked } = await reader(world, { me: 'hospital' });
    expect(await own.settled(usage)).toBeUndefined();
    expect(asked()).toBe(0);
  });

  it('of another program is a no, whatever t keepers signed, and stays one', async () => {
    const about = { root: workerMaker(base), reportData: new Uint8Array(64), at: START };
    const other = mintEvidence({ ...about, measurement: new Uint8Array(32).fill(9) });
    const bad = await put(other.bytes);
    const [world, node] = await joined({ evidence: bad });
    const usage = await recorded(world, node);
    const store = verdictsIn(home);
    const { own } = await reader(world, { store });
    const no = { status: 'no', at: START, code: 'measurement-not-allowed' };
    expect(await own.settled(usage)).toMatchObject(no);
    expect(told.join()).toContain('a worker does not appraise');
    const again = await reader(world, { store: verdictsIn(home) });
    expect(again.own.known(usage)).toMatchObject(no);
    expect(again.asked()).toBe(0);
    const appraisedOf = (key: string) => own.known(key)?.status ?? 'not-yet';
    const [bill] = bills(world.state, {}, { appraisedOf });
    expect(bill).toMatchObject({ total: 0n, unproved: 4 });
    await writeFile(join(home, 'appraisals', `${usage}.json`), '{"status":"yes"}');
    await expect(verdictsIn(home).all()).rejects.toMatchObject({ code: 'home-malformed' });
  });

  it('whose evidence cannot be had is not yet, and good once it can', async () => {
    const [world, node] = await joined();
    const usage = await recorded(world, node);
    const { evidence } = node.body as EventBody<'join'>;
    const bytes = blobs.get(toHex(evidence)) as Uint8Array;
    blobs.delete(toHex(evidence));
    const { own } = await reader(world);
    expect(await own.settled(usage)).toEqual({ status: 'not-yet', code: 'blob-not-found' });
    await put(bytes);
    expect(await own.settled(usage)).toMatchObject({ status: 'yes' });
  });

  it('is tried again by itself, until the gateway stops', async () => {
    const [world, node] = await joined();
    const usage = await recorded(world, node);
    const { evidence } = node.body as EventBody<'join'>;
    const bytes = blobs.get(toHex(evidence)) as Uint8Array;
    blobs.delete(toHex(evidence));
    const due = new Set<() => void>();
    const after: Timers['after'] = (_ms, work) => {
      due.add(work);
      return () => due.delete(work);
    };
    const { own } = await reader(world, { timers: { ...systemTimers, after } });
    await until(() => due.size === 1);
    expect(own.known(usage)).toEqual({ status: 'not-yet', code: 'blob-not-found' });
    await put(bytes);
    for (const work of [...due]) {
      due.delete(work);
      work();
    }
    await until(() => own.known(usage)?.status === 'yes');
    await until(() => due.size === 1);
    own.stop();
    expect(due.size).toBe(0);
  });

  it('is not blamed for a fault of ours, which is in the log', async () => {
    const [world, node] = await joined();
    const usage = await recorded(world, node);
    const { own } = await reader(world, {
      signs: () => {
        throw new TypeError('ours');
      },
    });
    expect(await own.settled(usage)).toEqual({ status: 'not-yet', code: 'internal-error' });
    expect(told.join()).toContain('an appraisal failed');
  });

  it('needs one head whose receipt names what it was judged with', async () => {
    const [world, node] = await joined();
    const { receipts: _none, ...plain } = await world.usageBody(node);
    const first = { size: world.state.seq, parts: [] };
    await world.tickAll(START + 1_000);
    const second = { size: world.state.seq, parts: partsOf(world) };
    const [lies] = await world.receipts(plain, first);
    const [, ...honest] = await world.receipts(plain, second);
    const body = { ...plain, receipts: [lies as Uint8Array, ...honest] };
    const usage = toHex(await world.must(node.signer, 'usage', body));
    expect(await (await reader(world)).own.settled(usage)).toMatchObject({ status: 'yes' });
  });

  it('waits for a head that the owner of the data has signed', async () => {
    const [world, node] = await joined();
    const usage = await recorded(world, node);
    let signs = false;
    const { own } = await reader(world, { signs: () => signs });
    expect(await own.settled(usage)).toEqual({ status: 'not-yet', code: 'quorum-unreachable' });
    signs = true;
    expect(await own.settled(usage)).toMatchObject({ status: 'yes' });
  });

  it('is judged with the collateral of the head that its receipts name', async () => {
    const [world, node] = await joined();
    const at = { size: world.state.seq, parts: partsOf(world) };
    const newer = mintParts(workerMaker(world), { at: START + 60_000, number: 1 });
    await world.tickAll(START + HOUR);
    for (const part of newer) await world.must(world.identity('insurer'), 'collateral', part);
    const usage = await recorded(world, node, at);
    expect(await (await reader(world)).own.settled(usage)).toMatchObject({ status: 'yes' });
    // Receipts of the newer head that name the older collateral; then one of the older head, too.
    for (const liar of [undefined, { size: at.size, parts: [] }]) {
      const [later, other] = await joined();
      await later.tickAll(START + HOUR);
      for (const part of newer) await later.must(later.identity('insurer'), 'collateral', part);
      const lying = await recorded(later, other, { parts: partsOf(base) }, liar);
      const no = { status: 'no', code: 'receipt-parts-differ' };
      expect(await (await reader(later)).own.settled(lying)).toMatchObject(no);
    }
  });

  it('is no worse for one keeper that names other collateral, or another head', async () => {
    for (const liar of [{ parts: [] }, { parts: partsOf(base).slice(1), size: 1_000_000 }]) {
      const [world, node] = await joined();
      const usage = await recorded(world, node, {}, liar);
      expect(await (await reader(world)).own.settled(usage)).toMatchObject({ status: 'yes' });
    }
  });

  it('whose collateral ran out since is judged at the time of that head', async () => {
    const [world, node] = await joined();
    await world.tickAll(START + HOUR);
    const short = { at: START + 60_000, number: 1, lifetime: HOUR };
    for (const part of mintParts(workerMaker(world), short)) {
      await world.must(world.identity('insurer'), 'collateral', part);
    }
    const at = { size: world.state.seq, parts: partsOf(world) };
    await world.tickAll(START + 3 * HOUR);
    const usage = await recorded(world, node, at);
    const verdict = await (await reader(world)).own.settled(usage);
    expect(verdict).toEqual({ status: 'yes', at: START + 3 * HOUR });
  });

  it('with one receipt altered was never recorded, bills nothing and opens nothing', async () => {
    const [world, node] = await joined();
    const { receipts, ...plain } = await world.usageBody(node);
    const [first, ...others] = receipts as [Uint8Array, ...Uint8Array[]];
    const bent = first.map((byte, i) => (i === first.length - 3 ? byte ^ 1 : byte));
    const other = await world.receipts(plain, { columns: namedBytes('another', 'columns') });
    for (const altered of [
      [bent, ...others],
      others,
      [first, first],
      [other[0] as Uint8Array, ...others],
    ]) {
      const { outcome, event } = await world.put(node.signer, 'usage', {
        ...plain,
        receipts: altered,
      });
      expect(outcome.status).toBe('void');
      const { own } = await reader(world);
      expect(await own.settled(event?.key ?? '')).toBeUndefined();
      expect(bills(world.state, {}, { appraisedOf: () => 'yes' })).toEqual([]);
    }
  });
});
