// SPDX-License-Identifier: Apache-2.0
// Verifies SEV-SNP reports:
//   1. the VCEK or VLEK chains through the product's ASK to a named ARK, all valid at `at`;
//   2. where a CRL is given, it is the ARK's, in force, and lists none of them;
//   3. the leaf is for this product, this chip and exactly the reported TCB;
//   4. the leaf's P-384 key signed the report.
// Sources: AMD 57230 (certificates), AMD 56860 (report), AMD 58217 for VLEK.
import { equal, fromUtf8 } from '@cloister/core';
import { isZero } from '../bytes.ts';
import { evidenceError } from '../errors.ts';
import { pickCollateral } from '../pick-collateral.ts';
import type { Claims, Collateral, EvidenceKind, VerifyOptions } from '../types.ts';
import { type Certificate, commonName, parseCertificate } from '../x509/certificate.ts';
import {
  type ChainContext,
  checkNotRevoked,
  crlIssuerOf,
  importedKey,
  rememberParsed,
  rootCertificate,
  type ValidPath,
  verifyCrl,
  verifyPath,
} from '../x509/chain.ts';
import { parseCrl } from '../x509/crl.ts';
import { DerReader, TAG } from '../x509/der.ts';
import { parseCertificates } from '../x509/pem.ts';
import { type SnpLeaf, snpClaims, type VerifiedReport } from './claims.ts';
import { OID_CSP_ID, OID_HWID, OID_PRODUCT, OID_SPL, type SnpProduct } from './constants.ts';
import { parseSnpEvidence, type SnpReport, type SnpTable, tcbParts } from './parse.ts';

/** Verifies SNP evidence. @throws CodedError with an EvidenceErrorCode */
export async function verifySnp(bytes: Uint8Array, options: VerifyOptions): Promise<Claims> {
  const { report, table } = parseSnpEvidence(bytes);
  const verified = await verifySnpReport(report, table, 'sev-snp', options);
  return snpClaims(verified, options.at);
}

/** Verifies a parsed report; `kind` selects roots and collateral. */
export async function verifySnpReport(
  report: SnpReport,
  table: SnpTable,
  kind: EvidenceKind,
  options: VerifyOptions,
): Promise<VerifiedReport> {
  const roots = options.roots.filter((root) => root.kinds.includes(kind));
  const context: ChainContext = { ...options, roots };
  const certificate = await leafCertificate(context, report, table, kind);
  const leaf = parseLeaf(certificate, report);
  const collateral = pickCollateral(options.collateral, kind, leaf.product);
  const path = await verifyPath(context, [
    certificate,
    ...(await intermediates(context, report, collateral)),
  ]);
  if (path.certificates.length !== 2) {
    throw evidenceError('certificate-issuer-mismatch', 'an SNP chain is leaf, ASK, ARK');
  }
  const crlEnd = await verifyRevocation(context, path, collateral);
  checkLeaf(leaf, report);
  await verifySignature(context, certificate, report);
  return {
    report,
    leaf,
    path,
    collateral,
    crlChecked: crlEnd !== undefined,
    validUntil: Math.min(path.validUntil, crlEnd ?? Number.POSITIVE_INFINITY),
  };
}

async function leafCertificate(
  context: ChainContext,
  report: SnpReport,
  table: SnpTable,
  kind: EvidenceKind,
): Promise<Certificate> {
  const given = context as ChainContext & Pick<VerifyOptions, 'collateral'>;
  const bytes = table[report.signingKey] ?? leafFrom(given.collateral, kind);
  if (bytes === undefined) {
    const message = `no ${report.signingKey} in the certificate table or the collateral`;
    throw evidenceError('certificate-missing', message);
  }
  return rememberParsed(context, 'certificate', bytes, (b) => {
    const [first] = parseCertificates(b);
    return parseCertificate(first as Uint8Array);
  });
}

function leafFrom(given: VerifyOptions['collateral'], kind: EvidenceKind): Uint8Array | undefined {
  const all = given === null ? [] : Array.isArray(given) ? given : [given as Collateral];
  return all.find((c) => c.kind === kind && c.items['leaf'] !== undefined)?.items['leaf'];
}

async function intermediates(
  context: ChainContext,
  report: SnpReport,
  collateral: Collateral,
): Promise<Certificate[]> {
  const name = report.signingKey === 'vcek' ? 'ask' : 'asvk';
  const bytes = collateral.items[name];
  if (bytes === undefined) {
    throw evidenceError('collateral-missing', `the collateral lacks '${name}'`);
  }
  return rememberParsed(context, 'certificates', bytes, (b) =>
    parseCertificates(b).map(parseCertificate),
  );
}

