// SPDX-License-Identifier: Apache-2.0
// The stable codes of the DuckDB engine. Planning sees no data, so its refusals explain themselves;
// a run fails with `engine-run-failed` and one fixed sentence whatever happened inside, because
// engine messages print values.
import { CodedError, type ErrorDetails, type ErrorKind } from '@cloister/core';

export type EngineErrorCode =
  | 'engine-closed'
  | 'engine-start-failed'
  | 'engine-plan-timeout'
  | 'engine-schema-invalid'
  | 'engine-params-invalid'
  | 'engine-not-one-statement'
  | 'engine-statement-count'
  | 'engine-not-select'
  | 'engine-syntax'
  | 'engine-bind-failed'
  | 'engine-operator-refused'
  | 'engine-expression-refused'
  | 'engine-function-refused'
  | 'engine-type-refused'
  | 'engine-input-refused'
  | 'engine-outputs-invalid'
  | 'engine-grouping-refused'
  | 'engine-suppression-failed'
  | 'engine-plan-changed'
  | 'engine-run-invalid'
  | 'engine-run-failed';

export function engineError(
  code: EngineErrorCode,
  kind: ErrorKind,
  message: string,
  details: ErrorDetails = {},
): CodedError<EngineErrorCode> {
  return new CodedError(code, kind, message, { details });
}

/** The one failure of a run: says nothing of what the engine met. */
export function runFailed(): CodedError<EngineErrorCode> {
  const message = 'the run failed inside the engine; why is not told, because it may tell of data';
  return engineError('engine-run-failed', 'verification', message);
}
