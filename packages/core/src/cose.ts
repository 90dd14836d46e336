// SPDX-License-Identifier: Apache-2.0
// COSE_Sign1 (RFC 9052 section 4.2) as Cloister uses it: EdDSA over Ed25519, deterministic bytes,
// everything in the protected header. One signed statement therefore has one encoding, and its id
// is the SHA-256 of its Sig_structure.
//
//   d2                              tag 18
//   84                              array of 4
//     58 xx  { 1: -8,               protected: alg EdDSA
//              4: kid,                kid, the raw 32-byte public key
//              15: { 1: iss, 2: sub } }  CWT claims (RFC 9597)
//     a0                            unprotected: empty
//     58 xx  payload
//     58 40  signature

import { concat } from './bytes.ts';
import { decodeCbor, encodeCbor } from './cbor.ts';
import type { CryptoPort, Signer } from './crypto/port.ts';
import { type CodedError, type CoreErrorCode, coreError } from './errors.ts';

const TAG_COSE_SIGN1 = 0xd2;
const HEADER_ALG = 1;
const HEADER_KID = 4;
const HEADER_CWT_CLAIMS = 15;
const CLAIM_ISS = 1;
const CLAIM_SUB = 2;
const ALG_EDDSA = -8;

/** Issuer and subject (CWT claims 1 and 2) of a statement. */
export interface CoseClaims {
  readonly iss: string;
  readonly sub: string;
}

/** A parsed COSE_Sign1 whose signature has not been checked yet. */
export interface CoseSign1 {
  /** Raw Ed25519 public key of the signer. */
  readonly kid: Uint8Array;
  readonly claims: CoseClaims;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
  /** The bytes that were signed (RFC 9052 section 4.4). */
  readonly sigStructure: Uint8Array;
}

/** Signs `payload`; `externalAad` (empty by default) is signed but not carried. */
export async function signCose(
  signer: Signer,
  claims: CoseClaims,
  payload: Uint8Array,
  externalAad: Uint8Array = new Uint8Array(0),
): Promise<Uint8Array<ArrayBuffer>> {
  const protectedHeader = encodeCbor(
    new Map<number, never>([
      [HEADER_ALG, ALG_EDDSA as never],
      [HEADER_KID, signer.key as never],
      [
        HEADER_CWT_CLAIMS,
        new Map([
          [CLAIM_ISS, claims.iss],
          [CLAIM_SUB, claims.sub],
        ]) as never,
      ],
    ]),
  );
  const signature = await signer.sign(sigStructure(protectedHeader, externalAad, payload));
  const body = encodeCbor([protectedHeader, new Map(), payload, signature]);
  return concat(Uint8Array.of(TAG_COSE_SIGN1), body);
}

/** Parses without checking the signature. @throws CodedError `cose-malformed` and the CBOR codes */
export function parseCose(
  bytes: Uint8Array,
  externalAad: Uint8Array = new Uint8Array(0),
): CoseSign1 {
  if (bytes[0] !== TAG_COSE_SIGN1) throw malformed('does not begin with tag 18');
  const parts = decodeCbor(bytes.subarray(1), { maps: true });
  if (!Array.isArray(parts) || parts.length !== 4) throw malformed('is not an array of four');
  const [protectedHeader, unprotected, payload, signature] = parts as unknown[];
  if (!(protectedHeader instanceof Uint8Array) || !(payload instanceof Uint8Array)) {
    throw malformed('lacks a protected header or a payload');
  }
  if (!(unprotected instanceof Map) || unprotected.size !== 0) {
    throw malformed('has an unprotected header');
  }
  if (!(signature instanceof Uint8Array) || signature.length !== 64) {
    throw malformed('has no 64-byte signature');
  }
  const { kid, claims } = parseProtected(protectedHeader);
  const signed = sigStructure(protectedHeader, externalAad, payload);
  return { kid, claims, payload, signature, sigStructure: signed };
}

/**
 * Parses and checks the signature.
 * @throws CodedError `cose-signature-invalid` besides the above, `key-small-order`
 */
export async function verifyCose(
  crypto: CryptoPort,
  bytes: Uint8Array,
  externalAad: Uint8Array = new Uint8Array(0),
): Promise<CoseSign1> {
  const parsed = parseCose(bytes, externalAad);
  await checkCoseSignature(crypto, parsed);
  return parsed;
}

/** Checks the signature of what `parseCose` read. @throws CodedError `cose-signature-invalid` */
export async function checkCoseSignature(crypto: CryptoPort, parsed: CoseSign1): Promise<void> {
  if (await crypto.verifyEd25519(parsed.kid, parsed.sigStructure, parsed.signature)) return;
  const message = 'the signature of a COSE_Sign1 does not hold under the key it names';
  throw coreError('cose-signature-invalid', message);
}

function parseProtected(bytes: Uint8Array): { kid: Uint8Array; claims: CoseClaims } {
  const header = decodeCbor(bytes, { maps: true });
  if (!(header instanceof Map) || header.size !== 3)
    throw malformed('has other than three headers');
  const kid: unknown = header.get(HEADER_KID);
  const claims: unknown = header.get(HEADER_CWT_CLAIMS);
  if (header.get(HEADER_ALG) !== ALG_EDDSA) throw malformed('is not signed with EdDSA (-8)');
  if (!(kid instanceof Uint8Array) || kid.length !== 32) throw malformed('has no 32-byte kid');
  if (!(claims instanceof Map) || claims.size !== 2) throw malformed('has no issuer and subject');
  const iss: unknown = claims.get(CLAIM_ISS);
  const sub: unknown = claims.get(CLAIM_SUB);
  if (typeof iss !== 'string' || typeof sub !== 'string')
    throw malformed('has claims that are not text');
  return { kid, claims: { iss, sub } };
}

function sigStructure(
  protectedHeader: Uint8Array,
  externalAad: Uint8Array,
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return concat(
    Uint8Array.of(0x84),
    encodeCbor('Signature1'),
    encodeCbor(protectedHeader),
    encodeCbor(externalAad),
    encodeCbor(payload),
  );
}

function malformed(what: string): CodedError<CoreErrorCode> {
  return coreError('cose-malformed', `a COSE_Sign1 ${what}`);
}
