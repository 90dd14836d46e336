// SPDX-License-Identifier: Apache-2.0
// Logical types in words (parquet-format LogicalTypes.md), from `logicalType` or, in older files,
// `converted_type`. For people and for callers that map types; unknown ones are named by number.
import { ELEMENT } from './format.ts';
import type { ThriftStruct } from './thrift/struct.ts';

const PLAIN: Readonly<Record<number, string>> = {
  1: 'STRING',
  2: 'MAP',
  3: 'LIST',
  4: 'ENUM',
  6: 'DATE',
  11: 'NULL',
  12: 'JSON',
  13: 'BSON',
  14: 'UUID',
  15: 'FLOAT16',
  16: 'VARIANT',
  17: 'GEOMETRY',
  18: 'GEOGRAPHY',
};

const CONVERTED = [
  'STRING',
  'MAP',
  'MAP_KEY_VALUE',
  'LIST',
  'ENUM',
  'DECIMAL',
  'DATE',
  'TIME(MILLIS,UTC)',
  'TIME(MICROS,UTC)',
  'TIMESTAMP(MILLIS,UTC)',
  'TIMESTAMP(MICROS,UTC)',
  'UINT_8',
  'UINT_16',
  'UINT_32',
  'UINT_64',
  'INT_8',
  'INT_16',
  'INT_32',
  'INT_64',
  'JSON',
  'BSON',
  'INTERVAL',
] as const;

const UNITS: Readonly<Record<number, string>> = { 1: 'MILLIS', 2: 'MICROS', 3: 'NANOS' };

/** The logical type of a schema element, or undefined. */
export function logicalTypeOf(element: ThriftStruct): string | undefined {
  const union = element.struct(ELEMENT.logicalType, 'LogicalType');
  const arm = union?.fields[0];
  if (union !== undefined && arm !== undefined) {
    const plain = PLAIN[arm.id];
    if (plain !== undefined) return plain;
    const inner = union.struct(arm.id, 'LogicalType');
    if (inner !== undefined) return parameterised(arm.id, inner);
  }
  const converted = element.int(ELEMENT.convertedType);
  if (converted === undefined) return undefined;
  const name = CONVERTED[converted];
  if (name !== 'DECIMAL') return name ?? `CONVERTED_${converted}`;
  return decimal(element.int(ELEMENT.precision), element.int(ELEMENT.scale));
}

function parameterised(id: number, inner: ThriftStruct): string {
  if (id === 5) return decimal(inner.int(2), inner.int(1));
  if (id === 7 || id === 8) {
    const unit = UNITS[inner.struct(2, 'TimeUnit')?.fields[0]?.id ?? 0] ?? 'UNKNOWN';
    const zone = inner.bool(1) === true ? 'UTC' : 'LOCAL';
    return `${id === 7 ? 'TIME' : 'TIMESTAMP'}(${unit},${zone})`;
  }
  if (id === 10) return `${inner.bool(2) === false ? 'UINT' : 'INT'}_${inner.int(1) ?? 0}`;
  return `LOGICAL_${id}`;
}

function decimal(precision: number | undefined, scale: number | undefined): string {
  return `DECIMAL(${precision ?? 0},${scale ?? 0})`;
}
