// SPDX-License-Identifier: Apache-2.0
// One collateral bundle from the files that vendors serve, in any order and form: Intel PCS answers
// (TCB info, QE identity; with the HTTP headers that carry issuer chains, as `curl -i` saves them),
// CRLs and certificates in DER, PEM or hexadecimal, AMD certificate chains, JSON bundles of PCS
// tools. What a file is follows from its content, never from its name. Nothing is trusted here:
// signatures are checked when the bundle is used.
//
// Invariants: a file that is not understood is an error; so are two different files for one item.
import { equal, fromHex, isCoded, utf8 } from '@cloister/core';
import { type CollateralItems, decodeCollateral, makeCollateral } from './collateral.ts';
import { DCAP_ITEMS, itemsFromDcapBundle } from './dcap/collateral.ts';
import { parseTcbInfo } from './dcap/tcb-info.ts';
import { evidenceError } from './errors.ts';
import { JsonView, parseJson } from './json.ts';
import type { Collateral, EvidenceKind } from './types.ts';
import { commonName, parseCertificate } from './x509/certificate.ts';
import { isSelfIssued } from './x509/chain.ts';
import { parseCrl } from './x509/crl.ts';
import { parsePem, writePem } from './x509/pem.ts';

/** A file and what to call it in messages. */
export interface VendorFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

const MAX_FILES = 64;
const MAX_FILE_BYTES = 16 * 1024 * 1024;

/** What a DCAP item is and where Intel's PCS (v4) serves it. */
const ORIGIN: Readonly<Record<string, string>> = {
  'pck-crl-issuer-chain': 'the chain of the PCK CA (header SGX-PCK-CRL-Issuer-Chain of /pckcrl)',
  'root-ca-crl': "the root CA's CRL (IntelSGXRootCA.der)",
  'pck-crl': "the PCK CA's CRL (/pckcrl)",
  'tcb-info-issuer-chain': 'the chain of the TCB signer (header TCB-Info-Issuer-Chain of /tcb)',
  'tcb-info': 'TCB info (/tcb?fmspc=)',
  'qe-identity': 'the QE identity (/qe/identity)',
};

class Gathered {
  readonly items = new Map<string, { bytes: Uint8Array; from: string }>();
  readonly certificates: { der: Uint8Array; name: string; root: boolean }[] = [];
  kind: EvidenceKind | undefined;

  put(item: string, bytes: Uint8Array, from: string): void {
    const before = this.items.get(item);
    if (before !== undefined && !equal(before.bytes, bytes)) {
      const message = `${before.from} and ${from} both hold '${item}', and differ`;
      throw evidenceError('collateral-malformed', message);
    }
    this.items.set(item, { bytes, from });
  }

  putAll(items: CollateralItems, from: string): void {
    for (const [item, bytes] of Object.entries(items)) this.put(item, bytes, from);
  }
}

/**
 * Makes one bundle. `kind` is derived from the files (`sgx-dcap`, `tdx-dcap`, `sev-snp`); the Azure
 * kinds take the same files and are asked for.
 * @throws CodedError `collateral-malformed` that names the file or what is missing, and the
 *   parsers' codes
 */
export function collateralFromFiles(files: readonly VendorFile[], kind?: EvidenceKind): Collateral {
  const { items, ...gathered } = gatherItems(files);
  const info = items['tcb-info'];
  const isIntel = DCAP_ITEMS.some((name) => Object.hasOwn(items, name));
  if (isIntel) {
    const missing = Object.keys(ORIGIN).filter((name) => !Object.hasOwn(items, name));
    if (missing.length > 0) {
      const list = missing.map((name) => `'${name}': ${ORIGIN[name]}`).join('; ');
      throw evidenceError('collateral-malformed', `the bundle lacks ${list}`);
    }
  }
  const tee = info === undefined ? undefined : parseTcbInfo(info).tee;
  const derived = tee === undefined ? 'sev-snp' : tee === 'TDX' ? 'tdx-dcap' : 'sgx-dcap';
  return makeCollateral(kind ?? gathered.kind ?? derived, items);
}

/**
 * What the files hold, under the names of a bundle's items; the roots' certificates beside them.
 * @throws CodedError `collateral-malformed` that names the file, and the parsers' codes
 */
export function gatherItems(files: readonly VendorFile[]): {
  readonly items: CollateralItems;
  readonly kind: EvidenceKind | undefined;
  readonly roots: readonly Uint8Array[];
} {
  if (files.length === 0 || files.length > MAX_FILES) {
    const message = `wanted 1 to ${MAX_FILES} files, got ${files.length}`;
    throw evidenceError('collateral-malformed', message);
  }
  const gathered = new Gathered();
  for (const file of files) readFile(gathered, file.bytes, file.name, 0);
  assignCertificates(gathered);
  const items = Object.fromEntries([...gathered.items].map(([k, v]) => [k, v.bytes]));
  const roots = gathered.certificates.filter(({ root }) => root).map(({ der }) => der);
  return { items, kind: gathered.kind, roots };
}

function readFile(out: Gathered, bytes: Uint8Array, from: string, depth: number): void {
  if (bytes.length > MAX_FILE_BYTES) throw unknown(from, 'is larger than 16 MiB');
  const first = bytes[0] ?? 0;
  if (first === 0x30) readDer(out, bytes, from);
  else if ((first & 0xe0) === 0xa0) {
    const bundle = decodeCollateral(bytes);
    out.kind ??= bundle.kind;
    out.putAll(bundle.items, from);
  } else if (depth === 0 && latin(bytes.subarray(0, 5)) === 'HTTP/') readHttp(out, bytes, from);
  else readText(out, latin(bytes).trim(), from);
}

