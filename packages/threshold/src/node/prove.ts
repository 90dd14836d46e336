// SPDX-License-Identifier: Apache-2.0
// The provers of `proofs.ts`: response z = k + c x by the fixed-limb routine, products with k and x
// through OpenSSL.
import { concat, encodeCbor, type Random } from '@cloister/core';
import { encodePoint } from '../point.ts';
import {
  type DleqStatement,
  dleqChallenge,
  foldDleq,
  type SchnorrStatement,
  schnorrChallenge,
} from '../proofs.ts';
import { addScalars, multiplyScalars } from '../scalar.ts';
import { Multiplier, opensslCurve } from './multiply.ts';
import { hedgedNonce } from './secret.ts';

/** Proves knowledge of `secret`, the discrete logarithm of `statement.point`. 64 bytes. */
export function proveSchnorr(
  statement: SchnorrStatement,
  secret: Uint8Array,
  random: Random,
): Uint8Array<ArrayBuffer> {
  const about = encodeCbor([statement.domain, [...statement.context], statement.point]);
  const nonce = hedgedNonce(random, secret, about);
  const commitment = new Multiplier(nonce);
  const c = schnorrChallenge(statement, commitment.point);
  return respond({ nonce, challenge: c, secret, multiplier: commitment });
}

/** Proves that `secret` satisfies every pair and the public point. 64 bytes. */
export function proveDleqBatch(
  statement: DleqStatement,
  secret: Uint8Array,
  random: Random,
): Uint8Array<ArrayBuffer> {
  const fold = foldDleq(statement, opensslCurve);
  const about = concat(fold.statement, encodePoint(fold.base), encodePoint(fold.image));
  const nonce = hedgedNonce(random, secret, about);
  const commitment = new Multiplier(nonce);
  const c = dleqChallenge(fold, commitment.point, commitment.multiply(fold.base));
  return respond({ nonce, challenge: c, secret, multiplier: commitment });
}

function respond(args: {
  nonce: Uint8Array;
  challenge: Uint8Array;
  secret: Uint8Array;
  multiplier: Multiplier;
}): Uint8Array<ArrayBuffer> {
  const cx = multiplyScalars(args.challenge, args.secret);
  const z = addScalars(args.nonce, cx);
  const proof = concat(args.challenge, z);
  args.multiplier.wipe();
  for (const bytes of [args.nonce, cx]) bytes.fill(0);
  return proof;
}
