// SPDX-License-Identifier: Apache-2.0
// Heads that witnesses cosigned, gathered so that a gateway that answers garbage costs nothing.
//
// Invariants: only signatures that hold count, each witness once; a head is used only after the
// rule's cosignatures over it were checked here; an owner whose witness the charter does not have
// ends what is under way, it is never left out of those that must sign.
import { witnessesChange, witnessesOf } from '@cloister/contract';
import { firstOf, isCoded } from '@cloister/core';
import {
  type Checkpoint,
  gatherCosignatures,
  logOrigin,
  parseCheckpoint,
  parseNote,
  type TreeHead,
  type WitnessKey,
} from '@cloister/tlog';
import { attestedError } from './errors.ts';
import { gather } from './patience.ts';
import type { LedgerPeer, LedgerPorts } from './ports.ts';

/** How long one gateway may take before the next is asked too. */
const STEP_MS = 1_500;
/** How long witnesses may take in all. */
export const WITNESS_MS = 12_000;

/** Gateways as far as heads need them. */
export type HeadPeer = Pick<LedgerPeer, 'checkpoint' | 'cosign'>;

/** Whose signatures are enough: a quorum, and every one of `required` among it. */
export interface WitnessRule {
  /** Of the charter whose rule it is. */
  readonly version: number;
  readonly witnesses: readonly WitnessKey[];
  readonly quorum: number;
  readonly required: readonly string[];
}

/** The charter's rule, with the witnesses of these owners. @throws `owner-witness-missing` */
export function witnessRule(
  { follower }: Pick<LedgerPorts, 'follower'>,
  owners: readonly string[] = [],
): WitnessRule {
  const { charter } = follower;
  const witnesses = witnessesOf(charter);
  const missing = owners.find((owner) => !witnesses.some(({ name }) => name === owner));
  if (missing !== undefined) {
    const message = `${missing} owns an input and has no witness in the charter: nothing may open`;
    throw attestedError('owner-witness-missing', message);
  }
  const { version } = charter;
  const { quorum } = charter.witnesses;
  return { version, witnesses, quorum, required: [...new Set(owners)] };
}

/** Whether these witnesses are enough. */
export function isMet(rule: WitnessRule, names: ReadonlySet<string>): boolean {
  return names.size >= rule.quorum && rule.required.every((name) => names.has(name));
}

/**
 * A cosigned head of at least `least` entries, from the first gateway that has one that holds.
 * @throws CodedError the last gateway's reason; `quorum-missing` where too few or not the required
 * witnesses signed
 */
export function cosignedHead(
  ports: LedgerPorts,
  peers: readonly HeadPeer[],
  by: { least: number; rule: WitnessRule },
): Promise<TreeHead> {
  const { timers } = ports;
  return firstOf(peers, { timers, stepMs: STEP_MS }, async (peer) => {
    const { note } = await peer.checkpoint(by.least);
    const checkpoint = parseCheckpoint(parseNote(note).text);
    const { size, root, origin } = checkpoint;
    if (size < by.least || origin !== logOrigin(ports.genesis)) {
      const message = `a gateway answered a head of ${size} entries, wanted ${by.least}`;
      throw attestedError('gateway-lied', message);
    }
    const signed = await signersOf(ports, [note], { checkpoint, rule: by.rule });
    if (isMet(by.rule, signed)) return { size, root };
    // A root that no honest witness signed is shown to none: it could be taken for a second
    // history.
    const { faulty } = ports.follower.charter.witnesses;
    if (signed.size > faulty) {
      const notes = await cosignAgain(ports, peers, { checkpoint, rule: by.rule });
      if (isMet(by.rule, await signersOf(ports, [note, ...notes], { checkpoint, rule: by.rule }))) {
        return { size, root };
      }
    }
    const { quorum } = by.rule;
    const message = `${signed.size} of ${quorum} witnesses signed, or not every owner's own`;
    throw attestedError('quorum-missing', message);
  });
}

interface Signing {
  readonly checkpoint: Checkpoint;
  readonly rule: WitnessRule;
}

/** Where a gateway's note lacks a witness that must sign, each is asked for its own. */
async function cosignAgain(
  ports: LedgerPorts,
  peers: readonly HeadPeer[],
  { checkpoint, rule }: Signing,
): Promise<readonly string[]> {
  const asked = peers.map(async (peer) => {
    const note = await peer.cosign(checkpoint);
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
  ports: LedgerPorts,
  notes: readonly string[],
  { checkpoint, rule }: Signing,
): Promise<ReadonlySet<string>> {
  const expect = { checkpoint, witnesses: rule.witnesses };
  const { times } = await gatherCosignatures(ports.crypto, notes, expect);
  return new Set(times.map(({ name }) => name));
}

/** The follower goes on as far as it can now, over a change of witnesses too. */
export async function crossed({
  follower,
}: {
  readonly follower: Pick<LedgerPorts['follower'], 'step'>;
}): Promise<void> {
  await follower.step().catch((error: unknown) => {
    if (!isCoded(error)) throw error;
  });
}

/**
 * Follows the ledger to a cosigned head that includes position `seq`, and answers the head.
 * @throws CodedError what the last gateway said, and the follower's codes
 */
export async function followPast(
  ports: LedgerPorts,
  peers: readonly HeadPeer[],
  by: { seq: number; rule: WitnessRule },
): Promise<TreeHead> {
  const { follower } = ports;
  const { charter } = follower;
  const least = by.seq + 1;
  const head = await cosignedHead(ports, peers, { least, rule: by.rule }).catch(async (error) => {
    if (isCoded(error, 'quorum-missing')) await crossed(ports);
    throw error;
  });
  await follower.syncTo(head, by.rule.version);
  if (!witnessesChange(charter, follower.charter)) return head;
  const message = 'the charter has other witnesses at that head: theirs count';
  throw attestedError('quorum-missing', message);
}
