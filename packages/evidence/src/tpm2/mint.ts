// SPDX-License-Identifier: Apache-2.0
// Mints TPM 2.0 quotes under a development attestation key (RSA-2048, RSASSA-SHA-256).
// `measurement` becomes PCR 0 of the SHA-256 bank; PCRs 1 to 7 are zero. The claims then have
// `tpmMeasurement` of that selection.
import { createHash, createPublicKey } from 'node:crypto';
import { concat } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { evidenceError } from '../errors.ts';
import { mintKey, mintSign, publicOf } from '../mint/keys.ts';
import { checkedRequest } from '../mint/request.ts';
import type { DevelopmentRoot, DevelopmentRootOptions, MintRequest } from '../mint/types.ts';
import { rootFromKey } from '../roots/make.ts';
import { ALG, ATTRIBUTE, ST_ATTEST_QUOTE, TPM_GENERATED } from './constants.ts';
import { encodeTpmEvidence } from './parse.ts';
import { measurementOfPcrs, type PcrBanks } from './quote.ts';
import { encodePcrSelection } from './structures.ts';

const QUOTED = 8;
const AK_ATTRIBUTES =
  ATTRIBUTE.fixedTpm |
  ATTRIBUTE.fixedParent |
  ATTRIBUTE.sensitiveDataOrigin |
  ATTRIBUTE.restricted |
  ATTRIBUTE.sign;

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}

function u32(value: number): Uint8Array {
  return concat(u16(Math.floor(value / 65_536)), u16(value % 65_536));
}

function sized(bytes: Uint8Array): Uint8Array {
  return concat(u16(bytes.length), bytes);
}

export function createTpmRoot(options: DevelopmentRootOptions): DevelopmentRoot {
  const ak = mintKey('rsa2048', 'tpm2/ak', options.seed);
  const root = rootFromKey(nodeCrypto, publicOf(ak), {
    family: `tpm2:${options.enrolledBy ?? 'development'}`,
    kinds: ['tpm2'],
    trust: 'simulated',
    source: 'a development TPM of this project',
  });
  return { kind: 'tpm2', root, subject: 'tpm2', keys: { ak }, certificates: {} };
}

/** TPMT_PUBLIC of an RSA-2048 attestation key (RSASSA, SHA-256). */
export function akPublic(pkcs8: Uint8Array, attributes: number = AK_ATTRIBUTES): Uint8Array {
  const spki = Buffer.from(publicOf(pkcs8));
  const { n } = createPublicKey({ key: spki, format: 'der', type: 'spki' }).export({
    format: 'jwk',
  });
  return concat(
    u16(ALG.rsa),
    u16(ALG.sha256),
    u32(attributes),
    sized(new Uint8Array(0)),
    u16(ALG.null),
    u16(ALG.rsassa),
    u16(ALG.sha256),
    u16(2048),
    u32(0),
    sized(new Uint8Array(Buffer.from(n as string, 'base64url'))),
  );
}

/** PCR values of minted quotes: `pcr0` first, the rest zero. */
export function mintedPcrs(pcr0: Uint8Array): Uint8Array[] {
  return Array.from({ length: QUOTED }, (_, i) => (i === 0 ? pcr0 : new Uint8Array(32)));
}

export interface MintedQuote {
  readonly attest: Uint8Array;
  readonly signature: Uint8Array;
  readonly pcrs: PcrBanks;
}

/** TPMS_ATTEST and TPMT_SIGNATURE over PCRs 0 to 7 and `extraData`. */
export function mintTpmQuote(
  pkcs8: Uint8Array,
  pcr0: Uint8Array,
  extraData: Uint8Array,
): MintedQuote {
  const values = mintedPcrs(pcr0);
  const digest = createHash('sha256')
    .update(concat(...values))
    .digest();
  const signer = concat(u16(ALG.sha256), createHash('sha256').update(publicOf(pkcs8)).digest());
  const attest = concat(
    u32(TPM_GENERATED),
    u16(ST_ATTEST_QUOTE),
    sized(signer),
    sized(extraData),
    u32(0),
    u32(1000),
    u32(1),
    u32(0),
    Uint8Array.of(1),
    u32(0x20240101),
    u32(0),
    encodePcrSelection(ALG.sha256, values.keys()),
    sized(digest),
  );
  const rsa = mintSign('rsa-pkcs1-sha256', pkcs8, attest);
  const signature = concat(u16(ALG.rsassa), u16(ALG.sha256), sized(rsa));
  return { attest, signature, pcrs: new Map([[ALG.sha256, new Map(values.entries())]]) };
}

/** What `Claims.measurement` of a minted quote is. */
export function mintedTpmMeasurement(pcr0: Uint8Array): Uint8Array {
  return measurementOfPcrs(nodeCrypto, ALG.sha256, new Map(mintedPcrs(pcr0).entries()));
}

/** Evidence bytes of kind `tpm2`. @throws CodedError `mint-usage` */
export function mintTpm(request: MintRequest): Uint8Array {
  const { hardwareId } = checkedRequest(request, 'tpm2');
  if (!Buffer.from(hardwareId).equals(Buffer.from(request.root.root.fingerprint, 'hex'))) {
    throw evidenceError('mint-usage', "a TPM's hardware id is the digest of its attestation key");
  }
  const ak = request.root.keys['ak'] as Uint8Array;
  const { attest, signature, pcrs } = mintTpmQuote(ak, request.measurement, request.reportData);
  return encodeTpmEvidence({
    attest,
    signature,
    ak: publicOf(ak),
    pcrs,
    chain: [],
    log: new Uint8Array(0),
  });
}
