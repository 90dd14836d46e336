// SPDX-License-Identifier: Apache-2.0
// Enrols an attestation key by credential activation (TPM 2.0 Library part 1, section 24): a secret
// is sealed so that only the TPM with the endorsement key can open it, and only while it holds an
// object of the AK's name. A TPM that answers the secret has both keys; the EK's certificate says
// which maker's TPM it is. Node only: RSA-OAEP, ECDH and AES-CFB are OpenSSL's.
//
//   credential blob   TPM2B_ID_OBJECT: TPM2B hmac, encrypted identity
//   encrypted secret  TPM2B_ENCRYPTED_SECRET: the seed under RSA-OAEP, or an ephemeral point
import {
  constants,
  createCipheriv,
  createECDH,
  createHash,
  createHmac,
  createPublicKey,
  publicEncrypt,
  randomBytes,
} from 'node:crypto';
import { concat, utf8 } from '@cloister/core';
import { evidenceError } from '../errors.ts';
import type { Root } from '../types.ts';
import { parsePublicKey } from '../x509/algorithms.ts';
import { type Certificate, parseCertificate } from '../x509/certificate.ts';
import { type ChainContext, verifyPath } from '../x509/chain.ts';
import { ATTRIBUTE } from './constants.ts';
import type { TpmPublic } from './structures.ts';
import { TPM_EXTENSIONS } from './verify.ts';

export interface Credential {
  /** TPM2B_ID_OBJECT, with its size. */
  readonly credentialBlob: Uint8Array;
  /** TPM2B_ENCRYPTED_SECRET, with its size. */
  readonly encryptedSecret: Uint8Array;
}

/** What the challenger keeps: the TPM must answer exactly these bytes. */
export interface ActivationChallenge extends Credential {
  readonly secret: Uint8Array;
}

/**
 * Checks that a key is fit to attest: restricted, signing, born in its TPM and fixed to it. Believe
 * it only of a public area whose name was activated.
 * @throws CodedError `evidence-field-invalid`
 */
export function checkAkAttributes(ak: TpmPublic): void {
  const wanted =
    ATTRIBUTE.restricted |
    ATTRIBUTE.sign |
    ATTRIBUTE.fixedTpm |
    ATTRIBUTE.fixedParent |
    ATTRIBUTE.sensitiveDataOrigin;
  if ((ak.attributes & wanted) !== wanted || (ak.attributes & ATTRIBUTE.decrypt) !== 0) {
    const message = 'the attestation key is not a restricted signing key fixed to its TPM';
    throw evidenceError('evidence-field-invalid', message);
  }
}

/** An endorsement key that its TPM's maker vouches for. */
export interface VerifiedEk {
  /** SubjectPublicKeyInfo: must be the key of the TPMT_PUBLIC that a challenge is made for. */
  readonly spki: Uint8Array;
  readonly root: Root;
  /** Milliseconds. */
  readonly validUntil: number;
}

/**
 * Verifies an endorsement certificate (first) and its issuers to a named root of kind `tpm2`
 * (TCG EK Credential Profile). @throws CodedError `certificate-*`, `root-untrusted`
 */
export async function verifyEkChain(
  context: ChainContext,
  chain: readonly Uint8Array[],
): Promise<VerifiedEk> {
  const roots = context.roots.filter((root) => root.kinds.includes('tpm2'));
  const certificates = chain.map(parseCertificate);
  const options = { understood: TPM_EXTENSIONS, leafMayNotSign: true };
  const path = await verifyPath({ ...context, roots }, certificates, options);
  const leaf = path.certificates[0] as Certificate;
  return { spki: leaf.key.spki, root: path.root, validUntil: path.validUntil };
}

/** A fresh challenge of 32 secret bytes for the TPM that has `ek` and an object named `name`. */
export function challengeActivation(ek: TpmPublic, name: Uint8Array): ActivationChallenge {
  const secret = new Uint8Array(randomBytes(32));
  return { secret, ...makeCredential(ek, name, secret) };
}

