// SPDX-License-Identifier: Apache-2.0
// Which column each leaf of a Parquet file becomes, read from the footer by our own reader before
// the engine sees the file: an engine that does not know a type may give other values in silence.
// Logical types are parquet-format's (LogicalTypes.md); nested columns are refused, because a rule
// is about a column, and a column is one value a row.
import { isColumnType } from '@cloister/contract/policy';
import type { LeafColumn } from '@cloister/parquet-crypto';
import { ingestError } from './errors.ts';

/** What the engine must say of the column, and what it becomes. */
export interface ParquetColumn {
  readonly name: string;
  /** The type in which the engine reads it. */
  readonly read: string;
  /** Another type in which the engine may read it: it gives the same values. */
  readonly orRead?: string;
  /** The type that it gets. */
  readonly type: string;
  /** Where digits are cut: of what. */
  readonly cut?: 'nanoseconds';
}

type Known = string | Omit<ParquetColumn, 'name'>;

const ZONED = 'TIMESTAMP WITH TIME ZONE';
/**
 * Where only the converted type says what it is (older writers), the engine has the same number as
 * a time without zone; by parquet-format it is an instant.
 */
const INSTANT: Known = { read: ZONED, orRead: 'TIMESTAMP', type: ZONED };
/**
 * Readers see a time of day in UTC as one with an offset of zero; where only the converted type
 * says what it is (older writers), as one without.
 */
const DAYTIME: Known = { read: 'TIME WITH TIME ZONE', orRead: 'TIME', type: 'TIME' };

const BY_LOGICAL: Readonly<Record<string, Known>> = {
  INT_8: 'TINYINT',
  INT_16: 'SMALLINT',
  INT_32: 'INTEGER',
  INT_64: 'BIGINT',
  UINT_8: 'UTINYINT',
  UINT_16: 'USMALLINT',
  UINT_32: 'UINTEGER',
  UINT_64: 'UBIGINT',
  STRING: 'VARCHAR',
  ENUM: 'VARCHAR',
  JSON: { read: 'JSON', type: 'VARCHAR' },
  BSON: 'BLOB',
  UUID: 'UUID',
  FLOAT16: 'FLOAT',
  DATE: 'DATE',
  'TIME(MILLIS,LOCAL)': 'TIME',
  'TIME(MICROS,LOCAL)': 'TIME',
  'TIME(NANOS,LOCAL)': 'TIME_NS',
  'TIME(MILLIS,UTC)': DAYTIME,
  'TIME(MICROS,UTC)': DAYTIME,
  'TIMESTAMP(MILLIS,LOCAL)': 'TIMESTAMP',
  'TIMESTAMP(MICROS,LOCAL)': 'TIMESTAMP',
  'TIMESTAMP(NANOS,LOCAL)': 'TIMESTAMP_NS',
  'TIMESTAMP(MILLIS,UTC)': INSTANT,
  'TIMESTAMP(MICROS,UTC)': INSTANT,
  'TIMESTAMP(NANOS,UTC)': { read: ZONED, type: ZONED, cut: 'nanoseconds' },
  NULL: 'INTEGER',
};

const BY_PHYSICAL: Readonly<Record<string, Known>> = {
  BOOLEAN: 'BOOLEAN',
  INT32: 'INTEGER',
  INT64: 'BIGINT',
  INT96: { read: 'TIMESTAMP', type: 'TIMESTAMP', cut: 'nanoseconds' },
  FLOAT: 'FLOAT',
  DOUBLE: 'DOUBLE',
  BYTE_ARRAY: 'BLOB',
  FIXED_LEN_BYTE_ARRAY: 'BLOB',
};

const BYTES = ['BYTE_ARRAY', 'FIXED_LEN_BYTE_ARRAY'];

/** What values of a logical type are stored as. */
const STORED_AS: readonly (readonly [RegExp, readonly string[]])[] = [
  [/^(?:STRING|ENUM|JSON|BSON)$/, BYTES],
  [/^(?:U?INT_(?:8|16|32)|DATE|TIME\(MILLIS,.*)$/, ['INT32']],
  [/^(?:U?INT_64|TIMESTAMP.*|TIME\((?:MICROS|NANOS),.*)$/, ['INT64']],
  [/^(?:UUID|FLOAT16)$/, ['FIXED_LEN_BYTE_ARRAY']],
  [/^DECIMAL/, ['INT32', 'INT64', ...BYTES]],
];

/**
 * The columns of a file, in order.
 * @throws CodedError `column-type-unsupported` with what would work instead
 */
export function columnsOfLeaves(leaves: readonly LeafColumn[]): ParquetColumn[] {
  return leaves.map((leaf) => {
    const name = leaf.parts[0] ?? '';
    if (leaf.parts.length > 1 || leaf.repeated) throw nested(leaf);
    refuseMisplaced(leaf, name);
    const known = knownType(leaf);
    if (known === undefined) {
      const type = (leaf.logicalType ?? leaf.physicalType).slice(0, 60);
      throw unsupported(name, `has the type ${type}, which has no place here`, CAST[type]);
    }
    return { name, ...(typeof known === 'string' ? { read: known, type: known } : known) };
  });
}

function refuseMisplaced({ logicalType = '', physicalType }: LeafColumn, name: string): void {
  const [, stored] = STORED_AS.find(([types]) => types.test(logicalType)) ?? [];
  if (stored?.includes(physicalType) !== false) return;
  const what = `is ${logicalType} by the file's footer and stored as ${physicalType}`;
  throw unsupported(name, what, `values of that type are ${stored.join(' or ')}: write it anew`);
}

const CAST: Readonly<Record<string, string>> = {
  INTERVAL: 'write months, days or seconds as numbers, one column each',
  'TIME(NANOS,UTC)': 'write it as a time that is not adjusted to UTC',
};

function knownType({ logicalType, physicalType }: LeafColumn): Known | undefined {
  if (logicalType === undefined) return BY_PHYSICAL[physicalType];
  if (logicalType.startsWith('DECIMAL(')) {
    return isColumnType(logicalType) ? logicalType : undefined;
  }
  return Object.hasOwn(BY_LOGICAL, logicalType) ? BY_LOGICAL[logicalType] : undefined;
}

function nested({ parts, repeated, path }: LeafColumn): Error {
  const flat = parts.filter((part) => !['list', 'element', 'key_value'].includes(part)).join('_');
  const advice = repeated
    ? 'write its elements as a file of their own, one a row, with a column that names the row'
    : `write ${path} as a column of its own, for example ${flat}`;
  return unsupported(parts[0] ?? '', 'is nested', advice);
}

function unsupported(name: string, what: string, advice = 'convert it before'): Error {
  const message = `column ${name} ${what}: ${advice}`;
  return ingestError('column-type-unsupported', message, { details: { column: name } });
}
