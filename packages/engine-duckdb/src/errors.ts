// SPDX-License-Identifier: Apache-2.0
// The codes of the DuckDB engine. Planning sees no data, so its refusals explain themselves; a run
// fails with `engine-run-failed` and one fixed sentence whatever happened inside, because engine
// messages print values.
import { type CodedError, type ErrorCodeOf, errorTable } from '@cloister/core';

/** A CodedError of this package. */
export const engineError = errorTable({
  'engine-closed': { kind: 'usage', says: 'The engine has been closed.' },
  'engine-start-failed': {
    kind: 'unavailable',
    says: "The engine's process could not be started; see to its memory limits.",
  },
  'engine-cage-weak': {
    kind: 'policy',
    says: "What holds the engine's process is less than is asked for; nothing was read.",
  },
  'engine-plan-timeout': {
    kind: 'unsupported',
    says: 'Planning the code took longer than any code may, or more memory.',
  },
  'engine-too-complex': {
    kind: 'unsupported',
    says: 'Planning the code takes more than any code may.',
  },
  'engine-schema-invalid': {
    kind: 'usage',
    says: 'The tables given to the planner are not ones that it takes.',
  },
  'engine-params-invalid': { kind: 'usage', says: 'The parameters are not those of the code.' },
  'engine-not-one-statement': { kind: 'unsupported', says: 'A statement is not one statement.' },
  'engine-statement-count': {
    kind: 'unsupported',
    says: 'The code has no statement, or more than a task may have.',
  },
  'engine-not-select': { kind: 'unsupported', says: 'A task is SELECT statements only.' },
  'engine-syntax': { kind: 'malformed', says: 'A statement does not parse.' },
  'engine-bind-failed': {
    kind: 'malformed',
    says: 'A statement names what the tables do not have, or cannot be planned.',
  },
  'engine-operator-refused': {
    kind: 'unsupported',
    says: 'The plan has an operator whose effect is not accounted for.',
  },
  'engine-expression-refused': {
    kind: 'unsupported',
    says: 'The plan has an expression whose effect is not accounted for.',
  },
  'engine-function-refused': {
    kind: 'unsupported',
    says: 'The statement calls a function that is not on the list.',
  },
  'engine-type-refused': {
    kind: 'unsupported',
    says: 'The statement uses a type that is not handled.',
  },
  'engine-input-refused': {
    kind: 'unsupported',
    says: "The statement reads something other than the task's tables.",
  },
  'engine-outputs-invalid': {
    kind: 'unsupported',
    says: 'The outputs of a statement cannot be written.',
  },
  'engine-grouping-refused': {
    kind: 'usage',
    says: 'The smallest group cannot be enforced on this statement.',
  },
  'engine-suppression-failed': {
    kind: 'unsupported',
    says: 'Small groups cannot be suppressed in this statement.',
  },
  'engine-plan-changed': {
    kind: 'verification',
    says: 'The plan at the run is not the one that was approved.',
  },
  'engine-run-invalid': {
    kind: 'usage',
    says: 'A run is asked for with other than its plan needs.',
  },
  'engine-run-failed': {
    kind: 'verification',
    says: 'A run failed in the engine; why is not told, as it may tell of data.',
  },
  'engine-columns-differ': {
    kind: 'verification',
    says: 'A Parquet file has other columns than it was said to have.',
  },
  'engine-text-failed': {
    kind: 'verification',
    says: 'A Parquet file could not be converted: it is damaged, or too large.',
  },
});

export type EngineErrorCode = ErrorCodeOf<typeof engineError>;

/** The one failure of a run: says nothing of what the engine met. */
export function runFailed(): CodedError<EngineErrorCode> {
  const message = 'the run failed inside the engine; why is not told, because it may tell of data';
  return engineError('engine-run-failed', message);
}

/** Of a planner or runner that is asked after its end. */
export function engineClosed(): CodedError<EngineErrorCode> {
  return engineError('engine-closed', 'this engine has been closed');
}
