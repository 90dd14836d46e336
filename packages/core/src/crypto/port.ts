// SPDX-License-Identifier: Apache-2.0
// The cryptography that verifiers need, as a port with two forms of equal behaviour: `nodeCrypto`
// over OpenSSL and `webCrypto` over the browser's WebCrypto. Digests are synchronous, because trees
// and ids are; asymmetric operations are asynchronous, because WebCrypto's are.
//
// Invariants: a verification of outside bytes answers true or false and never throws on bad
// signature bytes; a malformed key is a coded error. Small-order Ed25519 keys are refused: OpenSSL
// accepts the all-zero signature under the all-zero key. Ed25519 is checked without cofactor in
// both forms, so that no signature holds for one verifier and not for another.

export type HashName = 'sha256' | 'sha384' | 'sha512' | 'sha3-512';

/**
 * Signature schemes by name. ECDSA signatures are raw r||s, big endian (IEEE P1363).
 * RSA-PSS uses MGF1 with the same hash, and a salt as long as the hash or as long as fits.
 */
export type SignatureScheme =
  | 'ed25519'
  | 'ecdsa-p256-sha256'
  | 'ecdsa-p384-sha384'
  | 'ecdsa-p521-sha512'
  | 'rsa-pkcs1-sha256'
  | 'rsa-pkcs1-sha384'
  | 'rsa-pkcs1-sha512'
  | 'rsa-pss-sha256'
  | 'rsa-pss-sha384'
  | 'rsa-pss-sha512';

/** A public key that one of the forms has imported; opaque outside it. */
export interface VerifyKey {
  readonly scheme: SignatureScheme;
  readonly handle: unknown;
}

export interface CryptoPort {
  readonly name: 'node' | 'web';
  /** Digest of the concatenation of `parts`. */
  digest(hash: HashName, ...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer>;
  /** Imports a SubjectPublicKeyInfo (DER). @throws CodedError `key-malformed` */
  importKey(scheme: SignatureScheme, spki: Uint8Array): Promise<VerifyKey>;
  /** True only if `signature` over `data` holds under `key`. */
  verify(key: VerifyKey, data: Uint8Array, signature: Uint8Array): Promise<boolean>;
  /**
   * Ed25519 under a raw 32-byte key (RFC 8032).
   * @throws CodedError `key-malformed`, `key-small-order`
   */
  verifyEd25519(key: Uint8Array, data: Uint8Array, signature: Uint8Array): Promise<boolean>;
}

/** Something that signs with Ed25519; `key` is the raw 32-byte public key, used as COSE kid. */
export interface Signer {
  readonly key: Uint8Array;
  sign(data: Uint8Array): Promise<Uint8Array<ArrayBuffer>>;
}
