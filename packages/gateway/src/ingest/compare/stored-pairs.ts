// SPDX-License-Identifier: Apache-2.0
// What a Parquet file stores, as the pairs that a trace takes, for the columns most files have:
// no text and no form is made of any value. The others are compared by their forms.
import type { LeafColumn } from '@cloister/parquet-crypto';
import { hashInto } from '../quick/text-hash.ts';
import { type ColumnTrace, PAIR } from './column-trace.ts';
import { wholeAsDoubles } from './engine-pairs.ts';
import type { Stored } from './parquet-values.ts';

type Present = NonNullable<Stored>;
/** Writes the pair of the value in `row`. */
type Write = (value: Present, row: number) => void;

const BATCH = 8_192;
/** So many digits a double keeps. */
const DOUBLE_DIGITS = 15;

const values = new Float64Array(BATCH);
const pairs = new Int32Array(values.buffer);
const wholes = new BigInt64Array(BATCH);
const wholeWords = new Int32Array(wholes.buffer);
const kinds = new Uint8Array(BATCH);

const asDouble: Write = (value, row) => {
  values[row] = Number(value);
};
const unsigned: Write = (value, row) => {
  values[row] = Number(value) >>> 0;
};
const asHash: Write = (value, row) => {
  const bytes = value as Uint8Array;
  hashInto(pairs, 2 * row, bytes, 0, bytes.length);
};
const asWhole: Write = (value, row) => {
  wholes[row] = BigInt(value as bigint | number);
};

const BY_TYPE: Readonly<Record<string, Partial<Record<LeafColumn['physicalType'], Write>>>> = {
  BOOLEAN: { BOOLEAN: asDouble },
  TINYINT: { INT32: asDouble },
  SMALLINT: { INT32: asDouble },
  INTEGER: { INT32: asDouble },
  UTINYINT: { INT32: unsigned },
  USMALLINT: { INT32: unsigned },
  UINTEGER: { INT32: unsigned },
  BIGINT: { INT64: asWhole },
  FLOAT: { FLOAT: asDouble },
  DOUBLE: { DOUBLE: asDouble },
  DATE: { INT32: asDouble },
  VARCHAR: { BYTE_ARRAY: asHash },
  BLOB: { BYTE_ARRAY: asHash, FIXED_LEN_BYTE_ARRAY: asHash },
};

/**
 * Adds values of this leaf, which is a column of `type`, to a trace; undefined where their pairs
 * are not those that the engine's values have.
 */
export function pairsOfLeaf(
  leaf: LeafColumn,
  type: string,
): ((stored: ArrayLike<Stored>, trace: ColumnTrace) => void) | undefined {
  const write = writeOf(leaf, type);
  if (write === undefined) return undefined;
  return (stored, trace) => {
    for (let from = 0; from < stored.length; from += BATCH) {
      const count = Math.min(BATCH, stored.length - from);
      for (let row = 0; row < count; row++) {
        const value = stored[from + row];
        if (value === null || value === undefined) {
          kinds[row] = PAIR.absent;
          wholes[row] = 0n;
        } else {
          kinds[row] = PAIR.value;
          write(value, row);
        }
      }
      if (write === asWhole) wholeAsDoubles(wholeWords, count, { pairs, values, kinds });
      trace.addPairs(pairs, kinds, count);
    }
  };
}

function writeOf({ logicalType, physicalType }: LeafColumn, type: string): Write | undefined {
  const decimal = /^DECIMAL\((\d+),(\d+)\)$/.exec(type);
  if (decimal !== null) {
    const [digits, scale] = [Number(decimal[1]), Number(decimal[2])];
    const isNumber = physicalType === 'INT32' || physicalType === 'INT64';
    if (digits > DOUBLE_DIGITS || !isNumber) return undefined;
    const one = 10 ** scale;
    return (value, row) => {
      values[row] = Number(value) / one;
    };
  }
  if (type === 'TIMESTAMP' || type === 'TIMESTAMP WITH TIME ZONE') {
    const inMicros = logicalType?.startsWith('TIMESTAMP(MICROS,') === true;
    return inMicros && physicalType === 'INT64' ? asWhole : undefined;
  }
  return BY_TYPE[type]?.[physicalType];
}
