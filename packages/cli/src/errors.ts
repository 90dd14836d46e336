// SPDX-License-Identifier: Apache-2.0
// What the command line adds: its own codes, and the exit status of every kind of error. This is
// the only place that knows the statuses; `cloister --help` prints them.
import type { RunStatus } from '@cloister/api';
import { CodedError, type ErrorKind, isCoded } from '@cloister/core';

export type CliErrorCode =
  | 'file-unreadable'
  | 'file-exists'
  | 'key-file-exposed'
  | 'key-file-malformed'
  | 'charter-file-malformed'
  | 'hardware-missing'
  | 'environment-missing'
  | 'option-malformed'
  | 'epoch-ended'
  | 'epoch-timed-out'
  | 'reseal-pending'
  | 'process-failed'
  | 'run-failed'
  | 'verification-failed'
  | 'demo-timed-out';

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

export function cliError(
  code: CliErrorCode,
  kind: ErrorKind,
  message: string,
  cause?: unknown,
): CodedError<CliErrorCode> {
  return new CodedError(code, kind, message, { cause });
}

/** Codes of runs that end because someone could not be reached: trying again may help. */
const UNREACHED = new Set([
  'freshness-unreachable',
  'receipt-missing',
  'gateway-unknown',
  'keepers-too-few',
  'ledger-unreachable',
  'quorum-unreachable',
  'timed-out',
]);

/** A run that ended without a result, as an error that carries its code on the ledger. */
export function runFailed(status: RunStatus): CodedError<CliErrorCode> {
  const code = status.code ?? 'run-failed';
  const message = `the run failed (${code}): ${status.sentence ?? 'no more is known'}`;
  const details = { run: status.run, code };
  const kind = UNREACHED.has(code) ? 'unavailable' : 'policy';
  return new CodedError('run-failed', kind, message, { details });
}
