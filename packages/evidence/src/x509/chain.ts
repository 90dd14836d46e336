// SPDX-License-Identifier: Apache-2.0
// Certification paths (RFC 5280 section 6, the part that vendors' hardware chains use): names
// chain, signatures hold, CA bits and path lengths are right, every certificate is valid at the
// time to judge at and on no list, and the path ends in the key of a named root. Signatures that
// held may be remembered; dates and revocation are judged every time.
import { type CryptoPort, equal, type SignatureScheme, type VerifyKey } from '@cloister/core';
import { type EvidenceCache, factKey } from '../cache.ts';
import { evidenceError } from '../errors.ts';
import type { Root } from '../types.ts';
import {
  CURVE_BYTES,
  type PublicKey,
  parsePublicKey,
  rawEcdsa,
  type SignatureFamily,
  schemeFor,
} from './algorithms.ts';
import {
  type Certificate,
  caConstraint,
  commonName,
  keyUsage,
  parseCertificate,
  UNDERSTOOD,
  USAGE_CERT_SIGN,
  USAGE_CRL_SIGN,
  USAGE_DIGITAL_SIGNATURE,
} from './certificate.ts';
import type { Crl } from './crl.ts';

export const MAX_CHAIN = 6;

/** What path validation needs of the world. */
export interface ChainContext {
  readonly crypto: CryptoPort;
  readonly roots: readonly Root[];
  /** Milliseconds. */
  readonly at: number;
  readonly cache?: EvidenceCache;
}

/** A path that holds: certificates from leaf to the last before the root's key, and the root. */
export interface ValidPath {
  readonly certificates: readonly Certificate[];
  readonly root: Root;
  /** Milliseconds: the earliest end of validity on the path. */
  readonly validUntil: number;
}

export interface PathOptions {
  /** Further critical extensions that the caller judges by itself, by object identifier. */
  readonly understood?: ReadonlySet<string>;
  /** True for leaves that decrypt (endorsement keys); such a leaf is still no CA. */
  readonly leafMayNotSign?: boolean;
}

/** Something signed in the X.509 way. */
interface Signed {
  readonly tbs: Uint8Array;
  readonly family: SignatureFamily;
  readonly signature: Uint8Array;
}

/** The port's form of a key: importing costs as much as a verification, so it is remembered. */
export async function importedKey(
  { crypto, cache }: Pick<ChainContext, 'crypto' | 'cache'>,
  scheme: SignatureScheme,
  spki: Uint8Array,
): Promise<VerifyKey> {
  if (cache === undefined) return crypto.importKey(scheme, spki);
  const key = factKey(crypto, `key:${scheme}`, spki);
  return cache.remember(key, () => crypto.importKey(scheme, spki));
}

/** True if `signed` holds under `key`; a wrong key type is simply false. */
export async function signatureHolds(
  context: Pick<ChainContext, 'crypto' | 'cache'>,
  signed: Signed,
  key: PublicKey,
): Promise<boolean> {
  const { crypto, cache } = context;
  const check = async (): Promise<boolean> => {
    const scheme = schemeFor(signed.family, key);
    if (scheme === undefined) return false;
    const raw =
      key.curve === undefined
        ? signed.signature
        : rawEcdsa(signed.signature, CURVE_BYTES[key.curve]);
    if (raw === undefined) return false;
    return crypto.verify(await importedKey(context, scheme, key.spki), signed.tbs, raw);
  };
  if (cache === undefined) return check();
  const by = digestOf(crypto, key, key.spki);
  const what = digestOf(crypto, signed, signed.tbs, signed.signature);
  return cache.remember(`sig:${signed.family}:${by}:${what}`, check);
}

const digests = new WeakMap<object, string>();

/**
 * The digest of `parts`, taken once for the object that was parsed from them: what certificates,
 * lists and keys are parsed from is a private copy, which nothing changes.
 */
function digestOf(crypto: CryptoPort, parsed: object, ...parts: readonly Uint8Array[]): string {
  const known = digests.get(parsed);
  if (known !== undefined) return known;
  const digest = factKey(crypto, 'parsed', ...parts);
  digests.set(parsed, digest);
  return digest;
}

/**
 * Validates the path from `certificates[0]` through the others to one of the roots.
 * Certificates after the leaf may come in any order; self-signed ones only say which root is meant.
 * @throws CodedError `certificate-*`, `chain-too-long`, `root-untrusted`
 */
