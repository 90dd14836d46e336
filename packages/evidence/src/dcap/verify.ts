// SPDX-License-Identifier: Apache-2.0
// Verifies a DCAP quote, SGX or TDX, in the order of Intel's quote verification library:
//   1. the PCK chain ends in a named root and every certificate is valid at `at`;
//   2. the PCK key signed the QE report, the QE report commits to the attestation key, and the
//      attestation key signed the quote;
//   3. neither the PCK certificate nor its CA is revoked, by lists that are in force;
//   4. TCB info and QE identity are signed by the TCB signing certificate of the same root and in
//      force, and are for this platform;
//   5. the quoting enclave is the one of the identity.
// The platform's TCB level is left to the TEE's own verifier.
// Sources: Intel SGX DCAP quote verification library (behaviour), PCS API v4.
import { concat, equal, isCoded, type SignatureScheme } from '@cloister/core';
import { factKey } from '../cache.ts';
import { type EvidenceErrorCode, evidenceError } from '../errors.ts';
import { item, pickCollateral } from '../pick-collateral.ts';
import type { Collateral, EvidenceKind, Root, VerifyOptions } from '../types.ts';
import { p256Spki } from '../x509/algorithms.ts';
import { type Certificate, commonName, parseCertificate } from '../x509/certificate.ts';
import {
  type ChainContext,
  checkNotRevoked,
  crlIssuerOf,
  importedKey,
  isSelfIssued,
  rememberParsed,
  rootCertificate,
  type ValidPath,
  verifyCrl,
  verifyPath,
} from '../x509/chain.ts';
import { type Crl, parseCrl } from '../x509/crl.ts';
import { parsePem } from '../x509/pem.ts';
import { QE_VENDOR_INTEL } from './constants.ts';
import { type PckInfo, parsePckInfo } from './pck.ts';
import { type DcapQuote, parseSgxReport, type SgxReport } from './quote.ts';
import {
  type EnclaveIdentity,
  type IsvLevel,
  isvLevel,
  maskedEqual,
  parseEnclaveIdentity,
  parseTcbInfo,
  type TcbInfo,
} from './tcb-info.ts';

/** Common name of the certificate that signs Intel's TCB info and identities. */
export const TCB_SIGNER = 'Intel SGX TCB Signing';
const ECDSA_P256: SignatureScheme = 'ecdsa-p256-sha256';

/** What the common part proves; the TEE's own part evaluates `tcbInfo` against `pck`. */
export interface VerifiedQuote {
  readonly quote: DcapQuote;
  readonly pck: PckInfo;
  readonly qeReport: SgxReport;
  readonly qeLevel: IsvLevel;
  readonly tcbInfo: TcbInfo;
  readonly identity: EnclaveIdentity;
  readonly collateral: Collateral;
  readonly root: Root;
  /** Milliseconds. */
  readonly validUntil: number;
  readonly proved: readonly string[];
}

/** What a quote proves by itself, before any collateral. */
export interface SignedQuote {
  readonly pck: PckInfo;
  readonly qeReport: SgxReport;
  readonly path: ValidPath;
}

/**
 * Verifies what needs no collateral: the PCK chain to a named root at `at`, the QE report, its
 * commitment to the attestation key, and the quote's signature. Revocation and TCB are not judged.
 */
export async function verifyQuoteSignatures(
  quote: DcapQuote,
  context: ChainContext,
): Promise<SignedQuote> {
  if (!equal(quote.qeVendorId, QE_VENDOR_INTEL)) {
    throw evidenceError('evidence-field-invalid', 'the quoting enclave is not of the vendor Intel');
  }
  const { certificates, pck } = await readPckChain(context, quote.certificates);
  const path = await verifyPath(context, certificates);
  if (path.certificates.length !== 2) {
    throw evidenceError('certificate-issuer-mismatch', 'a PCK chain is leaf, PCK CA, root');
  }
  const qeReport = parseSgxReport(quote.qeReport);
  await verifyQeReport(context, quote, qeReport, path.certificates[0] as Certificate);
  await verifySignature(context, p256Spki(quote.attestationKey), quote.signed, quote.signature, {
    code: 'signature-invalid',
    what: 'the quote is not signed by its attestation key',
  });
  return { pck, qeReport, path };
}

