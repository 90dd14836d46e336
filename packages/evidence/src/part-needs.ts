// SPDX-License-Identifier: Apache-2.0
// Which parts of collateral a piece of evidence is judged with, and the bundle that its verifier
// takes, made of them. What evidence says of itself only chooses here; the verifier checks all of
// it again.
import type { CryptoPort } from '@cloister/core';
import { parseAzure } from './azure-vtpm/parse.ts';
import { makeCollateral } from './collateral.ts';
import { parsePckInfo } from './dcap/pck.ts';
import { parseQuote } from './dcap/quote.ts';
import { evidenceError } from './errors.ts';
import {
  type CollateralPart,
  crlSubject,
  identitySubject,
  type PartName,
  tcbInfoSubject,
} from './parts.ts';
import { parseSnpEvidence } from './sev-snp/parse.ts';
import type { Collateral, Evidence, EvidenceKind, Root } from './types.ts';
import { type Certificate, commonName, parseCertificate } from './x509/certificate.ts';
import { isSelfIssued, rootCertificate } from './x509/chain.ts';
import { parseCertificates, parsePem, writePem } from './x509/pem.ts';

/** A part by what it is about. */
export interface PartNeed {
  readonly part: PartName;
  readonly subject: string;
}

type Needs = (bytes: Uint8Array, root: Root, crypto: CryptoPort) => PartNeed[];

const NEEDS: Readonly<Partial<Record<EvidenceKind, Needs>>> = {
  'sgx-dcap': quoteNeeds,
  'tdx-dcap': quoteNeeds,
  'azure-tdx-vtpm': (bytes, root, crypto) => quoteNeeds(parseAzure(bytes).proof, root, crypto),
  'sev-snp': (bytes, root, crypto) => {
    const { report, table } = parseSnpEvidence(bytes);
    return snpNeeds(table[report.signingKey], root, crypto);
  },
  'azure-snp-vtpm': (bytes, root, crypto) => snpNeeds(parseAzure(bytes).proof, root, crypto),
};

/**
 * The parts that evidence under `root` is verified with; none for kinds that take no collateral.
 * @throws CodedError `evidence-*`, the X.509 codes: what the verifier would refuse too
 */
export function partsNeeded(
  { kind, bytes }: Evidence,
  { root, crypto }: { root: Root; crypto: CryptoPort },
): PartNeed[] {
  try {
    return NEEDS[kind]?.(bytes.slice(), root, crypto) ?? [];
  } catch (error) {
    if (!(error instanceof RangeError || error instanceof SyntaxError)) throw error;
    const message = `evidence of kind ${kind} does not parse`;
    throw evidenceError('evidence-malformed', message, { cause: error });
  }
}

/** SGX and TDX: the level of the platform, its quoting enclave, and both lists. */
function quoteNeeds(bytes: Uint8Array, root: Root, crypto: CryptoPort): PartNeed[] {
  const quote = parseQuote(bytes);
  const tee = quote.bodyType === 'sgx' ? 'SGX' : 'TDX';
  const [leaf, ...others] = parsePem(quote.certificates).map(parseCertificate) as [Certificate];
  const ca = (others as Certificate[]).find((other) => !isSelfIssued(other));
  if (ca === undefined) {
    throw evidenceError('certificate-missing', 'a PCK chain has no certificate of its CA');
  }
  return [
    { part: 'tcb-info', subject: tcbInfoSubject(tee, parsePckInfo(leaf).fmspc) },
    { part: 'qe-identity', subject: identitySubject(tee) },
    { part: 'pck-crl', subject: crlSubject(ca, crypto) },
    rootList(root, crypto),
  ];
}

/** SEV-SNP: the intermediate that its leaf names, and the ARK's list. */
function snpNeeds(leaf: Uint8Array | undefined, root: Root, crypto: CryptoPort): PartNeed[] {
  if (leaf === undefined) {
    const message = 'the evidence carries no certificate of its chip: wanted its table with it';
    throw evidenceError('certificate-missing', message);
  }
  const [first] = parseCertificates(leaf);
  const { issuer } = parseCertificate(first as Uint8Array);
  const subject = commonName(issuer);
  const list = rootList(root, crypto);
  // Each product line has an ARK of its own, so what it vouches for is known beforehand.
  const line = list.subject.replace(/^ARK-(\w+) .*$/, '$1');
  if (subject === `SEV-${line}` || subject === `SEV-VLEK-${line}`) {
    return [{ part: 'amd-chain', subject }, list];
  }
  throw evidenceError('root-untrusted', `'${subject}' is none of ${line}, whose ARK is the root`);
}

function rootList(root: Root, crypto: CryptoPort): PartNeed {
  const certificate = rootCertificate(root);
  if (certificate === undefined) {
    throw evidenceError('certificate-missing', 'a root needs its certificate: it signs a CRL');
  }
  return { part: 'root-crl', subject: crlSubject(certificate, crypto) };
}

/**
 * The bundle that evidence of `kind` is verified with.
 * @throws CodedError what `makeCollateral` throws, `collateral-missing`
 */
export function collateralOfParts(
  kind: EvidenceKind,
  parts: readonly CollateralPart[],
): Collateral {
  const of = (name: PartName): CollateralPart => {
    const found = parts.find(({ part }) => part === name);
    if (found !== undefined) return found;
    throw evidenceError('collateral-missing', `the collateral lacks '${name}'`);
  };
  if (kind === 'sev-snp' || kind === 'azure-snp-vtpm') {
    const intermediate = of('amd-chain').statement;
    const name = commonName(parseCertificate(intermediate).subject);
    const item = name.startsWith('SEV-VLEK-') ? 'asvk' : 'ask';
    return makeCollateral(kind, { [item]: intermediate, crl: of('root-crl').statement });
  }
  return makeCollateral(kind, {
    'pck-crl-issuer-chain': chainOf(of('pck-crl')),
    'root-ca-crl': of('root-crl').statement,
    'pck-crl': of('pck-crl').statement,
    ...signed('tcb-info', of('tcb-info')),
    ...signed('qe-identity', of('qe-identity')),
  });
}

function signed(name: string, part: CollateralPart): Record<string, Uint8Array> {
  return {
    [`${name}-issuer-chain`]: chainOf(part),
    [name]: part.statement,
    [`${name}-signature`]: part.signature ?? new Uint8Array(),
  };
}

function chainOf({ chain }: CollateralPart): Uint8Array {
  return new TextEncoder().encode(chain.map(writePem).join(''));
}
