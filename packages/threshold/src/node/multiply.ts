// SPDX-License-Identifier: Apache-2.0
// Secret scalar times point, through OpenSSL's ECDH. ECDH answers x(sP) only, so Q = sP is one of
// (x, y) and (x, -y). Which one is settled without touching s again: x(s(P + G)) must be x(Q + sG),
// and sG comes from OpenSSL too. With the slope's square both sides meet without a division:
//   (x3 + xQ + xS) (xS - xQ)^2 = (yS - yQ)^2     for (xS, yS) = sG and x3 = x(s(P + G)).
// Where P is G or -G the answer is sG or -sG. The scalar itself never becomes a BigInt here.
import { createECDH, type ECDH, ECDH as EcdhStatic } from 'node:crypto';
import { assert } from '@cloister/core';
import { p256 } from '@noble/curves/nist.js';
import type { Curve } from '../curve.ts';
import { thresholdError } from '../errors.ts';
import { assertScalar, BASE, encodePoint, type Point, parsePoint, toInteger } from '../point.ts';

const CURVE = 'prime256v1';
const FIELD = p256.Point.Fp.ORDER;

/** A secret scalar inside OpenSSL. Freed when `wipe` was called and it has been collected. */
export class Multiplier {
  #ecdh: ECDH | undefined;
  /** The scalar times the base point. */
  readonly point: Point;
  /** Its 65 bytes. */
  readonly bytes: Uint8Array<ArrayBuffer>;

  /** @throws CodedError `scalar-out-of-range` */
  constructor(scalar: Uint8Array) {
    assertScalar(scalar, 'a secret');
    const ecdh = createECDH(CURVE);
    ecdh.setPrivateKey(scalar);
    this.#ecdh = ecdh;
    this.bytes = Uint8Array.from(ecdh.getPublicKey());
    this.point = p256.Point.fromAffine({
      x: toInteger(this.bytes.subarray(1, 33)),
      y: toInteger(this.bytes.subarray(33)),
    });
  }

  /** x(sP), 32 bytes: HPKE's dh. `point` is encoded and was checked by `parsePoint`. */
  x(point: Uint8Array): Uint8Array<ArrayBuffer> {
    if (this.#ecdh === undefined) {
      throw thresholdError('secret-wiped', 'this secret has been wiped');
    }
    return Uint8Array.from(this.#ecdh.computeSecret(point));
  }

  /** The full point sP. */
  multiply(point: Point): Point {
    const p = point.toAffine();
    const g = BASE.toAffine();
    if (p.x === g.x) return p.y === g.y ? this.point : this.point.negate();
    const candidate = lift(this.x(encodePoint(point)));
    const x3 = toInteger(this.x(encodePoint(point.add(BASE))));
    const q = candidate.toAffine();
    const s = this.point.toAffine();
    const run = s.x - q.x;
    const left = mod((x3 + q.x + s.x) * run * run);
    const positive = mod((s.y - q.y) * (s.y - q.y)) === left;
    const negative = mod((s.y + q.y) * (s.y + q.y)) === left;
    assert(positive !== negative, 'exactly one sign fits x(s(P + G))');
    return positive ? candidate : candidate.negate();
  }

  wipe(): void {
    this.#ecdh = undefined;
  }

  toJSON(): never {
    throw thresholdError('secret-not-serialisable', 'a secret is never serialised');
  }
}

/** The point with this x and an even y. */
function lift(x: Uint8Array): Point {
  const compressed = new Uint8Array(33);
  compressed[0] = 0x02;
  compressed.set(x, 1);
  const bytes = EcdhStatic.convertKey(compressed, CURVE, undefined, undefined, 'uncompressed');
  return parsePoint(bytes as Buffer);
}

function mod(value: bigint): bigint {
  const rest = value % FIELD;
  return rest < 0n ? rest + FIELD : rest;
}

/** The curve port over OpenSSL: for secret scalars, and faster for public ones. */
export const opensslCurve: Curve = {
  base(scalar) {
    const secret = new Multiplier(scalar);
    secret.wipe();
    return secret.point;
  },
  multiply(scalar, point) {
    const secret = new Multiplier(scalar);
    const product = secret.multiply(point);
    secret.wipe();
    return product;
  },
};
