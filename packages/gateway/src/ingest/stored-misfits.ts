// SPDX-License-Identifier: Apache-2.0
// Values that are stored in a Parquet file and have no place in the type that the file says
// (parquet-format, LogicalTypes.md): texts that are no UTF-8, times of day beyond a day,
// milliseconds that microseconds do not reach. Writers check none of it, the engine fails at some
// and takes others for what they are not: they are found by the reader that shares no code with it.
import { isUtf8 } from 'node:buffer';
import type { LeafColumn, RandomAccess } from '@cloister/parquet-crypto';
import { type Stored, StoredParquet } from './compare/parquet-values.ts';
import { ingestError } from './errors.ts';

interface Rule {
  readonly fits: (value: NonNullable<Stored>) => boolean;
  readonly says: string;
  /** Whether the engine would take others for values, and say nothing. */
  readonly unsaid?: boolean;
}

const DAY = { MILLIS: 86_400_000n, MICROS: 86_400_000_000n, NANOS: 86_400_000_000_000n };
const MOST_MILLIS = (2n ** 63n - 1n) / 1_000n;

function ruleOf(logicalType = ''): Rule | undefined {
  if (/^(?:STRING|ENUM|JSON)$/.test(logicalType)) {
    return {
      fits: (value) => isUtf8(value as Uint8Array),
      says: 'texts are UTF-8: write others as bytes',
    };
  }
  const [, kind, unit] = /^(TIME|TIMESTAMP)\((\w+),/.exec(logicalType) ?? [];
  if (kind === 'TIME') {
    const day = DAY[unit as keyof typeof DAY];
    const fits = (value: NonNullable<Stored>) => {
      const count = BigInt(value as bigint | number);
      return count >= 0n && count <= day;
    };
    return { fits, says: 'times of day lie within a day: write others as numbers', unsaid: true };
  }
  if (kind !== 'TIMESTAMP' || unit !== 'MILLIS') return undefined;
  const fits = (value: NonNullable<Stored>) => {
    const count = BigInt(value as bigint | number);
    return count >= -MOST_MILLIS && count <= MOST_MILLIS;
  };
  return { fits, says: 'microseconds do not reach so far: write it as a number' };
}

/** Whether a column has to be looked at, though nothing has failed. */
export function failsUnsaid({ logicalType }: LeafColumn): boolean {
  return ruleOf(logicalType)?.unsaid === true;
}

/**
 * Reads the column whole.
 * @throws CodedError `value-not-of-type` with how many values and the first row, from 1;
 * `parquet-malformed`
 */
export async function refuseMisfits(file: RandomAccess, leaf: LeafColumn): Promise<void> {
  const rule = ruleOf(leaf.logicalType);
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
    `column ${column} is ${leaf.logicalType} by the file's footer, and ${misfits} of its values ` +
    `do not fit, the first in row ${first}: ${rule.says}`;
  throw ingestError('value-not-of-type', message, { details: { column, misfits } });
}
