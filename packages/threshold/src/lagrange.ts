// SPDX-License-Identifier: Apache-2.0
// Lagrange coefficients at zero over the group order: for each seat i the product over the others j
// of j / (j - i). Seats are public, so plain integers do. As fractions over one divisor they stay
// small (seats 1 and 2 give 2 and -1 over 1), which makes combining points cheap.
import { assertSeats } from './check.ts';
import { modOrder, ORDER } from './point.ts';

/** Coefficient i is `factors[i] / divisor`; factors may be negative, the divisor is positive. */
export interface LagrangeFractions {
  readonly factors: readonly bigint[];
  readonly divisor: bigint;
}

/** @throws CodedError `seat-duplicate`, `seat-out-of-range` */
export function lagrangeFractions(seats: readonly number[]): LagrangeFractions {
  assertSeats(seats);
  const fractions = seats.map((i) => {
    let top = 1n;
    let bottom = 1n;
    for (const j of seats) {
      if (j === i) continue;
      top *= BigInt(j);
      bottom *= BigInt(j - i);
    }
    const common = gcd(top, bottom) * (bottom < 0n ? -1n : 1n);
    return { top: top / common, bottom: bottom / common };
  });
  const divisor = fractions.reduce((l, f) => (l / gcd(l, f.bottom)) * f.bottom, 1n);
  return { factors: fractions.map((f) => f.top * (divisor / f.bottom)), divisor };
}

/** The coefficients modulo the order. @throws CodedError `seat-duplicate`, `seat-out-of-range` */
export function lagrangeAtZero(seats: readonly number[]): bigint[] {
  const { factors, divisor } = lagrangeFractions(seats);
  const inverse = invertModOrder(divisor);
  return factors.map((factor) => modOrder(factor * inverse));
}

/** 1 / value modulo the order, for public values. */
export function invertModOrder(value: bigint): bigint {
  let [r0, r1, s0, s1] = [ORDER, modOrder(value), 0n, 1n];
  while (r1 !== 0n) {
    const q = r0 / r1;
    [r0, r1, s0, s1] = [r1, r0 - q * r1, s1, s0 - q * s1];
  }
  return modOrder(s0);
}

function gcd(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}
