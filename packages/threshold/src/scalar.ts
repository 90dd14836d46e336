// SPDX-License-Identifier: Apache-2.0
// Arithmetic modulo the order of P-256 on secrets: sums and products of 32-byte big-endian scalars
// in a fixed number of 12-bit limbs, with no branch and no index that depends on a value and no
// BigInt. 22 limbs hold 264 bits; the product is Montgomery's (R = 2^264), interleaved, with
// carries deferred: a limb gathers at most 44 products of 24 bits and stays below 2^30, so V8 keeps
// everything a small integer. What JavaScript cannot promise is in docs/limitations.md.
import { ORDER, SCALAR_BYTES } from './point.ts';

const LIMBS = 22;
const BITS = 12;
const MASK = (1 << BITS) - 1;

const N = publicLimbs(ORDER);
const R2 = publicLimbs((1n << BigInt(2 * LIMBS * BITS)) % ORDER);
const N0_INVERSE = negativeInverse(N[0] as number);

/** Sum modulo the order of two scalars below it. */
export function addScalars(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const x = toLimbs(a);
  const y = toLimbs(b);
  for (let i = 0; i < LIMBS; i++) x[i] = (x[i] as number) + (y[i] as number);
  carry(x);
  subtractOrder(x);
  const out = fromLimbs(x);
  x.fill(0);
  y.fill(0);
  return out;
}

/** Product modulo the order of two scalars below it. */
export function multiplyScalars(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const x = toLimbs(a);
  const y = toLimbs(b);
  const xy = montgomery(x, y);
  const product = montgomery(xy, R2);
  const out = fromLimbs(product);
  for (const limbs of [x, y, xy, product]) limbs.fill(0);
  return out;
}

/** a b R^-1 modulo the order, below it. */
function montgomery(a: Int32Array, b: Int32Array): Int32Array {
  const t = new Int32Array(LIMBS);
  const b0 = b[0] as number;
  const n0 = N[0] as number;
  for (let i = 0; i < LIMBS; i++) {
    const ai = a[i] as number;
    const first = (t[0] as number) + Math.imul(ai, b0);
    const m = Math.imul(first & MASK, N0_INVERSE) & MASK;
    let over = (first + Math.imul(m, n0)) >> BITS;
    for (let j = 1; j < LIMBS; j++) {
      const sum = Math.imul(ai, b[j] as number) + Math.imul(m, N[j] as number);
      t[j - 1] = (t[j] as number) + sum + over;
      over = 0;
    }
    t[LIMBS - 1] = 0;
  }
  carry(t);
  subtractOrder(t);
  return t;
}

function carry(t: Int32Array): void {
  let over = 0;
  for (let i = 0; i < LIMBS; i++) {
    const sum = (t[i] as number) + over;
    t[i] = sum & MASK;
    over = sum >> BITS;
  }
}

/** Subtracts the order once if the value is not below it; a mask chooses. */
function subtractOrder(t: Int32Array): void {
  const d = new Int32Array(LIMBS);
  let borrow = 0;
  for (let i = 0; i < LIMBS; i++) {
    const difference = (t[i] as number) - (N[i] as number) + borrow;
    d[i] = difference & MASK;
    borrow = difference >> BITS;
  }
  const keep = borrow;
  for (let i = 0; i < LIMBS; i++) t[i] = ((t[i] as number) & keep) | ((d[i] as number) & ~keep);
  d.fill(0);
}

function toLimbs(bytes: Uint8Array): Int32Array {
  const limbs = new Int32Array(LIMBS);
  for (let i = 0; i < SCALAR_BYTES; i++) {
    const bit = 8 * (SCALAR_BYTES - 1 - i);
    const at = Math.trunc(bit / BITS);
    const shifted = (bytes[i] as number) << (bit % BITS);
    limbs[at] = (limbs[at] as number) | (shifted & MASK);
    if (at + 1 < LIMBS) limbs[at + 1] = (limbs[at + 1] as number) | (shifted >> BITS);
  }
  return limbs;
}

function fromLimbs(limbs: Int32Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SCALAR_BYTES);
  for (let i = 0; i < SCALAR_BYTES; i++) {
    const bit = 8 * (SCALAR_BYTES - 1 - i);
    const at = Math.trunc(bit / BITS);
    const low = limbs[at] as number;
    const high = at + 1 < LIMBS ? (limbs[at + 1] as number) : 0;
    bytes[i] = ((low | (high << BITS)) >> (bit % BITS)) & 0xff;
  }
  return bytes;
}

function publicLimbs(value: bigint): Int32Array {
  return Int32Array.from({ length: LIMBS }, (_, i) =>
    Number((value >> BigInt(BITS * i)) & BigInt(MASK)),
  );
}

/** -1 / value modulo 2^12, by Newton's iteration. */
function negativeInverse(value: number): number {
  let inverse = 1;
  for (let i = 0; i < 4; i++) inverse = Math.imul(inverse, 2 - Math.imul(value, inverse)) & MASK;
  return -inverse & MASK;
}