/** Verifies all that SGX and TDX quotes share. `kind` selects roots and collateral. */
export async function verifyDcapQuote(
  quote: DcapQuote,
  kind: EvidenceKind,
  options: VerifyOptions,
): Promise<VerifiedQuote> {
  const roots = options.roots.filter((root) => root.kinds.includes(kind));
  const context: ChainContext = { ...options, roots };
  const { pck, qeReport, path } = await verifyQuoteSignatures(quote, context);
  const collateral = pickCollateral(options.collateral, kind, pck.fmspc);
  const under: ChainContext = { ...context, roots: [path.root] };
  const crls = await verifyRevocation(under, path, collateral);
  const tcb = await verifyStatement(under, TCB_INFO, collateral, crls.root);
  const qe = await verifyStatement(under, QE_IDENTITY, collateral, crls.root);
  if (tcb.value.fmspc !== pck.fmspc || tcb.value.pceId !== pck.pceId) {
    const got = `${tcb.value.fmspc}/${tcb.value.pceId}`;
    const message = `TCB info is for ${got}, the platform is ${pck.fmspc}/${pck.pceId}`;
    throw evidenceError('tcb-info-mismatch', message);
  }
  return {
    quote,
    pck,
    qeReport,
    qeLevel: matchIdentity(qe.value, qeReport),
    tcbInfo: tcb.value,
    identity: qe.value,
    collateral,
    root: path.root,
    validUntil: Math.min(path.validUntil, crls.validUntil, tcb.validUntil, qe.validUntil),
    proved: [
      'the quoting enclave vouches for the key that signed this quote',
      `the PCK key signed the quoting enclave; it chains to ${path.root.family}'s root, unrevoked`,
      `TCB info ${tcb.value.number} and QE identity ${qe.value.number} are signed and in force`,
      'the quoting enclave is the one that its vendor names',
    ],
  };
}

async function readPckChain(
  context: ChainContext,
  pem: Uint8Array,
): Promise<{ certificates: readonly Certificate[]; pck: PckInfo }> {
  return rememberParsed(context, 'pck-chain', pem, (bytes) => {
    const certificates = parsePem(bytes).map(parseCertificate);
    return { certificates, pck: parsePckInfo(certificates[0] as Certificate) };
  });
}

async function verifyRevocation(
  context: ChainContext,
  path: ValidPath,
  collateral: Collateral,
): Promise<{ root: Crl; validUntil: number }> {
  const intermediate = path.certificates[1] as Certificate;
  const carried = rootCertificate(path.root);
  if (carried === undefined) {
    throw evidenceError('certificate-missing', 'a DCAP root needs its certificate: it signs a CRL');
  }
  const parse = (name: string) => rememberParsed(context, 'crl', item(collateral, name), parseCrl);
  const root = await verifyCrl(context, await parse('root-ca-crl'), crlIssuerOf(carried));
  checkNotRevoked(intermediate, root);
  const pck = await verifyCrl(context, await parse('pck-crl'), crlIssuerOf(intermediate));
  checkNotRevoked(path.certificates[0] as Certificate, pck);
  return { root, validUntil: Math.min(root.nextUpdate, pck.nextUpdate) };
}

/** The path of the TCB signing certificate that is valid at `at` (it was re-issued in 2025). */
async function signerPath(
  context: ChainContext,
  chain: Uint8Array,
  rootCrl: Crl,
): Promise<{ signer: Certificate; validUntil: number }> {
  const certificates = await rememberParsed(context, 'chain', chain, (bytes) =>
    parsePem(bytes).map(parseCertificate),
  );
  const signers = certificates.filter((c) => commonName(c.subject) === TCB_SIGNER);
  const signer =
    signers.find((c) => c.notBefore <= context.at && context.at <= c.notAfter) ?? signers[0];
  if (signer === undefined) {
    throw evidenceError(
      'certificate-missing',
      `an issuer chain has no '${TCB_SIGNER}' certificate`,
    );
  }
  const roots = certificates.filter(isSelfIssued);
  const path = await verifyPath(context, [signer, ...roots]);
  checkNotRevoked(signer, rootCrl);
  return { signer, validUntil: path.validUntil };
}

/** What every signed statement of Intel's PCS says about itself. */
interface Statement {
  readonly issueDate: number;
  readonly nextUpdate: number;
}

