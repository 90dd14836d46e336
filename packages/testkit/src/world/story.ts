// SPDX-License-Identifier: Apache-2.0
// One history in which every kind of event occurs and is accepted: a charter, an aborted attempt at
// a key, one that a complaint ends, one that succeeds, datasets, a task with two runs (one
// released, one failed after a refusal), a distributed one that an executor ends, one that is
// declined, a dataset that is withdrawn, and a member's word that the ledger should end.

import type { Said } from '@cloister/contract';
import { complain, type Dealing, hpkeKeyPairFrom, sealDeal } from '@cloister/threshold/node';
import { nextCharter, propose, sign } from './amend.ts';
import type { CharterOptions } from './charter-specimen.ts';
import { namedSigner } from './keys.ts';
import { namedPart } from './makers.ts';
import { accepted, type FormedEpoch, type Node, START_MS, World } from './world.ts';

export interface Story {
  readonly world: World;
  readonly epoch: FormedEpoch;
  readonly task: Uint8Array;
}

export async function wholeStory(options: CharterOptions = {}): Promise<Story> {
  const world = await World.create(options);
  const [first, second, third] = world.charter.members.map((m) => m.id) as [string, string, string];
  const info = namedPart(world.seed, 'tcb-info', { at: START_MS - 1_000, number: 17 });
  await world.must(world.identity(first), 'collateral', { ...info });
  await abortedAttempt(world);
  await disputedAttempt(world);
  const epoch = await world.formEpoch();
  const claims = await world.addDataset(first);
  const visits = await world.addDataset(second, { approvals: 2 });
  const datasets = [claims, visits];
  const task = await world.propose(third, datasets);
  await world.approve(first, task, [claims]);
  await world.approve(second, task, [visits]);
  await world.approve(second, task, [visits]);
  const worker = await world.joinWorker(third, task);
  await world.release(worker, await world.recordUsage(worker));
  const failing = await world.joinWorker(third, task);
  const { run = new Uint8Array(16) } = failing.body;
  const of = { task, run, join: failing.id };
  const keeper = (epoch.nodes[0] as Node).signer;
  await world.must(keeper, 'refusal', { ...of, code: 'debug-refused' });
  await world.must(failing.signer, 'run-failed', { ...of, code: 'keys-refused' });
  await distributedRun(world, { proposer: third, owner: first, dataset: claims });
  const unwanted = await world.propose(third, datasets);
  await world.must(world.identity(first), 'decline', { task: unwanted, code: 'policy-hidden' });
  const { dataset } = await world.addDataset(first);
  await world.must(world.identity(first), 'withdraw', { dataset, version: 1 });
  await world.must(world.identity(first), 'withdraw', { dataset });
  await newWitnessKey(world, first, third);
  await world.must(world.identity(first), 'close', { next: world.freshBytes(32) });
  return { world, epoch, task };
}

/** One member proposes that another's witness has a new key; it agrees, and the key speaks. */
async function newWitnessKey(world: World, author: string, member: string): Promise<void> {
  const fresh = namedSigner(world.seed, `${member}/witness-2`);
  const after = nextCharter(world, (charter) => {
    const at = charter.members.findIndex(({ id }) => id === member);
    const was = charter.members[at] as (typeof charter.members)[number];
    charter.members[at] = { ...was, witness: fresh.key };
  });
  const amend = accepted(await propose(world, after, { author }));
  const signer = world.identity(member);
  accepted(await sign(world, amend, { signer }));
  accepted(await sign(world, amend, { signer, witness: fresh }));
}

/** A driver and an executor share a run; the executor's failure ends it. */
async function distributedRun(
  world: World,
  of: { proposer: string; owner: string; dataset: Said<'dataset'> },
): Promise<void> {
  const worker = { ...world.taskBody([of.dataset]).worker, nodes: 2 };
  const task = await world.propose(of.proposer, [of.dataset], { worker });
  await world.approve(of.owner, task, [of.dataset], { runs: 1 });
  const run = world.freshBytes(16);
  accepted((await world.tryJoinWorker(of.proposer, task, { run, place: 1 })).submitted);
  const { submitted, node } = await world.tryJoinWorker(of.proposer, task, { run, place: 2 });
  accepted(submitted);
  await world.must(node.signer, 'run-failed', { task, run, join: node.id, code: 'lost-peer' });
}

/** Joins and an epoch event; a keeper finds another's evidence wrong. */
async function abortedAttempt(world: World): Promise<void> {
  const { id, nodes } = await startEpoch(world);
  const [finder] = nodes as [Node];
  await world.must(finder.signer, 'epoch-abort', {
    epoch: id,
    seat: 1,
    against: 2,
    code: 'measurement-mismatch',
    wanted: 'ab12',
    got: 'cd34',
  });
}

/** Seat 1 deals seat 2 a value off its polynomial; seat 2 opens it before everyone. */
async function disputedAttempt(world: World): Promise<void> {
  const { id, nodes } = await startEpoch(world);
  const dealings = world.deal(id, nodes.length);
  for (const [i, node] of nodes.entries()) {
    await world.must(node.signer, 'commit', world.commitBody(id, i + 1, dealings[i]));
  }
  const { sealed, complaint } = complaintOf(world, { epoch: id, dealings, dealtFor: 3 });
  for (const [i, node] of nodes.entries()) {
    const body = world.revealBody(id, i + 1, dealings, nodes.length);
    if (i === 0) body.deals[1] = sealed;
    await world.must(node.signer, 'reveal', body);
  }
  const complainer = (nodes[1] as Node).signer;
  await world.must(complainer, 'complaint', { epoch: id, seat: 2, against: 1, complaint });
}

/** What dealer 1 seals to seat 2 when it takes the value of seat `dealtFor`, and 2's complaint. */
export function complaintOf(
  world: World,
  of: { epoch: Uint8Array; dealings: readonly Dealing[]; dealtFor: number },
): { sealed: Uint8Array; complaint: Uint8Array } {
  const { genesis, random } = world;
  const { reveal, deals } = of.dealings[0] as Dealing;
  const deal = Uint8Array.from(deals.find((d) => d.seat === of.dealtFor)?.deal ?? []);
  const keyPair = hpkeKeyPairFrom(world.receivingSecret(of.epoch, 2));
  const about = { genesis, epoch: of.epoch, dealer: 1, recipient: 2 };
  const sealed = sealDeal({ ...about, recipientKey: keyPair.publicKey, deal, random });
  return { sealed, complaint: complain({ ...about, reveal, sealed, keyPair, random }) };
}

/** A keeper of each operator joins, and a member names them for a new key. */
export async function startEpoch(world: World): Promise<{ id: Uint8Array; nodes: Node[] }> {
  const nodes: Node[] = [];
  for (const { id } of world.charter.operators.slice(0, world.charter.keepers.seats)) {
    nodes.push(await world.joinKeeper(id));
  }
  const joins = nodes.map((node) => node.id);
  return { id: await world.nameEpoch({ joins }), nodes };
}
