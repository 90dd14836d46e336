// SPDX-License-Identifier: Apache-2.0
// Bounds that the files and the HTTP client share, and the checks of what a caller passes in.
import { EVENT_SIZE_MAX } from './entries-file.ts';
import { logStoreError } from './errors.ts';

/** Most events and bytes of one page of `read`. */
export const PAGE_MAX = { events: 1_000, bytes: 4 * 1024 * 1024 } as const;

/** @throws CodedError `event-empty`, `event-too-large` */
export function checkEvent(event: Uint8Array): void {
  if (event.length === 0) throw logStoreError('event-empty', 'an event has no bytes');
  if (event.length <= EVENT_SIZE_MAX) return;
  const got = `got ${event.length}: put the bulk into a blob`;
  const message = `an event has at most ${EVENT_SIZE_MAX} bytes, ${got}`;
  throw logStoreError('event-too-large', message);
}

/** @throws CodedError `position-invalid` */
export function checkRange(from: number, limit: number): void {
  if (Number.isSafeInteger(from) && from >= 0 && Number.isSafeInteger(limit) && limit > 0) return;
  const message = `a range needs a position from 0 and a limit from 1, got ${from} and ${limit}`;
  throw logStoreError('position-invalid', message);
}
