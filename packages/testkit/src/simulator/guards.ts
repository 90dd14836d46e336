// SPDX-License-Identifier: Apache-2.0
// The guards that a mutant switches off, by the codes with which they refuse. The seam is here and
// in the wrappers of this folder only: a mutant keeper or worker acts although the real code
// refused it. Nothing that ships can be told to skip a check.
const BY_CODE: Readonly<Record<string, string>> = {
  'challenge-unknown': 'freshness',
  'quorum-not-met': 'quorum',
  'required-witness-missing': 'own-witness',
  'freshness-notes-differ': 'one-head',
  'freshness-genesis-mismatch': 'genesis',
  'measurement-not-allowed': 'measurement',
  'signature-invalid': 'maker-signature',
  'debug-not-allowed': 'debug',
  'report-data-mismatch': 'report-data',
  'evidence-expired': 'evidence-expiry',
  'task-opening-mismatch': 'openings',
  'column-hidden': 'policy',
  'column-not-granted': 'column-grant',
  'pi-invalid': 'pi',
  'run-ended': 'run-ended',
  'join-run-limit': 'run-limit',
  'join-unapproved': 'approval',
};

/** Guards of nodes that are no refusal of an opening. */
const OTHERS = ['checkpoint-quorum', 'seat-appraisal', 'usage-receipt', 'wrong-partial-excluded'];

export const GUARDS: readonly string[] = [...Object.values(BY_CODE), ...OTHERS];

export function guardOf(code: string): string | undefined {
  return BY_CODE[code];
}
