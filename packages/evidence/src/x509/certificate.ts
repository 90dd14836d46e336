// SPDX-License-Identifier: Apache-2.0
// X.509 certificates (RFC 5280 section 4.1) to frozen structs: no cryptography, no judgement but of
// form. Version 3 only; extensions are kept raw by dotted object identifier, and a duplicate is
// refused.
import { toHex } from '@cloister/core';
import { evidenceError } from '../errors.ts';
import {
  type PublicKey,
  parsePublicKey,
  type SignatureFamily,
  signatureFamily,
} from './algorithms.ts';
import { DerReader, derRoot, TAG } from './der.ts';

const MAX_CERTIFICATE_BYTES = 16_384;
const MAX_EXTENSIONS = 64;

export interface Extension {
  readonly critical: boolean;
  readonly value: Uint8Array;
}

export interface Certificate {
  readonly der: Uint8Array;
  /** The signed part (TBSCertificate, DER). */
  readonly tbs: Uint8Array;
  /** Serial number, hexadecimal of its DER contents. */
  readonly serial: string;
  readonly family: SignatureFamily;
  readonly signature: Uint8Array;
  /** Names, DER, compared byte for byte. */
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  /** Milliseconds. */
  readonly notBefore: number;
  readonly notAfter: number;
  readonly key: PublicKey;
  readonly extensions: ReadonlyMap<string, Extension>;
}

/** @throws CodedError `certificate-malformed`, `certificate-unsupported`, `der-malformed` */
export function parseCertificate(der: Uint8Array): Certificate {
  if (der.length > MAX_CERTIFICATE_BYTES) {
    throw evidenceError(
      'certificate-malformed',
      `a certificate of ${der.length} bytes is too large`,
    );
  }
  const outer = derRoot(der);
  const tbsElement = outer.read(TAG.sequence);
  const outerAlgorithm = outer.read(TAG.sequence);
  const signature = outer.bits();
  outer.end();

  const tbs = new DerReader(tbsElement.value);
  if (tbs.enter(0xa0).small() !== 2) throw evidenceError('certificate-malformed', 'not version 3');
  const serial = toHex(tbs.integer());
  const innerAlgorithm = tbs.read(TAG.sequence);
  if (toHex(innerAlgorithm.bytes) !== toHex(outerAlgorithm.bytes)) {
    throw evidenceError(
      'certificate-malformed',
      'names two signature algorithms (section 4.1.1.2)',
    );
  }
  const issuer = tbs.read(TAG.sequence).bytes;
  const validity = tbs.enter();
  const notBefore = validity.time();
  const notAfter = validity.time();
  validity.end();
  const subject = tbs.read(TAG.sequence).bytes;
  const key = parsePublicKey(tbs.read(TAG.sequence).bytes);
  tbs.readIf(0x81);
  tbs.readIf(0x82);
  const extensions = tbs.done ? new Map<string, Extension>() : parseExtensions(tbs.enter(0xa3));
  tbs.end();
  return Object.freeze({
    der,
    tbs: tbsElement.bytes,
    serial,
    family: signatureFamily(new DerReader(outerAlgorithm.value)),
    signature,
    issuer,
    subject,
    notBefore,
    notAfter,
    key,
    extensions,
  });
}

/** Extensions of a certificate or a CRL, from inside their explicit tag. */
export function parseExtensions(reader: DerReader): Map<string, Extension> {
  const list = reader.enter();
  reader.end();
  const out = new Map<string, Extension>();
  while (!list.done) {
    const item = list.enter();
    const oid = item.oid();
    const critical = item.next === TAG.boolean ? item.boolean() : false;
    const value = item.octets();
    item.end();
    if (out.has(oid) || out.size === MAX_EXTENSIONS) {
      throw evidenceError(
        'certificate-malformed',
        `extension ${oid} twice, or too many extensions`,
      );
    }
    out.set(oid, { critical, value });
  }
  return out;
}

const OID_COMMON_NAME = '2.5.4.3';

/** The first common name in a Name, for messages and for telling an issuer's kinds apart. */
export function commonName(name: Uint8Array): string {
  const sets = derRoot(name);
  while (!sets.done) {
    const attribute = sets.enter(TAG.set).enter();
    if (attribute.oid() === OID_COMMON_NAME) {
      const { value } = attribute.read();
      return String.fromCharCode(...value.subarray(0, 64)).replace(/[^\x20-\x7e]/g, '?');
    }
  }
  return '';
}

const OID_BASIC_CONSTRAINTS = '2.5.29.19';
const OID_KEY_USAGE = '2.5.29.15';
/** Critical extensions that the chain checks understand. */
export const UNDERSTOOD = new Set([OID_BASIC_CONSTRAINTS, OID_KEY_USAGE]);

/** Basic constraints (section 4.2.1.9): undefined where the certificate is no CA. */
export function caConstraint(certificate: Certificate): { pathLength: number } | undefined {
  const extension = certificate.extensions.get(OID_BASIC_CONSTRAINTS);
  if (extension === undefined) return undefined;
  const reader = derRoot(extension.value);
  const ca = reader.next === TAG.boolean ? reader.boolean() : false;
  const pathLength = reader.done ? Number.POSITIVE_INFINITY : reader.small();
  reader.end();
  return ca ? { pathLength } : undefined;
}

/** Key usage bits (section 4.2.1.3), first bit highest; undefined where absent. */
export function keyUsage(certificate: Certificate): number | undefined {
  const extension = certificate.extensions.get(OID_KEY_USAGE);
  if (extension === undefined) return undefined;
  const reader = new DerReader(extension.value);
  const { value } = reader.read(TAG.bitString);
  reader.end();
  if (value.length < 2) throw evidenceError('certificate-malformed', 'an empty key usage');
  return ((value[1] as number) << 8) | (value[2] ?? 0);
}

export const USAGE_DIGITAL_SIGNATURE = 0x8000;
export const USAGE_CERT_SIGN = 0x0400;
export const USAGE_CRL_SIGN = 0x0200;
