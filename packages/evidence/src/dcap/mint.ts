// SPDX-License-Identifier: Apache-2.0
// What minted SGX and TDX quotes share: a development root in Intel's shapes (root, PCK CA, TCB
// signing certificate, one platform), PCK certificates with the SGX extension, quoting enclaves,
// TCB info, identities and CRLs. Signed by nobody at Intel, and accepted only where named.
import { createHash } from 'node:crypto';
import { concat, toHex, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { der, int, name, octets, oid, seq } from '../mint/der.ts';
import { mintKey, mintSign, publicOf } from '../mint/keys.ts';
import type {
  DevelopmentRoot,
  DevelopmentRootOptions,
  MintCollateralOptions,
  MintRequest,
} from '../mint/types.ts';
import {
  caExtensions,
  leafExtensions,
  linkExtensions,
  type MintIssuer,
  mintCertificate,
  mintCrl,
  pem,
  serialOf,
} from '../mint/x509.ts';
import { rootFromCertificate } from '../roots/make.ts';
import { parseCertificate } from '../x509/certificate.ts';
import { TAG } from '../x509/der.ts';
import {
  OID_FMSPC,
  OID_PCEID,
  OID_PPID,
  OID_SGX,
  OID_SGX_TYPE,
  OID_TCB,
  QE_VENDOR_INTEL,
} from './constants.ts';

const YEAR_MS = 365 * 86_400_000;
const DEFAULT_FROM = Date.UTC(2025, 0, 1);
const LIFETIME_MS = 30 * 86_400_000;
const ROOT_NAME = name('Intel SGX Root CA');
const PCK_CA_NAME = name('Intel SGX PCK Platform CA');
const TCB_SIGNER_NAME = name('Intel SGX TCB Signing');
const PCK_NAME = name('Intel SGX PCK Certificate');
const SCHEME = 'ecdsa-p256-sha256';
/** What minted platforms report where the request names no SVN. */
const COMPONENT_SVN = 4;
const PCE_SVN = 13;
const QE_SVN = 8;

/** The signing identity of the development quoting enclave. */
const QE_MRSIGNER = createHash('sha256').update('cloister development quoting enclave').digest();

/** A development root for SGX or TDX. */
export function createDcapRoot(
  kind: 'sgx-dcap' | 'tdx-dcap',
  options: DevelopmentRootOptions,
): DevelopmentRoot {
  const { seed, from = DEFAULT_FROM } = options;
  const key = (label: string): Uint8Array => mintKey('p256', `${kind}/${label}`, seed);
  const keys = {
    root: key('root'),
    'pck-ca': key('pck-ca'),
    'tcb-signer': key('tcb-signer'),
    pck: key('pck'),
    attestation: key('attestation'),
  };
  const to = from + 25 * YEAR_MS;
  const issuer: MintIssuer = { name: ROOT_NAME, key: keys.root, scheme: SCHEME };
  const issue = (subject: Uint8Array, secret: Uint8Array, ca: number | undefined): Uint8Array =>
    mintCertificate({
      issuer,
      subject,
      publicKey: publicOf(secret),
      serial: serialOf(publicOf(secret)),
      from,
      to,
      extensions: [
        ...linkExtensions(publicOf(secret), publicOf(keys.root)),
        ...(ca === undefined ? leafExtensions() : caExtensions(ca)),
      ],
    });
  const certificates = {
    root: issue(ROOT_NAME, keys.root, 1),
    'pck-ca': issue(PCK_CA_NAME, keys['pck-ca'], 0),
    'tcb-signer': issue(TCB_SIGNER_NAME, keys['tcb-signer'], undefined),
  };
  const root = rootFromCertificate(nodeCrypto, certificates.root, {
    family: 'intel',
    kinds: kind === 'tdx-dcap' ? ['tdx-dcap', 'azure-tdx-vtpm'] : [kind],
    trust: 'simulated',
    source: 'a development root of this project',
  });
  return { kind, root, subject: fmspcOf(keys.root), keys, certificates };
}

/** Platforms of one development root share an FMSPC that no vendor's platform has. */
function fmspcOf(secret: Uint8Array): string {
  return `cd${createHash('sha256').update(publicOf(secret)).digest('hex').slice(0, 10)}`;
}

const chains = new WeakMap<DevelopmentRoot, Map<string, Uint8Array>>();

/** The PCK chain, PEM, of the platform with this PPID at these SVNs. */
function pckChain(root: DevelopmentRoot, ppid: Uint8Array, svn: MintRequest['svn']): Uint8Array {
  const component = svn?.['component'] ?? COMPONENT_SVN;
  const pce = svn?.['pce'] ?? PCE_SVN;
  const known = chains.get(root) ?? new Map<string, Uint8Array>();
  chains.set(root, known);
  const id = `${toHex(ppid)}/${component}/${pce}`;
  const cached = known.get(id);
  if (cached !== undefined) return cached;
  const pair = (id: string, value: Uint8Array): Uint8Array => seq(oid(id), value);
  const components = Array.from({ length: 16 }, (_, i) =>
    pair(`${OID_TCB}.${i + 1}`, int(component)),
  );
  const extension = seq(
    pair(OID_PPID, octets(ppid)),
    pair(
      OID_TCB,
      seq(
        ...components,
        pair(`${OID_TCB}.17`, int(pce)),
        pair(`${OID_TCB}.18`, octets(new Uint8Array(16).fill(component))),
      ),
    ),
    pair(OID_PCEID, octets(new Uint8Array(2))),
    pair(OID_FMSPC, octets(Uint8Array.from(Buffer.from(root.subject, 'hex')))),
    pair(OID_SGX_TYPE, der(TAG.enumerated, Uint8Array.of(0))),
  );
  const { from, to } = validity(root);
  const leaf = mintCertificate({
    issuer: { name: PCK_CA_NAME, key: secret(root, 'pck-ca'), scheme: SCHEME },
    subject: PCK_NAME,
    publicKey: publicOf(secret(root, 'pck')),
    serial: pckSerial(root, ppid),
    from,
    to,
    extensions: [
      ...linkExtensions(publicOf(secret(root, 'pck')), publicOf(secret(root, 'pck-ca'))),
      ...leafExtensions(),
      { oid: OID_SGX, value: extension },
    ],
  });
  const chain = pem(leaf, certificate(root, 'pck-ca'), certificate(root, 'root'));
  known.set(id, chain);
  return chain;
}

function pckSerial(root: DevelopmentRoot, ppid: Uint8Array): Uint8Array {
  return serialOf(utf8(root.subject), ppid);
}

function validity(root: DevelopmentRoot): { from: number; to: number } {
  const { notBefore, notAfter } = parseCertificate(certificate(root, 'root'));
  return { from: notBefore, to: notAfter };
}

function secret(root: DevelopmentRoot, label: string): Uint8Array {
  return root.keys[label] as Uint8Array;
}

function certificate(root: DevelopmentRoot, label: string): Uint8Array {
  return root.certificates[label] as Uint8Array;
}

/** An SGX report (384 bytes) of an enclave. */
export function sgxReport(fields: {
  readonly mrEnclave: Uint8Array;
  readonly mrSigner: Uint8Array;
  readonly reportData: Uint8Array;
  readonly isvProdId: number;
  readonly isvSvn: number;
  readonly debug: boolean;
}): Uint8Array {
  const out = new Uint8Array(384);
  const view = new DataView(out.buffer);
  out.fill(COMPONENT_SVN, 0, 16);
  // INIT and MODE64BIT, and DEBUG; XFRM with x87 and SSE.
  view.setUint8(48, fields.debug ? 0x07 : 0x05);
  view.setUint8(56, 0x03);
  out.set(fields.mrEnclave, 64);
  out.set(fields.mrSigner, 128);
  view.setUint16(256, fields.isvProdId, true);
  view.setUint16(258, fields.isvSvn, true);
  out.set(fields.reportData, 320);
  return out;
}

/** The 48-byte quote header. */
export function quoteHeader(version: 3 | 4 | 5, teeType: number): Uint8Array {
  const out = new Uint8Array(48);
  const view = new DataView(out.buffer);
  view.setUint16(0, version, true);
  view.setUint16(2, 2, true);
  view.setUint32(4, teeType, true);
  out.set(QE_VENDOR_INTEL, 12);
  return out;
}

/** Signs `header || body` as a quoting enclave of `kind` and answers the whole quote. */
export function finishQuote(
  request: MintRequest,
  version: 3 | 4 | 5,
  signedPart: Uint8Array,
  ppid: Uint8Array,
): Uint8Array {
  const { root } = request;
  const attestation = secret(root, 'attestation');
  const point = publicOf(attestation).slice(-64);
  const authData = utf8('cloister development QE authdata');
  const bound = createHash('sha256').update(point).update(authData).digest();
  const qeReport = sgxReport({
    mrEnclave: QE_MRSIGNER,
    mrSigner: QE_MRSIGNER,
    reportData: concat(bound, new Uint8Array(32)),
    isvProdId: root.kind === 'tdx-dcap' ? 2 : 1,
    isvSvn: request.svn?.['qe'] ?? QE_SVN,
    debug: false,
  });
  const chain = pckChain(root, ppid, request.svn);
  const inner = concat(
    qeReport,
    mintSign(SCHEME, secret(root, 'pck'), qeReport),
    little(authData.length, 2),
    authData,
    little(5, 2),
    little(chain.length, 4),
    chain,
  );
  const wrapped = version === 3 ? inner : concat(little(6, 2), little(inner.length, 4), inner);
  const data = concat(mintSign(SCHEME, attestation, signedPart), point, wrapped);
  return concat(signedPart, little(data.length, 4), data);
}

export function little(value: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => Math.floor(value / 256 ** i) % 256);
}

