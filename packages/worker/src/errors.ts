// SPDX-License-Identifier: Apache-2.0
// Codes that a worker adds to those of the packages it uses.
import { type ErrorCodeOf, errorTable } from '@cloister/core';

/** A CodedError of this package. */
export const workerError = errorTable({
  // its configuration
  'engine-unknown': {
    kind: 'unsupported',
    says: 'The worker has no engine of this kind; its configuration names one it has not.',
  },
  'scratch-not-in-memory': {
    kind: 'policy',
    says: 'Plain columns would lie on a disk: the scratch folder has to be in memory.',
  },
  // asking for a run
  'not-the-proposer': { kind: 'policy', says: 'Only the proposer of a task can have it run.' },
  'worker-cage-weak': {
    kind: 'policy',
    says: 'What would hold the code on this machine is less than its environment asks for.',
  },
  'ticket-not-for-us': {
    kind: 'policy',
    says: "The ticket is not the proposer's for this operator, task and run; ask it for another.",
  },
  'worker-busy': {
    kind: 'unavailable',
    says: 'The worker runs another task; wait, or ask another worker.',
  },
  'gateway-unknown': {
    kind: 'unavailable',
    says: 'No gateway says that it is of the member that is asked for.',
  },
  // keys
  'freshness-unreachable': {
    kind: 'unavailable',
    says: "No gateway gave a fresh note with the keepers' challenges.",
  },
  'keepers-too-few': {
    kind: 'unavailable',
    says: 'Too few keepers answered to open the keys; try again.',
  },
  'keepers-refused': {
    kind: 'policy',
    says: 'Keepers refuse to open the keys; the commonest refusal is told beside.',
  },
  'keeper-answer-malformed': { kind: 'verification', says: 'A keeper answered out of form.' },
  'key-opening-failed': {
    kind: 'verification',
    says: 'What keepers opened does not come to the key: some of them lie.',
  },
  // results
  'recipient-unknown': {
    kind: 'policy',
    says: 'A recipient is no member of the charter; propose the task again.',
  },
  'run-failed': {
    kind: 'verification',
    says: 'The run failed inside the worker; why is not told, as it may tell of data.',
  },
});

export type WorkerErrorCode = ErrorCodeOf<typeof workerError>;
