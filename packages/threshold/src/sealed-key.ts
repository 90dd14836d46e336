// SPDX-License-Identifier: Apache-2.0
// A sealed key: a 32-byte key under HPKE (RFC 9180, base mode, single shot) to a P-256 key, with
// pi, a proof that whoever sealed it knows the discrete logarithm of enc. pi is over (label, enc,
// ct): keepers exponentiate nothing without it, otherwise E' = rE would make them an oracle.
//
//   84                                array of 4, deterministic CBOR
//     01                             version; 2 is kept for keys of which the owner holds a half
//     58 41  enc                     65 bytes, uncompressed point
//     58 30  ct                      48 bytes: 32 of key, 16 of tag
//     58 40  pi                      64 bytes: challenge, response
import { encodeCbor, equal } from '@cloister/core';
import { decodeAs, isBytes } from './check.ts';
import type { Curve } from './curve.ts';
import { thresholdError } from './errors.ts';
import { parsePoint } from './point.ts';
import { assertProof, PROOF_BYTES, type SchnorrStatement, verifySchnorr } from './proofs.ts';

/** The version that this build reads and writes. */
export const SEALED_KEY_VERSION = 1;
/** Length in bytes of the key inside. */
export const MASTER_KEY_BYTES = 32;
/** Length in bytes of ct: the key and its tag. */
export const SEALED_CT_BYTES = MASTER_KEY_BYTES + 16;

export interface SealedKey {
  readonly enc: Uint8Array;
  readonly ct: Uint8Array;
  readonly pi: Uint8Array;
}

export function encodeSealedKey(sealed: SealedKey): Uint8Array<ArrayBuffer> {
  return encodeCbor([SEALED_KEY_VERSION, sealed.enc, sealed.ct, sealed.pi]);
}

/**
 * Parses and checks every form: lengths, enc on the curve, pi's scalars in range. It does not check
 * pi itself. @throws CodedError `sealed-key-malformed`, `proof-malformed` and the point codes
 */
export function parseSealedKey(bytes: Uint8Array): SealedKey {
  const value = decodeAs(bytes, 'sealed-key-malformed', 'a sealed key');
  if (!Array.isArray(value) || value.length !== 4) throw malformed('an array of four');
  const [version, enc, ct, pi] = value as unknown[];
  if (version !== SEALED_KEY_VERSION) throw malformed(`of version ${SEALED_KEY_VERSION}`);
  if (!(enc instanceof Uint8Array)) throw malformed('with enc as bytes');
  if (!isBytes(ct, SEALED_CT_BYTES)) throw malformed(`with ${SEALED_CT_BYTES} bytes of ct`);
  if (!isBytes(pi, PROOF_BYTES)) throw malformed(`with ${PROOF_BYTES} bytes of pi`);
  parsePoint(enc);
  assertProof(pi);
  return { enc, ct, pi };
}

/** Parsed as it is, or parsed from bytes with every check; a struct is checked the same way. */
export function asSealedKey(sealed: Uint8Array | SealedKey): SealedKey {
  if (sealed instanceof Uint8Array) return parseSealedKey(sealed);
  return parseSealedKey(encodeSealedKey(sealed));
}

export function piStatement(
  label: Uint8Array,
  sealed: { enc: Uint8Array; ct: Uint8Array },
): SchnorrStatement {
  return { domain: 'cloister/pi/v1', context: [label, sealed.ct], point: sealed.enc };
}

/** What is verified; `label` is any byte string: `encodeLabel`'s for a master key. */
export interface SealedKeyCheck {
  readonly sealed: Uint8Array | SealedKey;
  readonly label: Uint8Array;
  readonly curve?: Curve;
}

/**
 * A sealed key whose pi was found to hold over one label. What it holds does not change, so it
 * stands for the check wherever it goes.
 */
export class CheckedSealedKey {
  readonly #sealed: SealedKey;
  readonly #label: Uint8Array;

  /** @throws CodedError `pi-invalid`, `sealed-key-malformed` and the point codes */
  constructor(check: SealedKeyCheck) {
    const { enc, ct, pi } = assertSealedKey(check);
    this.#sealed = copyOf({ enc, ct, pi });
    this.#label = Uint8Array.from(check.label);
  }

  /** The key, if it was checked over this very label. */
  under(label: Uint8Array): SealedKey | undefined {
    if (!equal(label, this.#label)) return undefined;
    return copyOf(this.#sealed);
  }
}

/** A true copy: the slice of a Buffer would be a view. */
function copyOf({ enc, ct, pi }: SealedKey): SealedKey {
  return { enc: Uint8Array.from(enc), ct: Uint8Array.from(ct), pi: Uint8Array.from(pi) };
}

/**
 * True only if pi holds over (label, enc, ct). It does not show that ct opens.
 * @throws CodedError `sealed-key-malformed`, `proof-malformed` and the point codes
 */
export function verifySealedKey(check: SealedKeyCheck): boolean {
  return piHolds(asSealedKey(check.sealed), check);
}

/** The parsed key, once pi held. @throws CodedError `pi-invalid`, besides the above */
export function assertSealedKey(check: SealedKeyCheck): SealedKey {
  const sealed = asSealedKey(check.sealed);
  if (!piHolds(sealed, check)) {
    const message = 'pi does not hold over this label, enc and ct: the key is not opened';
    throw thresholdError('pi-invalid', message);
  }
  return sealed;
}

function piHolds(sealed: SealedKey, { label, curve }: SealedKeyCheck): boolean {
  return verifySchnorr(piStatement(label, sealed), sealed.pi, curve);
}

function malformed(wanted: string) {
  return thresholdError('sealed-key-malformed', `a sealed key is not ${wanted}`);
}
