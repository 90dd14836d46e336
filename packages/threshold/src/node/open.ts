// SPDX-License-Identifier: Apache-2.0
// Sealing a column's key to the group, answering with a partial opening, and combining t of them.
// - A keeper multiplies enc by its share only after pi held over this very label, enc and ct, and
//   only if the label names its own charter and group key.
// - dh is x of sum lambda_i Q_i, with lambda_i as fractions of small integers over one divisor;
//   HPKE's own key schedule runs from it.
import { equal, type Random, systemRandom } from '@cloister/core';
import { assertLength, assertSeats } from '../check.ts';
import { thresholdError } from '../errors.ts';
import { parseLabel } from '../label.ts';
import { invertModOrder, type LagrangeFractions, lagrangeFractions } from '../lagrange.ts';
import { partialsStatement } from '../partials.ts';
import {
  encodePoint,
  integerToScalar,
  type Point,
  parsePoint,
  sumPoints,
  timesPublic,
} from '../point.ts';
import {
  asSealedKey,
  assertSealedKey,
  CheckedSealedKey,
  encodeSealedKey,
  MASTER_KEY_BYTES,
  piStatement,
  type SealedKey,
} from '../sealed-key.ts';
import { openWithDh, sealWith } from './hpke.ts';
import { Multiplier, opensslCurve } from './multiply.ts';
import { proveDleqBatch, proveSchnorr } from './prove.ts';
import { randomScalar } from './secret.ts';
import { type KeyShare, secretOf } from './share.ts';

const NO_AAD = new Uint8Array(0);

/** Seals 32 bytes to any P-256 key with pi over (label, enc, ct). HPKE's info is the label. */
export function sealWithProof(args: {
  recipient: Uint8Array;
  label: Uint8Array;
  secret: Uint8Array;
  random: Random;
}): SealedKey {
  assertLength(args.secret, MASTER_KEY_BYTES, 'a key to seal');
  const ephemeral = randomScalar(args.random);
  const { recipient, label, secret } = args;
  const sealing = { publicKey: recipient, info: label, aad: NO_AAD, plaintext: secret };
  const { enc, ct } = sealWith(ephemeral, sealing);
  const pi = proveSchnorr(piStatement(label, { enc, ct }), ephemeral, args.random);
  ephemeral.fill(0);
  return { enc, ct, pi };
}

/**
 * Seals a column's 32-byte master key to the group key, under a label from `encodeLabel`.
 * Returns the encoded sealed key. @throws CodedError `label-malformed`, `label-other-key`
 */
export function sealMasterKey(args: {
  groupKey: Uint8Array;
  label: Uint8Array;
  masterKey: Uint8Array;
  random?: Random;
}): Uint8Array<ArrayBuffer> {
  assertLabelKey(args.label, args.groupKey);
  const { label, masterKey: secret, groupKey: recipient } = args;
  const random = args.random ?? systemRandom;
  return encodeSealedKey(sealWithProof({ recipient, label, secret, random }));
}

/**
 * A keeper's partial opening, a full point of 65 bytes. Whether it may answer at all (rights,
 * freshness) is the caller's to judge first.
 * @throws CodedError `pi-invalid`, `label-other-charter`, `label-other-key`, `secret-wiped` and the
 *   codes of a malformed sealed key or label
 */
export function partialOpen(args: {
  share: KeyShare;
  /** Where it was checked over this label before, pi is not verified again. */
  sealed: Uint8Array | SealedKey | CheckedSealedKey;
  label: Uint8Array;
}): Uint8Array<ArrayBuffer> {
  const { share, label } = args;
  const { multiplier } = secretOf(share);
  if (!equal(parseLabel(label).genesis, share.genesis)) {
    const message = 'the label names another charter than the share was made under';
    throw thresholdError('label-other-charter', message);
  }
  assertLabelKey(label, share.groupKey);
  const { enc } = checkedUnder(args.sealed, label);
  return encodePoint(multiplier.multiply(parsePoint(enc)));
}

