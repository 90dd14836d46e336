// SPDX-License-Identifier: Apache-2.0
// What a keeper's refusal on the ledger may say: verdicts that asking again cannot change. The
// evidence of a join is one blob, and what it shows of program, debugging, machine and keys stays
// so; what a task commits to stays so, too. What is missing, late, run out or used up is "not now":
// a keeper answers so and records nothing. spec/events.md, "Refusals".
import { findingError } from '../policy/finding.ts';

const EVIDENCE = [
  // It is not the maker's, or not over this join.
  'evidence-malformed',
  'evidence-trailing-bytes',
  'signature-invalid',
  'root-untrusted',
  'certificate-signature-invalid',
  'certificate-revoked',
  'qe-report-signature-invalid',
  'qe-binding-invalid',
  'binding-invalid',
  'hardware-id-mismatch',
  'report-data-mismatch',
  // It shows another program, machine or mode than the charter and the task name.
  'kind-not-allowed',
  'trust-not-allowed',
  'family-not-allowed',
  'binding-not-allowed',
  'measurement-not-allowed',
  'register-not-allowed',
  'signer-not-allowed',
  'svn-too-low',
  'hardware-not-enrolled',
  'debug-refused',
  'migratable-refused',
] as const;

/** Uses that a policy forbids, and columns that were never asked for. */
const USES = [...Object.keys(findingError.rows), 'policy-refused', 'column-not-granted'];

/** Codes of a refusal that stands for good; any other is void. */
export const LASTING_REFUSALS: ReadonlySet<string> = new Set([...EVIDENCE, ...USES]);
