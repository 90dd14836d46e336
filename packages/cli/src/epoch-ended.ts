// SPDX-License-Identifier: Apache-2.0
// An attempt at an epoch that ended without a key, as the error that people see.
import type { Status } from '@cloister/api';
import { cliError } from './errors.ts';

export function epochEnded(end: NonNullable<Status['endedEpoch']>) {
  const message = `the keepers ended the epoch (${end.code}): wanted ${end.wanted}, got ${end.got}`;
  return cliError('epoch-ended', message);
}
