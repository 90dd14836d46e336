// SPDX-License-Identifier: Apache-2.0
// What a page in GZIP says of itself: each member ends with a checksum and the length of what it
// holds (RFC 1952, 2.3.1). Readers of Parquet skip both, so a changed byte would become another
// value in silence.
import { Readable } from 'node:stream';
import { createGunzip, gunzipSync } from 'node:zlib';

/** What is larger without compression is not held in memory whole. */
const HELD_MOST = 32 * 1024 * 1024;

/**
 * Whether `parts` are members whose checksums and lengths hold, of `length` bytes together.
 * Nothing beyond that length is kept.
 */
export async function holdsAsGzip(parts: readonly Uint8Array[], length: number): Promise<boolean> {
  const bytes = parts.reduce((sum, part) => sum + part.length, 0);
  // A page without a value may have no bytes at all.
  if (bytes === 0) return length === 0;
  return length > HELD_MOST ? streams(parts, length) : inflates(Buffer.concat(parts), length);
}

function inflates(bytes: Uint8Array, length: number): boolean {
  try {
    return gunzipSync(bytes, { maxOutputLength: Math.max(1, length) }).length === length;
  } catch (error) {
    if (isOfBytes(error)) return false;
    throw error;
  }
}

async function streams(parts: readonly Uint8Array[], length: number): Promise<boolean> {
  const gunzip = createGunzip();
  const from = Readable.from(parts);
  let got = 0;
  try {
    for await (const chunk of from.pipe(gunzip)) {
      got += (chunk as Uint8Array).length;
      if (got > length) return false;
    }
    return got === length;
  } catch (error) {
    if (isOfBytes(error)) return false;
    throw error;
  } finally {
    from.destroy();
    gunzip.destroy();
  }
}

/** Errors of zlib's own, and that of more bytes than were asked for. */
function isOfBytes(error: unknown): boolean {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^(?:Z_(?:DATA|BUF)_ERROR|Z_NEED_DICT|ERR_BUFFER_)/.test(code);
}
