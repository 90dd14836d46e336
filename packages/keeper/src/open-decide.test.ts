// SPDX-License-Identifier: Apache-2.0
// The decision by itself, over a ledger that shows what a running keeper rarely sees: a fold that
// moves while keys are fetched, an owner without a witness, evidence that ends before the answer.
import {
  type FoldState,
  type JoinAppraisal,
  type Run,
  requiredWitnesses,
} from '@cloister/contract';
import { type BlobStore, isCoded, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { accepted, type Node, namedSigner } from '@cloister/testkit/world';
import { parseReveal } from '@cloister/threshold';
import { combineDeals, generateHpkeKeyPair, type KeyShare } from '@cloister/threshold/node';
import { beforeAll, describe, expect, it } from 'vitest';
import { Committee, OPERATORS } from '../testing/committee.ts';
import {
  addDataset,
  joinTask,
  proposeTask,
  sealOpeningsTo,
  type TestDataset,
  type TestTask,
  type TestWorker,
} from '../testing/task.ts';
import type { Keeper } from './keeper.ts';
import { type Decision, decide, type OpenPorts } from './open.ts';

const challenge = new Uint8Array(32).fill(7);
const hpke = generateHpkeKeyPair();
const GOOD = {
  ok: true,
  claims: { time: { validUntil: Number.MAX_SAFE_INTEGER } },
  parts: [],
};
let committee: Committee;
let share: KeyShare;
let dataset: TestDataset;
let task: TestTask;
let worker: TestWorker;

beforeAll(async () => {
  committee = await Committee.create();
  const { world } = committee;
  const nodes: Node[] = [];
  for (const [operator, make] of Object.entries(OPERATORS)) {
    const signer = namedSigner(world.seed, `keeper/${operator}`);
    const body = {
      ...world.joinBody(operator, 'keeper', `keeper/${operator}`),
      environment: `keeper-${make}`,
    };
    const id = accepted(await world.submit(await world.joinBytes(signer, body)));
    nodes.push({ signer, id, body, hpkeSecret: new Uint8Array(32) });
  }
  const id = await committee.proposeEpoch(nodes.map((node) => ({ join: node.id })) as Keeper[]);
  const { dealings } = await world.runEpoch(id, nodes);
  const reveals = dealings.map(({ reveal }) => parseReveal(reveal));
  const deals = dealings.map(({ deals: dealt }, from) => {
    return { dealer: from + 1, deal: dealt[0]?.deal as Uint8Array };
  });
  share = combineDeals({ seat: 1, n: nodes.length, reveals, deals });
  dataset = await addDataset(committee, 'hospital');
  task = await proposeTask(committee, [dataset]);
  worker = await joinTask(committee, task);
});

interface Showing {
  /** What the fold shows at first, and from the first key that is fetched. */
  readonly state?: FoldState;
  readonly moved?: FoldState;
  readonly appraise?: (key: string) => object;
  readonly signers?: readonly string[];
  readonly quorum?: number;
  readonly join?: Uint8Array;
  /** The quorum of the charter that it comes to by a step, and by syncing to the fresh head. */
  readonly stepped?: number;
  readonly synced?: number;
  readonly step?: () => Promise<boolean>;
}

/** Decides, everything being right unless `of` says otherwise. */
async function decided(of: Showing = {}): Promise<Decision> {
  const { world, ledger } = committee;
  let shown = of.state ?? world.state;
  const get: BlobStore['get'] = async (digest) => {
    shown = of.moved ?? shown;
    return committee.blobs.get(digest);
  };
  const { quorum = world.charter.witnesses.quorum } = of;
  const charterOf = (wanted: number) => ({
    ...world.charter,
    witnesses: { faulty: 1, quorum: wanted },
  });
  let charter = charterOf(quorum);
  const ports: OpenPorts = {
    crypto: nodeCrypto,
    genesis: world.genesis,
    blobs: { ...committee.blobs, get } as unknown as BlobStore,
    hpke,
    follower: {
      get state() {
        return shown;
      },
      get charter() {
        return charter;
      },
      syncTo: async () => {
        if (of.synced !== undefined) charter = charterOf(of.synced);
      },
      step:
        of.step ??
        (async () => {
          if (of.stepped !== undefined) charter = charterOf(of.stepped);
          return of.stepped !== undefined;
        }),
    },
    challenges: { use: (_, candidates) => candidates[0] as Uint8Array },
    appraiser: {
      appraise: async (_, key) => (of.appraise?.(key) ?? GOOD) as JoinAppraisal,
    },
  };
  const { signers } = of;
  const freshness = await ledger.freshness([challenge], signers === undefined ? {} : { signers });
  const openings = sealOpeningsTo(committee, hpke.publicKey, task.openings);
  return decide(ports, share, {
    join: of.join ?? worker.join,
    freshness,
    openings,
  });
}

/** The columns that it opens. */
async function opened(of: Showing = {}): Promise<number[]> {
  const { partials } = await decided(of);
  return partials.map(({ column }) => column);
}

async function refused(of: Showing): Promise<string> {
  return opened(of).then(
    (columns) => `opened ${columns}`,
    (error: unknown) => (isCoded(error) ? `${error.kind} ${error.code}` : String(error)),
  );
}

/** The ledger's state with something of it changed. */
function changed(change: (state: FoldState) => void): FoldState {
  const state = structuredClone(committee.world.state);
  change(state);
  return state;
}

/** The same key in another epoch. */
const anotherEpoch = () =>
  changed((state) => {
    const epoch = state.epochs.get(state.activeEpoch ?? '');
    if (epoch === undefined) throw new Error('no epoch is active');
    state.epochs.set('another', epoch);
    state.activeEpoch = 'another';
  });

const anotherEvent = () =>
  changed((state) => {
    const versions = state.datasets.get(toHex(dataset.body.dataset))?.versions;
    const version = versions?.get(dataset.body.version);
    if (version === undefined) throw new Error('no such dataset');
    versions?.set(dataset.body.version, { ...version, event: 'another' });
  });

function fail(run: Run): void {
  run.status = 'failed';
}

describe('a decision', () => {
  it('opens what is granted and used', async () => {
    expect(await opened()).toEqual([0, 1, 3]);
  });

  it('says in its receipt to whom it opened and by which collateral it judged', async () => {
    const digests = [2, 1].map((n) => new Uint8Array(32).fill(n));
    const { receipt } = await decided({ appraise: () => ({ ...GOOD, parts: digests }) });
    expect(receipt.parts).toEqual([...digests].reverse());
    expect(receipt.roster).toEqual([worker.join]);
    expect(receipt.size).toBe(committee.world.state.seq);
  });

  it('names the head that it judged evidence at, though its fold moves on meanwhile', async () => {
    const moved = structuredClone(committee.world.state);
    moved.seq += 5;
    const { receipt } = await decided({ moved });
    expect(receipt.size).toBe(committee.world.state.seq);
  });

  it('needs no other witness than a quorum and the owners’', async () => {
    expect(await opened({ quorum: 2, signers: ['hospital', 'bank'] })).toEqual([0, 1, 3]);
    const without = { quorum: 2, signers: ['insurer', 'bank'] };
    expect(await refused(without)).toBe('verification required-witness-missing');
  });

  it('counts the witnesses of the charter that it follows to', async () => {
    const two = ['hospital', 'bank'];
    expect(await refused({ quorum: 3, signers: two })).toBe('verification quorum-not-met');
    expect(await opened({ quorum: 3, signers: two, stepped: 2 })).toEqual([0, 1, 3]);
    const later = { quorum: 2, signers: two, synced: 3 };
    expect(await refused(later)).toBe('verification quorum-not-met');
    const step = () => Promise.reject(new Error('nothing to follow to'));
    const without = { quorum: 2, signers: ['insurer', 'bank'], step };
    expect(await refused(without)).toBe('verification required-witness-missing');
  });

  it('is not made by a seat that the charter has no place for', async () => {
    const state = changed(({ charter }) => {
      for (const environment of charter?.environments ?? []) {
        if (environment.id === 'keeper-sgx') environment.measurements.length = 0;
      }
    });
    expect(await refused({ state })).toBe('policy join-measurement-unknown');
  });

  it('is not made for an owner for whom no witness stands', async () => {
    const state = changed(({ charter }) => {
      charter?.members.splice(
        charter.members.findIndex(({ id }) => id === 'hospital'),
        1,
      );
    });
    expect(requiredWitnesses(state, toHex(task.id)).missing).toEqual(['hospital']);
    expect(await refused({ state })).toBe('policy owner-witness-missing');
  });

  it('is not made for a join that the fold does not have', async () => {
    expect(await refused({ join: new Uint8Array(32) })).toBe('not-found join-unknown');
  });

  it('is not made with the share of another epoch than the one in force', async () => {
    expect(await refused({ state: anotherEpoch() })).toBe('unavailable keeper-not-holding');
  });

  it.each<[string, () => FoldState, string]>([
    ['the epoch was replaced', anotherEpoch, 'unavailable ledger-moved'],
    ['the dataset was sealed again', anotherEvent, 'unavailable ledger-moved'],
    [
      'the run has ended',
      () => changed(({ runs }) => [...runs.values()].forEach(fail)),
      'policy run-ended',
    ],
  ])('is dropped when %s while keys were fetched', async (_what, moved, code) => {
    expect(await refused({ moved: moved() })).toBe(code);
  });

  it('needs evidence that lasts past what the witnesses say, and holds', async () => {
    const lasting = (validUntil: number) => ({
      ok: true,
      claims: { time: { validUntil } },
      parts: [],
    });
    const clock = committee.world.state.clock;
    const over = { appraise: () => lasting(clock - 1_000) };
    expect(await refused(over)).toBe('verification evidence-expired');
    expect(await opened({ appraise: () => lasting(clock + 60_000) })).toEqual([0, 1, 3]);
    const mismatch = { code: 'debug-refused', wanted: 'never', got: 'true' };
    const bad = { appraise: () => ({ ok: false, mismatch }) };
    expect(await refused(bad)).toBe('verification debug-refused');
  });
});
