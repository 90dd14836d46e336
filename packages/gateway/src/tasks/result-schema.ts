// SPDX-License-Identifier: Apache-2.0
// What stands beside a result that was saved: its columns as the task has them, and how this format
// writes each, so that whoever reads the file later guesses nothing. spec/result-files.md.
import type { ResultFormat, ResultSchema } from '@cloister/api';

/** What converting a file answers; columns in its order. */
export interface ConvertedFacts {
  readonly rows: number;
  readonly columns: readonly {
    readonly name: string;
    readonly type: string;
    readonly nulls: number;
  }[];
}

/** A Parquet file's own columns, in its order. */
export interface StoredColumns {
  readonly columns: readonly {
    readonly path: string;
    readonly physicalType: string;
    readonly typeLength?: number;
    readonly logicalType?: string;
    readonly nullable: boolean;
  }[];
}

const SCHEMA_VERSION = 1;
/** Raised when a format is written otherwise than its table says. */
const FORMAT_VERSION = 1;

interface TypeForms {
  readonly csv: string;
  readonly json: string;
  readonly arrow: string;
  readonly unit?: string;
  readonly zone?: string;
}

const WHOLE = (arrow: string): TypeForms => ({ csv: 'integer', json: 'number', arrow });
const LONG = (arrow: string): TypeForms => ({ csv: 'integer', json: 'string: integer', arrow });
const REAL = (arrow: string): TypeForms => ({
  csv: 'real',
  json: 'number, or string: NaN, Infinity, -Infinity',
  arrow,
});
const TEXT = (csv: string, arrow: string, more: { unit?: string; zone?: string } = {}) => {
  return { csv, json: csv === 'text' ? 'string' : `string: ${csv}`, arrow, ...more };
};
/** Without a zone: what a clock on some wall showed. */
const LOCAL = (unit: string) => {
  return TEXT('date and time', `timestamp[${unit}]`, { unit, zone: 'none' });
};

const FORMS: Readonly<Record<string, TypeForms>> = {
  BOOLEAN: { csv: 'true or false', json: 'boolean', arrow: 'bool' },
  TINYINT: WHOLE('int8'),
  SMALLINT: WHOLE('int16'),
  INTEGER: WHOLE('int32'),
  BIGINT: LONG('int64'),
  UTINYINT: WHOLE('uint8'),
  USMALLINT: WHOLE('uint16'),
  UINTEGER: WHOLE('uint32'),
  UBIGINT: LONG('uint64'),
  FLOAT: REAL('float'),
  DOUBLE: REAL('double'),
  VARCHAR: TEXT('text', 'string'),
  BLOB: TEXT('base64', 'binary'),
  UUID: TEXT('uuid', 'arrow.uuid over fixed_size_binary[16]'),
  DATE: TEXT('date', 'date32', { unit: 'day' }),
  TIME: TEXT('time', 'time64[us]', { unit: 'us', zone: 'none' }),
  TIME_NS: TEXT('time', 'time64[ns]', { unit: 'ns', zone: 'none' }),
  TIMESTAMP: LOCAL('us'),
  TIMESTAMP_S: LOCAL('s'),
  TIMESTAMP_MS: LOCAL('ms'),
  TIMESTAMP_NS: LOCAL('ns'),
  'TIMESTAMP WITH TIME ZONE': TEXT('date and time, Z', 'timestamp[us, tz=UTC]', {
    unit: 'us',
    zone: 'UTC',
  }),
};

function formsOf(type: string): TypeForms {
  const decimal = /^DECIMAL\((\d+),(\d+)\)$/.exec(type);
  if (decimal !== null) return TEXT('decimal', `decimal128(${decimal[1]}, ${decimal[2]})`);
  const known = FORMS[type];
  if (known === undefined) throw new Error(`assertion failed: ${type} is a type of columns`);
  return known;
}

/** Types by name of a statement's columns, as its task says. */
export function typesOf(
  outputs: readonly { readonly statement: number; readonly name: string; readonly type: string }[],
  statement: number,
): ReadonlyMap<string, string> {
  const own = outputs.filter((one) => one.statement === statement);
  return new Map(own.map(({ name, type }) => [name, type]));
}

/** The schema of a result as `format` writes it. */
export function resultSchemaOf(
  about: { task: string; run: string; statement: number; format: ResultFormat },
  facts: ConvertedFacts,
  stored: StoredColumns,
): ResultSchema {
  const { format, ...of } = about;
  return {
    resultSchema: SCHEMA_VERSION,
    format,
    formatVersion: FORMAT_VERSION,
    ...of,
    rows: facts.rows,
    null: nullOf(format, facts.columns.length),
    columns: facts.columns.map(({ name, type, nulls }, at) => {
      const forms = formsOf(type);
      const { unit, zone } = forms;
      const parquet = stored.columns[at];
      return {
        name,
        type,
        nullable: parquet?.nullable ?? true,
        nulls,
        ...(unit === undefined ? {} : { unit }),
        ...(zone === undefined ? {} : { zone }),
        written: format === 'parquet' ? parquetForm(parquet) : forms[textual(format)],
      };
    }),
  };
}

function textual(format: Exclude<ResultFormat, 'parquet'>): 'csv' | 'json' | 'arrow' {
  return format === 'jsonl' ? 'json' : format;
}

/** How NULL is written; a line of CSV is never empty, as readers skip it. */
function nullOf(format: ResultFormat, columns: number): string {
  if (format === 'csv') return columns === 1 ? 'NULL, not in quotes' : 'nothing; "" is a text';
  return format === 'json' || format === 'jsonl' ? 'null' : 'null of the format';
}

function parquetForm(column: StoredColumns['columns'][number] | undefined): string {
  if (column === undefined) throw new Error('assertion failed: a column of the file');
  const { physicalType, typeLength, logicalType } = column;
  const physical = typeLength === undefined ? physicalType : `${physicalType}(${typeLength})`;
  return logicalType === undefined ? physical : `${physical}, ${logicalType}`;
}
