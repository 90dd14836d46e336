// SPDX-License-Identifier: Apache-2.0
// Codes for files that cannot become a dataset. Messages name lines and columns, never cell values.
import { apiError } from '@cloister/api';
import { coreError, type ErrorCodeOf, errorTable } from '@cloister/core';
import { parquetError } from '@cloister/parquet-crypto';

/** A CodedError about a file. */
export const ingestError = errorTable({
  'input-unreadable': { kind: 'unavailable', says: 'The file cannot be opened or read.' },
  'input-empty': { kind: 'malformed', says: 'The file is empty.' },
  'input-changed': { kind: 'conflict', says: 'The file changed while it was read; add it again.' },
  'input-format-mismatch': {
    kind: 'malformed',
    says: 'The content is not of the format that its name or the caller says.',
  },
  'input-not-text': { kind: 'malformed', says: 'The file is not text: export it as CSV.' },
  'input-compressed': { kind: 'unsupported', says: 'The file is compressed: decompress it first.' },
  'input-not-utf8': {
    kind: 'malformed',
    says: 'The text is not UTF-8: name its encoding, or save it as UTF-8.',
  },
  'input-not-encoded': {
    kind: 'malformed',
    says: 'A byte means nothing in the encoding that was named: name another.',
  },
  'input-no-rows': { kind: 'malformed', says: 'The file holds no row or no column.' },
  'csv-quote-stray': {
    kind: 'malformed',
    says: 'A quote stands inside a field that is not quoted.',
  },
  'csv-quote-unterminated': { kind: 'malformed', says: 'A quoted field does not end.' },
  'csv-row-ragged': {
    kind: 'malformed',
    says: 'A row has another number of fields than the header.',
  },
  'csv-header-suspicious': {
    kind: 'malformed',
    says: 'The first row does not look like names of columns.',
  },
  'dialect-malformed': apiError.rows['dialect-malformed'],
  'dialect-conflict': apiError.rows['dialect-conflict'],
  'dialect-ambiguous': {
    kind: 'malformed',
    says: 'A file can be read in two ways: say which with an option.',
  },
  'not-exact': apiError.rows['not-exact'],
  'json-line-malformed': { kind: 'malformed', says: 'A line is not one JSON object.' },
  'json-not-lines': {
    kind: 'unsupported',
    says: 'The file is a JSON array: write one object a line.',
  },
  'json-nested': {
    kind: 'unsupported',
    says: 'A value is an object or a list; columns hold single values.',
  },
  'row-too-long': { kind: 'malformed', says: 'A row is longer than is taken.' },
  'too-many-columns': {
    kind: 'malformed',
    says: 'The file has more columns than a dataset may have.',
  },
  'column-name-empty': { kind: 'malformed', says: 'A column has no name.' },
  'column-name-duplicate': { kind: 'malformed', says: 'Two columns have one name.' },
  'column-name-malformed': { kind: 'malformed', says: 'A column has a name that cannot be used.' },
  'column-unknown': coreError.rows['column-unknown'],
  'column-type-unknown': { kind: 'usage', says: 'A type was asked for that datasets do not have.' },
  'column-type-unsupported': {
    kind: 'unsupported',
    says: 'A column of the Parquet file has a type that is not handled.',
  },
  'parquet-encoding-unsupported': {
    kind: 'unsupported',
    says: 'A column is written with a codec or an encoding that cannot be read here.',
  },
  'value-not-of-type': {
    kind: 'malformed',
    says: 'A value cannot be read as the type that was asked for.',
  },
  'value-changed': {
    kind: 'malformed',
    says: 'A value would not stay what it is in the type of its column: choose another type.',
  },
  'parquet-encrypted': parquetError.rows['parquet-encrypted'],
  'page-damaged': parquetError.rows['page-damaged'],
  'parquet-truncated': parquetError.rows['parquet-truncated'],
  'parquet-malformed': parquetError.rows['parquet-malformed'],
  'output-exists': { kind: 'conflict', says: 'The output exists already: choose another name.' },
  'conversion-failed': {
    kind: 'unavailable',
    says: 'The conversion could not be done here; see to memory and disk.',
  },
});

export type IngestErrorCode = ErrorCodeOf<typeof ingestError>;
