// SPDX-License-Identifier: Apache-2.0
// Credential activation against a TPM in software: the holder of the endorsement key opens the
// challenge for the right name and for no other. (A real swtpm does the same in the attester's
// lane.)
import {
  constants,
  createDecipheriv,
  createECDH,
  createHmac,
  createPublicKey,
  type ECDH,
  generateKeyPairSync,
  privateDecrypt,
} from 'node:crypto';
import { concat, equal, isCoded } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { describe, expect, it } from 'vitest';
import { mintKey } from '../mint/keys.ts';
import { ALG, ATTRIBUTE, CURVE_P256 } from './constants.ts';
import {
  type Credential,
  challengeActivation,
  checkAkAttributes,
  kdfa,
  kdfe,
} from './credential.ts';
import { akPublic } from './mint.ts';
import { parseTpmPublic, type TpmPublic, tpmName } from './structures.ts';

const u16 = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);
const u32 = (value: number): Uint8Array => concat(u16(value >>> 16), u16(value & 0xffff));
const sized = (bytes: Uint8Array): Uint8Array => concat(u16(bytes.length), bytes);
const none = new Uint8Array(0);
const EK_ATTRIBUTES = ATTRIBUTE.fixedTpm | ATTRIBUTE.restricted | ATTRIBUTE.decrypt;

interface SoftTpm {
  readonly ek: TpmPublic;
  readonly openSeed: (encryptedSecret: Uint8Array) => Uint8Array;
}

/** TPMT_PUBLIC of a storage key: AES-128-CFB, no scheme. */
function storageKey(type: number, parameters: Uint8Array): TpmPublic {
  const symmetric = concat(u16(ALG.aes), u16(128), u16(ALG.cfb));
  const head = concat(u16(type), u16(ALG.sha256), u32(EK_ATTRIBUTES), sized(none), symmetric);
  return parseTpmPublic(concat(head, u16(ALG.null), parameters));
}

function rsaTpm(): SoftTpm {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const { n } = createPublicKey(privateKey).export({ format: 'jwk' });
  const modulus = new Uint8Array(Buffer.from(n as string, 'base64url'));
  return {
    ek: storageKey(ALG.rsa, concat(u16(2048), u32(0), sized(modulus))),
    openSeed: (secret) =>
      privateDecrypt(
        {
          key: privateKey,
          padding: constants.RSA_PKCS1_OAEP_PADDING,
          oaepHash: 'sha256',
          oaepLabel: Buffer.from('IDENTITY\0'),
        },
        secret.subarray(2),
      ),
  };
}

function eccTpm(): SoftTpm {
  const ecdh: ECDH = createECDH('prime256v1');
  const point = ecdh.generateKeys();
  const [x, y] = [point.subarray(1, 33), point.subarray(33)];
  const parameters = concat(u16(CURVE_P256), u16(ALG.null), sized(x), sized(y));
  return {
    ek: storageKey(ALG.ecc, parameters),
    openSeed: (secret) => {
      const theirs = concat(Uint8Array.of(4), secret.subarray(4, 36), secret.subarray(38, 70));
      const z = ecdh.computeSecret(theirs);
      return kdfe('sha256', z, 'IDENTITY', secret.subarray(4, 36), x, 256);
    },
  };
}

/** TPM2_ActivateCredential: undefined where the integrity check fails. */
function activate(tpm: SoftTpm, name: Uint8Array, challenge: Credential): Uint8Array | undefined {
  const seed = tpm.openSeed(challenge.encryptedSecret);
  const hmac = challenge.credentialBlob.subarray(4, 36);
  const identity = challenge.credentialBlob.subarray(36);
  const hmacKey = kdfa('sha256', seed, 'INTEGRITY', none, none, 256);
  const wanted = createHmac('sha256', hmacKey).update(identity).update(name).digest();
  if (!equal(hmac, wanted)) return undefined;
  const aesKey = kdfa('sha256', seed, 'STORAGE', name, none, 128);
  const decipher = createDecipheriv('aes-128-cfb', aesKey, new Uint8Array(16));
  return concat(decipher.update(identity), decipher.final()).subarray(2);
}

describe.each([
  ['RSA', rsaTpm()],
  ['ECC', eccTpm()],
])('credential activation with an %s endorsement key', (_kind, tpm) => {
  const ak = parseTpmPublic(akPublic(mintKey('rsa2048', 'ak')));
  const name = tpmName(nodeCrypto, ak);

  it('gives the secret to the TPM that holds both keys', () => {
    const challenge = challengeActivation(tpm.ek, name);
    expect(activate(tpm, name, challenge)).toEqual(challenge.secret);
  });

  it('gives it for no other name', () => {
    const challenge = challengeActivation(tpm.ek, name);
    const other = name.slice();
    other[10] = (other[10] as number) ^ 1;
    expect(activate(tpm, other, challenge)).toBeUndefined();
  });
});

describe('keys', () => {
  const secret = mintKey('rsa2048', 'ak');

  it('are refused as attestation keys unless restricted, signing and fixed', () => {
    expect(() => checkAkAttributes(parseTpmPublic(akPublic(secret)))).not.toThrow();
    const all = parseTpmPublic(akPublic(secret)).attributes;
    for (const bit of [
      'restricted',
      'sign',
      'fixedTpm',
      'fixedParent',
      'sensitiveDataOrigin',
    ] as const) {
      const weak = parseTpmPublic(akPublic(secret, all & ~ATTRIBUTE[bit]));
      expect(() => checkAkAttributes(weak), bit).toThrow(/restricted signing key/);
    }
    const decrypting = parseTpmPublic(akPublic(secret, all | ATTRIBUTE.decrypt));
    expect(() => checkAkAttributes(decrypting)).toThrow(/restricted signing key/);
  });

  it('are refused as endorsement keys unless they store', () => {
    const ak = parseTpmPublic(akPublic(secret));
    let code = '';
    try {
      challengeActivation(ak, tpmName(nodeCrypto, ak));
    } catch (error) {
      if (isCoded(error)) code = error.code;
    }
    expect(code).toBe('evidence-field-invalid');
  });
});
