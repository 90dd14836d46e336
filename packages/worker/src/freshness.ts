// SPDX-License-Identifier: Apache-2.0
// What witnesses signed, gathered so that a peer that answers garbage costs nothing: heads that a
// quorum cosigned, and the witnesses' newest head signed together with the keepers' challenges.
//
// Invariants: only signatures that hold count, each witness once; a head is used only after a
// quorum's cosignatures over it were checked here; an owner whose witness the charter does not have
// ends the run, it is never left out of those that must sign.

import { firstOf, gather, patiently } from '@cloister/attested';
import { witnessesOf } from '@cloister/contract';
import { isCoded } from '@cloister/core';
import {
  type Checkpoint,
  gatherCosignatures,
  gatherFreshness,
  logOrigin,
  parseCheckpoint,
  parseNote,
  type TreeHead,
  type WitnessKey,
} from '@cloister/tlog';
import { workerError } from './errors.ts';
import type { Gateway, WorkerPorts } from './ports.ts';

/** How long one gateway may take before the next is asked too. */
const STEP_MS = 1_500;
const WITNESS_MS = 12_000;

/** Whose signatures are enough: a quorum, and every one of `required` among it. */
export interface WitnessRule {
  readonly witnesses: readonly WitnessKey[];
  readonly quorum: number;
  readonly required: readonly string[];
}

/** The charter's rule, with the witnesses of these owners. @throws `owner-witness-missing` */
export function witnessRule(ports: WorkerPorts, owners: readonly string[] = []): WitnessRule {
  const { charter } = ports.follower;
  const witnesses = witnessesOf(charter);
  const missing = owners.find((owner) => !witnesses.some(({ name }) => name === owner));
  if (missing !== undefined) {
    const message = `${missing} owns an input and has no witness in the charter: nothing may open`;
    throw workerError('owner-witness-missing', 'policy', message);
  }
  return { witnesses, quorum: charter.witnesses.quorum, required: [...new Set(owners)] };
}

/**
 * A cosigned head of at least `least` entries, from the first gateway that has one that holds.
 * @throws CodedError the last gateway's reason; `quorum-missing` where too few or not the required
 * witnesses signed
 */
export function cosignedHead(
  ports: WorkerPorts,
  gateways: readonly Gateway[],
  by: { least: number; rule: WitnessRule },
): Promise<TreeHead> {
  const { timers } = ports;
  return firstOf(gateways, { timers, stepMs: STEP_MS }, async (gateway) => {
    const { note } = await gateway.checkpoint(by.least);
    const checkpoint = parseCheckpoint(parseNote(note).text);
    const { size, root, origin } = checkpoint;
    if (size < by.least || origin !== logOrigin(ports.genesis)) {
      const message = `a gateway answered a head of ${size} entries, wanted ${by.least}`;
      throw workerError('gateway-lied', 'unavailable', message);
    }
    const signed = await signersOf(ports, [note], { checkpoint, rule: by.rule });
    if (isMet(by.rule, signed)) return { size, root };
    // A root that no honest witness signed is shown to none: it could be taken for a second
    // history.
    const { faulty } = ports.follower.charter.witnesses;
    if (signed.size > faulty) {
      const notes = await cosignAgain(ports, gateways, { checkpoint, rule: by.rule });
      if (isMet(by.rule, await signersOf(ports, [note, ...notes], { checkpoint, rule: by.rule }))) {
        return { size, root };
      }
    }
    const { quorum } = by.rule;
    const message = `${signed.size} of ${quorum} witnesses signed, or not every owner's own`;
    throw workerError('quorum-missing', 'unavailable', message);
  });
}

interface Signing {
  readonly checkpoint: Checkpoint;
  readonly rule: WitnessRule;
}

