// SPDX-License-Identifier: Apache-2.0
// What the ledger made of an event, as the APIs say it.
import type { Recorded } from '@cloister/api';
import type { EntryRecord } from './follower.ts';

export function recordedAnswer(record: EntryRecord): Recorded {
  return {
    seq: record.seq,
    id: record.event?.key ?? '0'.repeat(64),
    status: record.status,
    ...(record.code === undefined ? {} : { code: record.code }),
    ...(record.sentence === undefined ? {} : { sentence: record.sentence }),
  };
}
