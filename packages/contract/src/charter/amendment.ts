// SPDX-License-Identifier: Apache-2.0
// Whose signatures bring an amendment into force. Judged over the charter before it alone:
//
//   all         a majority of its members, so that no one member moves the charter that others'
//               amendments stand on
//   more        its quorum of members, for whatever does not only narrow, for members who leave and
//               for keys that others replace; of those that are left, where so many are gone that
//               the quorum cannot be met
//   own         each member whose keys change, by its old key; but those whose keys are lost
//   new         each new identity key, and each new witness key, by itself
//
// docs/design/charters-that-live.md.
import { toHex } from '@cloister/core';
import type { CharterBody } from './body.ts';
import { charterChanges, newKeys, rekeyed, removedMembers } from './changes.ts';

/** What an amendment is judged over. */
export interface Amending {
  readonly before: CharterBody;
  readonly after: CharterBody;
  /** Members whose keys others replace. */
  readonly replaces: readonly string[];
  /** Members of `before` who have signed with the identity key that it gives them. */
  readonly signed: ReadonlySet<string>;
  /** New keys that have spoken for themselves, in hexadecimal. */
  readonly shown: ReadonlySet<string>;
}

/** What is there, and what is still missing; in force when nothing is. */
export interface AmendmentNeeds {
  /** Signatures of members that count, and how many are wanted. */
  readonly counted: readonly string[];
  readonly wanted: number;
  /** Members whose own old key has to sign and has not. */
  readonly own: readonly string[];
  /** New keys that have not spoken, in hexadecimal. */
  readonly unshown: readonly string[];
  readonly met: boolean;
}

export function amendmentNeeds(amending: Amending): AmendmentNeeds {
  const { before, after, replaces, signed, shown } = amending;
  const counted = before.members
    .map(({ id }) => id)
    .filter((id) => signed.has(id) && !replaces.includes(id));
  const wanted = signaturesWanted(amending);
  const own = rekeyed(before, after).filter((id) => !replaces.includes(id) && !signed.has(id));
  const unshown = newKeys(before, after).filter((key) => !shown.has(key));
  const met = counted.length >= wanted && own.length === 0 && unshown.length === 0;
  return { counted, wanted, own, unshown, met };
}

function signaturesWanted({ before, after, replaces, signed }: Amending): number {
  const { length: w } = before.members;
  const majority = Math.floor(w / 2) + 1;
  const removed = removedMembers(before, after);
  const quorum =
    replaces.length > 0 || charterChanges(before, after).some((change) => change.quorum);
  if (!quorum) return majority;
  const gone = new Set([...replaces, ...removed.filter((id) => !signed.has(id))]);
  return Math.max(majority, Math.min(before.witnesses.quorum, w - gone.size));
}

/**
 * Witnesses of `before` that have to sign a head with the amendment in it, for those who knew
 * `before` to follow to `after`. Its quorum; where it takes keys away, of the keys that are left,
 * but always so many that more than may lie of them also sit in any quorum of `before`: of a head
 * without the amendment there is then no quorum, and no fork.
 */
export function handoverQuorum(before: CharterBody, after: CharterBody): number {
  const { faulty, quorum } = before.witnesses;
  const { length: w } = before.members;
  const kept = before.members.length - retiredWitnesses(before, after).length;
  return Math.max(w + faulty - quorum + 1, Math.min(quorum, kept));
}

/** Ids of members of `before` whose witness key is no witness's in `after`. */
export function retiredWitnesses(before: CharterBody, after: CharterBody): string[] {
  const now = new Set(after.members.map(({ witness }) => toHex(witness)));
  return before.members.filter(({ witness }) => !now.has(toHex(witness))).map(({ id }) => id);
}

/** Whether heads under `after` are signed by others, or by other numbers, than under `before`. */
export function witnessesChange(before: CharterBody, after: CharterBody): boolean {
  return (
    before.members.length !== after.members.length ||
    before.witnesses.quorum !== after.witnesses.quorum ||
    before.witnesses.faulty !== after.witnesses.faulty ||
    retiredWitnesses(before, after).length > 0
  );
}
