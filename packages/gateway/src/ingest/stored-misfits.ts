// SPDX-License-Identifier: Apache-2.0
// Values that are stored in a Parquet file and have no place in the type that the file says
// (parquet-format, LogicalTypes.md): texts that are no UTF-8, whole numbers and decimals beyond
// their type, times of day beyond a day, days and milliseconds that microseconds do not reach.
// Writers check none of it, the engine fails at some and takes others for what they are not: they
// are found by the reader that shares no code with it.
import { isUtf8 } from 'node:buffer';
import { boundsOf, type LeafColumn, type RandomAccess } from '@cloister/parquet-crypto';
import { JULIAN_1970, type Stored, StoredParquet } from './compare/parquet-values.ts';
import { signed } from './compare/stored-form.ts';
import { ingestError } from './errors.ts';

interface Rule {
  readonly fits: (value: NonNullable<Stored>) => boolean;
  readonly says: string;
  /** Whether the engine would take others for values, and say nothing. */
  readonly unsaid?: boolean;
}

const DAY = { MILLIS: 86_400_000n, MICROS: 86_400_000_000n, NANOS: 86_400_000_000_000n };
const MOST_MICROS = 2n ** 63n - 1n;
/** What the engine counts from; minus the most, and for days too, is its time without beginning. */
const LEAST_MICROS = -9_223_372_022_400_000_000n;
const MOST_DAYS = 2n ** 31n - 1n;
const MOST_MILLIS = MOST_MICROS / 1_000n;
/** The engine counts Julian days from 0. */
const LEAST_INT96 = BigInt(-JULIAN_1970) * DAY.NANOS;

function ruleOf({ logicalType = '', physicalType }: LeafColumn): Rule | undefined {
  if (/^(?:STRING|ENUM|JSON)$/.test(logicalType)) {
    return {
      fits: (value) => isUtf8(value as Uint8Array),
      says: 'texts are UTF-8: write others as bytes',
    };
  }
  const [, integer, bits] = /^(U?INT)_(8|16)$/.exec(logicalType) ?? [];
  if (bits !== undefined) return integerRule(integer === 'UINT', BigInt(bits));
  const [, digits] = /^DECIMAL\((\d+),/.exec(logicalType) ?? [];
  if (digits !== undefined) {
    const most = 10n ** BigInt(digits) - 1n;
    const says = `it has at most ${digits} digits: write it as a decimal of more`;
    return { ...between(-most, most), says, unsaid: true };
  }
  if (physicalType === 'INT96') {
    const says =
      'it has a day, and a time within it, that microseconds reach: write others as numbers';
    return { ...between(LEAST_INT96, MOST_MICROS * 1_000n), says, unsaid: true };
  }
  const [, kind, unit] = /^(TIME|TIMESTAMP)\((\w+),/.exec(logicalType) ?? [];
  if (kind === 'TIME') {
    const says = 'times of day are before 24:00: write others as numbers';
    return { ...between(0n, DAY[unit as keyof typeof DAY] - 1n), says, unsaid: true };
  }
  if (logicalType === 'DATE') {
    const says = 'days are not counted so far back: write it as a number';
    return { ...between(-MOST_DAYS, MOST_DAYS), says, unsaid: true };
  }
  if (kind === 'TIMESTAMP' && unit === 'MICROS') {
    const { fits } = between(LEAST_MICROS, MOST_MICROS);
    const says = 'microseconds are not counted so far back: write it as a number';
    const orEndless = (value: NonNullable<Stored>) => fits(value) || value === -MOST_MICROS;
    return { fits: orEndless, says, unsaid: true };
  }
  if (kind !== 'TIMESTAMP' || unit !== 'MILLIS') return undefined;
  const says = 'microseconds do not reach so far: write it as a number';
  return { ...between(-MOST_MILLIS, MOST_MILLIS), says };
}

function integerRule(unsigned: boolean, bits: bigint): Rule {
  const [least, most] = unsigned
    ? [0n, 2n ** bits - 1n]
    : [-(2n ** (bits - 1n)), 2n ** (bits - 1n) - 1n];
  const says = `it counts from ${least} to ${most}: write it as an integer of more bits`;
  return { ...between(least, most), says, unsaid: true };
}

function between(least: bigint, most: bigint): Pick<Rule, 'fits'> {
  const [from, to] = [Number(least), Number(most)];
  const safe = Number.isSafeInteger(from) && Number.isSafeInteger(to);
  const fits = (value: NonNullable<Stored>) => {
    if (safe && typeof value === 'number') return value >= from && value <= to;
    const whole = value instanceof Uint8Array ? signed(value) : BigInt(value);
    return whole >= least && whole <= most;
  };
  return { fits };
}

/**
 * Whether a column has to be looked at, though nothing has failed: the engine would say nothing,
 * and the file's own statistics say that some value does not fit, or nothing.
 * @throws CodedError those of an unreadable footer
 */
export async function mayFailUnsaid(file: RandomAccess, leaf: LeafColumn): Promise<boolean> {
  const rule = ruleOf(leaf);
  if (rule?.unsaid !== true) return false;
  const bounds = await boundsOf(file, leaf.ordinal);
  return bounds?.every((bound) => fitsAsPlain(rule, leaf, bound)) !== true;
}

function fitsAsPlain(rule: Rule, { physicalType }: LeafColumn, bound: Uint8Array): boolean {
  const view = new DataView(bound.buffer, bound.byteOffset, bound.length);
  if (physicalType === 'INT32') return bound.length === 4 && rule.fits(view.getInt32(0, true));
  if (physicalType === 'INT64') return bound.length === 8 && rule.fits(view.getBigInt64(0, true));
  return physicalType !== 'INT96' && rule.fits(bound);
}

/**
 * Reads the column whole.
 * @throws CodedError `value-not-of-type` with how many values and the first row, from 1;
 * `parquet-malformed`
 */
export async function refuseMisfits(file: RandomAccess, leaf: LeafColumn): Promise<void> {
  const rule = ruleOf(leaf);
  if (rule === undefined) return;
  const column = leaf.parts[0] ?? '';
  const stored = await StoredParquet.open(file);
  let [row, first, misfits] = [0, 0, 0];
  for await (const values of stored.column(column)) {
    for (let i = 0; i < values.length; i++) {
      row += 1;
      const value = values[i];
      if (value === null || value === undefined || rule.fits(value)) continue;
      misfits += 1;
      if (misfits === 1) first = row;
    }
  }
  if (misfits === 0) return;
  const message =
    `column ${column} is ${leaf.logicalType ?? leaf.physicalType} by the file's footer, ` +
    `and ${misfits} of its values do not fit, the first in row ${first}: ${rule.says}`;
  throw ingestError('value-not-of-type', message, { details: { column, misfits } });
}
