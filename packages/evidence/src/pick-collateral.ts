// SPDX-License-Identifier: Apache-2.0
// What a verifier takes of the collateral that it was given: the newest bundle that fits, and its
// items by name.
import { evidenceError } from './errors.ts';
import type { Collateral, EvidenceKind } from './types.ts';

/**
 * The bundle for `kind` and `subject` with the highest number.
 * @throws CodedError `collateral-missing`, `collateral-mismatch`
 */
export function pickCollateral(
  given: Collateral | readonly Collateral[] | null,
  kind: EvidenceKind,
  subject: string,
): Collateral {
  const all = given === null ? [] : Array.isArray(given) ? given : [given as Collateral];
  if (all.length === 0) {
    throw evidenceError(
      'collateral-missing',
      `no collateral given; wanted ${kind} for '${subject}'`,
    );
  }
  const fitting = all.filter((c) => c.kind === kind && c.subject === subject);
  const [best] = fitting.sort((a, b) => b.number - a.number);
  if (best === undefined) {
    const got = all.map((c) => `${c.kind} for '${c.subject}'`).join(', ');
    throw evidenceError('collateral-mismatch', `wanted ${kind} for '${subject}', got ${got}`);
  }
  return best;
}

/** A named item. @throws CodedError `collateral-missing` */
export function item(collateral: Pick<Collateral, 'items'>, name: string): Uint8Array {
  const found = Object.hasOwn(collateral.items, name) ? collateral.items[name] : undefined;
  if (found === undefined) {
    throw evidenceError('collateral-missing', `the collateral lacks '${name}'`);
  }
  return found;
}
