// SPDX-License-Identifier: Apache-2.0
// The whole of a keeper's decision: three keepers of three makes form an epoch on a ledger in
// memory, a worker opens the keys it is granted, and every way to be wrong has its code. Long
// because each of them is tried.
import { decodeOpened, openAnswerInfo, openProofRequest } from '@cloister/api';
import { isCoded, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import {
  encodeLabel,
  parseReveal,
  parseSealedKey,
  seatPublicShare,
  verifyPartials,
} from '@cloister/threshold';
import { combinePartials, hpkeOpen } from '@cloister/threshold/node';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Committee } from '../testing/committee.ts';
import {
  addDataset,
  joinTask,
  namesOf,
  proposeTask,
  sealOpenings,
  type TestDataset,
  type TestTask,
  type TestWorker,
} from '../testing/task.ts';
import type { Keeper } from './keeper.ts';

const NO_AAD = new Uint8Array(0);
let committee: Committee;
let hospital: TestDataset;
let insurer: TestDataset;

beforeAll(async () => {
  committee = await Committee.create();
  await committee.form();
  hospital = await addDataset(committee, 'hospital');
  insurer = await addDataset(committee, 'insurer');
  return () => committee.stop();
});

/** Draws a challenge at `keeper` once its fold has the join. */
async function challenge(keeper: Keeper, worker: TestWorker): Promise<Uint8Array> {
  await keeper.signerOfJoin(worker.join);
  return keeper.challenge(worker.join).challenge;
}

interface Asking {
  readonly openings?: TestTask['openings'];
  readonly freshness?: Parameters<Committee['ledger']['freshness']>[1];
}

/** Asks one keeper, everything being right unless `change` says otherwise. */
async function ask(keeper: Keeper, task: TestTask, worker: TestWorker, change: Asking = {}) {
  const drawn = await challenge(keeper, worker);
  return keeper.open({
    ...namesOf(keeper, worker),
    freshness: await committee.ledger.freshness([drawn], change.freshness),
    openings: sealOpenings(committee, keeper, change.openings ?? task.openings),
  });
}

function unseal(worker: TestWorker, answer: Awaited<ReturnType<typeof ask>>) {
  const { epoch, seat, sealed } = answer;
  const info = openAnswerInfo(committee.world.genesis, { join: worker.join, epoch, seat });
  const plain = hpkeOpen({ keyPair: worker.hpke, info, aad: NO_AAD, sealed });
  return decodeOpened(plain).partials;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'no error',
    (error: unknown) => (isCoded(error) ? error.code : `not coded: ${String(error)}`),
  );
}

function refusalsOf(worker: TestWorker): string[] {
  const { joins, runs } = committee.world.state;
  const run = joins.get(toHex(worker.join))?.body.run ?? new Uint8Array();
  return [...(runs.get(toHex(run))?.refusals.values() ?? [])];
}

