// SPDX-License-Identifier: Apache-2.0
// Pages that other readers refuse. Parquet's DELTA_BINARY_PACKED has deltas of INT32 in 32 bits at
// most, wrapped around where need be (parquet-format, Encodings.md); the engine computes them in
// 64 bits, so where values lie far apart they take 33 and more, which it reads and others do not
// (docs/design/wide-deltas.md). Such a file is written again without deltas.
import { type Duck, literal } from './duck.ts';

const whole = (statistic: string) => `TRY_CAST(${statistic} AS HUGEINT)`;
/** Days are counted from 1970; infinite ones have no number, and lie far from all others. */
const NUMBER_OF: Readonly<Record<string, (statistic: string) => string>> = {
  INTEGER: whole,
  UINTEGER: whole,
  DATE: (statistic) => `date_diff('day', DATE '1970-01-01', TRY_CAST(${statistic} AS DATE))`,
};
/** What lies closer together, below the greatest of INT32, has deltas of 32 bits at most. */
const APART = 2 ** 31;

/**
 * Whether a column of the file, which the engine wrote, may have deltas wider than its integers.
 * @throws CodedError `conversion-failed`
 */
export async function mayHaveWideDeltas(
  duck: Duck,
  parquet: string,
  columns: readonly { readonly type: string }[],
): Promise<boolean> {
  const conditions = columns.flatMap(({ type }, i) => {
    const number = NUMBER_OF[type];
    if (number === undefined) return [];
    const [least, greatest] = [number('stats_min_value'), number('stats_max_value')];
    const near = `${greatest} < ${APART} AND ${greatest} - ${least} < ${APART}`;
    return [`column_id = ${i} AND COALESCE(NOT (${near}), stats_null_count <> num_values)`];
  });
  if (conditions.length === 0) return false;
  const where = conditions.map((condition) => `(${condition})`).join(' OR ');
  const packed = `encodings LIKE '%DELTA_BINARY_PACKED%' AND (${where})`;
  const sql = `SELECT count(*) FROM parquet_metadata(${literal(parquet)}) WHERE ${packed}`;
  const [row] = await duck.query(sql, 'conversion-failed', 'what was written cannot be read back');
  return Number(row?.[0]) > 0;
}
