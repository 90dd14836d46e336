// SPDX-License-Identifier: Apache-2.0
// How the values of a column of a Parquet file become pairs, for the columns most files have. The
// others are compared by their forms.
import type { LeafColumn } from '@cloister/parquet-crypto';

/**
 * A double; a whole number of 32 bits without sign; one of 64 bits; bytes by their hash; a decimal
 * as a double, by what its digits are divided by.
 */
export type PairForm = 'number' | 'unsigned' | 'whole' | 'hash' | { readonly dividedBy: number };

/** So many digits a double keeps. */
const DOUBLE_DIGITS = 15;

const BY_TYPE: Readonly<Record<string, Partial<Record<LeafColumn['physicalType'], PairForm>>>> = {
  BOOLEAN: { BOOLEAN: 'number' },
  TINYINT: { INT32: 'number' },
  SMALLINT: { INT32: 'number' },
  INTEGER: { INT32: 'number' },
  UTINYINT: { INT32: 'unsigned' },
  USMALLINT: { INT32: 'unsigned' },
  UINTEGER: { INT32: 'unsigned' },
  BIGINT: { INT64: 'whole' },
  FLOAT: { FLOAT: 'number' },
  DOUBLE: { DOUBLE: 'number' },
  DATE: { INT32: 'number' },
  VARCHAR: { BYTE_ARRAY: 'hash' },
  BLOB: { BYTE_ARRAY: 'hash', FIXED_LEN_BYTE_ARRAY: 'hash' },
};

/**
 * Of a leaf that is a column of `type`; undefined where its pairs would not be those that the
 * engine's values have.
 */
export function pairFormOf(leaf: LeafColumn, type: string): PairForm | undefined {
  const { logicalType, physicalType } = leaf;
  const decimal = /^DECIMAL\((\d+),(\d+)\)$/.exec(type);
  if (decimal !== null) {
    const isNumber = physicalType === 'INT32' || physicalType === 'INT64';
    const fits = isNumber && Number(decimal[1]) <= DOUBLE_DIGITS;
    return fits ? { dividedBy: 10 ** Number(decimal[2]) } : undefined;
  }
  if (type === 'TIMESTAMP' || type === 'TIMESTAMP WITH TIME ZONE') {
    const inMicros = logicalType?.startsWith('TIMESTAMP(MICROS,') === true;
    return inMicros && physicalType === 'INT64' ? 'whole' : undefined;
  }
  return BY_TYPE[type]?.[physicalType];
}