describe('an approved, fresh, attested request', () => {
  it('opens the granted and used columns and the footers, with any two keepers', async () => {
    const datasets = [hospital, insurer];
    const task = await proposeTask(committee, datasets);
    const worker = await joinTask(committee, task);
    const answers = await Promise.all(committee.keepers.map((k) => ask(k, task, worker)));
    const partials = answers.map((answer) => ({ answer, list: unseal(worker, answer) }));
    for (const { list } of partials) {
      expect(list.map(({ input, column }) => [input, column])).toEqual([
        [0, 0],
        [0, 1],
        [0, 3],
        [1, 0],
        [1, 1],
        [1, 3],
      ]);
    }
    for (const pair of [
      [0, 1],
      [0, 2],
      [2, 1],
    ] as const) {
      for (const [at, { input, column }] of (partials[0]?.list ?? []).entries()) {
        const { owner, body, keys } = datasets[input] as TestDataset;
        const { genesis } = committee.world;
        const { dataset, version, groupKey, policy } = body;
        const label = encodeLabel({ genesis, groupKey, owner, dataset, version, column, policy });
        const digest = body.columns.find(({ id }) => id === column)?.sealed as Uint8Array;
        const opened = combinePartials({
          t: 2,
          partials: pair.map((i) => ({
            seat: partials[i]?.answer.seat as number,
            point: partials[i]?.list[at]?.point as Uint8Array,
          })),
          groupKey,
          sealed: await committee.blobs.get(digest),
          label,
        });
        expect(toHex(opened)).toBe(toHex(keys.get(column) as Uint8Array));
      }
    }
    expect(refusalsOf(worker)).toEqual([]);
  });

  it('is answered again, the same points, and proves them', async () => {
    const keeper = committee.keepers[1] as Keeper;
    const task = await proposeTask(committee, [hospital]);
    const worker = await joinTask(committee, task);
    expect(() => keeper.prove(worker.join)).toThrow(/nothing was answered/);
    const one = await ask(keeper, task, worker);
    const two = await ask(keeper, task, worker);
    expect(toHex(one.sealed)).not.toBe(toHex(two.sealed));
    expect(unseal(worker, one)).toEqual(unseal(worker, two));
    const { seat, epoch, proof } = keeper.prove(worker.join);
    const formed = committee.world.state.epochs.get(toHex(epoch));
    const reveals = [...(formed?.reveals.values() ?? [])].map(({ reveal }) => parseReveal(reveal));
    const openings = [];
    for (const { column, point } of unseal(worker, one)) {
      const digest = hospital.body.columns.find(({ id }) => id === column)?.sealed as Uint8Array;
      openings.push({ enc: parseSealedKey(await committee.blobs.get(digest)).enc, point });
    }
    const statement = {
      genesis: committee.world.genesis,
      epoch,
      seat,
      publicShare: seatPublicShare(reveals, seat),
      request: openProofRequest(committee.world.genesis, worker.join, nodeCrypto),
      openings,
    };
    expect(verifyPartials(statement, proof)).toBe(true);
    const [head, ...rest] = openings;
    const swapped = { ...statement, openings: [{ ...head, point: committee.groupKey }, ...rest] };
    expect(verifyPartials(swapped as typeof statement, proof)).toBe(false);
  });

  it('opens only what is used, where less is used than was granted', async () => {
    const keeper = committee.keepers[0] as Keeper;
    const task = await proposeTask(committee, [hospital], { used: [3] });
    const worker = await joinTask(committee, task);
    const list = unseal(worker, await ask(keeper, task, worker));
    expect(list.map(({ column }) => column)).toEqual([0, 3]);
  });

  it('is read by nobody but the key in the join', async () => {
    const keeper = committee.keepers[0] as Keeper;
    const task = await proposeTask(committee, [hospital]);
    const [worker, other] = [await joinTask(committee, task), await joinTask(committee, task)];
    const answer = await ask(keeper, task, worker);
    expect(() => unseal({ ...worker, hpke: other.hpke }, answer)).toThrow(/does not open/);
    expect(() => unseal({ ...worker, join: other.join }, answer)).toThrow(/does not open/);
  });
});