export async function verifyPath(
  context: ChainContext,
  certificates: readonly Certificate[],
  options: PathOptions = {},
): Promise<ValidPath> {
  const [leaf] = certificates;
  if (leaf === undefined) throw evidenceError('certificate-missing', 'a chain has no certificates');
  if (certificates.length > MAX_CHAIN) {
    throw evidenceError(
      'chain-too-long',
      `got ${certificates.length} certificates, at most ${MAX_CHAIN}`,
    );
  }
  checkLeafUsage(leaf, options.leafMayNotSign === true);
  const path: Certificate[] = [];
  let current = leaf;
  for (;;) {
    path.push(current);
    checkValidity(current, context.at);
    checkCritical(current, options.understood);
    const issuer = certificates.find(
      (c) => !path.includes(c) && !isSelfIssued(c) && equal(c.subject, current.issuer),
    );
    if (issuer === undefined) break;
    checkCaUsage(issuer, path.length - 1);
    if (!(await signatureHolds(context, current, issuer.key))) throw badSignature(current);
    current = issuer;
  }
  const root = await anchor(context, current, certificates);
  return {
    certificates: path,
    root,
    validUntil: Math.min(...path.map((c) => c.notAfter), rootEnd(root)),
  };
}

async function anchor(
  context: ChainContext,
  top: Certificate,
  certificates: readonly Certificate[],
): Promise<Root> {
  const carried = certificates.find((c) => isSelfIssued(c) && equal(c.subject, top.issuer));
  if (carried !== undefined && !context.roots.some((r) => equal(r.key, carried.key.spki))) {
    const message = `the chain ends in '${commonName(carried.subject)}', which is not a named root`;
    throw evidenceError('root-untrusted', message, { details: { issuer: commonName(top.issuer) } });
  }
  let named = false;
  for (const root of context.roots) {
    if (carried !== undefined && !equal(root.key, carried.key.spki)) continue;
    const certificate = rootCertificate(root);
    if (certificate !== undefined && !equal(certificate.subject, top.issuer)) continue;
    named = true;
    const key = certificate?.key ?? parsePublicKey(root.key);
    if (!(await signatureHolds(context, top, key))) continue;
    if (certificate !== undefined) checkValidity(certificate, context.at);
    return root;
  }
  if (named) throw badSignature(top);
  const message = `no named root is the issuer '${commonName(top.issuer)}'`;
  throw evidenceError('root-untrusted', message, { details: { issuer: commonName(top.issuer) } });
}

const parsedRoots = new WeakMap<Root, Certificate>();

/** The root's own certificate, parsed once per root object. */
export function rootCertificate(root: Root): Certificate | undefined {
  if (root.certificate === undefined) return undefined;
  const known = parsedRoots.get(root);
  if (known !== undefined && equal(known.der, root.certificate)) return known;
  const parsed = parseCertificate(root.certificate.slice());
  if (!equal(parsed.key.spki, root.key)) {
    throw evidenceError('certificate-malformed', 'a root names one key and carries another');
  }
  parsedRoots.set(root, parsed);
  return parsed;
}

function rootEnd(root: Root): number {
  return rootCertificate(root)?.notAfter ?? Number.POSITIVE_INFINITY;
}

export function isSelfIssued(certificate: Certificate): boolean {
  return equal(certificate.issuer, certificate.subject);
}

function badSignature(certificate: Certificate): Error {
  const name = commonName(certificate.subject);
  const issuer = commonName(certificate.issuer);
  const message = `the signature on '${name}' does not hold under the key of '${issuer}'`;
  return evidenceError('certificate-signature-invalid', message, { details: { name, issuer } });
}

/** @throws CodedError `certificate-not-yet-valid`, `certificate-expired` */
export function checkValidity(certificate: Certificate, at: number): void {
  const { notBefore, notAfter, subject } = certificate;
  if (at < notBefore) {
    const name = commonName(subject);
    const message = `'${name}' is valid from ${iso(notBefore)}, judged at ${iso(at)}`;
    throw evidenceError('certificate-not-yet-valid', message, { details: { name } });
  }
  if (at > notAfter) {
    const name = commonName(subject);
    const message = `'${name}' was valid until ${iso(notAfter)}, judged at ${iso(at)}`;
    throw evidenceError('certificate-expired', message, { details: { name } });
  }
}

function iso(ms: number): string {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? String(ms) : date.toISOString();
}

function checkCritical(certificate: Certificate, more?: ReadonlySet<string>): void {
  for (const [oid, extension] of certificate.extensions) {
    if (extension.critical && !UNDERSTOOD.has(oid) && more?.has(oid) !== true) {
      const message = `'${commonName(certificate.subject)}' has an unknown critical extension`;
      throw evidenceError('certificate-usage-invalid', message, { details: { oid } });
    }
  }
}

