// SPDX-License-Identifier: Apache-2.0
// Every void code has at least one event here that earns it, signed for real and judged at the head
// of a plausible history; the last test compares the table with the union, so none is untested.
// Long because it is one table.
import { fromHex, type Signer, toHex } from '@cloister/core';
import type { CollateralPart } from '@cloister/evidence';
import { mintParts } from '@cloister/evidence/mint';
import {
  accepted,
  charterSpecimen,
  complaintOf,
  EPOCH_PHASE_MS,
  type FormedEpoch,
  hardwareOf,
  type Node,
  namedMaker,
  namedPart,
  namedPoint,
  namedSigner,
  START_MS,
  type Submitted,
  startEpoch,
  World,
} from '@cloister/testkit/world';

import { beforeAll, describe, expect, it } from 'vitest';
import { AMEND_SCENARIOS } from '../../testing/amend-scenarios.ts';
import { ROOM_SCENARIOS } from '../../testing/room-scenarios.ts';
// The fold that the world folds by: whoever looks for tests of it finds these.
import './fold.ts';
import type { EventBody, Said } from '../events/bodies.ts';
import { countersignJoin } from '../events/event.ts';
import type { OpeningReceipt } from '../events/opening-receipt.ts';
import { SUBJECTS_A_MEMBER } from './collateral.ts';
import { LOAD_MAX } from './load.ts';
import { LANDING_MAX } from './statements.ts';
import { VOID_CODES, type VoidCode } from './void-codes.ts';

type Dataset = Said<'dataset'>;

/** How far a scenario's world has come. */
interface Stage {
  readonly world: World;
  readonly epoch: FormedEpoch;
  readonly claims: Dataset;
  readonly visits: Dataset;
  readonly task: Uint8Array;
  readonly worker: Node;
}
let base: World;
let told: Stage;

const part = (at: number, maker = 'specimen') => namedPart(maker, 'root-crl', { at });

function bring(world: World, of: CollateralPart): Promise<Submitted> {
  return world.put(world.identity('bank'), 'collateral', of);
}

/** TCB info of the i-th of many platforms of one maker. */
function otherPlatform(i: number): CollateralPart {
  const subject = `cd${i.toString().padStart(10, '0')}`;
  const maker = { ...namedMaker('specimen'), subject };
  return mintParts(maker, { at: START_MS }).find(
    (one) => one.part === 'tcb-info',
  ) as CollateralPart;
}

beforeAll(async () => {
  base = await World.create();
  const world = base.fork();
  const epoch = await world.formEpoch();
  const claims = await world.addDataset('insurer');
  const visits = await world.addDataset('hospital', { approvals: 2 });
  const task = await world.propose('bank', [claims, visits]);
  await world.approve('insurer', task, [claims]);
  await world.approve('hospital', task, [visits]);
  await world.approve('hospital', task, [visits]);
  const worker = await world.joinWorker('bank', task);
  told = { world, epoch, claims, visits, task, worker };
});

const stranger = namedSigner('void', 'stranger');
const ID: Uint8Array = new Uint8Array(32).fill(9);
const NO = { code: 'withdrawn' };

function stage(): Stage {
  return { ...told, world: told.world.fork() };
}

/** Puts the event in a fork of the told world as its last; answers what became of it. */
type Scenario = (s: Stage) => Promise<Submitted>;

/** A worker's join to a task of its own, proposed and approved as told. */
async function joined(
  s: Stage,
  grant: Partial<EventBody<'approve'>>,
  late?: (w: World) => Promise<unknown>,
): Promise<Submitted> {
  const { world, claims } = s;
  const task = await world.propose('bank', [claims]);
  await world.approve('insurer', task, [claims], grant);
  await late?.(world);
  return (await world.tryJoinWorker('bank', task)).submitted;
}

/** A distributed task of three nodes, approved for one run, and its driver. */
async function distributed(s: Stage) {
  const { world, claims } = s;
  const worker = { ...world.taskBody([claims]).worker, nodes: 3 };
  const task = await world.propose('bank', [claims], { worker });
  await world.approve('insurer', task, [claims], { runs: 1 });
  const { node } = await world.tryJoinWorker('bank', task, { place: 1 });
  const run = node.body.run as Uint8Array;
  const enter = async (change: Partial<EventBody<'join'>>) =>
    (await world.tryJoinWorker('bank', task, { run, place: 2, ...change })).submitted;
  return { world, task, driver: node, run, enter };
}

async function workerJoin(s: Stage, change: Partial<EventBody<'join'>>): Promise<Submitted> {
  return (await s.world.tryJoinWorker('bank', s.task, change)).submitted;
}

/** A task whose body was changed. */
function asked(s: Stage, change: Partial<EventBody<'task'>>): Promise<Submitted> {
  return s.world.put(s.world.identity('bank'), 'task', s.world.taskBody([s.claims], change));
}

/** What comes once the clock has reached the end of the task. */
async function afterTheEnd(s: Stage, then: () => Promise<Submitted>): Promise<Submitted> {
  const { world, task, claims } = s;
  const { until } = world.state.tasks.get(toHex(task))?.body ?? { until: 0 };
  await world.approve('insurer', task, [claims], { until: until + 1 });
  await world.tickAll(until);
  return then();
}

function dataset(s: Stage, change: Partial<Dataset>, owner = 'insurer'): Promise<Submitted> {
  return s.world.put(s.world.identity(owner), 'dataset', s.world.datasetBody(change));
}

function approval(s: Stage, change: Partial<EventBody<'approve'>>, owner = 'insurer') {
  const body = s.world.approveBody(s.task, [s.claims], change);
  return s.world.put(s.world.identity(owner), 'approve', body);
}

