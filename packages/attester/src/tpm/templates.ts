// SPDX-License-Identifier: Apache-2.0
// The public areas that primary keys are made from (TPMT_PUBLIC). A primary key follows from its
// template and the TPM's own seed alone, so the same template gives the same key after every boot
// and nothing has to be stored.
//
// Endorsement keys: TCG EK Credential Profile 2.5, annex B (templates L-1, L-2, H-3), with the NV
// indexes of their certificates (section 2.2.1.4). The attestation key is ours: ECDSA on P-256,
// restricted, told apart from other keys of that form by its unique field.
import { concat, fromHex, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { ALG, ATTRIBUTE, CURVE_P256, CURVE_P384 } from '@cloister/evidence/tpm';
import { none, sized, u16, u32 } from './wire.ts';

/** TPMA_OBJECT.userWithAuth: the empty password is enough to use the key. */
const USER_WITH_AUTH = 1 << 6;
/** fixedTPM, fixedParent, sensitiveDataOrigin, adminWithPolicy, restricted, decrypt. */
const EK_ATTRIBUTES = 0x000300b2;
/** PolicySecret(endorsement), SHA-256 (annex B.6.2: PolicyA). */
const POLICY_A = fromHex('837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa');
/** PolicyB for SHA-384 (annex B.6.3). */
const POLICY_B_SHA384 = fromHex(
  'b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4' +
    'cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12',
);

export interface EkProfile {
  readonly name: 'ecc-p256' | 'ecc-p384' | 'rsa-2048';
  /** NV index of the certificate. */
  readonly certificate: number;
  /** How the key is used: after PolicySecret(endorsement), or with its own empty password. */
  readonly auth: 'policy' | 'password';
  readonly template: Uint8Array;
}

function ekEcc(
  form: { hash: number; attributes: number; policy: Uint8Array; bits: number; curve: number },
  unique: Uint8Array,
): Uint8Array {
  const head = [u16(ALG.ecc), u16(form.hash), u32(form.attributes), sized(form.policy)];
  const storage = [u16(ALG.aes), u16(form.bits), u16(ALG.cfb), u16(ALG.null)];
  return concat(...head, ...storage, u16(form.curve), u16(ALG.null), unique, unique);
}

/** In the order in which they are tried: elliptic curves are made in milliseconds. */
export const EK_PROFILES: readonly EkProfile[] = [
  {
    name: 'ecc-p256',
    certificate: 0x01c0000a,
    auth: 'policy',
    template: ekEcc(
      {
        hash: ALG.sha256,
        attributes: EK_ATTRIBUTES,
        policy: POLICY_A,
        bits: 128,
        curve: CURVE_P256,
      },
      sized(new Uint8Array(32)),
    ),
  },
  {
    name: 'ecc-p384',
    certificate: 0x01c00016,
    auth: 'password',
    template: ekEcc(
      {
        hash: ALG.sha384,
        attributes: EK_ATTRIBUTES | USER_WITH_AUTH,
        policy: POLICY_B_SHA384,
        bits: 256,
        curve: CURVE_P384,
      },
      sized(none),
    ),
  },
  {
    name: 'rsa-2048',
    certificate: 0x01c00002,
    auth: 'policy',
    template: concat(
      ...[u16(ALG.rsa), u16(ALG.sha256), u32(EK_ATTRIBUTES), sized(POLICY_A)],
      ...[u16(ALG.aes), u16(128), u16(ALG.cfb), u16(ALG.null)],
      ...[u16(2048), u32(0), sized(new Uint8Array(256))],
    ),
  },
];

/** TPMA_OBJECT.noDA: a TPM that locks itself after failed authorisations still quotes. */
const NO_DA = 1 << 10;
const AK_ATTRIBUTES =
  ATTRIBUTE.fixedTpm |
  ATTRIBUTE.fixedParent |
  ATTRIBUTE.sensitiveDataOrigin |
  ATTRIBUTE.restricted |
  ATTRIBUTE.sign |
  USER_WITH_AUTH |
  NO_DA;
const AK_UNIQUE = nodeCrypto.digest('sha256', utf8('cloister/tpm-attestation-key/v1'));

/** The attestation key. Tests make it without some attribute, to see it refused. */
export function akTemplate(attributes: number = AK_ATTRIBUTES): Uint8Array {
  return concat(
    ...[u16(ALG.ecc), u16(ALG.sha256), u32(attributes), sized(none), u16(ALG.null)],
    ...[u16(ALG.ecdsa), u16(ALG.sha256), u16(CURVE_P256), u16(ALG.null)],
    ...[sized(AK_UNIQUE), sized(none)],
  );
}
