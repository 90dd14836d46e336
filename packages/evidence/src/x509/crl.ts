// SPDX-License-Identifier: Apache-2.0
// Certificate revocation lists (RFC 5280 section 5): form only. Complete lists of one issuer;
// delta and indirect lists announce themselves by critical extensions and are refused.
import { toHex } from '@cloister/core';
import { evidenceError } from '../errors.ts';
import { type SignatureFamily, signatureFamily } from './algorithms.ts';
import { parseExtensions } from './certificate.ts';
import { DerReader, derRoot, TAG } from './der.ts';

const MAX_CRL_BYTES = 4 * 1024 * 1024;
const OID_CRL_NUMBER = '2.5.29.20';

export interface Crl {
  readonly der: Uint8Array;
  readonly tbs: Uint8Array;
  readonly family: SignatureFamily;
  readonly signature: Uint8Array;
  readonly issuer: Uint8Array;
  /** Milliseconds. */
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** Serial numbers as in `Certificate.serial`. */
  readonly revoked: ReadonlySet<string>;
  /** The CRL number, hexadecimal; empty where absent. */
  readonly number: string;
}

/** @throws CodedError `crl-malformed`, `der-malformed`, `certificate-unsupported` */
export function parseCrl(der: Uint8Array): Crl {
  if (der.length > MAX_CRL_BYTES)
    throw evidenceError('crl-malformed', 'a CRL is larger than 4 MiB');
  const outer = derRoot(der);
  const tbsElement = outer.read(TAG.sequence);
  const outerAlgorithm = outer.read(TAG.sequence);
  const signature = outer.bits();
  outer.end();

  const tbs = new DerReader(tbsElement.value);
  if (tbs.next === TAG.integer && tbs.small() !== 1)
    throw evidenceError('crl-malformed', 'not version 2');
  const innerAlgorithm = tbs.read(TAG.sequence);
  if (toHex(innerAlgorithm.bytes) !== toHex(outerAlgorithm.bytes)) {
    throw evidenceError('crl-malformed', 'names two signature algorithms (section 5.1.1.2)');
  }
  const issuer = tbs.read(TAG.sequence).bytes;
  const thisUpdate = tbs.time();
  const nextUpdate = readNextUpdate(tbs);
  const revoked = tbs.next === TAG.sequence ? parseRevoked(tbs.enter()) : new Set<string>();
  const extensions = tbs.done ? undefined : parseExtensions(tbs.enter(0xa0));
  tbs.end();
  for (const [oid, extension] of extensions ?? []) {
    if (extension.critical)
      throw evidenceError('certificate-unsupported', `critical ${oid} in a CRL`);
  }
  const number = extensions?.get(OID_CRL_NUMBER);
  return Object.freeze({
    der,
    tbs: tbsElement.bytes,
    family: signatureFamily(new DerReader(outerAlgorithm.value)),
    signature,
    issuer,
    thisUpdate,
    nextUpdate,
    revoked,
    number: number === undefined ? '' : toHex(new DerReader(number.value).integer()),
  });
}

function readNextUpdate(tbs: DerReader): number {
  if (tbs.next !== TAG.utcTime && tbs.next !== TAG.generalizedTime) {
    throw evidenceError('crl-malformed', 'has no next update (section 5.1.2.5)');
  }
  return tbs.time();
}

function parseRevoked(list: DerReader): Set<string> {
  const out = new Set<string>();
  while (!list.done) {
    const entry = list.enter();
    out.add(toHex(entry.integer()));
    entry.time();
    if (!entry.done) entry.read(TAG.sequence);
    entry.end();
  }
  return out;
}
