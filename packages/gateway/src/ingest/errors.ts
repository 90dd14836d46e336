// SPDX-License-Identifier: Apache-2.0
// Codes for files that cannot become a dataset. Messages name lines and columns, never cell values.
import { CodedError, type ErrorDetails, type ErrorKind } from '@cloister/core';

export type IngestErrorCode =
  | 'input-unreadable'
  | 'input-empty'
  | 'input-changed'
  | 'input-format-mismatch'
  | 'input-not-text'
  | 'input-compressed'
  | 'input-not-utf8'
  | 'input-no-rows'
  | 'csv-quote-stray'
  | 'csv-quote-unterminated'
  | 'csv-row-ragged'
  | 'csv-header-suspicious'
  | 'json-line-malformed'
  | 'json-not-lines'
  | 'json-nested'
  | 'row-too-long'
  | 'too-many-columns'
  | 'column-name-empty'
  | 'column-name-duplicate'
  | 'column-name-malformed'
  | 'column-unknown'
  | 'column-type-unknown'
  | 'column-type-unsupported'
  | 'value-not-of-type'
  | 'parquet-encrypted'
  | 'parquet-truncated'
  | 'parquet-malformed'
  | 'output-exists'
  | 'conversion-failed';

export function ingestError(
  code: IngestErrorCode,
  message: string,
  options: { kind?: ErrorKind; cause?: unknown; details?: ErrorDetails } = {},
): CodedError<IngestErrorCode> {
  return new CodedError(code, options.kind ?? 'malformed', message, options);
}
