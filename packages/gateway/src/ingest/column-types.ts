// SPDX-License-Identifier: Apache-2.0
// Which types an owner may choose for a column of a file: all that a column may have, but those
// that no text is written in.
import { isColumnType } from '@cloister/contract/policy';

/** Upper case, without spaces in the brackets of a decimal. */
export function typeNamed(text: string): string {
  return text.toUpperCase().replace(/\(\s*(\d+)\s*,\s*(\d+)\s*\)$/, '($1,$2)');
}

/** Whether an owner may choose `type` for a column. */
export function canChoose(type: string): boolean {
  return isColumnType(type) && type !== 'BLOB';
}

/** Names of types that may be chosen, to find what a slip meant. */
export const CHOICES: readonly string[] = [
  ...['BOOLEAN', 'TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'UTINYINT', 'USMALLINT', 'UINTEGER'],
  ...['UBIGINT', 'FLOAT', 'DOUBLE', 'DECIMAL(18,2)', 'VARCHAR', 'UUID', 'DATE', 'TIME', 'TIME_NS'],
  ...['TIMESTAMP', 'TIMESTAMP_S', 'TIMESTAMP_MS', 'TIMESTAMP_NS', 'TIMESTAMP WITH TIME ZONE'],
];
