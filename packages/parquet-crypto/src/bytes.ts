// SPDX-License-Identifier: Apache-2.0
// Joining many byte strings. A file may ask for lists of a hundred thousand parts, more than a
// function call may have arguments, so parts come as an array.

/** The parts, one after another. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const out = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}
