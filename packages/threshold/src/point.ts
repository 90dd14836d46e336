// SPDX-License-Identifier: Apache-2.0
// Points of P-256 (SEC 1 version 2, section 2.3; FIPS 186-4 D.1.2.3) as 65 uncompressed bytes.
// Promise: what `parsePoint` answers is on the curve and not infinity (the cofactor is 1, so it is
// in the group), and a point has one encoding. Arithmetic here is variable in time: it is for
// public points; products with secrets are the `Curve` port's business.
import { fromHex, toHex } from '@cloister/core';
import type { WeierstrassPoint } from '@noble/curves/abstract/weierstrass.js';
import { p256 } from '@noble/curves/nist.js';
import { thresholdError } from './errors.ts';

export type Point = WeierstrassPoint<bigint>;

/** Length in bytes of a point: 04, x, y. */
export const POINT_BYTES = 65;
/** Length in bytes of a scalar. */
export const SCALAR_BYTES = 32;

/** The order of the group. */
export const ORDER: bigint = p256.Point.Fn.ORDER;
const FIELD: bigint = p256.Point.Fp.ORDER;
const { a: A, b: B } = p256.Point.CURVE();

export const BASE: Point = p256.Point.BASE;
export const INFINITY: Point = p256.Point.ZERO;

/**
 * Reads an uncompressed SEC 1 point. Compressed, hybrid and infinite ones are refused.
 * @throws CodedError `point-malformed`, `point-infinity`, `point-not-on-curve`
 */
export function parsePoint(bytes: Uint8Array): Point {
  if (bytes.length === 1 && bytes[0] === 0) {
    throw thresholdError('point-infinity', 'a point is the point at infinity');
  }
  if (bytes.length !== POINT_BYTES || bytes[0] !== 0x04) {
    const got = `${bytes.length} bytes that begin with ${bytes[0] ?? 'nothing'}`;
    const message = `wanted a point of ${POINT_BYTES} bytes that begin with 4, got ${got}`;
    throw thresholdError('point-malformed', message);
  }
  const x = toInteger(bytes.subarray(1, 33));
  const y = toInteger(bytes.subarray(33, 65));
  if (x >= FIELD || y >= FIELD) {
    throw thresholdError('point-malformed', 'a coordinate is not below the modulus');
  }
  if ((y * y - (x * x * x + A * x + B)) % FIELD !== 0n) {
    throw thresholdError('point-not-on-curve', 'a point is not on P-256');
  }
  return p256.Point.fromAffine({ x, y });
}

/** The 65 bytes of a point. @throws CodedError `point-infinity` */
export function encodePoint(point: Point): Uint8Array<ArrayBuffer> {
  if (point.is0()) throw thresholdError('point-infinity', 'a point is infinity');
  return Uint8Array.from(point.toBytes(false));
}

/** Sum of points, which may be infinity. */
export function sumPoints(points: readonly Point[]): Point {
  return points.reduce((sum, p) => sum.add(p), INFINITY);
}

/** Public integer, which may be negative or zero, times a point; fast when it is small. */
export function timesPublic(point: Point, factor: bigint): Point {
  if (factor < 0n) return timesPublic(point, -factor).negate();
  if (factor === 0n || point.is0()) return INFINITY;
  return point.multiplyUnsafe(factor < ORDER ? factor : factor % ORDER);
}

export function modOrder(value: bigint): bigint {
  const rest = value % ORDER;
  return rest < 0n ? rest + ORDER : rest;
}

/** Big-endian bytes as an integer: for public values only. */
export function toInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x0${toHex(bytes)}`);
}

/** 32 big-endian bytes of a public integer, taken modulo the order. */
export function integerToScalar(value: bigint): Uint8Array<ArrayBuffer> {
  return fromHex(
    modOrder(value)
      .toString(16)
      .padStart(2 * SCALAR_BYTES, '0'),
  );
}

const ORDER_BYTES = fromHex(ORDER.toString(16));

/** True for 32 bytes that are in [1, n-1]; the time does not depend on the value. */
export function isScalar(bytes: Uint8Array): boolean {
  if (bytes.length !== SCALAR_BYTES) return false;
  let borrow = 0;
  let any = 0;
  for (let i = SCALAR_BYTES - 1; i >= 0; i--) {
    const b = bytes[i] as number;
    any |= b;
    borrow = ((b - (ORDER_BYTES[i] as number) - borrow) >> 31) & 1;
  }
  return (borrow & (((any - 1) >> 31) + 1) & 1) === 1;
}

/** @throws CodedError `scalar-out-of-range` unless the bytes are a scalar in [1, n-1] */
export function assertScalar(bytes: Uint8Array, what: string): void {
  if (isScalar(bytes)) return;
  const message = `${what} is not 32 bytes in [1, n-1]`;
  throw thresholdError('scalar-out-of-range', message);
}
