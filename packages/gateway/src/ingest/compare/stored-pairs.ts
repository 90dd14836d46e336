// SPDX-License-Identifier: Apache-2.0
// Values as another reader has them, as the pairs that a trace takes.
import { hashInto } from '../quick/text-hash.ts';
import { type ColumnTrace, PAIR } from './column-trace.ts';
import type { PairForm } from './pair-form.ts';
import { Pairs, wholeAsDoubles } from './pairs.ts';
import type { Stored } from './parquet-values.ts';

const BATCH = 8_192;

const out = new Pairs(BATCH);
const { values, pairs, kinds } = out;
const wholes = new BigInt64Array(BATCH);
const wholeWords = new Int32Array(wholes.buffer);

/** Adds values in this form to a trace. */
export function addStored(form: PairForm, stored: ArrayLike<Stored>, trace: ColumnTrace): void {
  for (let from = 0; from < stored.length; from += BATCH) {
    const count = Math.min(BATCH, stored.length - from);
    for (let row = 0; row < count; row++) {
      const value = stored[from + row];
      if (value === null || value === undefined) {
        kinds[row] = PAIR.absent;
        wholes[row] = 0n;
      } else {
        kinds[row] = PAIR.value;
        write(form, value, row);
      }
    }
    if (form === 'whole') wholeAsDoubles(wholeWords, count, out);
    trace.addPairs(pairs, kinds, count);
  }
}

function write(form: PairForm, value: NonNullable<Stored>, row: number): void {
  if (form === 'number') values[row] = Number(value);
  else if (form === 'unsigned') values[row] = Number(value) >>> 0;
  else if (form === 'whole') wholes[row] = BigInt(value as bigint | number);
  else if (form === 'hash') {
    const bytes = value as Uint8Array;
    hashInto(pairs, 2 * row, bytes, 0, bytes.length);
  } else values[row] = Number(value) / form.dividedBy;
}
