// SPDX-License-Identifier: Apache-2.0
// The witnesses' quorum. Of w witnesses f may lie; q must sign. Two quorums of one round share an
// honest witness when 2q - w > f, that is q > (w+f)/2, so a ledger cannot show two histories that
// both carry q signatures; and q >= 2f+1 leaves an honest majority inside every quorum. All counts
// are of distinct keys. Design, "Witnesses".
import { toHex } from '@cloister/core';
import type { CharterBody } from './body.ts';

export interface QuorumNumbers {
  readonly witnesses: number;
  readonly faulty: number;
  readonly quorum: number;
}

/** What is wrong with the numbers, as a sentence; undefined when they hold. */
export function quorumProblem(numbers: QuorumNumbers): string | undefined {
  const { witnesses: w, faulty: f, quorum: q } = numbers;
  if (q > w) return `got a quorum of ${q}, but there are only ${w} witnesses`;
  if (2 * q <= w + f) {
    const among = `${w} witnesses of which ${f} may lie`;
    return `got a quorum of ${q}; with ${among}, wanted more than ${(w + f) / 2}`;
  }
  if (q < 2 * f + 1) return `got a quorum of ${q}; with ${f} that may lie, wanted ${2 * f + 1}`;
  return undefined;
}

/** The smallest quorum that the rule allows for w witnesses of which f may lie. */
export function smallestQuorum(witnesses: number, faulty: number): number {
  return Math.max(Math.floor((witnesses + faulty) / 2) + 1, 2 * faulty + 1);
}

/** How `signers` (raw witness keys, repeats and strangers ignored) stand against the quorum. */
export function countQuorum(
  charter: CharterBody,
  signers: Iterable<Uint8Array>,
): { met: boolean; members: string[]; quorum: number } {
  const keys = new Set([...signers].map(toHex));
  const members = charter.members.filter((m) => keys.has(toHex(m.witness))).map((m) => m.id);
  const { quorum } = charter.witnesses;
  return { met: members.length >= quorum, members, quorum };
}
