// SPDX-License-Identifier: Apache-2.0
// A point of P-256 that nobody chose, for those who make things up.
import { createECDH } from 'node:crypto';

/** 65 bytes, uncompressed. */
export function somePoint(): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(createECDH('prime256v1').generateKeys());
}