/** Where a gateway's note lacks a witness that must sign, each is asked for its own. */
async function cosignAgain(
  ports: WorkerPorts,
  gateways: readonly Gateway[],
  { checkpoint, rule }: Signing,
): Promise<readonly string[]> {
  const asked = gateways.map(async (gateway) => {
    const note = await gateway.cosign(checkpoint);
    return { note, names: await signersOf(ports, [note], { checkpoint, rule }) };
  });
  const enough = (got: readonly { names: ReadonlySet<string> }[]) =>
    isMet(rule, new Set(got.flatMap(({ names }) => [...names])));
  const { got } = await gather(asked, {
    timers: ports.timers,
    enough,
    graceMs: 0,
    boundMs: WITNESS_MS,
  });
  return got.map(({ note }) => note);
}

async function signersOf(
  ports: WorkerPorts,
  notes: readonly string[],
  { checkpoint, rule }: Signing,
): Promise<ReadonlySet<string>> {
  const expect = { checkpoint, witnesses: rule.witnesses };
  const { times } = await gatherCosignatures(ports.crypto, notes, expect);
  return new Set(times.map(({ name }) => name));
}

/**
 * Follows the ledger to a cosigned head that includes position `seq`, and answers the head.
 * @throws CodedError what the last gateway said, and the follower's codes
 */
export async function followPast(
  ports: WorkerPorts,
  gateways: readonly Gateway[],
  by: { seq: number; rule: WitnessRule },
): Promise<TreeHead> {
  const head = await cosignedHead(ports, gateways, { least: by.seq + 1, rule: by.rule });
  await ports.follower.syncTo(head);
  return head;
}

/**
 * One note of the witnesses over one size, one root and these challenges, with the signatures that
 * hold: a quorum's, every owner's among them. Goes on as soon as these are there. A witness that is
 * ahead says so, and a newer head is taken from whoever shows one that a quorum cosigned.
 * @throws CodedError `freshness-unreachable`
 */
export async function freshnessNote(
  ports: WorkerPorts,
  gateways: readonly Gateway[],
  asked: { head: TreeHead; challenges: readonly Uint8Array[]; owners: readonly string[] },
): Promise<string> {
  const { config, timers } = ports;
  const rule = witnessRule(ports, asked.owners);
  let { head } = asked;
  return patiently('the witnesses', { timers, patienceMs: config.patienceMs }, async () => {
    const answer = await askWitnesses(ports, gateways, {
      head,
      rule,
      challenges: asked.challenges,
    });
    if (answer.note !== undefined) return answer.note;
    const newer = await cosignedHead(ports, gateways, { least: head.size, rule });
    if (newer.size > head.size || answer.stale) {
      head = newer;
      return undefined;
    }
    const signed = `${answer.signed} of ${rule.quorum} witnesses signed a fresh head`;
    const message = `${signed}, or not every owner's own: are all gateways running?`;
    throw workerError('freshness-unreachable', 'unavailable', message);
  });
}

async function askWitnesses(
  ports: WorkerPorts,
  gateways: readonly Gateway[],
  of: { head: TreeHead; rule: WitnessRule; challenges: readonly Uint8Array[] },
): Promise<{ note: string | undefined; signed: number; stale: boolean }> {
  const { crypto, genesis } = ports;
  const { head, rule, challenges } = of;
  const { size, root } = head;
  const statement = { checkpoint: { origin: logOrigin(genesis), size, root }, challenges };
  const expect = { statement, witnesses: rule.witnesses };
  const asked = gateways.map(async (gateway) => {
    const note = await gateway.freshness({ size, root }, challenges);
    const kept = await gatherFreshness(crypto, [note], expect);
    return { note, names: kept.times.map(({ name }) => name) };
  });
  const { got, failures } = await gather(asked, {
    timers: ports.timers,
    enough: (answers) => isMet(rule, new Set(answers.flatMap(({ names }) => names))),
    graceMs: 0,
    boundMs: WITNESS_MS,
  });
  const notes = got.map(({ note }) => note);
  const all = await gatherFreshness(crypto, notes, expect);
  const names = new Set(all.times.map(({ name }) => name));
  const note = isMet(rule, names) ? all.note : undefined;
  const stale = failures.some((error) => isCoded(error, 'witness-head-stale'));
  return { note, signed: names.size, stale };
}

function isMet(rule: WitnessRule, names: ReadonlySet<string>): boolean {
  return names.size >= rule.quorum && rule.required.every((name) => names.has(name));
}