/** An epoch event over fresh keepers, changed. */
async function named(
  s: Stage,
  change: (joins: Uint8Array[], s: Stage) => Partial<EventBody<'epoch'>>,
): Promise<Submitted> {
  const { world } = s;
  const nodes = [];
  for (const { id } of world.charter.operators) nodes.push(await world.joinKeeper(id));
  const joins = nodes.map((node) => node.id);
  return world.put(world.identity('bank'), 'epoch', { joins, ...change(joins, s) });
}

interface Forming {
  world: World;
  id: Uint8Array;
  nodes: Node[];
}

async function forming(s: Stage): Promise<Forming> {
  return { world: s.world, ...(await startEpoch(s.world)) };
}

function commit(
  f: Forming,
  seat: number,
  signer: Signer,
  change: Partial<EventBody<'commit'>> = { hash: ID },
): Promise<Submitted> {
  return f.world.put(signer, 'commit', { ...f.world.commitBody(f.id, seat), ...change });
}

function signerOf(f: { nodes: readonly Node[] }, seat: number): Signer {
  return (f.nodes[seat - 1] as Node).signer;
}

/** An epoch in its reveal phase with real dealings. */
async function committed(s: Stage) {
  const f = await forming(s);
  const dealings = f.world.deal(f.id, 3);
  for (const seat of [1, 2, 3]) {
    const hash = dealings[seat - 1]?.commit as Uint8Array;
    accepted(await commit(f, seat, signerOf(f, seat), { hash }));
  }
  return { ...f, dealings };
}

/** All have revealed; what dealer 1 sealed to seat 2 is right, and seat 2 complains. */
async function revealed(s: Stage) {
  const f = await committed(s);
  const about = { epoch: f.id, dealings: f.dealings, dealtFor: 2 };
  const { sealed, complaint } = complaintOf(f.world, about);
  for (const seat of [1, 2, 3]) {
    const body = f.world.revealBody(f.id, seat, f.dealings, 3);
    if (seat === 1) body.deals[1] = sealed;
    await f.world.must(signerOf(f, seat), 'reveal', body);
  }
  return { ...f, complaint };
}

/** The told epoch's holders of seats 1 and 2, and a new keeper, are named for a reshare. */
async function resharing(s: Stage, stay = 2) {
  const { world, epoch } = s;
  const nodes: Node[] = [];
  for (const [i, { id }] of world.charter.operators.entries()) {
    nodes.push(i < stay ? (epoch.nodes[i] as Node) : await world.joinKeeper(id));
  }
  const joins = nodes.map((node) => node.id);
  const body = { joins, from: epoch.id };
  const submitted = await world.put(world.identity('bank'), 'epoch', body);
  const id = submitted.event?.id ?? ID;
  if (submitted.outcome.status === 'accepted') await world.agreeTo(id, 'bank');
  return { world, nodes, submitted, id };
}

/** A fresh attempt whose first keeper is excluded for an unfounded complaint. */
async function excluded(s: Stage): Promise<Node[]> {
  const f = await revealed(s);
  const body = { epoch: f.id, seat: 2, against: 1, complaint: f.complaint };
  await f.world.must(signerOf(f, 2), 'complaint', body);
  return f.nodes;
}

function usage(s: Stage, change: Partial<EventBody<'usage'>>, signer = s.worker.signer) {
  return s.world.usageBody(s.worker, change).then((body) => s.world.put(signer, 'usage', body));
}

/** The usage record with its receipts changed. */
async function withReceipts(
  s: Stage,
  change: (all: Uint8Array[]) => (Uint8Array | undefined)[],
): Promise<Submitted> {
  const body = await s.world.usageBody(s.worker);
  return usage(s, { receipts: change(body.receipts) as Uint8Array[] });
}

async function receiptsWith(s: Stage, change: Partial<OpeningReceipt>): Promise<Submitted> {
  const body = await s.world.usageBody(s.worker);
  return usage(s, { receipts: await s.world.receipts(body, change) });
}

function flipped(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte, i) => (i === bytes.length - 1 ? byte ^ 1 : byte));
}

function refusal(s: Stage, change: Partial<EventBody<'refusal'>>, signer = signerOf(s.epoch, 1)) {
  const { task, run = ID } = s.worker.body;
  const body = { task: task ?? ID, run, join: s.worker.id, code: 'debug-refused', ...change };
  return s.world.put(signer, 'refusal', body);
}

function failure(s: Stage) {
  const { task = ID, run = ID } = s.worker.body;
  return s.world.put(s.worker.signer, 'run-failed', { task, run, join: s.worker.id, code: 'x' });
}