/** Items of a DCAP bundle for the platforms of `root`. */
export function dcapItems(
  root: DevelopmentRoot,
  options: MintCollateralOptions,
): Record<string, Uint8Array> {
  const { at, lifetime = LIFETIME_MS, number = 1, revoked = [] } = options;
  const window = { from: at, to: at + lifetime };
  const rootIssuer: MintIssuer = { name: ROOT_NAME, key: secret(root, 'root'), scheme: SCHEME };
  const pckIssuer: MintIssuer = { name: PCK_CA_NAME, key: secret(root, 'pck-ca'), scheme: SCHEME };
  const pckCa = serialOf(publicOf(secret(root, 'pck-ca')));
  const tcbInfo = utf8(JSON.stringify(tcbInfoOf(root, options, number, window)));
  const identity = utf8(JSON.stringify(identityOf(root, number, window)));
  const signerChain = pem(certificate(root, 'tcb-signer'), certificate(root, 'root'));
  const signer = secret(root, 'tcb-signer');
  return {
    'pck-crl-issuer-chain': pem(certificate(root, 'pck-ca'), certificate(root, 'root')),
    'root-ca-crl': mintCrl({
      issuer: rootIssuer,
      ...window,
      number,
      revoked: options.revokeIntermediate === true ? [pckCa] : [],
    }),
    'pck-crl': mintCrl({
      issuer: pckIssuer,
      ...window,
      number,
      revoked: revoked.map((ppid) => pckSerial(root, ppid)),
    }),
    'tcb-info-issuer-chain': signerChain,
    'tcb-info': tcbInfo,
    'tcb-info-signature': mintSign(SCHEME, signer, tcbInfo),
    'qe-identity-issuer-chain': signerChain,
    'qe-identity': identity,
    'qe-identity-signature': mintSign(SCHEME, signer, identity),
  };
}

