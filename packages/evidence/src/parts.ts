// SPDX-License-Identifier: Apache-2.0
// Collateral in parts: one statement of a maker (TCB info, the identity of its quoting enclave, a
// revocation list, an intermediate certificate), its signature, and the certificates up to the
// maker's root. A part shows by itself who made it and when. Whether its root is one to trust, and
// whether it is in force, is judged by who uses it. docs/design/collateral-by-parts.md.
//
//   part         statement          chain               subject                  issued
//   tcb-info     JSON               TCB signer, root    sgx or tdx, FMSPC        issueDate
//   qe-identity  JSON               TCB signer, root    sgx or tdx               issueDate
//   pck-crl      list, DER          PCK CA, root        who signs it, and its key thisUpdate
//   root-crl     list, DER          root                who signs it, and its key thisUpdate
//   amd-chain    certificate, DER   root                its own name             notBefore
import { type Cbor, type CryptoPort, decodeCbor, encodeCbor, toHex } from '@cloister/core';
import { parseEnclaveIdentity, parseTcbInfo } from './dcap/tcb-info.ts';
import { TCB_SIGNER, verifySignature } from './dcap/verify.ts';
import { evidenceError } from './errors.ts';
import {
  type Certificate,
  caConstraint,
  commonName,
  parseCertificate,
} from './x509/certificate.ts';
import { checkIssued, crlIssuerOf, isSelfIssued, verifyCrl } from './x509/chain.ts';
import { parseCrl } from './x509/crl.ts';

export const PART_NAMES = ['tcb-info', 'qe-identity', 'pck-crl', 'root-crl', 'amd-chain'] as const;
export type PartName = (typeof PART_NAMES)[number];

/** The most bytes of a statement, and of a certificate; Intel's have up to 8,359 and 700. */
export const MAX_STATEMENT_BYTES = 20_480;
export const MAX_LINK_BYTES = 4_096;
const MAX_PARTS = 64;

/** One statement of a maker, as it travels: untrusted. */
export interface CollateralPart {
  readonly part: PartName;
  readonly statement: Uint8Array;
  /** r || s, 64 bytes, of TCB info and identities; lists and certificates hold their own. */
  readonly signature?: Uint8Array | undefined;
  /** DER, from who signed the statement to the root's certificate. */
  readonly chain: Uint8Array[];
}

/** What a part's maker has signed. Times are milliseconds. */
export interface PartFacts {
  readonly part: PartName;
  /** SHA-256 of the root's SubjectPublicKeyInfo: whose word it is. */
  readonly rootKey: Uint8Array;
  readonly subject: string;
  /** tcbEvaluationDataNumber; 0 where the maker counts none. */
  readonly evaluation: number;
  readonly issued: number;
  /** When its maker's next one is due, and the earliest end of the certificates it came with. */
  readonly until: number;
  readonly chainUntil: number;
}

type Said = Omit<PartFacts, 'part' | 'rootKey' | 'chainUntil'>;

interface Read {
  readonly part: CollateralPart;
  /** Who signed the statement. */
  readonly signer: Certificate;
  readonly root: Certificate;
  readonly crypto: CryptoPort;
}

const READERS: Readonly<Record<PartName, { links: number; read: (of: Read) => Promise<Said> }>> = {
  'tcb-info': { links: 2, read: readTcbInfo },
  'qe-identity': { links: 2, read: readIdentity },
  'pck-crl': { links: 2, read: readList },
  'root-crl': { links: 1, read: readList },
  'amd-chain': { links: 1, read: readIntermediate },
};

/**
 * Verifies the maker's signature up to the root key that the part names, and reads what it says of
 * itself. No time and no root is judged here.
 * @throws CodedError `collateral-malformed`, the X.509, TCB and CRL codes
 */
export async function verifyPart(part: CollateralPart, crypto: CryptoPort): Promise<PartFacts> {
  const { links, read } = READERS[part.part];
  if (part.chain.length !== links) {
    const got = `${part.part} with ${part.chain.length} certificates`;
    throw evidenceError('collateral-malformed', `${got}, wanted ${links}`);
  }
  const wantsSignature = part.part === 'tcb-info' || part.part === 'qe-identity';
  if ((part.signature !== undefined) !== wantsSignature) {
    const message = `only TCB info and identities carry a signature beside them: ${part.part}`;
    throw evidenceError('collateral-malformed', message);
  }
  const chain = part.chain.map((der) => parseCertificate(der.slice()));
  const [signer] = chain as [Certificate];
  const root = chain[links - 1] as Certificate;
  if (!isSelfIssued(root)) {
    throw evidenceError('collateral-malformed', 'the last certificate of a chain is its root');
  }
  await checkIssued({ crypto }, root, root);
  if (signer !== root) await checkIssued({ crypto }, signer, root);
  const said = await read({ part, signer, root, crypto });
  return {
    part: part.part,
    rootKey: crypto.digest('sha256', root.key.spki),
    chainUntil: Math.min(...chain.map((c) => c.notAfter)),
    ...said,
  };
}