const SCENARIOS: readonly [VoidCode, Scenario][] = [
  [
    'not-founded',
    async () => {
      const world = new World();
      return world.put(world.witness('bank'), 'tick', { time: 1, size: 1 });
    },
  ],
  [
    'wrong-genesis',
    async ({ world }) => {
      const other = new World({ seed: 'other' });
      return world.submit(
        await other.sign(world.witness('bank'), 'tick', { time: START_MS + 9, size: 1 }),
      );
    },
  ],
  [
    'duplicate',
    async ({ world }) => {
      const bytes = world.log.find((_, i) => i === world.log.length - 1) as Uint8Array;
      return world.submit(bytes);
    },
  ],
  [
    'duplicate',
    async (s) => {
      const void_ = await dataset(s, { dataset: s.claims.dataset, version: 3 });
      expect(void_.outcome).toMatchObject({ code: 'dataset-version-order' });
      return s.world.submit(void_.bytes);
    },
  ],
  [
    'clock-not-set',
    async () => {
      const world = new World();
      await world.found();
      await world.must(world.witness('bank'), 'tick', { time: START_MS });
      return world.put(world.identity('bank'), 'epoch', { joins: [ID] });
    },
  ],
  ['not-a-member', ({ world }) => world.put(stranger, 'epoch', { joins: [ID] })],
  ['not-a-member', ({ world }) => world.put(world.witness('bank'), 'dataset', world.datasetBody())],
  ['not-a-member', ({ world, task }) => world.put(stranger, 'decline', { task, code: 'no' })],
  ['not-a-node', (s) => usage(s, {}, stranger)],
  ['not-a-node', (s) => refusal(s, {}, s.world.identity('bank'))],
  [
    'charter-not-a-founder',
    async () => {
      const world = new World();
      return world.put(stranger, 'charter', world.charter);
    },
  ],
  [
    'charter-already-signed',
    async () => {
      const world = new World();
      await world.must(world.identity('bank'), 'charter', world.charter);
      return world.put(world.identity('bank'), 'charter', world.charter);
    },
  ],
  ['charter-in-force', ({ world }) => world.put(world.identity('bank'), 'charter', world.charter)],
  [
    'charter-version',
    async () => {
      const world = new World({}, { ...charterSpecimen(), version: 2 });
      const { signEvent } = await import('../events/event.ts');
      const event = { genesis: ID, kind: 'charter', body: world.charter } as const;
      return world.submit(await signEvent(world.identity('bank'), 'bank', event));
    },
  ],
  ['tick-not-a-witness', ({ world }) => world.put(world.identity('bank'), 'tick', { time: 1 })],
  [
    'tick-not-newer',
    ({ world }) => {
      const { size } = world.state.ticks.get('bank') as { size: number };
      return world.put(world.witness('bank'), 'tick', { time: START_MS + 1, size });
    },
  ],
  [
    'tick-head-ahead',
    ({ world }) => {
      const size = world.state.seq + 1;
      return world.put(world.witness('bank'), 'tick', { time: START_MS + 1, size });
    },
  ],
  [
    'wrong-genesis',
    async () => {
      const [world, other] = [new World(), new World({ seed: 'mallory', members: ['mallory'] })];
      return world.submit(await other.sign(other.identity('mallory'), 'charter', other.charter));
    },
  ],
  [
    'statement-late',
    async ({ world, task }) => {
      const within = world.state.seq + 1;
      const held = await world.sign(world.identity('insurer'), 'decline', { ...NO, task, within });
      await world.tickAll(START_MS + 1);
      return world.submit(held);
    },
  ],
  [
    'statement-window',
    ({ world, task }) => {
      const within = world.state.seq + LANDING_MAX + 1;
      return world.put(world.identity('insurer'), 'decline', { ...NO, task, within });
    },
  ],
  // An approval kept back and ordered after the decline that its author signed later.
  [
    'statement-not-next',
    async ({ world, task, claims }) => {
      const held = await world.sign(
        world.identity('insurer'),
        'approve',
        world.approveBody(task, [claims]),
      );
      await world.must(world.identity('insurer'), 'decline', { ...NO, task });
      return world.submit(held);
    },
  ],
  // The first approval, when there is one already: it names none before it.
  [
    'statement-not-next',
    ({ world, task }) => {
      return world.put(world.identity('insurer'), 'decline', { ...NO, task, previous: undefined });
    },
  ],
  // An older policy over a newer one.
  [
    'statement-not-next',
    async ({ world, claims }) => {
      const lax = { ...claims, policy: world.freshBytes(32) };
      const held = await world.sign(world.identity('insurer'), 'dataset', lax);
      const strict = { ...claims, policy: world.freshBytes(32) };
      await world.must(world.identity('insurer'), 'dataset', strict);
      return world.submit(held);
    },
  ],
  [
    'collateral-not-newer',
    async ({ world }) => {
      await world.must(world.identity('bank'), 'collateral', part(START_MS));
      return world.put(world.identity('insurer'), 'collateral', part(START_MS));
    },
  ],
  ['collateral-root', (s) => bring(s.world, part(START_MS, 'a stranger'))],
  ['collateral-from-the-future', (s) => bring(s.world, part(START_MS + 60_000))],
  ['collateral-expired', (s) => bring(s.world, part(START_MS - 31 * 86_400_000))],
  [
    'collateral-evaluation',
    async () => {
      const { environments, ...rest } = charterSpecimen();
      const narrow = environments.map((e) => ({ ...e, evaluation: { least: 17, most: 18 } }));
      const world = new World({}, { ...rest, environments: narrow });
      await world.found();
      await world.tickAll(START_MS);
      return bring(world, otherPlatform(1));
    },
  ],
  [
    'collateral-quota',
    async ({ world }) => {
      for (let i = 0; i < SUBJECTS_A_MEMBER; i++) accepted(await bring(world, otherPlatform(i)));
      return bring(world, otherPlatform(SUBJECTS_A_MEMBER));
    },
  ],
  ['join-charter-version', (s) => workerJoin(s, { charter: 2 })],
  ['join-operator-unknown', (s) => unknownOperator(s)],
  ['join-operator-key', (s) => unknownOperator(s, 'insurer')],
  ['join-environment-unknown', (s) => workerJoin(s, { environment: 'worker-tdx' })],
  ['join-environment-role', (s) => workerJoin(s, { environment: 'keeper-sgx' })],
  ['join-hardware-not-enrolled', (s) => workerJoin(s, { hardware: ID.slice(0, 16) })],
  [
    'join-hardware-not-enrolled',
    (s) => workerJoin(s, { hardware: hardwareOf('specimen', 'insurer', 'worker') }),
  ],
  [
    'join-key-reused',
    async ({ world, worker }) => {
      const body = world.joinBody('bank', 'keeper', 'again');
      return world.submit(await world.joinBytes(worker.signer, body));
    },
  ],
  ['join-key-reused', (s) => workerJoin(s, { hpke: namedPoint('specimen', 'bank/hpke') })],
  [
    'join-fields',
    async ({ world }) => {
      const body = world.joinBody('bank', 'keeper', 'k', { task: ID });
      return world.submit(await world.joinBytes(namedSigner('void', 'k'), body));
    },
  ],
  ['join-fields', (s) => workerJoin(s, { ticket: undefined as never })],
  // A ticket for a place of a distributed run, where there is one worker.
  [
    'join-ticket',
    async (s) => {
      const asked = { task: s.task, run: ID.slice(16), operator: 'bank', place: 2 };
      const ticket = await s.world.ticket(asked);
      return workerJoin(s, { run: ID.slice(16), ticket });
    },
  ],
  // A ticket by somebody who did not propose the task, for another operator, run or task.
  [
    'join-ticket',
    async (s) => {
      const asked = { task: s.task, run: ID.slice(16), operator: 'bank' };
      const ticket = await s.world.ticket(asked, s.world.identity('insurer'));
      return workerJoin(s, { run: asked.run, ticket });
    },
  ],
  [
    'join-ticket',
    async (s) => {
      const asked = { task: s.task, run: ID.slice(16), operator: 'insurer' };
      return workerJoin(s, { run: asked.run, ticket: await s.world.ticket(asked) });
    },
  ],
  [
    'join-ticket',
    async (s) => {
      const asked = { task: s.task, run: ID.slice(16), operator: 'bank' };
      return workerJoin(s, { ticket: await s.world.ticket(asked) });
    },
  ],
  [
    'join-ticket',
    async (s) => {
      const other = await s.world.propose('bank', [s.claims]);
      const asked = { task: other, run: ID.slice(16), operator: 'bank' };
      return workerJoin(s, { run: asked.run, ticket: await s.world.ticket(asked) });
    },
  ],
  [
    'join-ticket-expired',
    async (s) => {
      const asked = { task: s.task, run: ID.slice(16), operator: 'bank' };
      const ticket = await s.world.ticket(asked);
      await s.world.tickAll(START_MS + 86_400_000);
      return workerJoin(s, { run: asked.run, ticket });
    },
  ],
  [
    'epoch-forming',
    async (s) => {
      await forming(s);
      return named(s, () => ({}));
    },
  ],
  ['epoch-seats', (s) => named(s, (joins) => ({ joins: joins.slice(1) }))],
  ['epoch-join-unknown', (s) => named(s, (joins) => ({ joins: [ID, ...joins.slice(1)] }))],
  [
    'epoch-join-not-keeper',
    (s) => named(s, (joins, { worker }) => ({ joins: [...joins.slice(1), worker.id] })),
  ],
  [
    'epoch-join-repeated',
    (s) => named(s, (joins) => ({ joins: [...joins.slice(1), joins[1] as Uint8Array] })),
  ],
  [
    'epoch-join-excluded',
    async (s) => {
      const nodes = await excluded(s);
      const joins = nodes.map((node) => node.id);
      return s.world.put(s.world.identity('bank'), 'epoch', { joins });
    },
  ],
  [
    'epoch-join-outdated',
    (s) => {
      // As an amendment would: the insurer's machine is not enrolled any more.
      const charter = structuredClone(s.world.charter);
      for (const o of charter.operators.slice(0, 1)) o.hardware.length = 0;
      const joins = s.epoch.nodes.map((node) => node.id);
      s.world.state.charter = charter;
      return s.world.put(s.world.identity('bank'), 'epoch', { joins });
    },
  ],
  ['epoch-vendor-rule', () => sixSeats(['a', 'b', 'c', 'd', 'e', 'f'])],
  [
    'epoch-operator-rule',
    async (s) => {
      const twice = await s.world.joinKeeper('bank');
      return named(s, (joins) => ({ joins: [...joins.slice(1), twice.id] }));
    },
  ],
  ['consent-unknown', ({ world }) => world.put(world.identity('bank'), 'consent', { epoch: ID })],
  [
    'consent-repeated',
    async (s) => {
      const { event } = await named(s, () => ({}));
      return s.world.put(s.world.identity('bank'), 'consent', { epoch: event?.id ?? ID });
    },
  ],
  ['not-a-member', ({ world }) => world.put(stranger, 'consent', { epoch: ID })],
  ['epoch-from-not-active', (s) => named(s, () => ({ from: ID }))],
  [
    'epoch-from-not-active',
    async ({ world, epoch }) => {
      await world.reshare(epoch, epoch.nodes);
      const joins = epoch.nodes.map(({ id }) => id);
      return world.put(world.identity('bank'), 'epoch', { joins, from: epoch.id });
    },
  ],
  ['epoch-dealers-few', async (s) => (await resharing(s, 1)).submitted],
  [
    'epoch-unknown',
    ({ world, epoch }) => world.put(signerOf(epoch, 1), 'commit', world.commitBody(ID, 1)),
  ],
  [
    'epoch-unknown',
    ({ world, epoch }) =>
      world.put(signerOf(epoch, 1), 'epoch-abort', {
        epoch: ID,
        seat: 1,
        against: 2,
        code: 'x',
        wanted: '',
        got: '',
      }),
  ],
  [
    'epoch-not-forming',
    async (s) =>
      commit({ ...s.epoch, world: s.world, nodes: [...s.epoch.nodes] }, 1, signerOf(s.epoch, 1)),
  ],
  [
    'epoch-not-forming',
    async (s) => {
      const f = await forming(s);
      await s.world.tickAll(START_MS + EPOCH_PHASE_MS + 1);
      return commit(f, 1, signerOf(f, 1));
    },
  ],
  [
    'epoch-phase',
    async (s) => {
      const f = await forming(s);
      const dealings = s.world.deal(f.id, 3);
      return s.world.put(signerOf(f, 1), 'reveal', s.world.revealBody(f.id, 1, dealings, 3));
    },
  ],
  [
    'seat-not-signer',
    async (s) => {
      const f = await forming(s);
      return commit(f, 1, signerOf(f, 2));
    },
  ],
  [
    'seat-not-signer',
    async (s) => {
      const f = await forming(s);
      return commit(f, 4, signerOf(f, 1));
    },
  ],
  [
    'seat-does-not-deal',
    async (s) => {
      const { world, nodes, id } = await resharing(s);
      const again = world.dealAgain(s.epoch, nodes, id);
      for (const seat of [1, 2, 3]) {
        const body = world.commitBody(id, seat, again.get(seat));
        await world.must(signerOf({ nodes }, seat), 'commit', body);
      }
      const body = world.revealBody(id, 3, world.deal(id, 3), 3);
      return world.put(signerOf(s.epoch, 3), 'reveal', body);
    },
  ],
  [
    'seat-already-done',
    async (s) => {
      const f = await forming(s);
      accepted(await commit(f, 1, signerOf(f, 1)));
      return commit(f, 1, signerOf(f, 1), { hash: s.world.freshBytes(32) });
    },
  ],
  [
    'seat-already-done',
    async (s) => {
      const f = await revealed(s);
      const ack = { epoch: f.id, seat: 1, transcript: ID, groupKey: s.epoch.groupKey };
      await f.world.must(signerOf(f, 1), 'ack', ack);
      return f.world.put(signerOf(f, 1), 'ack', { ...ack, transcript: ID.map(() => 1) });
    },
  ],
  [
    'reveal-not-committed',
    async (s) => {
      const f = await committed(s);
      const others = f.world.deal(f.id, 3);
      return f.world.put(signerOf(f, 1), 'reveal', f.world.revealBody(f.id, 1, others, 3));
    },
  ],
  [
    'reveal-other-origin',
    async (s) => {
      const { world, nodes, id } = await resharing(s);
      const fresh = world.deal(id, 3);
      for (const seat of [1, 2, 3]) {
        const dealing = seat === 3 ? undefined : fresh[seat - 1];
        const body = world.commitBody(id, seat, dealing);
        await world.must(signerOf({ nodes }, seat), 'commit', body);
      }
      return world.put(signerOf({ nodes }, 1), 'reveal', world.revealBody(id, 1, fresh, 3));
    },
  ],
  [
    'reveal-degree',
    async (s) => {
      const f = await forming(s);
      const { createDealing } = await import('@cloister/threshold/node');
      const { genesis, random } = f.world;
      const dealings = [1, 2, 3].map((seat) =>
        createDealing({ genesis, epoch: f.id, seat, n: 3, t: 3, random }),
      );
      for (const seat of [1, 2, 3]) {
        const hash = dealings[seat - 1]?.commit as Uint8Array;
        accepted(await commit(f, seat, signerOf(f, seat), { hash }));
      }
      return f.world.put(signerOf(f, 1), 'reveal', f.world.revealBody(f.id, 1, dealings, 3));
    },
  ],
  [
    'commit-hash',
    async (s) => {
      const f = await forming(s);
      return f.world.put(signerOf(f, 1), 'commit', f.world.commitBody(f.id, 1));
    },
  ],
  [
    'commit-hash',
    async (s) => {
      const { world, nodes, id } = await resharing(s);
      return commit({ world, nodes, id }, 3, signerOf({ nodes }, 3));
    },
  ],
  [
    'commit-key-reused',
    async (s) => {
      const f = await forming(s);
      const receive = (f.nodes[0] as Node).body.hpke;
      return commit(f, 1, signerOf(f, 1), { hash: ID, receive });
    },
  ],
  [
    'reveal-deals-count',
    async (s) => {
      const f = await committed(s);
      return f.world.put(signerOf(f, 1), 'reveal', f.world.revealBody(f.id, 1, f.dealings, 2));
    },
  ],
  [
    'ack-group-key',
    async (s) => {
      const { world, nodes, id } = await resharing(s);
      const again = world.dealAgain(s.epoch, nodes, id);
      for (const seat of [1, 2, 3]) {
        const body = world.commitBody(id, seat, again.get(seat));
        await world.must(signerOf({ nodes }, seat), 'commit', body);
      }
      for (const [seat, { reveal }] of again) {
        await world.must(signerOf({ nodes }, seat), 'reveal', {
          epoch: id,
          seat,
          reveal,
          deals: [ID, ID, ID],
        });
      }
      const groupKey = namedPoint('void', 'another');
      return world.put(signerOf({ nodes }, 1), 'ack', {
        epoch: id,
        seat: 1,
        transcript: ID,
        groupKey,
      });
    },
  ],
  [
    'complaint-not-dealt',
    async (s) => {
      const f = await committed(s);
      const { dealings } = f;
      const { complaint } = complaintOf(f.world, { epoch: f.id, dealings, dealtFor: 3 });
      return f.world.put(signerOf(f, 2), 'complaint', {
        epoch: f.id,
        seat: 2,
        against: 1,
        complaint,
      });
    },
  ],
  [
    'abort-seat-unknown',
    async (s) => {
      const f = await forming(s);
      const body = { epoch: f.id, seat: 1, against: 4, code: 'x', wanted: '', got: '' };
      return f.world.put(signerOf(f, 1), 'epoch-abort', body);
    },
  ],
  [
    'no-active-epoch',
    async () => {
      const world = base.fork();
      return world.put(world.identity('bank'), 'dataset', world.datasetBody());
    },
  ],
  ['dataset-not-owner', (s) => dataset(s, { dataset: s.claims.dataset, version: 2 }, 'hospital')],
  ['dataset-version-order', (s) => dataset(s, { version: 2 })],
  ['dataset-group-key', (s) => dataset(s, { groupKey: namedPoint('void', 'old') })],
  ['dataset-reseal-content', (s) => dataset(s, { ...s.claims, policy: ID, rows: 7 })],
  ['dataset-reseal-content', (s) => dataset(s, { ...s.claims, policy: ID, schema: ID })],
  [
    'dataset-reseal-content',
    (s) => dataset(s, { ...s.claims, policy: ID, columns: s.claims.columns.slice(0, 2) }),
  ],
  ['dataset-reseal-same', (s) => dataset(s, { ...s.claims, openings: ID })],
  [
    'task-input-unknown',
    (s) => asked(s, { inputs: [{ dataset: ID.slice(16), version: 1, columns: [1] }] }),
  ],
  ['task-input-unknown', (s) => asked(s, { inputs: [{ ...inputOf(s.claims), version: 2 }] })],
  ['task-column-unknown', (s) => asked(s, { inputs: [{ ...inputOf(s.claims), columns: [1, 4] }] })],
  ['task-price-count', (s) => asked(s, { prices: [s.claims.price, s.claims.price] })],
  ['task-price-currency', (s) => asked(s, { prices: [{ ...s.claims.price, currency: 'USD' }] })],
  ...(['run', 'row', 'gigabyte', 'second'] as const).map((metric): [VoidCode, Scenario] => [
    'task-price-low',
    (s) => asked(s, { prices: [{ ...s.claims.price, [metric]: s.claims.price[metric] - 1 }] }),
  ]),
  [
    'task-recipient-unknown',
    (s) => asked(s, { outputs: [{ id: 1, recipients: ['bank', 'nobody'] }] }),
  ],
  [
    'task-operator-unknown',
    (s) => asked(s, { worker: { ...s.world.taskBody([]).worker, operators: ['nobody'] } }),
  ],
  [
    'task-measurement-unknown',
    (s) => asked(s, { worker: { ...s.world.taskBody([]).worker, measurements: [ID] } }),
  ],
  [
    'member-load',
    (s) => {
      s.world.state.load.set('bank', LOAD_MAX - 100);
      return asked(s, {});
    },
  ],
  [
    'member-load',
    (s) => {
      s.world.state.load.set('bank', LOAD_MAX - 100);
      return workerJoin(s, {});
    },
  ],
  [
    'member-load',
    ({ world }) => {
      world.state.load.set('insurer', LOAD_MAX - 100);
      return world.put(world.identity('insurer'), 'dataset', world.datasetBody());
    },
  ],
  ['task-window', (s) => asked(s, { until: s.world.state.clock })],
  ['task-window', (s) => asked(s, { until: s.world.state.clock + 400 * 86_400_000 + 1 })],
  ['task-ended', (s) => afterTheEnd(s, () => approval(s, {}))],
  ['task-ended', (s) => afterTheEnd(s, () => workerJoin(s, {}))],
  ['task-unknown', (s) => approval(s, { task: ID })],
  [
    'task-unknown',
    ({ world }) => world.put(world.identity('bank'), 'decline', { task: ID, code: 'no' }),
  ],
  ['approve-not-owner', (s) => approval(s, {}, 'hospital')],
  [
    'approve-not-asked',
    (s) => approval(s, { inputs: [{ ...inputOf(s.claims), columns: [1, 3] }] }),
  ],
  ['approve-not-asked', (s) => approval(s, { inputs: [{ ...inputOf(s.claims), version: 2 }] })],
  [
    'approve-persons-many',
    async (s) => {
      const { world, task, claims } = s;
      const have = world.state.tasks.get(toHex(task))?.grants.values().next().value?.size ?? 0;
      for (let i = have; i < 40; i++) await world.approve('insurer', task, [claims]);
      return approval(s, {});
    },
  ],
  ['approve-window-empty', (s) => approval(s, { from: START_MS + 5, until: START_MS + 5 })],
  ['approve-expired', (s) => approval(s, { from: START_MS - 9, until: START_MS })],
  [
    'decline-not-owner',
    ({ world, task }) => world.put(world.identity('bank'), 'decline', { task, code: 'no' }),
  ],
  ['join-task-unknown', (s) => workerJoin(s, { task: ID })],
  [
    'join-operator-not-allowed',
    async (s) => {
      const worker = { ...s.world.taskBody([]).worker, operators: ['insurer'] };
      const task = await s.world.propose('bank', [s.claims], { worker });
      return (await s.world.tryJoinWorker('bank', task)).submitted;
    },
  ],
  [
    'join-measurement-not-allowed',
    (s) => {
      // Two worker environments; the task allows the other one's measurement only.
      const charter = structuredClone(s.world.charter);
      const [first] = charter.environments.filter((e) => e.role === 'worker');
      const measurements = [{ measurement: ID, source: 's', recipe: 'r' }];
      charter.environments.push({
        ...(first as never as object),
        id: 'worker-new',
        measurements,
      } as never);
      s.world.state.charter = charter;
      return s.world
        .propose('bank', [s.claims], { worker: { operators: ['bank'], measurements: [ID] } })
        .then(async (task) => (await s.world.tryJoinWorker('bank', task)).submitted);
    },
  ],
  ['join-run-reused', (s) => workerJoin(s, { run: s.worker.body.run as Uint8Array })],
  ['join-run-reused', async (s) => (await distributed(s)).enter({ place: 1 })],
  [
    'join-run-reused',
    async (s) => (await distributed(s)).enter({ run: s.worker.body.run as Uint8Array }),
  ],
  ['join-place', (s) => workerJoin(s, { place: 1 })],
  ['join-place', async (s) => (await distributed(s)).enter({ place: 4 })],
  [
    'join-place',
    async (s) => {
      const { task } = await distributed(s);
      return workerJoin(s, { task });
    },
  ],
  [
    'join-place-taken',
    async (s) => {
      const { enter } = await distributed(s);
      accepted(await enter({ place: 2 }));
      return enter({ place: 2 });
    },
  ],
  ['join-run-unknown', async (s) => (await distributed(s)).enter({ run: ID.slice(16) })],
  [
    'join-run-ended',
    async (s) => {
      const { world, driver, task, run, enter } = await distributed(s);
      const body = { task, run, join: driver.id, code: 'x' };
      await world.must(driver.signer, 'run-failed', body);
      return enter({});
    },
  ],
  ['join-proposer-removed', (s) => removed(s, 'bank')],
  ['join-owner-removed', (s) => removed(s, 'hospital')],
  ['join-recipient-removed', (s) => removed(s, 'insurer')],
  [
    'join-dataset-not-resealed',
    async (s) => {
      await s.world.formEpoch();
      return workerJoin(s, {});
    },
  ],
  [
    'join-unapproved',
    async (s) => {
      const task = await s.world.propose('bank', [s.claims]);
      return (await s.world.tryJoinWorker('bank', task)).submitted;
    },
  ],
  [
    'join-unapproved',
    async (s) => {
      await s.world.must(s.world.identity('hospital'), 'decline', { task: s.task, code: 'no' });
      return workerJoin(s, {});
    },
  ],
  [
    'join-columns-not-granted',
    (s) => joined(s, { inputs: [{ ...inputOf(s.claims), columns: [2] }] }),
  ],
  [
    'join-runs-open',
    async (s) => {
      const { world, task, claims } = s;
      await world.approve('insurer', task, [claims], { runs: 2_000 });
      const open = world.state.tasks.get(toHex(task))?.open ?? new Set();
      while (open.size < 1_000) open.add(`${open.size}`);
      return workerJoin(s, {});
    },
  ],
  ['join-not-yet-valid', (s) => joined(s, { from: START_MS + 1 })],
  ['join-expired', (s) => joined(s, { until: START_MS + 1 }, (w) => w.tickAll(START_MS + 1))],
  // An executor of a run whose owner has shortened the grant that paid for it: the run has ended.
  [
    'join-run-ended',
    async (s) => {
      const { world, task, enter } = await distributed(s);
      const [grant] = world.state.tasks.get(toHex(task))?.approvals.values() ?? [];
      const sooner = { person: fromHex(grant?.person ?? ''), until: (grant?.until ?? 0) - 1 };
      await world.approve('insurer', task, [s.claims], sooner);
      return enter({});
    },
  ],
  // A join that came before its approval, brought back after it by somebody else.
  [
    'duplicate',
    async ({ world, claims }) => {
      const task = await world.propose('bank', [claims]);
      const { submitted } = await world.tryJoinWorker('bank', task);
      await world.approve('insurer', task, [claims]);
      return world.submit(submitted.bytes);
    },
  ],
  // Wrapped by another operator first, the same join still counts for its own.
  [
    'duplicate',
    async ({ world, task, worker }) => {
      const body = { ...worker.body, run: ID.slice(16) };
      const ticket = await world.ticket({ task, run: body.run, operator: 'bank' });
      const fresh = { tls: world.freshBytes(32), hpke: namedPoint('void', 'wrapped') };
      const node = namedSigner('void', 'wrapped');
      const inner = await world.sign(node, 'join', { ...body, ticket, ...fresh });
      const wrong = await countersignJoin(world.operator('insurer'), 'insurer', inner);
      expect((await world.submit(wrong)).outcome).toMatchObject({ code: 'join-operator-key' });
      const right = await countersignJoin(world.operator('bank'), 'bank', inner);
      expect((await world.submit(right)).outcome.status).toBe('accepted');
      return world.submit(right);
    },
  ],
  // A usage record whose receipts were wrong where it stood, brought back later.
  [
    'duplicate',
    async (s) => {
      const { bytes } = await withReceipts(s, (all) => all.slice(1));
      return s.world.submit(bytes);
    },
  ],
  [
    'join-run-limit',
    (s) =>
      joined(s, { runs: 1 }, async (w) => {
        const task = [...w.state.tasks.keys()].at(-1) as string;
        await w.joinWorker('bank', Uint8Array.from(Buffer.from(task, 'hex')));
      }),
  ],
  ['run-unknown', (s) => usage(s, { run: ID.slice(16) })],
  ['run-unknown', (s) => usage(s, { join: ID })],
  ['run-unknown', (s) => refusal(s, { join: ID })],
  ['run-not-signer', async (s) => usage(s, {}, (await s.world.joinWorker('bank', s.task)).signer)],
  [
    'usage-columns-not-asked',
    async (s) => {
      const { inputs } = await s.world.usageBody(s.worker);
      return usage(s, { inputs: inputs.map((input) => ({ ...input, columns: [1, 2, 3] })) });
    },
  ],
  ['usage-receipts-few', (s) => withReceipts(s, (all) => all.slice(1))],
  ['usage-receipt-wrong', (s) => withReceipts(s, (all) => [all[0], all[0]])],
  // Judged before the join was there.
  ['usage-receipt-wrong', (s) => receiptsWith(s, { size: 1 })],
  // For other nodes, and by a seat that is another keeper's.
  ['usage-receipt-wrong', (s) => receiptsWith(s, { roster: [ID] })],
  ['usage-receipt-wrong', (s) => receiptsWith(s, { seat: 3 })],
  // Receipts for another run, other columns or another epoch are none of this record.
  ['inadmissible', (s) => receiptsWith(s, { run: ID.slice(16) })],
  ['inadmissible', (s) => receiptsWith(s, { columns: ID })],
  ['inadmissible', (s) => receiptsWith(s, { epoch: ID })],
  ['inadmissible', (s) => withReceipts(s, ([first]) => [flipped(first as Uint8Array)])],
  [
    'run-already-recorded',
    async (s) => {
      await s.world.recordUsage(s.worker);
      return usage(s, { result: ID });
    },
  ],
  [
    'run-already-recorded',
    async (s) => {
      await s.world.recordUsage(s.worker);
      return failure(s);
    },
  ],
  [
    'run-already-failed',
    async (s) => {
      accepted(await failure(s));
      return usage(s, {});
    },
  ],
  [
    'run-already-released',
    async (s) => {
      const id = await s.world.recordUsage(s.worker);
      await s.world.release(s.worker, id);
      const { task = ID, run = ID } = s.worker.body;
      const { signEvent } = await import('../events/event.ts');
      const event = {
        genesis: s.world.genesis,
        kind: 'released',
        body: { task, run, usage: id },
      } as const;
      return s.world.submit(await signEvent(s.worker.signer, 'again', event));
    },
  ],
  [
    'usage-inputs-differ',
    (s) => usage(s, { inputs: [{ ...versionOf(s.claims), columns: [1], rows: 1, bytes: 1 }] }),
  ],
  ['usage-epoch', (s) => usage(s, { epoch: ID })],
  [
    'released-usage-unknown',
    async (s) => {
      const { task = ID, run = ID } = s.worker.body;
      return s.world.put(s.worker.signer, 'released', { task, run, usage: ID });
    },
  ],
  [
    'refusal-not-seated',
    async (s) => {
      const keeper = await s.world.joinKeeper('bank');
      return refusal(s, {}, keeper.signer);
    },
  ],
  [
    'refusal-repeated',
    async (s) => {
      accepted(await refusal(s, {}));
      return refusal(s, { code: 'measurement-not-allowed' });
    },
  ],
  ['refusal-not-lasting', (s) => refusal(s, { code: 'quorum-not-met' })],
  ['inadmissible', ({ world }) => world.submit(Uint8Array.of(1, 2, 3))],
  ...ROOM_SCENARIOS,
  ...AMEND_SCENARIOS,
];

