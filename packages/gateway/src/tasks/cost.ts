// SPDX-License-Identifier: Apache-2.0
// What a task will probably cost, from what the ledger says of its inputs: sizes are known exactly
// for whole files only, so a column's share is estimated as its part of the columns.
import type { CheckAnswer } from '@cloister/api';
import { costOf, type EventBody, type Input } from '@cloister/contract';

const MEMORY_BASE_BYTES = 256 * 1024 * 1024;
/** Plain, uncompressed, in the engine: a multiple of the encrypted bytes that were typical. */
const MEMORY_PER_BYTE = 6;
/** Joining, keys, recording, releasing; then fetching and decrypting, and as long for the query. */
const TIME_BASE_MS = 400;
const BYTES_PER_MS = 200_000;

/** About how many encrypted bytes a run reads of an input. */
export function bytesRead({ columns }: Input, body: EventBody<'dataset'>): number {
  return Math.round(body.files.length * (columns.length / Math.max(body.columns.length - 1, 1)));
}

/** An estimate, in bytes read, memory, time and money, for one run. */
export function estimateCost(
  inputs: readonly Input[],
  bodies: readonly EventBody<'dataset'>[],
): CheckAnswer['cost'] {
  const read = bodies.map((body, i) => bytesRead(inputs[i] as Input, body));
  const bytes = read.reduce((sum, one) => sum + one, 0);
  const rows = bodies.reduce((sum, body) => sum + body.rows, 0);
  const milliseconds = TIME_BASE_MS + Math.ceil(bytes / BYTES_PER_MS);
  const micros = bodies
    .map(({ price, rows }, i) => costOf(price, { rows, bytes: read[i] as number, milliseconds }))
    .reduce((sum, one) => sum + one, 0n);
  const currency = bodies[0]?.price.currency ?? 'XXX';
  const memoryBytes = MEMORY_BASE_BYTES + MEMORY_PER_BYTE * bytes;
  return { bytes, rows, memoryBytes, milliseconds, currency, micros: micros.toString() };
}
