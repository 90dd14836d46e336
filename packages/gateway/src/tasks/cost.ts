// SPDX-License-Identifier: Apache-2.0
// What a task will probably cost, from what the ledger says of its inputs: sizes are known exactly
// for whole files only, so a column's share is estimated as its part of the columns.
import type { CheckAnswer } from '@cloister/api';
import { costOf, type EventBody, type Input } from '@cloister/contract';

const MEMORY_BASE_BYTES = 256 * 1024 * 1024;
/** Plain, uncompressed, in the engine: a multiple of the encrypted bytes that were typical. */
const MEMORY_PER_BYTE = 6;

/** An estimate, in bytes read, memory and money, for one run. */
export function estimateCost(
  inputs: readonly Input[],
  bodies: readonly EventBody<'dataset'>[],
): CheckAnswer['cost'] {
  let bytes = 0;
  let rows = 0;
  let micros = 0n;
  bodies.forEach((body, i) => {
    const share = (inputs[i]?.columns.length ?? 0) / Math.max(body.columns.length - 1, 1);
    const read = Math.round(body.files.length * share);
    bytes += read;
    rows += body.rows;
    micros += costOf(body.price, { rows: body.rows, bytes: read, milliseconds: 0 });
  });
  const currency = bodies[0]?.price.currency ?? 'XXX';
  const memoryBytes = MEMORY_BASE_BYTES + MEMORY_PER_BYTE * bytes;
  return { bytes, rows, memoryBytes, currency, micros: micros.toString() };
}
