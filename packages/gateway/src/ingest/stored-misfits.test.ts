// SPDX-License-Identifier: Apache-2.0
// Stored values that are none of their column's type are told as that, not as damage, with the
// column, their number and the first row; values are never shown.
import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { mintParquet } from '../../../parquet-crypto/testing/mint.ts';
import { Desk } from '../../testing/ingest.ts';
import { inspectInput } from './inspect.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk.close());

/** Puts other bytes wherever some are. */
async function changed(path: string, from: readonly number[], to: readonly number[]) {
  const bytes = await readFile(path);
  for (let at = bytes.indexOf(Uint8Array.from(from)); at >= 0; ) {
    bytes.set(to, at);
    at = bytes.indexOf(Uint8Array.from(from), at + 1);
  }
  await writeFile(path, bytes);
  return path;
}

async function refusal(path: string, message: RegExp): Promise<void> {
  await expect(inspectInput(path)).rejects.toMatchObject({
    code: 'value-not-of-type',
    message: expect.stringMatching(message),
  });
}

it('texts that are no UTF-8', async () => {
  const path = await desk.parquet("SELECT unnest(['a', NULL, 'bé', 'é']) AS t");
  await changed(path, [0xc3, 0xa9], [0xc3, 0x28]);
  await refusal(path, /^column t is STRING .* 2 of its values .* row 3: texts are UTF-8/);
});

it('times of day beyond a day, which the engine takes', async () => {
  const TIME_MILLIS = { 6: { type: 5, value: 7 } } as const;
  const bytes = mintParquet({ valuesPerPage: 3, element: TIME_MILLIS });
  const footer = new DataView(bytes.buffer).getUint32(bytes.length - 8, true);
  bytes[bytes.length - 8 - footer - 1] = 0x7f;
  const path = await desk.given('t.parquet', bytes);
  await refusal(path, /^column c0 is TIME\(MILLIS,UTC\) .* 1 of its values .* row 3: times of day/);
});

it('milliseconds that microseconds do not reach', async () => {
  const path = await desk.parquet("SELECT unnest(['2020-01-01', '290000-01-01'])::TIMESTAMP AS at");
  // TimestampType of the footer: isAdjustedToUTC false, the unit MICROS, which becomes MILLIS.
  await changed(path, [0x12, 0x1c, 0x2c, 0, 0], [0x12, 0x1c, 0x1c, 0, 0]);
  await refusal(
    path,
    /^column at is TIMESTAMP\(MILLIS,LOCAL\) .* 1 of its values .* row 2: microsec/,
  );
});