describe('each void code', () => {
  it.each(SCENARIOS)('%s', async (code, scenario) => {
    const { outcome } = await scenario(stage());
    expect(outcome).toMatchObject({ status: 'void', code });
    if (outcome.status === 'void') expect(outcome.sentence.startsWith(VOID_CODES[code])).toBe(true);
  });

  it('is tested', () => {
    const all = new Set(SCENARIOS.map(([code]) => code));
    expect(Object.keys(VOID_CODES).filter((code) => !all.has(code as VoidCode))).toEqual([]);
  });
});

/** Six operators' seats, all on one make; t = 3, v = 2. */
async function sixSeats(members: string[]): Promise<Submitted> {
  const options = { members, seats: 6, threshold: 3, vendors: 2 };
  const charter = charterSpecimen(options);
  // Everyone is enrolled for SGX as well, so that all six seats can be of one family.
  for (const o of charter.operators) {
    o.hardware.push({ tee: 'sgx-dcap', id: hardwareOf('specimen', o.id, 'keeper') });
  }
  const enrolled = new Set<string>();
  for (const o of charter.operators) {
    o.hardware = o.hardware.filter((h) => {
      const key = `${h.tee}/${toHex(h.id)}`;
      return enrolled.has(key) ? false : enrolled.add(key);
    });
  }
  const world = new World(options, charter);
  await world.found();
  await world.tickAll(START_MS);
  const joins = [];
  for (const id of members) {
    const name = world.fresh(`keeper/${id}`);
    const body = { ...world.joinBody(id, 'keeper', name), environment: 'keeper-sgx' };
    const bytes = await world.joinBytes(namedSigner('six', name), body);
    joins.push(accepted(await world.submit(bytes)));
  }
  return world.put(world.identity('a'), 'epoch', { joins });
}

/** A join under an operator that is not the one who signs. */
async function unknownOperator(s: Stage, operator = 'nobody'): Promise<Submitted> {
  const { world, task } = s;
  const body = world.joinBody('bank', 'worker', 'w', { task, run: ID.slice(16) });
  const inner = await world.sign(namedSigner('void', 'w'), 'join', { ...body, operator });
  const { countersignJoin } = await import('../events/event.ts');
  return world.submit(await countersignJoin(world.operator('bank'), 'bank', inner));
}

/** As an amendment would leave it: a member is gone. */
async function removed(s: Stage, member: string): Promise<Submitted> {
  const members = s.world.charter.members.filter((m) => m.id !== member);
  s.world.state.charter = { ...s.world.charter, members };
  return workerJoin(s, {});
}

function inputOf({ dataset: id, version }: Dataset): EventBody<'task'>['inputs'][number] {
  return { dataset: id, version, columns: [1, 2] };
}

function versionOf({ dataset: id, version }: Dataset): { dataset: Uint8Array; version: number } {
  return { dataset: id, version };
}