describe('a refused request', () => {
  let keeper: Keeper;
  let task: TestTask;
  let worker: TestWorker;

  beforeEach(async () => {
    keeper = committee.keepers[0] as Keeper;
    task = await proposeTask(committee, [hospital, insurer]);
    worker = await joinTask(committee, task);
  });

  /** The code of a refusal of now, which leaves nothing on the ledger. */
  async function refused(change: Asking, by = worker, of = task): Promise<string> {
    const code = await codeOf(ask(keeper, of, by, change));
    await keeper.settled();
    expect(refusalsOf(by)).toEqual([]);
    return code;
  }

  /** The code of a refusal for good, which is on the ledger, too. */
  async function refusedForGood(change: Asking, by = worker, of = task): Promise<string> {
    const code = await codeOf(ask(keeper, of, by, change));
    await keeper.settled();
    expect(refusalsOf(by)).toEqual([code]);
    return code;
  }

  it('lacks a quorum', async () => {
    const freshness = { signers: ['hospital', 'insurer'] };
    expect(await refused({ freshness })).toBe('quorum-not-met');
  });

  it("lacks an owner's own witness", async () => {
    const { witnesses } = committee.world.charter as { witnesses: { quorum: number } };
    const before = witnesses.quorum;
    witnesses.quorum = 2;
    const inFold = keeper.follower.charter as { witnesses: { quorum: number } };
    const kept = inFold.witnesses.quorum;
    inFold.witnesses.quorum = 2;
    try {
      const freshness = { signers: ['hospital', 'bank'] };
      expect(await refused({ freshness })).toBe('required-witness-missing');
    } finally {
      witnesses.quorum = before;
      inFold.witnesses.quorum = kept;
    }
  });

  it('is stale: a challenge of another keeper, of another join, used before, or none', async () => {
    const other = committee.keepers[1] as Keeper;
    const foreign = await challenge(other, worker);
    const openings = sealOpenings(committee, keeper, task.openings);
    const { join } = worker;
    await keeper.signerOfJoin(join);
    const asked = async (challenges: Uint8Array[]) =>
      codeOf(
        keeper.open({
          ...namesOf(keeper, worker),
          openings,
          freshness: await committee.ledger.freshness(challenges),
        }),
      );
    expect(await asked([foreign])).toBe('challenge-unknown');
    const second = await joinTask(committee, await proposeTask(committee, [hospital]));
    expect(await asked([await challenge(keeper, second)])).toBe('challenge-unknown');
    const mine = await challenge(keeper, worker);
    expect(await asked([mine])).toBe('no error');
    expect(await asked([mine])).toBe('challenge-unknown');
    await keeper.settled();
    expect(refusalsOf(worker)).toEqual([]);
  });

  it('has notes over different heads', async () => {
    const drawn = await challenge(keeper, worker);
    const notes = await committee.ledger.freshness([drawn], { signers: ['hospital', 'insurer'] });
    await committee.world.tickAll(committee.world.state.clock + 1);
    notes.push(...(await committee.ledger.freshness([drawn], { signers: ['bank'] })));
    const openings = sealOpenings(committee, keeper, task.openings);
    const attempt = keeper.open({ ...namesOf(keeper, worker), openings, freshness: notes });
    expect(await codeOf(attempt)).toBe('freshness-notes-differ');
  });

  it('shows another history than the one that the keeper follows', async () => {
    const drawn = await challenge(keeper, worker);
    const { tree, world } = committee.ledger;
    const fork = { size: tree.size, root: new Uint8Array(32).fill(9) };
    const freshness = await committee.ledger.freshness([drawn], { head: fork });
    const openings = sealOpenings(committee, keeper, task.openings);
    const code = await codeOf(keeper.open({ ...namesOf(keeper, worker), openings, freshness }));
    expect(code).toBe('ledger-history-mismatch');
    expect(keeper.follower.state.joins.size).toBe(world.state.joins.size);
  });

  it('comes after the witnesses say that the grants have ended', async () => {
    const timeMs = committee.world.state.clock + 3_601_000;
    expect(await refused({ freshness: { timeMs } })).toBe('run-expired');
  });

  it('is for a task that nobody, or not everybody, approved', async () => {
    const half = await proposeTask(committee, [hospital, insurer], { approve: ['hospital'] });
    const unapproved = await joinTask(committee, half);
    expect(unapproved).toMatchObject({ status: 'void', code: 'join-unapproved' });
    expect(await codeOf(ask(keeper, half, unapproved))).toBe('join-unknown');
  });

  it('is a second run of a grant for one', async () => {
    const again = await joinTask(committee, task);
    expect(again).toMatchObject({ status: 'void', code: 'join-run-limit' });
    expect(await codeOf(ask(keeper, task, again))).toBe('join-unknown');
  });

  it('is for a run that has ended', async () => {
    const run = committee.world.state.joins.get(toHex(worker.join))?.body.run as Uint8Array;
    const body = { task: task.id, run, join: worker.join, code: 'out-of-memory' };
    await committee.world.must(worker.signer, 'run-failed', body);
    expect(await codeOf(ask(keeper, task, worker))).toBe('run-ended');
  });

  it.each<[string, Parameters<typeof joinTask>[2], string]>([
    ['another program', { program: new Uint8Array([1]) }, 'measurement-not-allowed'],
    [
      'evidence for another join',
      { body: { tls: new Uint8Array(32).fill(3) } },
      'report-data-mismatch',
    ],
  ])('comes from %s', async (_what, change, code) => {
    const of = await proposeTask(committee, [hospital]);
    const by = await joinTask(committee, of, change);
    expect(await refusedForGood({}, by, of)).toBe(code);
  });

  it('shows forged evidence', async () => {
    const of = await proposeTask(committee, [hospital]);
    const bendEvidence = (evidence: Uint8Array) => {
      const bent = evidence.slice();
      bent[48 + 64] = (bent[48 + 64] as number) ^ 1;
      return bent;
    };
    const by = await joinTask(committee, of, { bendEvidence });
    expect(await refusedForGood({}, by, of)).toBe('signature-invalid');
  });

  it.each(['code', 'parameters', 'uses', 'purpose'] as const)(
    'has an opening of the %s that is not the one committed to',
    async (part) => {
      const salt = new Uint8Array(16).fill(1);
      const openings = { ...task.openings, [part]: { ...task.openings[part], salt } };
      expect(await refused({ openings })).toBe('task-opening-mismatch');
    },
  );

  it("opens one owner's policy in the place of another's", async () => {
    const [a, b] = task.openings.inputs;
    const openings = { ...task.openings, inputs: [b, a] } as TestTask['openings'];
    expect(await refused({ openings })).toBe('task-opening-mismatch');
  });

  it('has openings sealed to another keeper', async () => {
    const drawn = await challenge(keeper, worker);
    const other = committee.keepers[2] as Keeper;
    const openings = sealOpenings(committee, other, task.openings);
    const freshness = await committee.ledger.freshness([drawn]);
    const attempt = keeper.open({ ...namesOf(keeper, worker), openings, freshness });
    expect(await codeOf(attempt)).toBe('hpke-open-failed');
  });

  it('uses a column that its policy hides', async () => {
    const of = await proposeTask(committee, [hospital], { columns: [1, 2, 3], used: [1, 2] });
    const by = await joinTask(committee, of);
    expect(await refusedForGood({}, by, of)).toBe('column-hidden');
  });

  it('uses a column that it did not ask for', async () => {
    const of = await proposeTask(committee, [hospital], { columns: [1], used: [1, 3] });
    const by = await joinTask(committee, of);
    expect(await refusedForGood({}, by, of)).toBe('column-not-granted');
  });

  it('meets a sealed key whose proof is for another label', async () => {
    const dataset = await addDataset(committee, 'hospital', { wrongLabelFor: 3 });
    const of = await proposeTask(committee, [dataset]);
    const by = await joinTask(committee, of);
    expect(await refused({}, by, of)).toBe('pi-invalid');
  });

  it('names a join that is not on the ledger, or a keeper', async () => {
    const nowhere = { ...worker, join: new Uint8Array(32) };
    expect(await codeOf(ask(keeper, task, nowhere))).toBe('join-unknown');
    const itself = { ...worker, join: keeper.join as Uint8Array };
    expect(await codeOf(ask(keeper, task, itself))).toBe('join-not-worker');
  });

  it('is put on the ledger once, by its code alone', async () => {
    const of = await proposeTask(committee, [hospital]);
    const by = await joinTask(committee, of, { program: new Uint8Array([1]) });
    const before = committee.world.log.length;
    for (let i = 0; i < 3; i++) await codeOf(ask(keeper, of, by));
    await keeper.settled();
    expect(committee.world.log.length - before).toBe(1);
    expect(refusalsOf(by)).toEqual(['measurement-not-allowed']);
  });

  it('is not put there once the keeper has opened to the join', async () => {
    expect(await codeOf(ask(keeper, task, worker))).toBe('no error');
    const inFold = keeper.follower.state.charter?.environments.find((e) => e.role === 'worker');
    const environment = inFold as { trust: string };
    environment.trust = 'hardware';
    try {
      expect(await refused({})).toBe('trust-not-allowed');
    } finally {
      environment.trust = 'simulated';
    }
  });
});

describe('what a keeper says of itself', () => {
  it('logs and counts without secrets', () => {
    const all = committee.logs.join('') + committee.keepers.map((k) => k.metrics.text()).join('');
    for (const key of [...hospital.keys.values(), ...insurer.keys.values()]) {
      expect(all).not.toContain(toHex(key));
    }
    for (const line of committee.logs) expect(JSON.parse(line)).toHaveProperty('event');
    expect(all).toMatch(/cloister_keeper_refusals_total\{code="quorum-not-met"\} \d/);
    expect(all).toMatch(/cloister_keeper_holding 1/);
  });
});