async function verifyRevocation(
  context: ChainContext,
  path: ValidPath,
  collateral: Collateral,
): Promise<number | undefined> {
  const bytes = collateral.items['crl'];
  if (bytes === undefined) return undefined;
  const issuer = rootCertificate(path.root);
  if (issuer === undefined) {
    throw evidenceError('certificate-missing', 'an ARK needs its certificate: it signs a CRL');
  }
  const crl = await rememberParsed(context, 'crl', bytes, parseCrl);
  await verifyCrl(context, crl, crlIssuerOf(issuer));
  checkNotRevoked(path.certificates[1] as Certificate, crl);
  return crl.nextUpdate;
}

function parseLeaf(certificate: Certificate, report: SnpReport): SnpLeaf {
  const product = /^(Milan|Genoa|Turin)(-|$)/.exec(text(certificate, OID_PRODUCT))?.[1];
  if (product === undefined) {
    throw evidenceError('certificate-malformed', 'the leaf names no known product');
  }
  const isVlek = report.signingKey === 'vlek';
  const wantedName = isVlek ? 'SEV-VLEK' : 'SEV-VCEK';
  if (commonName(certificate.subject) !== wantedName) {
    const got = commonName(certificate.subject);
    throw evidenceError(
      'certificate-usage-invalid',
      `wanted a ${wantedName} certificate, got '${got}'`,
    );
  }
  const spl = (n: number): number => {
    const extension = certificate.extensions.get(`${OID_SPL}.${n}`);
    return extension === undefined ? 0 : new DerReader(extension.value).small();
  };
  const turin = product === 'Turin';
  return {
    product: product as SnpProduct,
    svn: {
      ...(turin ? { fmc: spl(9) } : {}),
      bootloader: spl(1),
      tee: spl(2),
      snp: spl(3),
      microcode: spl(8),
    },
    hardwareId: isVlek ? undefined : hardwareId(certificate, turin ? 8 : 64),
    cspId: isVlek ? text(certificate, OID_CSP_ID) : undefined,
  };
}

/** The value is raw in most certificates and wrapped in an OCTET STRING in some. */
function hardwareId(certificate: Certificate, length: number): Uint8Array {
  const value = certificate.extensions.get(OID_HWID)?.value;
  if (value?.length === length) return value;
  if (value?.length === length + 2 && value[0] === TAG.octetString && value[1] === length) {
    return value.subarray(2);
  }
  throw evidenceError('certificate-malformed', `the leaf has no hardware id of ${length} bytes`);
}

function text(certificate: Certificate, oid: string): string {
  const extension = certificate.extensions.get(oid);
  if (extension === undefined) {
    throw evidenceError('certificate-malformed', `the leaf lacks extension ${oid}`);
  }
  const reader = new DerReader(extension.value);
  const value = fromUtf8(
    reader.read(reader.next === TAG.utf8String ? TAG.utf8String : TAG.ia5String).value,
  );
  reader.end();
  return value.slice(0, 128);
}

function checkLeaf(leaf: SnpLeaf, report: SnpReport): void {
  if (report.product !== undefined && report.product !== leaf.product) {
    const message = `the report is of a ${report.product}, its certificate of a ${leaf.product}`;
    throw evidenceError('hardware-id-mismatch', message);
  }
  const reported = tcbParts(report.reportedTcb, leaf.product);
  for (const [name, wanted] of Object.entries(leaf.svn)) {
    if (reported[name] !== wanted) {
      const message = `${name} SVN: certificate for ${wanted}, report says ${reported[name]}`;
      throw evidenceError('tcb-mismatch', message);
    }
  }
  const { hardwareId: id } = leaf;
  const masked = isZero(report.chipId);
  if (id !== undefined && !masked) {
    const padded = new Uint8Array(64);
    padded.set(id);
    if (!equal(padded, report.chipId)) {
      throw evidenceError(
        'hardware-id-mismatch',
        'the certificate is of another chip than the report',
      );
    }
  }
}

async function verifySignature(
  context: ChainContext,
  leaf: Certificate,
  report: SnpReport,
): Promise<void> {
  const holds =
    leaf.key.curve === 'p384' &&
    (await context.crypto.verify(
      await importedKey(context, 'ecdsa-p384-sha384', leaf.key.spki),
      report.signed,
      report.signature,
    ));
  if (!holds)
    throw evidenceError('signature-invalid', 'the report is not signed by its VCEK or VLEK');
}
