// SPDX-License-Identifier: Apache-2.0
// The types that a column of a dataset or of a result may have, by the engines' names: one list for
// gateways, engines, policies and results. Each has a place in Parquet that keeps its values.
// spec/dataset.md, "Types of columns".

const PLAIN: ReadonlySet<string> = new Set([
  'BOOLEAN',
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'UTINYINT',
  'USMALLINT',
  'UINTEGER',
  'UBIGINT',
  'FLOAT',
  'DOUBLE',
  'VARCHAR',
  'BLOB',
  'UUID',
  'DATE',
  'TIME',
  'TIME_NS',
  'TIMESTAMP',
  'TIMESTAMP_S',
  'TIMESTAMP_MS',
  'TIMESTAMP_NS',
  'TIMESTAMP WITH TIME ZONE',
]);

const DECIMAL = /^DECIMAL\(([1-9]\d?),(0|[1-9]\d?)\)$/;
const DECIMAL_DIGITS = 38;

/** All of them but the decimals, of which there is one for each precision and scale. */
export const COLUMN_TYPES: readonly string[] = [...PLAIN];

/** Whether a column may have this type; `DECIMAL(p,s)` with 1 <= p <= 38 and s <= p. */
export function isColumnType(type: string): boolean {
  const [, precision, scale] = DECIMAL.exec(type) ?? [];
  if (precision === undefined) return PLAIN.has(type);
  return Number(precision) <= DECIMAL_DIGITS && Number(scale) <= Number(precision);
}
