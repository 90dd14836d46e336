// SPDX-License-Identifier: Apache-2.0
// Files of several chunks for tests of digest trees.
import { CHUNK_BYTES } from '@cloister/contract';

/** Bytes that differ from chunk to chunk. */
export function fileOf(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 4_093) bytes[at] = (at >> 10) % 251;
  for (let at = 0; at < length; at += CHUNK_BYTES) bytes[at] = at / CHUNK_BYTES + 1;
  return bytes;
}

export async function* chunksOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) yield bytes.subarray(at, at + CHUNK_BYTES);
}
