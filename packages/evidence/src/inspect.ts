// SPDX-License-Identifier: Apache-2.0
// Says what is in evidence without judging it: fields as text, for people. Nothing that it answers
// is verified, and no program may decide by it.
import { toHex } from '@cloister/core';
import { parseAzure, parseHcl } from './azure-vtpm/parse.ts';
import { parsePckInfo } from './dcap/pck.ts';
import { type DcapQuote, parseQuote, parseSgxReport } from './dcap/quote.ts';
import { evidenceError } from './errors.ts';
import { parseNitro } from './nitro/parse.ts';
import { parseOptee } from './op-tee/parse.ts';
import { parseSnpEvidence, parseSnpReport, type SnpReport } from './sev-snp/parse.ts';
import { parseTdReport } from './tdx-dcap/parse.ts';
import { parseTpmEvidence } from './tpm2/parse.ts';
import type { PcrBanks } from './tpm2/quote.ts';
import { parseAttest } from './tpm2/structures.ts';
import type { Evidence, EvidenceKind } from './types.ts';
import { type Certificate, commonName, parseCertificate } from './x509/certificate.ts';
import { parsePem } from './x509/pem.ts';

/** Fields by name, byte strings in hexadecimal. */
export type Inspection = Readonly<Record<string, string | number | boolean>>;

const INSPECTORS: Readonly<Partial<Record<EvidenceKind, (bytes: Uint8Array) => Inspection>>> = {
  'sgx-dcap': (bytes) => inspectQuote(parseQuote(bytes)),
  'tdx-dcap': (bytes) => inspectQuote(parseQuote(bytes)),
  'sev-snp': inspectSnp,
  'azure-snp-vtpm': inspectAzure,
  'azure-tdx-vtpm': inspectAzure,
  tpm2: inspectTpm,
  nitro: inspectNitro,
  'op-tee': inspectOptee,
};

/** Parses without judging. @throws CodedError of the kind's parser, `evidence-kind-unsupported` */
export function inspectEvidence(evidence: Evidence): Inspection {
  const inspector = INSPECTORS[evidence.kind];
  if (inspector === undefined) {
    throw evidenceError('evidence-kind-unsupported', 'no parser for evidence of that kind');
  }
  return inspector(evidence.bytes);
}

function hexes(fields: Readonly<Record<string, Uint8Array>>): Record<string, string> {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, toHex(value)]));
}

function names(certificates: readonly Certificate[]): string {
  return certificates.map((c) => commonName(c.subject)).join(' <- ');
}

function inspectQuote(quote: DcapQuote): Inspection {
  const certificates = parsePem(quote.certificates).map(parseCertificate);
  const pck = parsePckInfo(certificates[0] as Certificate);
  const common = {
    version: quote.version,
    body: quote.bodyType,
    chain: names(certificates),
    fmspc: pck.fmspc,
    ppid: toHex(pck.ppid),
    paddingBytes: quote.padding,
  };
  if (quote.bodyType === 'sgx') {
    const { mrEnclave, mrSigner, attributes, reportData, isvProdId, isvSvn } = parseSgxReport(
      quote.body,
    );
    return {
      ...common,
      ...hexes({ mrEnclave, mrSigner, attributes, reportData }),
      isvProdId,
      isvSvn,
    };
  }
  const { mrTd, rtmrs, attributes, reportData, teeTcbSvn } = parseTdReport(quote.body);
  const [rtmr0, rtmr1, rtmr2, rtmr3] = rtmrs;
  const registers = { mrTd, rtmr0, rtmr1, rtmr2, rtmr3, attributes, teeTcbSvn, reportData };
  return { ...common, ...hexes(registers) };
}

function snpFields(report: SnpReport): Inspection {
  const { measurement, reportData, hostData, chipId, reportedTcb } = report;
  return {
    version: report.version,
    product: report.product ?? 'not said',
    signingKey: report.signingKey,
    vmpl: report.vmpl,
    guestPolicy: `0x${report.policy.toString(16)}`,
    ...hexes({ measurement, reportData, hostData, chipId, reportedTcb }),
  };
}

function inspectSnp(bytes: Uint8Array): Inspection {
  const { report, table } = parseSnpEvidence(bytes);
  return { ...snpFields(report), table: Object.keys(table).join(', ') };
}

function inspectAzure(bytes: Uint8Array): Inspection {
  const { hcl, proof, attest, pcrs } = parseAzure(bytes);
  const report = parseHcl(hcl);
  const hardware =
    report.type === 'snp'
      ? snpFields(parseSnpReport(report.hardwareReport))
      : inspectQuote(parseQuote(proof));
  return { ...hardware, vmId: report.vmId, ...quoteFields(attest, pcrs) };
}

function quoteFields(attest: Uint8Array, pcrs: PcrBanks): Inspection {
  const quote = parseAttest(attest);
  let registers = 0;
  for (const [, bank] of pcrs) registers += bank.size;
  return {
    qualifyingData: toHex(quote.extraData),
    pcrDigest: toHex(quote.pcrDigest),
    resetCount: quote.resetCount,
    registers,
  };
}

function inspectTpm(bytes: Uint8Array): Inspection {
  const { attest, pcrs, chain, log } = parseTpmEvidence(bytes);
  const certificates = chain.map(parseCertificate);
  return { ...quoteFields(attest, pcrs), chain: names(certificates), logBytes: log.length };
}

function inspectNitro(bytes: Uint8Array): Inspection {
  const document = parseNitro(bytes);
  const { userData, nonce, publicKey } = document;
  const pcrs = Object.fromEntries([...document.pcrs].map(([n, value]) => [`pcr${n}`, value]));
  return {
    moduleId: document.moduleId,
    timestamp: new Date(document.timestamp).toISOString(),
    chain: names([document.certificate, ...document.cabundle].map(parseCertificate)),
    ...hexes({ ...pcrs, userData, nonce, publicKey }),
  };
}

function inspectOptee(bytes: Uint8Array): Inspection {
  const { command, uuid, reportData, digest } = parseOptee(bytes);
  return { command, ...hexes({ uuid, reportData, digest }) };
}