function readText(out: Gathered, text: string, from: string): void {
  const hex = text.replace(/^0x/, '').replace(/\s/g, '');
  if (text.startsWith('{')) readJson(out, utf8(text), from);
  else if (text.startsWith('-----BEGIN%20')) readPem(out, unescaped(text, from), from);
  else if (text.includes('-----BEGIN ')) readPem(out, text, from);
  else if (/^30([0-9a-fA-F]{2})+$/.test(hex)) readDer(out, fromHex(hex), from);
  else throw unknown(from, 'is no PCS JSON, CRL, certificate or bundle');
}

function unknown(from: string, what: string): Error {
  return evidenceError('collateral-malformed', `${from} ${what}`);
}

/** Percent-encoded, as PCS writes chains into headers. */
function unescaped(text: string, from: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw unknown(from, 'holds a chain that is not percent-encoded text');
  }
}

/** A saved HTTP answer: issuer chains in headers, then the body, which may be binary. */
function readHttp(out: Gathered, bytes: Uint8Array, from: string): void {
  const LF = 0x0a;
  const isGap = (at: number): boolean =>
    bytes[at] === LF && (bytes[at + 1] === LF || (bytes[at + 1] === 0x0d && bytes[at + 2] === LF));
  const gap = bytes.findIndex((_, at) => isGap(at));
  if (gap === -1) throw unknown(from, 'is an HTTP answer without a body');
  for (const line of latin(bytes.subarray(0, gap)).trim().split(/\r?\n/)) {
    const header = /^[\w-]*issuer-chain: *(\S.*)$/i.exec(line);
    if (header !== null) readPem(out, unescaped(header[1] as string, from), from);
  }
  readFile(out, bytes.slice(gap + (bytes[gap + 1] === LF ? 2 : 3)), from, 1);
}

function latin(bytes: Uint8Array): string {
  return new TextDecoder('latin1').decode(bytes);
}

function readJson(out: Gathered, bytes: Uint8Array, from: string): void {
  const value = parseJson(bytes, 'collateral-malformed');
  const json = new JsonView(value, 'collateral-malformed');
  if (json.has('collateral') || json.has('tcb_info')) {
    out.putAll(itemsFromDcapBundle(value), from);
    return;
  }
  const name = json.has('tcbInfo') ? 'tcbInfo' : 'enclaveIdentity';
  if (!json.has(name) || !json.has('signature')) {
    throw unknown(from, 'is JSON without tcbInfo or enclaveIdentity and a signature');
  }
  // Intel signs the compact text; a file may have been laid out for people since.
  const signed = utf8(JSON.stringify(json.get(name).value));
  const signature = fromHex(json.get('signature').text(/^[0-9a-fA-F]{128}$/));
  const item = name === 'tcbInfo' ? 'tcb-info' : 'qe-identity';
  out.put(item, signed, from);
  out.put(`${item}-signature`, signature, from);
}

function readPem(out: Gathered, text: string, from: string): void {
  const bytes = utf8(text);
  if (text.includes('-----BEGIN X509 CRL-----')) {
    for (const der of parsePem(bytes, 'X509 CRL')) readCrl(out, der, from);
    if (!text.includes('-----BEGIN CERTIFICATE-----')) return;
  }
  for (const der of parsePem(bytes)) readCertificate(out, der, from);
}

function readDer(out: Gathered, der: Uint8Array, from: string): void {
  try {
    parseCrl(der);
  } catch (error) {
    if (!isCoded(error)) throw error;
    readCertificate(out, der, from);
    return;
  }
  readCrl(out, der, from);
}

function readCrl(out: Gathered, der: Uint8Array, from: string): void {
  const issuer = commonName(parseCrl(der).issuer);
  if (issuer.startsWith('ARK-')) out.put('crl', der, from);
  else if (/ PCK /.test(issuer)) out.put('pck-crl', der, from);
  else if (/ Root CA$/.test(issuer)) out.put('root-ca-crl', der, from);
  else throw unknown(from, `is a CRL of '${issuer}', which no bundle holds`);
}

function readCertificate(out: Gathered, der: Uint8Array, from: string): void {
  if (out.certificates.some((known) => equal(known.der, der))) return;
  try {
    const certificate = parseCertificate(der);
    const name = commonName(certificate.subject);
    out.certificates.push({ der, name, root: isSelfIssued(certificate) });
  } catch (cause) {
    if (!isCoded(cause)) throw cause;
    const message = `${from} holds what is neither a CRL nor a certificate`;
    throw evidenceError('collateral-malformed', message, { cause });
  }
}

/** Chains are put together from all files at once, so that it does not matter how they came. */
function assignCertificates(out: Gathered): void {
  const roots = out.certificates.filter((c) => c.root);
  const chain = (der: Uint8Array, prefix: string): Uint8Array =>
    utf8(
      [der, ...roots.filter((c) => c.name.startsWith(prefix)).map((c) => c.der)]
        .map(writePem)
        .join(''),
    );
  for (const { der, name, root } of out.certificates) {
    const from = `a certificate of '${name}'`;
    if (root) continue;
    if (/ TCB Signing$/.test(name)) {
      out.put('tcb-info-issuer-chain', chain(der, 'Intel'), from);
      out.put('qe-identity-issuer-chain', chain(der, 'Intel'), from);
    } else if (/ PCK (Platform|Processor) CA$/.test(name)) {
      out.put('pck-crl-issuer-chain', chain(der, 'Intel'), from);
    } else if (/^SEV-VLEK-/.test(name)) out.put('asvk', chain(der, 'ARK-'), from);
    else if (/^SEV-(VCEK|VLEK)$/.test(name)) out.put('leaf', der, from);
    else if (/^SEV-/.test(name)) out.put('ask', chain(der, 'ARK-'), from);
    else throw unknown(from, 'is of no use in a bundle');
  }
}