interface StatementKind<T extends Statement> {
  /** Of the collateral's items: the statement, its signature and its chain. */
  readonly name: 'tcb-info' | 'qe-identity';
  readonly what: string;
  readonly parse: (bytes: Uint8Array) => T;
}

const TCB_INFO: StatementKind<TcbInfo> = {
  name: 'tcb-info',
  what: 'TCB info',
  parse: parseTcbInfo,
};
const QE_IDENTITY: StatementKind<EnclaveIdentity> = {
  name: 'qe-identity',
  what: 'the QE identity',
  parse: parseEnclaveIdentity,
};

/** The statement, signed by a TCB signing certificate that is not revoked, and in force. */
async function verifyStatement<T extends Statement>(
  context: ChainContext,
  { name, what, parse }: StatementKind<T>,
  collateral: Collateral,
  rootCrl: Crl,
): Promise<{ value: T; validUntil: number }> {
  const chain = item(collateral, `${name}-issuer-chain`);
  const { signer, validUntil } = await signerPath(context, chain, rootCrl);
  const { spki } = signer.key;
  const bytes = item(collateral, name);
  const signature = item(collateral, `${name}-signature`);
  const verified = async (): Promise<T> => {
    const copy = bytes.slice();
    await verifySignature(context, spki, copy, signature.slice(), {
      code: `${name}-signature-invalid`,
      what: `${what} is not signed by its TCB signing certificate`,
    });
    return parse(copy);
  };
  const { crypto, cache } = context;
  const fact = factKey(crypto, name, spki, bytes, signature);
  const value = await (cache?.remember(fact, verified, bytes.length) ?? verified());
  if (context.at < value.issueDate) {
    const message = `${what} is not in force yet at the time given`;
    throw evidenceError(`${name}-not-yet-valid`, message);
  }
  if (context.at > value.nextUpdate) {
    throw evidenceError(`${name}-expired`, `${what} has a successor since before that time`);
  }
  return { value, validUntil: Math.min(validUntil, value.nextUpdate) };
}

async function verifyQeReport(
  context: ChainContext,
  quote: DcapQuote,
  report: SgxReport,
  leaf: Certificate,
): Promise<void> {
  await verifySignature(context, leaf.key.spki, quote.qeReport, quote.qeReportSignature, {
    code: 'qe-report-signature-invalid',
    what: 'the QE report is not signed by the PCK key',
  });
  const bound = context.crypto.digest('sha256', quote.attestationKey, quote.qeAuthData);
  const wanted = concat(bound, new Uint8Array(32));
  if (!equal(report.reportData, wanted)) {
    throw evidenceError(
      'qe-binding-invalid',
      'the QE report does not commit to the attestation key',
    );
  }
}

function matchIdentity(identity: EnclaveIdentity, report: SgxReport): IsvLevel {
  const fields: [string, boolean][] = [
    ['MRSIGNER', equal(report.mrSigner, identity.mrSigner)],
    ['ISVPRODID', report.isvProdId === identity.isvProdId],
    ['MISCSELECT', maskedEqual(report.miscSelect, identity.miscSelect, identity.miscSelectMask)],
    ['ATTRIBUTES', maskedEqual(report.attributes, identity.attributes, identity.attributesMask)],
  ];
  const wrong = fields.filter(([, fits]) => !fits).map(([name]) => name);
  if (wrong.length > 0) {
    const message = `the quoting enclave is not the one the identity names: ${wrong.join(', ')}`;
    throw evidenceError('qe-identity-mismatch', message);
  }
  return isvLevel(identity.levels, report.isvSvn, 'quoting enclave');
}

/** Which code says that it does not hold, and how. */
export interface SignatureCheck {
  readonly code: EvidenceErrorCode;
  readonly what: string;
}

/** An ECDSA P-256 signature as r || s. @throws CodedError the check's code */
export async function verifySignature(
  context: Pick<ChainContext, 'crypto' | 'cache'>,
  spki: Uint8Array,
  data: Uint8Array,
  signature: Uint8Array,
  { code, what }: SignatureCheck,
): Promise<void> {
  let holds = false;
  if (signature.length === 64) {
    try {
      const key = await importedKey(context, ECDSA_P256, spki);
      holds = await context.crypto.verify(key, data, signature);
    } catch (error) {
      if (!isCoded(error)) throw error;
      holds = false;
    }
  }
  if (!holds) throw evidenceError(code, what);
}
