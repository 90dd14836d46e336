// SPDX-License-Identifier: Apache-2.0
// Roots as bytes, for charters and files: deterministic CBOR, read back strictly. That the
// fingerprint is the root's own is checked where the root is used (`verifyEvidence`).
//
//   { "v": 1, "family": "amd", "kinds": ["sev-snp"], "key": h'...', "certificate": h'...' or null,
//     "fingerprint": "...", "trust": "hardware", "source": "..." }
import { type Cbor, type CryptoPort, decodeCbor, encodeCbor, equal, toHex } from '@cloister/core';
import { evidenceError } from '../errors.ts';
import {
  type EvidenceKind,
  MEASUREMENT_LENGTH,
  type Root,
  type RootFamily,
  type Trust,
} from '../types.ts';
import { parsePublicKey } from '../x509/algorithms.ts';
import { parseCertificate } from '../x509/certificate.ts';

const FAMILY =
  /^(intel|amd|aws|huawei|arm|nvidia|microsoft|(op-tee|psa|cca|keystone|sanctum|tpm2):.{1,100})$/;
const TRUSTS = new Set<unknown>(['hardware', 'test-root', 'simulated']);

export function encodeRoot(root: Root): Uint8Array<ArrayBuffer> {
  const { family, kinds, key, certificate, fingerprint, trust, source } = root;
  return encodeCbor({
    v: 1,
    family,
    kinds,
    key,
    certificate: certificate ?? null,
    fingerprint,
    trust,
    source,
  });
}

/** @throws CodedError `root-malformed`, the X.509 codes and core's CBOR codes */
export function decodeRoot(bytes: Uint8Array): Root {
  const value = decodeCbor(bytes) as { [key: string]: Cbor } | null;
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 8) throw bad();
  const { v, family, kinds, key, certificate, fingerprint, trust, source } = value;
  const texts = typeof fingerprint === 'string' && typeof source === 'string';
  if (v !== 1 || !texts || !/^[0-9a-f]{64}$/.test(fingerprint)) throw bad();
  if (typeof family !== 'string' || !FAMILY.test(family) || !TRUSTS.has(trust)) throw bad();
  if (!Array.isArray(kinds) || !kinds.every(isKind) || !(key instanceof Uint8Array)) throw bad();
  parsePublicKey(key);
  const common = {
    family: family as RootFamily,
    kinds: Object.freeze([...kinds]),
    key,
    fingerprint,
    trust: trust as Trust,
    source,
  };
  if (certificate === null) return Object.freeze(common);
  if (!(certificate instanceof Uint8Array)) throw bad();
  if (!equal(parseCertificate(certificate).key.spki, key)) throw bad();
  return Object.freeze({ ...common, certificate });
}

function isKind(value: unknown): value is EvidenceKind {
  return typeof value === 'string' && Object.hasOwn(MEASUREMENT_LENGTH, value);
}

function bad(): Error {
  return evidenceError('root-malformed', 'not an encoded root');
}

const checked = new WeakSet<Root>();
/** The organisation that the certificate of every development root names. */
export const DEVELOPMENT_ORGANISATION = 'Cloister development';

/**
 * Refuses a root whose fingerprint is not its own, and a development root that is called anything
 * but simulated.
 * @throws CodedError `root-untrusted`
 */
export function checkRoot(crypto: CryptoPort, root: Root): void {
  if (checked.has(root)) return;
  const { certificate } = root;
  if (certificate !== undefined && root.trust !== 'simulated') {
    const text = String.fromCharCode(...parseCertificate(certificate).subject);
    if (text.includes(DEVELOPMENT_ORGANISATION)) {
      throw evidenceError('root-untrusted', `a development root is called '${root.trust}'`);
    }
  }
  const actual = toHex(crypto.digest('sha256', root.certificate ?? root.key));
  if (actual !== root.fingerprint) {
    const message = `a root says its fingerprint is ${root.fingerprint}, it is ${actual}`;
    throw evidenceError('root-untrusted', message);
  }
  checked.add(root);
}
