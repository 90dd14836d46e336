// SPDX-License-Identifier: Apache-2.0
// The stable codes of this package, and short constructors for them. A message names columns, row
// groups, modules, key ids and numbers; never a key and never a value of a cell.
import { CodedError, type ErrorDetails } from '@cloister/core';

/** Codes that this package throws. */
export type ParquetErrorCode =
  /** Thrift compact protocol bytes that do not parse. */
  | 'thrift-malformed'
  /** The bytes are not a Parquet file, or its parts contradict one another. */
  | 'parquet-malformed'
  /** The file, or a part of it, ends before it should. */
  | 'parquet-truncated'
  /** A length or a count is over a limit that the caller can raise. */
  | 'parquet-limit'
  /** Well-formed, but a feature that this build does not handle. */
  | 'parquet-unsupported'
  /** The source returned fewer or more bytes than were asked for. */
  | 'source-short-read'
  /** Encrypting what is already encrypted. */
  | 'parquet-encrypted'
  /** Decrypting, or proving encryption of, a file in clear. */
  | 'parquet-clear'
  /** A column that should be encrypted is in clear. */
  | 'column-clear'
  /** A V2 page whose levels are in clear, as parquet-java writes them. */
  | 'levels-clear'
  /** Bytes in the file that belong to no authenticated module. */
  | 'bytes-unaccounted'
  /** No such column in the schema. */
  | 'column-unknown'
  /** Two columns have one dotted path. */
  | 'column-ambiguous'
  /** Complete columns: a column was given no key. */
  | 'column-key-absent'
  /** No such row group. */
  | 'row-group-unknown'
  /** An encryption algorithm that the specification does not name, or that was not accepted. */
  | 'algorithm-unknown'
  /** Key metadata that is not PKMT1 key material, or contradicts itself. */
  | 'key-material-malformed'
  /** The provider does not hold the key that the file names. */
  | 'key-missing'
  /** A key has a length that AES does not have. */
  | 'key-length'
  /** A tag does not hold: a wrong key, changed bytes, or a module moved from its place. */
  | 'tag-invalid'
  /** The AAD prefix in the file is not the one expected. */
  | 'aad-prefix-mismatch'
  /** The file needs an AAD prefix that the caller did not supply. */
  | 'aad-prefix-absent'
  /** Options that contradict one another. */
  | 'options-invalid';

type Raised = CodedError<ParquetErrorCode>;

/** Bytes that do not parse. */
export function malformed(code: ParquetErrorCode, message: string, cause?: unknown): Raised {
  return new CodedError(code, 'malformed', message, cause === undefined ? {} : { cause });
}

/** Bytes that end too early. */
export function truncated(what: string): Raised {
  return new CodedError('parquet-truncated', 'malformed', `${what} ends too early`);
}

/** A number over one of the caller's limits. */
export function overLimit(what: string, got: number, limit: number): Raised {
  const message = `${what} is ${got}, over the limit of ${limit}`;
  return new CodedError('parquet-limit', 'unsupported', message, { details: { got, limit } });
}

/** A feature that is not handled. */
export function unsupported(message: string): Raised {
  return new CodedError('parquet-unsupported', 'unsupported', message);
}

/** Bytes that parse, but are not what they should be. */
export function refused(code: ParquetErrorCode, message: string, details?: ErrorDetails): Raised {
  return new CodedError(code, 'verification', message, details === undefined ? {} : { details });
}

/** A call that asks for something impossible. */
export function misused(code: ParquetErrorCode, message: string): Raised {
  return new CodedError(code, 'usage', message);
}