async function readTcbInfo(of: Read): Promise<Said> {
  await checkStatement(of, 'tcb-info-signature-invalid');
  const { tee, fmspc, number, issueDate, nextUpdate } = parseTcbInfo(of.part.statement.slice());
  const subject = tcbInfoSubject(tee, fmspc);
  return { subject, evaluation: number, issued: issueDate, until: nextUpdate };
}

async function readIdentity(of: Read): Promise<Said> {
  await checkStatement(of, 'qe-identity-signature-invalid');
  const { id, number, issueDate, nextUpdate } = parseEnclaveIdentity(of.part.statement.slice());
  if (id === 'QVE')
    throw evidenceError('collateral-malformed', 'an identity of no quoting enclave');
  const subject = identitySubject(id === 'QE' ? 'SGX' : 'TDX');
  return { subject, evaluation: number, issued: issueDate, until: nextUpdate };
}

async function checkStatement(
  { part, signer, crypto }: Read,
  code: 'tcb-info-signature-invalid' | 'qe-identity-signature-invalid',
): Promise<void> {
  if (commonName(signer.subject) !== TCB_SIGNER || caConstraint(signer) !== undefined) {
    throw evidenceError('certificate-usage-invalid', `wanted a certificate of '${TCB_SIGNER}'`);
  }
  const { statement, signature = new Uint8Array() } = part;
  const what = `the ${part.part} is not signed by its TCB signing certificate`;
  await verifySignature({ crypto }, signer.key.spki, statement.slice(), signature.slice(), {
    code,
    what,
  });
}

async function readList({ part, signer, crypto }: Read): Promise<Said> {
  const crl = parseCrl(part.statement.slice());
  if (caConstraint(signer) === undefined) {
    throw evidenceError('certificate-usage-invalid', 'a revocation list is signed by a CA');
  }
  await verifyCrl({ crypto, at: crl.thisUpdate }, crl, crlIssuerOf(signer));
  const subject = crlSubject(signer, crypto);
  return { subject, evaluation: 0, issued: crl.thisUpdate, until: crl.nextUpdate };
}

/** AMD's ASK and ASVK: what stands between its chips' certificates and the ARK. */
async function readIntermediate({ part, root, crypto }: Read): Promise<Said> {
  const intermediate = parseCertificate(part.statement.slice());
  await checkIssued({ crypto }, intermediate, root);
  const subject = commonName(intermediate.subject);
  if (caConstraint(intermediate) === undefined || !/^SEV-[A-Za-z-]{1,40}$/.test(subject)) {
    throw evidenceError('certificate-usage-invalid', `'${subject}' is no intermediate of AMD`);
  }
  const { notBefore, notAfter } = intermediate;
  return { subject, evaluation: 0, issued: notBefore, until: notAfter };
}

export function tcbInfoSubject(tee: 'SGX' | 'TDX', fmspc: string): string {
  return `${tee.toLowerCase()} ${fmspc}`;
}

export function identitySubject(tee: 'SGX' | 'TDX'): string {
  return tee.toLowerCase();
}

/** A CA that comes with another key signs other lists: RFC 5280, section 6.3.3. */
export function crlSubject(issuer: Certificate, crypto: CryptoPort): string {
  const key = toHex(crypto.digest('sha256', issuer.key.spki)).slice(0, 16);
  return `${commonName(issuer.subject).slice(0, 64)} ${key}`;
}

/** SHA-256 over a part's encoding: what receipts name it by. */
export function partDigest(part: CollateralPart, crypto: CryptoPort): Uint8Array<ArrayBuffer> {
  return crypto.digest('sha256', encodeCbor(cborOf(part)));
}

/** Several parts as one file. */
export function encodeParts(parts: readonly CollateralPart[]): Uint8Array<ArrayBuffer> {
  return encodeCbor({ v: 1, parts: parts.map(cborOf) });
}

/** @throws CodedError `collateral-malformed` and core's CBOR codes */
export function decodeParts(bytes: Uint8Array): CollateralPart[] {
  const value = decodeCbor(bytes) as { [key: string]: unknown } | null;
  const parts = typeof value === 'object' && value?.['v'] === 1 ? value['parts'] : undefined;
  if (!Array.isArray(parts) || parts.length === 0 || parts.length > MAX_PARTS) {
    throw evidenceError('collateral-malformed', `wanted { v: 1, parts: 1 to ${MAX_PARTS} }`);
  }
  return parts.map(partOf);
}

function partOf(value: unknown): CollateralPart {
  const { part, statement, signature, chain, ...rest } = (value ?? {}) as Record<string, unknown>;
  const named = PART_NAMES.find((name) => name === part);
  const bytes = (one: unknown): one is Uint8Array => one instanceof Uint8Array;
  const signed = signature === undefined || bytes(signature);
  const linked = Array.isArray(chain) && chain.every(bytes);
  if (named === undefined || !bytes(statement) || !signed || !linked) {
    throw evidenceError('collateral-malformed', 'wanted part, statement, signature and chain');
  }
  if (Object.keys(rest).length > 0) {
    throw evidenceError('collateral-malformed', 'a part has a field that no part has');
  }
  return { part: named, statement, chain, ...(signature === undefined ? {} : { signature }) };
}

function cborOf({ part, statement, signature, chain }: CollateralPart): Cbor {
  return { part, statement, chain: [...chain], ...(signature === undefined ? {} : { signature }) };
}
