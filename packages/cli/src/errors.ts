// SPDX-License-Identifier: Apache-2.0
// What the command line adds: its own codes, and the exit status of every kind of error. This is
// the only place that knows the statuses; `cloister --help` prints them.
import type { DatasetCheck, RunStatus } from '@cloister/api';
import { type CodedError, type ErrorKind, errorTable, isCoded, toldError } from '@cloister/core';

/** A CodedError of the command line. */
export const cliError = errorTable({
  'file-unreadable': { kind: 'not-found', says: 'A file is not there or cannot be read.' },
  'file-malformed': {
    kind: 'malformed',
    says: 'A file holds something other than what is wanted of it.',
  },
  'file-unwritable': { kind: 'usage', says: 'A file cannot be written; choose another place.' },
  'file-exists': { kind: 'conflict', says: 'A file exists already; --force replaces it.' },
  'key-file-exposed': { kind: 'usage', says: 'A file with keys is open to others: chmod 600 it.' },
  'key-file-malformed': { kind: 'malformed', says: 'A file of keys has not its form.' },
  'kms-unreachable': {
    kind: 'unavailable',
    says: 'The key service that --kms names cannot be started, ended, or is silent.',
  },
  'kms-answer-malformed': {
    kind: 'malformed',
    says: 'The key service that --kms names answers in another form.',
  },
  'kms-refused': { kind: 'policy', says: 'The key service refuses what was asked of it.' },
  'charter-file-malformed': { kind: 'malformed', says: 'A file is no charter.' },
  'hardware-missing': {
    kind: 'malformed',
    says: 'The charter or the home has no hardware for this node.',
  },
  'option-malformed': { kind: 'usage', says: 'An option has not the form that --help tells.' },
  'id-unknown': { kind: 'not-found', says: 'Nothing that begins with these digits is known.' },
  'id-ambiguous': { kind: 'usage', says: 'Several begin with these digits: give more.' },
  'epoch-ended': { kind: 'policy', says: 'The attempt to form an epoch ended without one.' },
  'epoch-timed-out': {
    kind: 'unavailable',
    says: 'The attempt to form an epoch is not over yet: --wait longer.',
  },
  'reseal-pending': {
    kind: 'unavailable',
    says: 'The new key is in force, and not every dataset is sealed to it yet.',
  },
  'process-failed': { kind: 'unavailable', says: 'A process that was started has ended.' },
  'task-refused': { kind: 'policy', says: 'The policies do not allow the question.' },
  'verification-failed': { kind: 'verification', says: 'The ledger or a node does not verify.' },
  'demo-timed-out': { kind: 'unavailable', says: 'The demo waited too long for a step.' },
  'demo-not-refused': {
    kind: 'verification',
    says: 'Something that the demo tries was not refused: that is a hole, report it.',
  },
});

/** Exit status by kind; 70 (EX_SOFTWARE) is a fault of ours. */
export const EXIT_STATUS: Readonly<Record<ErrorKind, number>> = {
  malformed: 1,
  usage: 1,
  policy: 2,
  verification: 3,
  unavailable: 4,
  conflict: 5,
  'not-found': 6,
  unsupported: 7,
};

export const EXIT_HELP = `
Exit status: 0 done, 1 malformed input or wrong use, 2 refused by a policy or a rule,
3 verification failed, 4 something could not be reached (try again), 5 conflict,
6 not found, 7 unsupported, 70 a fault of cloister itself.`;

export function exitStatusOf(error: unknown): number {
  return isCoded(error) ? EXIT_STATUS[error.kind] : 70;
}

/**
 * A run that ended without a result, as the error that its worker met: code, kind and sentence are
 * the run's.
 */
export function runFailed(status: RunStatus): CodedError {
  const { code = 'run-failed', kind = 'verification', sentence = 'no more is known' } = status;
  const message = `the run failed (${code}): ${sentence}`;
  return toldError({ code, kind, message }, { details: { run: status.run, code } });
}

/** Refuses what a check has found. @throws the first of it, with what the others say */
export function refuseFound({ findings }: Pick<DatasetCheck, 'findings'>): void {
  const [first] = findings;
  if (first === undefined) return;
  const { code, kind, details } = first;
  const message = findings.map((one) => one.message).join('; ');
  throw toldError({ code, kind, message }, { details });
}