interface Window {
  readonly from: number;
  readonly to: number;
}

function iso(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

function tcbInfoOf(
  root: DevelopmentRoot,
  options: MintCollateralOptions,
  number: number,
  window: Window,
): unknown {
  const tdx = root.kind === 'tdx-dcap';
  const level = (
    component: number,
    pcesvn: number,
    status: string,
    advisories: readonly string[],
  ) => ({
    tcb: {
      sgxtcbcomponents: Array.from({ length: 16 }, () => ({ svn: component })),
      pcesvn,
      ...(tdx ? { tdxtcbcomponents: Array.from({ length: 16 }, () => ({ svn: component })) } : {}),
    },
    tcbDate: iso(window.from),
    tcbStatus: status,
    ...(advisories.length === 0 ? {} : { advisoryIDs: advisories }),
  });
  const signer = '00'.repeat(48);
  const module = { mrsigner: signer, attributes: '00'.repeat(8), attributesMask: 'FF'.repeat(8) };
  return {
    id: tdx ? 'TDX' : 'SGX',
    version: 3,
    issueDate: iso(window.from),
    nextUpdate: iso(window.to),
    // Intel signs the one in capitals and the other not.
    fmspc: tdx ? root.subject : root.subject.toUpperCase(),
    pceId: '0000',
    tcbType: 0,
    tcbEvaluationDataNumber: number,
    ...(tdx ? { tdxModule: module, tdxModuleIdentities: [moduleIdentityOf(module, window)] } : {}),
    tcbLevels: [
      level(COMPONENT_SVN, PCE_SVN, options.status ?? 'UpToDate', options.advisories ?? []),
      level(1, 1, 'OutOfDate', ['INTEL-SA-00000']),
    ],
  };
}

/** Module version 1: current from ISV SVN 4 on, out of date below. */
function moduleIdentityOf(module: object, window: Window): unknown {
  const level = (isvsvn: number, tcbStatus: string) => ({
    tcb: { isvsvn },
    tcbDate: iso(window.from),
    tcbStatus,
  });
  return {
    id: 'TDX_01',
    ...module,
    tcbLevels: [level(COMPONENT_SVN, 'UpToDate'), level(1, 'OutOfDate')],
  };
}

function identityOf(root: DevelopmentRoot, number: number, window: Window): unknown {
  return {
    id: root.kind === 'tdx-dcap' ? 'TD_QE' : 'QE',
    version: 2,
    issueDate: iso(window.from),
    nextUpdate: iso(window.to),
    tcbEvaluationDataNumber: number,
    miscselect: '00000000',
    miscselectMask: 'FFFFFFFF',
    attributes: `01${'00'.repeat(15)}`,
    attributesMask: `FB${'FF'.repeat(7)}${'00'.repeat(8)}`,
    mrsigner: toHex(QE_MRSIGNER).toUpperCase(),
    isvprodid: root.kind === 'tdx-dcap' ? 2 : 1,
    tcbLevels: [
      { tcb: { isvsvn: QE_SVN }, tcbDate: iso(window.from), tcbStatus: 'UpToDate' },
      { tcb: { isvsvn: 1 }, tcbDate: iso(window.from), tcbStatus: 'OutOfDate' },
    ],
  };
}
