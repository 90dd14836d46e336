// SPDX-License-Identifier: Apache-2.0
// The stable codes of field policies and uses. Findings of the judge are not errors: they are
// values, with codes of their own (findings.ts), because one task may have many.
import { CodedError, type ErrorDetails, type ErrorKind } from '@cloister/core';

/** Codes thrown by the policy documents, their compiled form and the uses. */
export type PolicyErrorCode =
  | 'policy-malformed'
  | 'policy-unknown-column'
  | 'policy-no-subject'
  | 'policy-no-minimum'
  | 'policy-largest-unsupported'
  | 'uses-malformed'
  | 'uses-not-canonical';

/** A coded refusal of a policy or of uses. */
export function policyError(
  code: PolicyErrorCode,
  kind: ErrorKind,
  message: string,
  details: ErrorDetails = {},
): CodedError<PolicyErrorCode> {
  return new CodedError(code, kind, message, { details });
}
