// SPDX-License-Identifier: Apache-2.0
// Hashing with domains: every digest and challenge is SHA-256 of one deterministic CBOR array whose
// first item names its purpose and version, so no two purposes share an input.
import { type Cbor, encodeCbor } from '@cloister/core';
import { sha256 } from '@noble/hashes/sha2.js';
import { integerToScalar, toInteger } from './point.ts';

export type Domain =
  | 'cloister/sealed-key/v1'
  | 'cloister/pi/v1'
  | 'cloister/dkg-commit/v1'
  | 'cloister/dkg-pok/v1'
  | 'cloister/dkg-transcript/v1'
  | 'cloister/deal/v1'
  | 'cloister/complaint/v1'
  | 'cloister/complaint-dleq/v1'
  | 'cloister/dleq-weights/v1'
  | 'cloister/dleq/v1'
  | 'cloister/partials/v1';

export function digest(domain: Domain, ...items: readonly Cbor[]): Uint8Array<ArrayBuffer> {
  return sha256(encodeCbor([domain, ...items])) as Uint8Array<ArrayBuffer>;
}

export function digestBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return sha256(bytes) as Uint8Array<ArrayBuffer>;
}

/** A Fiat-Shamir challenge: the digest modulo the group order, 32 bytes. */
export function challenge(domain: Domain, ...items: readonly Cbor[]): Uint8Array<ArrayBuffer> {
  return integerToScalar(toInteger(digest(domain, ...items)));
}
