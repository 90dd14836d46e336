// SPDX-License-Identifier: Apache-2.0
// How a reader crosses a change of witnesses. It knows the charter before and its witnesses only. A
// handover is a head with the amendment in it that enough of them signed. Enough is said by both
// charters (charter/amendment.ts), so the reader folds the entries on a copy first.
// docs/design/charters-that-live.md.
import { type CryptoPort, isCoded } from '@cloister/core';
import {
  gatherCosignatures,
  logOrigin,
  parseCheckpoint,
  parseNote,
  type TreeHead,
  verifyCheckpoint,
  type WitnessKey,
} from '@cloister/tlog';
import { handoverQuorum } from '../charter/amendment.ts';
import type { CharterBody } from '../charter/body.ts';
import { contractError } from '../errors.ts';

/** A change of witnesses: the charters, and the position at which the second came into force. */
export interface Crossing {
  readonly before: CharterBody;
  readonly after: CharterBody;
  readonly seq: number;
}

/** The witnesses of a charter: each member's, under the member's id. */
export function witnessesOf(charter: CharterBody): WitnessKey[] {
  return charter.members.map((member) => ({ name: member.id, key: member.witness }));
}

/**
 * The head of a note that hands over from `before` to `after`.
 * @throws CodedError `handover-too-early`, and tlog's `quorum-not-met` and note codes
 */
export async function verifyHandover(
  crypto: CryptoPort,
  note: string,
  { genesis, crossing }: { genesis: Uint8Array; crossing: Crossing },
): Promise<TreeHead> {
  const { before, after, seq } = crossing;
  const head = await verifyCheckpoint(crypto, note, {
    origin: logOrigin(genesis),
    witnesses: witnessesOf(before),
    quorum: handoverQuorum(before, after),
    required: [],
  });
  if (head.size > seq) return head;
  const message = `a handover of ${head.size} entries; the amendment is at position ${seq}`;
  throw contractError('handover-too-early', message);
}

/**
 * The head that a note claims, if so many witnesses of `before` signed it as any handover needs: it
 * is worth reading its entries then. Undefined for whatever else a gateway shows.
 */
export async function mayHandOver(
  crypto: CryptoPort,
  note: string,
  { genesis, before }: { genesis: Uint8Array; before: CharterBody },
): Promise<TreeHead | undefined> {
  const { faulty, quorum } = before.witnesses;
  const least = before.members.length + faulty - quorum + 1;
  try {
    const checkpoint = parseCheckpoint(parseNote(note).text);
    if (checkpoint.origin !== logOrigin(genesis)) return undefined;
    const expect = { checkpoint, witnesses: witnessesOf(before) };
    const { times } = await gatherCosignatures(crypto, [note], expect);
    return times.length < least ? undefined : checkpoint;
  } catch (error) {
    if (!isCoded(error)) throw error;
    return undefined;
  }
}
