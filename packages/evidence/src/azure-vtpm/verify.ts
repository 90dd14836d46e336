// SPDX-License-Identifier: Apache-2.0
// Verifies Azure confidential VMs: hardware report, paravisor and vTPM as one chain.
//   1. the hardware's evidence verifies (the SNP report inside the HCL report, or the TDX quote);
//   2. its report data is the digest of the runtime data, and zero after it;
//   3. the key that the runtime data names signed the TPM quote, whose qualifying data is the
//      report data of the whole;
//   4. the PCR values are the quoted ones.
// The paravisor holds the vTPM's keys and state, so Microsoft counts beside the chip's maker.
import { concat, equal } from '@cloister/core';
import { isZero } from '../bytes.ts';
import { evidenceError } from '../errors.ts';
import { snpClaims } from '../sev-snp/claims.ts';
import { parseSnpReport } from '../sev-snp/parse.ts';
import { verifySnpReport } from '../sev-snp/verify.ts';
import { verifyTdxAs } from '../tdx-dcap/verify.ts';
import { verifyTpmQuote } from '../tpm2/quote.ts';
import type { Claims, VerifyOptions } from '../types.ts';
import { parseCertificates } from '../x509/pem.ts';
import { azureClaims } from './claims.ts';
import { type AzureEvidence, type HclReport, parseAzure, parseHcl } from './parse.ts';

/** Verifies `azure-snp-vtpm` evidence. @throws CodedError with an EvidenceErrorCode */
export function verifyAzureSnp(bytes: Uint8Array, options: VerifyOptions): Promise<Claims> {
  return verifyAzure('snp', bytes, options, async ({ proof }, hcl) => {
    const [vcek] = parseCertificates(proof);
    const report = parseSnpReport(hcl.hardwareReport);
    const table = { [report.signingKey]: vcek as Uint8Array };
    const verified = await verifySnpReport(report, table, 'azure-snp-vtpm', options);
    return snpClaims(verified, options.at);
  });
}

/** Verifies `azure-tdx-vtpm` evidence. @throws CodedError with an EvidenceErrorCode */
export function verifyAzureTdx(bytes: Uint8Array, options: VerifyOptions): Promise<Claims> {
  return verifyAzure('tdx', bytes, options, async ({ proof }, hcl) => {
    const claims = await verifyTdxAs('azure-tdx-vtpm', proof, options);
    checkTdReport(hcl.hardwareReport, claims);
    return claims;
  });
}

const TDINFO_REGISTERS = [
  'mrtd',
  'mrconfigid',
  'mrowner',
  'mrownerconfig',
  'rtmr0',
  'rtmr1',
  'rtmr2',
  'rtmr3',
] as const;

/**
 * The TD report in the HCL report is authenticated by the CPU's own key only, so nothing is taken
 * from it: what it shares with the quote must be equal (TDREPORT_STRUCT: report data at 128, TDINFO
 * at 512, its registers from 528), and its unused tail zero.
 */
function checkTdReport(report: Uint8Array, claims: Claims): void {
  const registers = TDINFO_REGISTERS.map((name) => claims.measurements[name] as Uint8Array);
  const same =
    equal(report.subarray(128, 192), claims.reportData) &&
    equal(report.subarray(528, 912), concat(...registers)) &&
    isZero(report.subarray(912));
  if (!same) throw evidenceError('binding-invalid', 'the TD report is not the one that was quoted');
}

async function verifyAzure(
  type: HclReport['type'],
  bytes: Uint8Array,
  options: VerifyOptions,
  verifyHardware: (evidence: AzureEvidence, hcl: HclReport) => Promise<Claims>,
): Promise<Claims> {
  const evidence = parseAzure(bytes);
  const hcl = parseHcl(evidence.hcl);
  if (hcl.type !== type) {
    throw evidenceError(
      'evidence-field-invalid',
      `wanted an HCL report over ${type}, got ${hcl.type}`,
    );
  }
  const hardware = await verifyHardware(evidence, hcl);
  const digest = options.crypto.digest(hcl.hash, hcl.runtimeData);
  const { reportData } = hardware;
  const rest = reportData.subarray(digest.length);
  if (!equal(reportData.subarray(0, digest.length), digest) || !isZero(rest)) {
    throw evidenceError('binding-invalid', 'the hardware does not vouch for this runtime data');
  }
  const quote = await verifyTpmQuote(options, evidence, hcl.ak);
  return azureClaims(options.crypto, { hardware, hcl, quote, pcrs: evidence.pcrs });
}