function checkedUnder(
  sealed: Uint8Array | SealedKey | CheckedSealedKey,
  label: Uint8Array,
): SealedKey {
  if (!(sealed instanceof CheckedSealedKey)) {
    return assertSealedKey({ sealed, label, curve: opensslCurve });
  }
  const checked = sealed.under(label);
  if (checked !== undefined) return checked;
  const message = 'pi was checked over another label: the key is not opened';
  throw thresholdError('pi-invalid', message);
}

/**
 * One DLEQ proof over all openings that this share gave to one request. 64 bytes.
 * `openings` are what was answered, point for point.
 */
export function provePartials(args: {
  share: KeyShare;
  request: Uint8Array;
  openings: readonly { readonly enc: Uint8Array; readonly point: Uint8Array }[];
  random?: Random;
}): Uint8Array<ArrayBuffer> {
  const { share, request, openings } = args;
  const { genesis, epoch, seat, publicShare } = share;
  const statement = partialsStatement({ genesis, epoch, seat, publicShare, request, openings });
  return proveDleqBatch(statement, secretOf(share).secret, args.random ?? systemRandom);
}

export interface PartialPoint {
  readonly seat: number;
  /** 65 bytes. */
  readonly point: Uint8Array;
}

/**
 * Opens a sealed key from at least t partial openings; the first t in the order given are used.
 * @throws CodedError `opening-tag-invalid` (settle it by `blame`), `partials-too-few`,
 *   `seat-duplicate`, `seat-out-of-range`, `opening-infinity`, `label-other-key`, point codes
 */
export function combinePartials(args: {
  t: number;
  partials: readonly PartialPoint[];
  groupKey: Uint8Array;
  sealed: Uint8Array | SealedKey;
  label: Uint8Array;
}): Uint8Array<ArrayBuffer> {
  const { t, groupKey, label } = args;
  const sealed = asSealedKey(args.sealed);
  assertLabelKey(label, groupKey);
  assertSeats(args.partials.map((p) => p.seat));
  if (!Number.isInteger(t) || t < 1 || args.partials.length < t) {
    const message = `wanted ${t} partial openings, got ${args.partials.length}`;
    throw thresholdError('partials-too-few', message);
  }
  const used = args.partials.slice(0, t);
  const lagrange = lagrangeFractions(used.map((p) => p.seat));
  const dh = combinedDh(
    used.map((p) => parsePoint(p.point)),
    lagrange,
  );
  const { enc, ct } = sealed;
  const opened = openWithDh({ dh, enc, recipient: groupKey, info: label, aad: NO_AAD, ct });
  dh.fill(0);
  if (opened === undefined) {
    const message =
      'the key does not open from these partial openings: ask each keeper for its proof and blame';
    throw thresholdError('opening-tag-invalid', message);
  }
  return opened;
}

/** x of sum (factor_i / divisor) Q_i, as x of (1 / divisor) times the sum of factor_i Q_i. */
function combinedDh(points: readonly Point[], lagrange: LagrangeFractions) {
  const sum = sumPoints(points.map((q, i) => timesPublic(q, lagrange.factors[i] as bigint)));
  if (sum.is0()) {
    const message = 'the partial openings cancel out: at least one is wrong';
    throw thresholdError('opening-infinity', message);
  }
  const bytes = encodePoint(sum);
  if (lagrange.divisor === 1n) return bytes.slice(1, 33);
  const multiplier = new Multiplier(integerToScalar(invertModOrder(lagrange.divisor)));
  const dh = multiplier.x(bytes);
  multiplier.wipe();
  return dh;
}

function assertLabelKey(label: Uint8Array, groupKey: Uint8Array): void {
  if (equal(parseLabel(label).groupKey, groupKey)) return;
  const message = 'the label names another group key: seal again to the present one';
  throw thresholdError('label-other-key', message);
}