function checkLeafUsage(leaf: Certificate, anyUsage: boolean): void {
  const signs = (keyUsage(leaf) ?? USAGE_DIGITAL_SIGNATURE) >= USAGE_DIGITAL_SIGNATURE;
  if (caConstraint(leaf) !== undefined || !(signs || anyUsage)) {
    const message = `'${commonName(leaf.subject)}' may not sign evidence (CA bit or key usage)`;
    throw evidenceError('certificate-usage-invalid', message);
  }
}

/** `below`: how many CA certificates stand between `ca` and the leaf. */
function checkCaUsage(ca: Certificate, below: number): void {
  const constraint = caConstraint(ca);
  const usage = keyUsage(ca);
  const mayIssue = usage === undefined || (usage & USAGE_CERT_SIGN) !== 0;
  if (constraint === undefined || !mayIssue || constraint.pathLength < below) {
    const message = `'${commonName(ca.subject)}' may not issue here (CA bit, usage, path length)`;
    throw evidenceError('certificate-usage-invalid', message);
  }
}

/**
 * Checks that `issuer` is a CA that issued `certificate`: names, usage, signature. No time.
 * @throws CodedError `certificate-*`
 */
export async function checkIssued(
  context: Pick<ChainContext, 'crypto' | 'cache'>,
  certificate: Certificate,
  issuer: Certificate,
): Promise<void> {
  if (!equal(certificate.issuer, issuer.subject)) {
    const names = [certificate.issuer, issuer.subject].map(commonName);
    const message = `a certificate of '${names[0]}', wanted of '${names[1]}'`;
    throw evidenceError('certificate-issuer-mismatch', message);
  }
  const isLower = caConstraint(certificate) !== undefined && certificate !== issuer;
  checkCaUsage(issuer, isLower ? 1 : 0);
  if (!(await signatureHolds(context, certificate, issuer.key))) throw badSignature(certificate);
}

/** A list that holds: signed by its issuer's key and in force. */
export interface CrlIssuer {
  readonly name: Uint8Array;
  readonly key: PublicKey;
  /** Key usage of the issuer's certificate, where it has one. */
  readonly usage: number | undefined;
}

export function crlIssuerOf(certificate: Certificate): CrlIssuer {
  return { name: certificate.subject, key: certificate.key, usage: keyUsage(certificate) };
}

/**
 * Checks that `crl` is `issuer`'s own and in force at `context.at`, and answers it parsed.
 * @throws CodedError `crl-*`
 */
export async function verifyCrl(
  context: Pick<ChainContext, 'crypto' | 'cache' | 'at'>,
  crl: Crl,
  issuer: CrlIssuer,
): Promise<Crl> {
  if (!equal(crl.issuer, issuer.name)) {
    const message = `CRL of '${commonName(crl.issuer)}', wanted '${commonName(issuer.name)}'`;
    throw evidenceError('crl-issuer-mismatch', message);
  }
  const maySign = issuer.usage === undefined || (issuer.usage & USAGE_CRL_SIGN) !== 0;
  if (!maySign || !(await signatureHolds(context, crl, issuer.key))) {
    const message = `the CRL of '${commonName(crl.issuer)}' is not signed by its key`;
    throw evidenceError('crl-signature-invalid', message);
  }
  if (context.at < crl.thisUpdate) {
    const message = `the CRL of '${commonName(crl.issuer)}' begins ${iso(crl.thisUpdate)}`;
    throw evidenceError('crl-not-yet-valid', message);
  }
  if (context.at > crl.nextUpdate) {
    const message = `the CRL of '${commonName(crl.issuer)}' ended ${iso(crl.nextUpdate)}`;
    throw evidenceError('crl-expired', message);
  }
  return crl;
}

/** @throws CodedError `certificate-revoked` */
export function checkNotRevoked(certificate: Certificate, crl: Crl): void {
  if (crl.revoked.has(certificate.serial)) {
    const name = commonName(certificate.subject);
    throw evidenceError('certificate-revoked', `'${name}' is revoked`, {
      details: { serial: certificate.serial },
    });
  }
}

/** Parsed certificate or CRL, remembered by the digest of its bytes where there is a cache. */
export async function rememberParsed<T>(
  context: Pick<ChainContext, 'crypto' | 'cache'>,
  label: string,
  bytes: Uint8Array,
  parse: (bytes: Uint8Array) => T,
): Promise<T> {
  if (context.cache === undefined) return parse(bytes);
  const key = factKey(context.crypto, label, bytes);
  return context.cache.remember(key, () => parse(bytes.slice()), bytes.length);
}
