// SPDX-License-Identifier: Apache-2.0
// Checks of what callers and wires hand in, shared by the formats of this package.
import { type Cbor, decodeCbor, isCoded } from '@cloister/core';
import { type ThresholdErrorCode, thresholdError } from './errors.ts';

/** Seats are counted from 1; this is the largest number accepted. */
export const MAX_SEATS = 255;

/** @throws CodedError `argument-invalid` unless `bytes` has exactly `length` bytes */
export function assertLength(bytes: Uint8Array, length: number, what: string): void {
  if (bytes instanceof Uint8Array && bytes.length === length) return;
  const got = bytes instanceof Uint8Array ? `${bytes.length} bytes` : typeof bytes;
  throw thresholdError('argument-invalid', `${what} has ${length} bytes, got ${got}`);
}

export function isSeat(seat: unknown): seat is number {
  return typeof seat === 'number' && Number.isInteger(seat) && seat >= 1 && seat <= MAX_SEATS;
}

/** @throws CodedError `seat-out-of-range`, `seat-duplicate` */
export function assertSeats(seats: readonly number[]): void {
  for (const seat of seats) {
    if (!isSeat(seat)) {
      const message = `a seat is a whole number from 1 to ${MAX_SEATS}, got ${String(seat)}`;
      throw thresholdError('seat-out-of-range', message);
    }
  }
  if (new Set(seats).size !== seats.length) {
    const message = `a seat appears twice in ${seats.join(', ')}`;
    throw thresholdError('seat-duplicate', message);
  }
}

/** @throws CodedError `threshold-out-of-range` unless 1 <= t <= n <= MAX_SEATS */
export function assertThreshold(t: number, n: number): void {
  if (Number.isInteger(t) && Number.isInteger(n) && t >= 1 && t <= n && n <= MAX_SEATS) return;
  const message = `wanted 1 <= t <= n <= ${MAX_SEATS}, got t = ${t}, n = ${n}`;
  throw thresholdError('threshold-out-of-range', message);
}

/** True if `value` is bytes of exactly `length`. */
export function isBytes(value: unknown, length: number): value is Uint8Array<ArrayBuffer> {
  return value instanceof Uint8Array && value.length === length;
}

/** Decodes deterministic CBOR; whatever is wrong with the bytes gets the format's own code. */
export function decodeAs(bytes: Uint8Array, code: ThresholdErrorCode, what: string): Cbor {
  try {
    return decodeCbor(bytes);
  } catch (cause) {
    if (!isCoded(cause)) throw cause;
    throw thresholdError(code, `${what} is not deterministic CBOR`, { cause });
  }
}
