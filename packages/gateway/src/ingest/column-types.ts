// SPDX-License-Identifier: Apache-2.0
// Which DuckDB types a column may have: those an owner may choose for a text file, and besides
// them the scalar ones that a Parquet file may bring. Nested types are refused: a rule is about a
// column, and a column is one value a row.

const CHOSEN = new Set([
  'BOOLEAN',
  'TINYINT',
  'SMALLINT',
  'INTEGER',
  'BIGINT',
  'FLOAT',
  'DOUBLE',
  'VARCHAR',
  'DATE',
  'TIME',
  'TIMESTAMP',
  'TIMESTAMP WITH TIME ZONE',
]);

const BROUGHT = new Set([
  ...['UTINYINT', 'USMALLINT', 'UINTEGER', 'UBIGINT', 'BLOB', 'UUID'],
  ...['TIMESTAMP_S', 'TIMESTAMP_MS', 'TIMESTAMP_NS'],
]);

const MAX_PRECISION = 38;

/** Whether an owner may choose `type` (upper case) for a column. */
export function canChoose(type: string): boolean {
  const decimal = /^DECIMAL\((\d{1,2}), ?(\d{1,2})\)$/.exec(type);
  if (decimal === null) return CHOSEN.has(type);
  const [precision, scale] = [Number(decimal[1]), Number(decimal[2])];
  return precision >= 1 && precision <= MAX_PRECISION && scale <= precision;
}

/** Whether a Parquet column of `type` can become a column of a dataset. */
export function canBring(type: string): boolean {
  return canChoose(type) || BROUGHT.has(type);
}
