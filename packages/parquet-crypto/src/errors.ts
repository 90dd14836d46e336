// SPDX-License-Identifier: Apache-2.0
// The codes of this package, and short constructors for the most frequent. A message names columns,
// row groups, modules, key ids and numbers; never a key and never a value of a cell.
import { type CodedError, coreError, type ErrorCodeOf, errorTable } from '@cloister/core';

/** A CodedError of this package. */
export const parquetError = errorTable({
  'thrift-malformed': { kind: 'malformed', says: 'Bytes are not Thrift of the compact protocol.' },
  'parquet-malformed': {
    kind: 'malformed',
    says: 'The bytes are not a Parquet file, or its parts contradict one another.',
  },
  'parquet-truncated': {
    kind: 'malformed',
    says: 'The file, or a part of it, ends before it should.',
  },
  'page-damaged': {
    kind: 'malformed',
    says: 'A page does not hold: its checksum, its framing or its values are wrong.',
  },
  'parquet-limit': {
    kind: 'unsupported',
    says: 'A length or a count is over a limit that the caller can raise.',
  },
  'parquet-unsupported': {
    kind: 'unsupported',
    says: 'The file uses a feature that this build does not handle.',
  },
  'source-short-read': {
    kind: 'verification',
    says: 'The source gave fewer or more bytes than were asked for.',
  },
  'parquet-encrypted': { kind: 'usage', says: 'The file is encrypted already; give one in clear.' },
  'parquet-clear': {
    kind: 'verification',
    says: 'The file is in clear where an encrypted one is wanted.',
  },
  'column-clear': { kind: 'verification', says: 'A column that should be encrypted is in clear.' },
  'levels-clear': {
    kind: 'verification',
    says: 'A V2 page has its levels in clear, as parquet-java writes them.',
  },
  'modules-unbound': {
    kind: 'verification',
    says: 'Nothing ties the modules of a file to their places, as in files of DuckDB.',
  },
  'bytes-unaccounted': {
    kind: 'verification',
    says: 'Bytes in the file belong to no authenticated module.',
  },
  'column-unknown': coreError.rows['column-unknown'],
  'column-ambiguous': { kind: 'usage', says: 'Two columns have one dotted path.' },
  'column-key-absent': {
    kind: 'usage',
    says: 'A column was given no key where every column needs one.',
  },
  'row-group-unknown': { kind: 'usage', says: 'The file has no such row group.' },
  'algorithm-unknown': {
    kind: 'verification',
    says: 'The file is encrypted with an algorithm that was not accepted.',
  },
  'key-material-malformed': {
    kind: 'malformed',
    says: 'Key metadata is not PKMT1 key material, or contradicts itself.',
  },
  'key-missing': {
    kind: 'verification',
    says: 'A key that the file names is not among those given.',
  },
  'key-length': { kind: 'usage', says: 'A key has a length that AES does not have.' },
  'tag-invalid': {
    kind: 'verification',
    says: 'A tag does not hold: a wrong key, changed bytes, or a module moved from its place.',
  },
  'aad-prefix-mismatch': {
    kind: 'verification',
    says: 'The AAD prefix in the file is not the one expected.',
  },
  'aad-prefix-absent': { kind: 'usage', says: 'The file needs an AAD prefix, and none was given.' },
  'options-invalid': { kind: 'usage', says: 'Options contradict one another.' },
});

export type ParquetErrorCode = ErrorCodeOf<typeof parquetError>;

type Raised = CodedError<ParquetErrorCode>;

/** Bytes that end too early. */
export function truncated(what: string): Raised {
  return parquetError('parquet-truncated', `${what} ends too early`);
}

/** A number over one of the caller's limits. */
export function overLimit(what: string, got: number, limit: number): Raised {
  const message = `${what} is ${got}, over the limit of ${limit}`;
  return parquetError('parquet-limit', message, { details: { got, limit } });
}

/** A feature that is not handled. */
export function unsupported(message: string): Raised {
  return parquetError('parquet-unsupported', message);
}