/** TPM2_MakeCredential in software. `name` is the AK's (`tpmName`). */
export function makeCredential(ek: TpmPublic, name: Uint8Array, secret: Uint8Array): Credential {
  const wanted = ATTRIBUTE.restricted | ATTRIBUTE.decrypt | ATTRIBUTE.fixedTpm;
  if ((ek.attributes & wanted) !== wanted || ek.symmetricBits === 0) {
    throw evidenceError(
      'evidence-field-invalid',
      'the endorsement key is not a storage key of its TPM',
    );
  }
  const { seed, encryptedSecret } = ek.type === 'rsa' ? rsaSeed(ek) : eccSeed(ek);
  const hash = ek.nameAlg;
  const bits = createHash(hash).digest().length * 8;
  const none = new Uint8Array(0);
  const aesKey = kdfa(hash, seed, 'STORAGE', name, none, ek.symmetricBits);
  const cipher = createCipheriv(`aes-${ek.symmetricBits}-cfb`, aesKey, new Uint8Array(16));
  const identity = concat(cipher.update(sized(secret)), cipher.final());
  const hmacKey = kdfa(hash, seed, 'INTEGRITY', none, none, bits);
  const hmac = createHmac(hash, hmacKey).update(identity).update(name).digest();
  return { credentialBlob: sized(concat(sized(hmac), identity)), encryptedSecret };
}

interface Seed {
  readonly seed: Uint8Array;
  readonly encryptedSecret: Uint8Array;
}

function keyObject(spki: Uint8Array): ReturnType<typeof createPublicKey> {
  return createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
}

/** Part 1, annex B.10.4: OAEP with the label IDENTITY and its terminator. */
function rsaSeed(ek: TpmPublic): Seed {
  const seed = new Uint8Array(randomBytes(createHash(ek.nameAlg).digest().length));
  const sealed = publicEncrypt(
    {
      key: keyObject(ek.spki),
      padding: constants.RSA_PKCS1_OAEP_PADDING,
      oaepHash: ek.nameAlg,
      oaepLabel: Buffer.from(utf8('IDENTITY\0')),
    },
    seed,
  );
  return { seed, encryptedSecret: sized(sealed) };
}

/** Part 1, annex C.6.4: one-pass Diffie-Hellman and KDFe. */
function eccSeed(ek: TpmPublic): Seed {
  const { curve, point } = parsePublicKey(ek.spki);
  if (point === undefined || (curve !== 'p256' && curve !== 'p384')) {
    throw evidenceError('evidence-key-type-unsupported', 'an endorsement key on another curve');
  }
  const ephemeral = createECDH(curve === 'p256' ? 'prime256v1' : 'secp384r1');
  const mine = ephemeral.generateKeys().subarray(1);
  const size = mine.length / 2;
  const z = ephemeral.computeSecret(concat(Uint8Array.of(4), point));
  const [x, y] = [mine.subarray(0, size), mine.subarray(size)];
  const bits = createHash(ek.nameAlg).digest().length * 8;
  const seed = kdfe(ek.nameAlg, z, 'IDENTITY', x, point.subarray(0, size), bits);
  return { seed, encryptedSecret: sized(concat(sized(x), sized(y))) };
}

function sized(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return concat(Uint8Array.of(bytes.length >> 8, bytes.length & 0xff), bytes);
}

function u32(value: number): Uint8Array {
  return Uint8Array.of(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff);
}

/** KDFa (part 1, section 11.4.10.2): SP 800-108 in counter mode over HMAC. */
export function kdfa(
  hash: string,
  key: Uint8Array,
  label: string,
  contextU: Uint8Array,
  contextV: Uint8Array,
  bits: number,
): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let i = 1, have = 0; have < bits / 8; i++) {
    const hmac = createHmac(hash, key).update(u32(i)).update(`${label}\0`);
    const block = hmac.update(contextU).update(contextV).update(u32(bits)).digest();
    parts.push(block);
    have += block.length;
  }
  return concat(...parts).subarray(0, bits / 8);
}

/** KDFe (part 1, section 11.4.10.3): SP 800-56A. */
export function kdfe(
  hash: string,
  z: Uint8Array,
  label: string,
  partyU: Uint8Array,
  partyV: Uint8Array,
  bits: number,
): Uint8Array {
  const parts: Uint8Array[] = [];
  for (let i = 1, have = 0; have < bits / 8; i++) {
    const block = createHash(hash).update(u32(i)).update(z).update(`${label}\0`);
    parts.push(block.update(partyU).update(partyV).digest());
    have += (parts.at(-1) as Uint8Array).length;
  }
  return concat(...parts).subarray(0, bits / 8);
}
