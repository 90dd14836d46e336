// SPDX-License-Identifier: Apache-2.0
// The engine's hash of a text, 64 bits, computed by our own code from the bytes of a file: texts
// are compared by it, so that none becomes a string. Eight bytes at a time are multiplied in; at
// the end the high half is folded into the low one (Murmur's finish). Another version of the engine
// may hash otherwise: then every text is compared the long way, and `text-hash.test.ts` says so.

const SEED = 0xe17a1465 | 0;
/** 0xd6e8feb86659fd93 in halves, the low one in quarters, too. */
const HIGH = 0xd6e8feb8 | 0;
const LOW = 0x6659fd93 | 0;
const LOW_UPPER = 0x6659;
const LOW_LOWER = 0xfd93;
/** What the length is multiplied by: 0xc6a4a7935bd1e995. */
const LENGTH_HIGH = 0xc6a4a793 | 0;
const LENGTH_LOW = 0x5bd1e995;

/** The upper half of the product of `low` and LOW, both without sign. */
function upperOfLow(low: number): number {
  const upper = low >>> 16;
  const lower = low & 0xffff;
  const one = Math.imul(upper, LOW_LOWER);
  const two = Math.imul(lower, LOW_UPPER);
  const carry = (Math.imul(lower, LOW_LOWER) >>> 16) + (one & 0xffff) + (two & 0xffff);
  return (Math.imul(upper, LOW_UPPER) + (one >>> 16) + (two >>> 16) + (carry >>> 16)) | 0;
}

/** Writes the hash of the bytes from `start` to `end` to `out[at]`, low half first. */
export function hashInto(
  out: Int32Array,
  at: number,
  bytes: Uint8Array,
  start: number,
  end: number,
): void {
  const length = end - start;
  const product = length * LENGTH_LOW;
  let low = SEED ^ product;
  let high = (Math.imul(length, LENGTH_HIGH) + Math.floor(product / 0x1_0000_0000)) | 0;
  let from = start;
  for (; from + 8 <= end; from += 8) {
    low ^=
      (bytes[from] as number) |
      ((bytes[from + 1] as number) << 8) |
      ((bytes[from + 2] as number) << 16) |
      ((bytes[from + 3] as number) << 24);
    high ^=
      (bytes[from + 4] as number) |
      ((bytes[from + 5] as number) << 8) |
      ((bytes[from + 6] as number) << 16) |
      ((bytes[from + 7] as number) << 24);
    high = (upperOfLow(low) + Math.imul(high, LOW) + Math.imul(low, HIGH)) | 0;
    low = Math.imul(low, LOW);
  }
  if (from < end) {
    for (let i = from; i < end; i++) {
      const shift = (i - from) << 3;
      if (shift < 32) low ^= (bytes[i] as number) << shift;
      else high ^= (bytes[i] as number) << (shift - 32);
    }
    high = (upperOfLow(low) + Math.imul(high, LOW) + Math.imul(low, HIGH)) | 0;
    low = Math.imul(low, LOW);
  }
  for (let turn = 0; turn < 2; turn++) {
    low ^= high;
    high = (upperOfLow(low) + Math.imul(high, LOW) + Math.imul(low, HIGH)) | 0;
    low = Math.imul(low, LOW);
  }
  out[at] = low ^ high;
  out[at + 1] = high;
}
