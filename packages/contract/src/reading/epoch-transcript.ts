// SPDX-License-Identifier: Apache-2.0
// What an outsider computes again of a key generation before it seals anything to its key: every
// reveal against its commit, number of commitments, proof of knowledge and, in a reshare, the
// dealer's old public share; the group key as the (weighted) sum of the constants; the transcript
// hash; every seat's acknowledgement against both. A reshare is followed back to the new key that
// it came from. The fold compares acknowledgements with each other; this compares them with the
// reveals. docs/design/key-sharing.md, "A new key" and "Reshare".
import { equal, fromHex, toHex } from '@cloister/core';
import {
  type Curve,
  groupKeyOf,
  type Reveal,
  seatPublicShare,
  transcriptHash,
  verifyReveal,
} from '@cloister/threshold';
import { contractError } from '../errors.ts';
import type { Epoch, FoldState } from '../fold/state.ts';

export interface EpochTranscript {
  /** Computed from the reveals, 65 bytes. */
  readonly groupKey: Uint8Array;
  /** Computed from the reveals, 32 bytes. */
  readonly transcript: Uint8Array;
  /** Dealer numbers: seats of this epoch, or in a reshare of the epoch dealt again. */
  readonly dealers: readonly number[];
  /** Commitments of each dealer: the threshold. */
  readonly commitments: number;
  /** Epochs from this one back to the key generation, this one first. */
  readonly lineage: readonly string[];
}

/**
 * Epochs that were verified, by id: what was dealt for an epoch that was active does not change, so
 * a reader of one ledger verifies each once, however long the line of reshares is. A few are
 * enough, since a line goes on from its newest.
 */
export type VerifiedEpochs = Map<string, VerifiedEpoch>;

export interface VerifiedEpoch {
  readonly reveals: readonly Reveal[];
  readonly groupKey: Uint8Array;
}

const VERIFIED_MAX = 8;

/**
 * Computes the transcript of an epoch that is or was active, from nothing but its reveals and those
 * of the epochs that it was reshared from. What stands in `verified` is not computed again; what
 * was is put there.
 * @throws CodedError `epoch-not-complete`, `epoch-acknowledgements`, and threshold's reveal,
 *   reshare and point codes
 */
export function verifyEpochTranscript(
  state: FoldState,
  key: string,
  options: { curve?: Curve; verified?: VerifiedEpochs } = {},
): EpochTranscript {
  const lineage = lineageOf(state, key);
  const { verified = new Map(), ...by } = options;
  const known = lineage.findIndex((at) => verified.has(at));
  let last = known < 0 ? undefined : verified.get(lineage[known] as string);
  for (const at of lineage.slice(0, known < 0 ? lineage.length : known).reverse()) {
    const reveals = revealsOf(state, at, { before: last?.reveals ?? [], ...by });
    const groupKey = groupKeyOf(reveals, last === undefined ? {} : { expected: last.groupKey });
    last = { reveals, groupKey };
    verified.set(at, last);
    const oldest = verified.keys().next().value;
    if (verified.size > VERIFIED_MAX && oldest !== undefined) verified.delete(oldest);
  }
  const { reveals, groupKey } = last as VerifiedEpoch;
  const epoch = epochOf(state, key);
  const transcript = transcriptHash({ reveals, n: epoch.joins.length });
  assertAcknowledged(epoch, { transcript, groupKey });
  const dealers = reveals.map(({ seat }) => seat);
  const commitments = epoch.threshold;
  return { groupKey, transcript, dealers, commitments, lineage };
}

/** Epochs from this one back to the key generation, this one first. */
export function lineageOf(state: FoldState, key: string): string[] {
  const lineage: string[] = [];
  for (let at: string | null = key; at !== null; at = epochOf(state, at).from) lineage.push(at);
  return lineage;
}

function epochOf(state: FoldState, key: string): Epoch {
  const epoch = state.epochs.get(key);
  if (epoch !== undefined && epoch.groupKey !== null) return epoch;
  const message = `epoch ${key.slice(0, 16)} never became active: there is no key to check`;
  throw contractError('epoch-not-complete', message);
}

/** Every dealer's reveal, checked against the ledger and, in a reshare, against its old share. */
function revealsOf(
  state: FoldState,
  key: string,
  { before, curve }: { before: readonly Reveal[]; curve?: Curve },
): Reveal[] {
  const epoch = epochOf(state, key);
  const { from, threshold: t } = epoch;
  return [...epoch.dealers]
    .sort((a, b) => a - b)
    .map((seat) => {
      const reveal = epoch.reveals.get(seat)?.reveal;
      const commit = epoch.commits.get(seat);
      if (reveal === undefined || commit === undefined) {
        const message = `dealer ${seat} of epoch ${key.slice(0, 16)} has not revealed`;
        throw contractError('epoch-not-complete', message);
      }
      const genesis = state.genesis;
      const about = { genesis, epoch: fromHex(key), seat, t, reveal, commit };
      const old = from === null ? {} : { reshare: originOf(from, before, seat) };
      return verifyReveal({ ...about, ...old, ...(curve === undefined ? {} : { curve }) });
    });
}

function originOf(from: string, before: readonly Reveal[], seat: number) {
  return { previous: fromHex(from), publicShare: seatPublicShare(before, seat) };
}

function assertAcknowledged(
  epoch: Epoch,
  computed: { transcript: Uint8Array; groupKey: Uint8Array },
): void {
  const wrong = epoch.joins.flatMap((_, i) => {
    const ack = epoch.acks.get(i + 1);
    const same =
      ack !== undefined &&
      equal(ack.transcript, computed.transcript) &&
      equal(ack.groupKey, computed.groupKey);
    return same ? [] : [i + 1];
  });
  if (wrong.length === 0 && equal(epoch.groupKey ?? new Uint8Array(), computed.groupKey)) return;
  const key = toHex(computed.groupKey).slice(0, 16);
  const got = wrong.length === 0 ? 'another is in force' : `seat ${wrong.join(', ')} did not`;
  const message = `the reveals give group key ${key}...; wanted every seat to say so, ${got}`;
  throw contractError('epoch-acknowledgements', message);
}
