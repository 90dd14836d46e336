// SPDX-License-Identifier: Apache-2.0
// Fields whose rules come later. An event that uses one is void by a code of its own: a reader that
// skipped what it does not judge would take a narrow grant for a wide one. Asked after the signer's
// right to speak, so that strangers burn no ids. docs/design/room-for-what-comes.md.
import { type Cage, cageHolds } from '../charter/body.ts';
import { type Verdict, voided } from './void-codes.ts';

/** The strongest cage that anything here runs code in. */
const BUILT: Cage = 'sandbox';

/** Void where one of these is used, by its name. */
export function judgeReserved(used: Readonly<Record<string, boolean>>): Verdict {
  const field = Object.keys(used).find((name) => used[name]);
  return field === undefined ? undefined : voided('field-reserved', field);
}

/** Whether a cage is one that this version builds. */
export function isBuilt(cage: Cage): boolean {
  return cageHolds(BUILT, cage);
}
