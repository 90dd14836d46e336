// SPDX-License-Identifier: Apache-2.0
// A blob that is longer than its reader takes, told alike by every store.
import { toHex } from '../bytes.ts';
import { type CodedError, type CoreErrorCode, coreError } from '../errors.ts';

/** The error of a reader that takes `most` bytes, and met `got` of them or more. */
export function blobTooLarge(
  digest: Uint8Array,
  { from, got, most }: { readonly from: string; readonly got: number; readonly most: number },
): CodedError<CoreErrorCode> {
  const name = toHex(digest);
  const message = `${from} has ${got} bytes or more for blob ${name}, wanted ${most} at most`;
  return coreError('blob-too-large', message);
}
