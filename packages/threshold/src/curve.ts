// SPDX-License-Identifier: Apache-2.0
// The port through which points are multiplied by full-length scalars. Verification is written once
// over it. The form here is for public scalars (it runs in a browser and its time varies); the form
// over OpenSSL, which secrets need and which is faster, is in `@cloister/threshold/node`. Both
// answer the same points, so both accept the same proofs.
import { BASE, type Point, toInteger } from './point.ts';

export interface Curve {
  /** `scalar` (32 bytes in [1, n-1]) times the base point. */
  base(scalar: Uint8Array): Point;
  /** `scalar` (32 bytes in [1, n-1]) times `point`, which is not infinity. */
  multiply(scalar: Uint8Array, point: Point): Point;
}

/** Public scalars only: variable in time. */
export const publicCurve: Curve = {
  base: (scalar) => BASE.multiplyUnsafe(toInteger(scalar)),
  multiply: (scalar, point) => point.multiplyUnsafe(toInteger(scalar)),
};
