// SPDX-License-Identifier: Apache-2.0
// The most columns fit into an event whose other parts are as long as they may be, and not many
// more would.
import { ed25519Signer } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import { FILES_MAX } from '../dataset-files/file-manifest.ts';
import { datasetBody, type EventBody } from './bodies.ts';
import { DATASET_COLUMNS_MAX } from './dataset-size.ts';
import { MAX_EVENT_BYTES, signEvent } from './event.ts';

const MOST = Number.MAX_SAFE_INTEGER;
const bytes = (length: number) => new Uint8Array(length).fill(7);

/** The longest event of a dataset with so many columns. */
async function eventOf(columns: number): Promise<Uint8Array> {
  const body: EventBody<'dataset'> = {
    dataset: bytes(16),
    version: MOST,
    kind: 'k'.repeat(32),
    groupKey: bytes(65),
    rows: MOST,
    files: { manifest: bytes(32), count: FILES_MAX, length: MOST },
    columns: Array.from({ length: columns + 1 }, (_, id) => ({ id, sealed: bytes(32) })),
    schema: bytes(32),
    policy: bytes(32),
    openings: bytes(32),
    price: { currency: 'EUR', run: MOST, row: MOST, gigabyte: MOST, second: MOST },
    approvals: 20,
    previous: bytes(32),
    within: MOST,
  };
  expect(datasetBody.safeParse(body).success).toBe(true);
  const event = { genesis: bytes(32), kind: 'dataset', body } as const;
  return signEvent(ed25519Signer(bytes(32)), 'm'.repeat(32), event);
}

describe('the most columns of a dataset', () => {
  it('have an event that the ledger takes', async () => {
    const { length } = await eventOf(DATASET_COLUMNS_MAX);
    expect(length).toBeLessThanOrEqual(MAX_EVENT_BYTES);
  });

  it('are not far from what an event holds', async () => {
    const { length } = await eventOf(Math.ceil(DATASET_COLUMNS_MAX * 1.05));
    expect(length).toBeGreaterThan(MAX_EVENT_BYTES);
  });
});
