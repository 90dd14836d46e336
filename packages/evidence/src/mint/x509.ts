// SPDX-License-Identifier: Apache-2.0
// Minting certificates and revocation lists (RFC 5280) in the shapes that the vendors use.
import { createHash } from 'node:crypto';
import { toBase64, utf8 } from '@cloister/core';
import { bits, der, derNull, derTrue, int, octets, oid, seq, time } from './der.ts';
import { type MintSignature, mintSign } from './keys.ts';

const PSS = '1.2.840.113549.1.1.10';
const MGF1 = '1.2.840.113549.1.1.8';
const HASH_OIDS = { sha256: '2.16.840.1.101.3.4.2.1', sha384: '2.16.840.1.101.3.4.2.2' } as const;

function algorithm(scheme: MintSignature): Uint8Array {
  if (scheme === 'ecdsa-p256-sha256') return seq(oid('1.2.840.10045.4.3.2'));
  if (scheme === 'ecdsa-p384-sha384') return seq(oid('1.2.840.10045.4.3.3'));
  if (scheme === 'rsa-pkcs1-sha256') return seq(oid('1.2.840.113549.1.1.11'), derNull);
  const hash = scheme === 'rsa-pss-sha256' ? 'sha256' : 'sha384';
  const hashId = seq(oid(HASH_OIDS[hash]), derNull);
  return seq(
    oid(PSS),
    seq(
      der(0xa0, hashId),
      der(0xa1, seq(oid(MGF1), hashId)),
      der(0xa2, int(hash === 'sha256' ? 32 : 48)),
    ),
  );
}

export interface MintIssuer {
  /** Name, DER. */
  readonly name: Uint8Array;
  /** PKCS #8. */
  readonly key: Uint8Array;
  readonly scheme: MintSignature;
}

export interface MintExtension {
  readonly oid: string;
  readonly critical?: boolean;
  readonly value: Uint8Array;
}

export interface MintCertificate {
  readonly issuer: MintIssuer;
  readonly subject: Uint8Array;
  /** SubjectPublicKeyInfo. */
  readonly publicKey: Uint8Array;
  readonly serial: number | Uint8Array;
  /** Milliseconds. */
  readonly from: number;
  readonly to: number;
  readonly extensions: readonly MintExtension[];
}

export function mintCertificate(request: MintCertificate): Uint8Array {
  const { issuer, subject, publicKey, serial, from, to, extensions } = request;
  const list = extensions.map((e) =>
    seq(oid(e.oid), ...(e.critical === true ? [derTrue] : []), octets(e.value)),
  );
  const tbs = seq(
    der(0xa0, int(2)),
    int(serial),
    algorithm(issuer.scheme),
    issuer.name,
    seq(time(from), time(to)),
    subject,
    publicKey,
    ...(list.length === 0 ? [] : [der(0xa3, seq(...list))]),
  );
  return signed(tbs, issuer);
}

function signed(tbs: Uint8Array, issuer: MintIssuer): Uint8Array {
  const signature = mintSign(issuer.scheme, issuer.key, tbs, 'der');
  return seq(tbs, algorithm(issuer.scheme), bits(signature));
}

/** Extensions of a CA: basic constraints and the right to sign certificates and lists. */
export function caExtensions(pathLength: number): MintExtension[] {
  return [
    { oid: '2.5.29.19', critical: true, value: seq(derTrue, int(pathLength)) },
    { oid: '2.5.29.15', critical: true, value: der(0x03, Uint8Array.of(1, 0x06)) },
  ];
}

/** Extensions of an end certificate: no CA, digital signature. */
export function leafExtensions(): MintExtension[] {
  return [
    { oid: '2.5.29.19', critical: true, value: seq() },
    { oid: '2.5.29.15', critical: true, value: der(0x03, Uint8Array.of(6, 0xc0)) },
  ];
}

/**
 * What ties a certificate to its issuer in the vendors' chains: the identifiers of both keys
 * (RFC 5280 sections 4.2.1.1 and 4.2.1.2) and where the issuer's list would be (4.2.1.13).
 */
export function linkExtensions(subjectKey: Uint8Array, issuerKey: Uint8Array): MintExtension[] {
  return [
    { oid: '2.5.29.35', value: seq(der(0x80, keyId(issuerKey))) },
    listExtension(),
    { oid: '2.5.29.14', value: octets(keyId(subjectKey)) },
  ];
}

/** The CRL distribution point by itself: an address that nobody serves. */
export function listExtension(): MintExtension {
  const address = der(0x86, utf8('https://development.invalid/list.crl'));
  return { oid: '2.5.29.31', value: seq(seq(der(0xa0, der(0xa0, address)))) };
}

function keyId(spki: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha1').update(spki).digest());
}

export interface MintCrl {
  readonly issuer: MintIssuer;
  /** Milliseconds. */
  readonly from: number;
  readonly to: number;
  readonly number: number;
  readonly revoked: readonly (number | Uint8Array)[];
}

export function mintCrl({ issuer, from, to, number, revoked }: MintCrl): Uint8Array {
  const entries = revoked.map((serial) => seq(int(serial), time(from)));
  const tbs = seq(
    int(1),
    algorithm(issuer.scheme),
    issuer.name,
    time(from),
    time(to),
    ...(entries.length === 0 ? [] : [seq(...entries)]),
    der(0xa0, seq(seq(oid('2.5.29.20'), octets(int(number))))),
  );
  return signed(tbs, issuer);
}

export function pem(...certificates: readonly Uint8Array[]): Uint8Array {
  const block = (bytes: Uint8Array): string => {
    const lines = toBase64(bytes).match(/.{1,64}/g) ?? [];
    return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
  };
  return utf8(certificates.map(block).join(''));
}

/** A serial number that follows from what it names: positive, 19 bytes. */
export function serialOf(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  const out = new Uint8Array(hash.digest().subarray(0, 19));
  out[0] = ((out[0] as number) & 0x7f) | 0x40;
  return out;
}
