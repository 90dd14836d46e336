// SPDX-License-Identifier: Apache-2.0
// The forms of values as a Parquet file stores them (parquet-format LogicalTypes.md), by leaf.
import { fromUtf8, toHex } from '@cloister/core';
import type { LeafColumn } from '@cloister/parquet-crypto';
import type { Stored } from './parquet-values.ts';
import {
  asIs,
  asText,
  byText,
  DAYTIMES,
  exactNumber,
  type Form,
  type Forms,
  inMicroseconds,
  safe,
  TEXTS,
  whole,
} from './value-form.ts';

type StoredForms = Forms<NonNullable<Stored>>;

const numbers = (ofSource: (value: NonNullable<Stored>) => Form, ask = asIs): StoredForms => ({
  ask,
  ofEngine: (value) => whole(value as number | bigint),
  ofSource,
});
const FOREVER = 2n ** 63n - 1n;
const stored = (value: NonNullable<Stored>): Form => whole(value as number | bigint);
const big = (value: NonNullable<Stored>): bigint => BigInt(value as bigint | number);
const bytes = (value: NonNullable<Stored>): Uint8Array => value as Uint8Array;

const TEXT: StoredForms = {
  ...TEXTS,
  ofSource: (value) => fromUtf8(bytes(value)),
};
const BYTES: StoredForms = {
  ask: (column) => `lower(hex(${column}))`,
  ofEngine: String,
  ofSource: (value) => toHex(bytes(value)),
};
const UUID: StoredForms = { ...BYTES, ask: (c) => `replace(${asText(c)}, '-', '')` };

const BY_LOGICAL: Readonly<Record<string, StoredForms>> = {
  STRING: TEXT,
  ENUM: TEXT,
  JSON: TEXT,
  BSON: BYTES,
  UUID,
  FLOAT16: numbers((value) => half(bytes(value))),
  DATE: numbers(stored, (column) => `${column} - DATE '1970-01-01'`),
  UINT_32: numbers((value) => Number(value) >>> 0),
  UINT_64: numbers((value) => safe(BigInt.asUintN(64, big(value)))),
  ...daytimes(),
  ...moments('MILLIS', (value) => value * 1_000n),
  ...moments('MICROS', (value) => value),
  // Cut towards 1970, where those of INT96 are cut towards the past: so the engine reads them.
  'TIMESTAMP(NANOS,UTC)': numbers((value) => safe(big(value) / 1_000n), inMicroseconds),
  'TIMESTAMP(NANOS,LOCAL)': numbers(stored, (column) => `epoch_ns(${column})`),
};

/** How a column of this leaf is compared, where it has kept its type. */
export function formsOfLeaf({ logicalType, physicalType }: LeafColumn): StoredForms {
  if (logicalType?.startsWith('DECIMAL')) return decimal(logicalType);
  const known = logicalType === undefined ? undefined : BY_LOGICAL[logicalType];
  if (known !== undefined) return known;
  if (physicalType === 'INT96') return numbers((value) => safe(cut(big(value))), inMicroseconds);
  if (physicalType === 'BOOLEAN') return numbers(Number, (column) => `CAST(${column} AS INTEGER)`);
  return physicalType.endsWith('BYTE_ARRAY') ? BYTES : numbers(stored);
}

/** Nanoseconds as the microseconds that they are in, towards the past. */
function cut(nanoseconds: bigint): bigint {
  const rest = ((nanoseconds % 1_000n) + 1_000n) % 1_000n;
  return (nanoseconds - rest) / 1_000n;
}

function decimal(type: string): StoredForms {
  const scale = /,(\d+)\)$/.exec(type)?.[1] ?? '0';
  const unscaled = (value: NonNullable<Stored>): bigint =>
    value instanceof Uint8Array ? signed(value) : big(value);
  return {
    ...byText(exactNumber),
    ofSource: (value) => exactNumber(`${unscaled(value)}e-${scale}`),
  };
}

/** Two's complement, the highest byte first. */
export function signed(value: Uint8Array): bigint {
  if (value.length === 0) return 0n;
  return BigInt.asIntN(8 * value.length, BigInt(`0x${toHex(value)}`));
}

function daytimes(): Record<string, StoredForms> {
  const { TIME, TIME_NS } = DAYTIMES;
  const millis = numbers((value) => safe(big(value) * 1_000n), TIME.ask);
  const micros = numbers(stored, TIME.ask);
  return {
    'TIME(MILLIS,LOCAL)': millis,
    'TIME(MILLIS,UTC)': millis,
    'TIME(MICROS,LOCAL)': micros,
    'TIME(MICROS,UTC)': micros,
    'TIME(NANOS,LOCAL)': numbers(stored, TIME_NS.ask),
  };
}

function moments(unit: string, toMicros: (value: bigint) => bigint): Record<string, StoredForms> {
  const forms = numbers((value) => safe(toMicros(big(value))), endlessToo);
  return { [`TIMESTAMP(${unit},LOCAL)`]: forms, [`TIMESTAMP(${unit},UTC)`]: forms };
}

/** The engine's two times without end are stored as these, and have no microseconds to it. */
function endlessToo(column: string): string {
  const ends = ['', '-'].map((sign) => `WHEN ${column} = '${sign}infinity' THEN ${sign}${FOREVER}`);
  return `COALESCE(${inMicroseconds(column)}, CASE ${ends.join(' ')} END)`;
}

/** IEEE 754 binary16, the lowest byte first. */
function half(value: Uint8Array): number {
  const word = (value[0] as number) | ((value[1] as number) << 8);
  const sign = word >> 15 === 0 ? 1 : -1;
  const exponent = (word >> 10) & 31;
  const fraction = word & 1_023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1_024 + fraction) * 2 ** (exponent - 25);
}
