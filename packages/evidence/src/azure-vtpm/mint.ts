// SPDX-License-Identifier: Apache-2.0
// Mints Azure evidence: an HCL report over a minted SNP report or TDX quote, and a minted TPM quote
// by the key that it names. `measurement` becomes PCR 0 of the vTPM; the hardware's own is zero.
import { createHash, createPublicKey } from 'node:crypto';
import { concat, encodeCbor, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { createDcapRoot, dcapItems, little } from '../dcap/mint.ts';
import { mintKey, publicOf } from '../mint/keys.ts';
import { checkedRequest } from '../mint/request.ts';
import type {
  DevelopmentRoot,
  DevelopmentRootOptions,
  MintCollateralOptions,
  MintRequest,
} from '../mint/types.ts';
import { createSnpRoot, mintSnp, snpItems } from '../sev-snp/mint.ts';
import { parseSnpEvidence } from '../sev-snp/parse.ts';
import { mintTdx } from '../tdx-dcap/mint.ts';
import { tdxMeasurement } from '../tdx-dcap/parse.ts';
import { mintedTpmMeasurement, mintTpmQuote } from '../tpm2/mint.ts';
import { pcrBanksCbor } from '../tpm2/parse.ts';
import type { Collateral } from '../types.ts';
import { azureMeasurement } from './claims.ts';
import { HCL_REPORT_BYTES, REPORT_TYPE_SNP, REPORT_TYPE_TDX } from './parse.ts';

type AzureKind = 'azure-snp-vtpm' | 'azure-tdx-vtpm';

export function createAzureRoot(kind: AzureKind, options: DevelopmentRootOptions): DevelopmentRoot {
  const base =
    kind === 'azure-snp-vtpm' ? createSnpRoot(options) : createDcapRoot('tdx-dcap', options);
  const ak = mintKey('rsa2048', `${kind}/ak`, options.seed);
  return { ...base, kind, keys: { ...base.keys, ak } };
}

function hardwareRoot(root: DevelopmentRoot): DevelopmentRoot {
  return { ...root, kind: root.kind === 'azure-snp-vtpm' ? 'sev-snp' : 'tdx-dcap' };
}

/** Evidence bytes of kind `azure-snp-vtpm` or `azure-tdx-vtpm`. @throws CodedError `mint-usage` */
export function mintAzure(kind: AzureKind, request: MintRequest): Uint8Array {
  const { hardwareId } = checkedRequest(request, kind);
  const { root } = request;
  const ak = root.keys['ak'] as Uint8Array;
  const runtimeData = runtimeDataOf(ak);
  const bound = createHash('sha256').update(runtimeData).digest();
  const hardware: MintRequest = {
    ...request,
    root: hardwareRoot(root),
    hardwareId,
    measurement: new Uint8Array(48),
    reportData: concat(bound, new Uint8Array(32)),
  };
  const snp = kind === 'azure-snp-vtpm';
  const evidence = snp ? mintSnp(hardware) : mintTdx(hardware);
  const report = snp
    ? evidence.subarray(0, HCL_REPORT_BYTES)
    : tdReport(hardware.reportData, hardware.measurement);
  const proof = snp ? (parseSnpEvidence(evidence).table.vcek as Uint8Array) : evidence;
  const type = snp ? REPORT_TYPE_SNP : REPORT_TYPE_TDX;
  const quote = mintTpmQuote(ak, request.measurement, request.reportData);
  return encodeCbor({
    v: 1,
    hcl: hclReport(report, type, runtimeData),
    attest: quote.attest,
    sig: quote.signature,
    pcrs: pcrBanksCbor(quote.pcrs),
    proof,
  });
}

function runtimeDataOf(ak: Uint8Array): Uint8Array {
  const spki = Buffer.from(publicOf(ak));
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' }).export({ format: 'jwk' });
  const { n, e } = key;
  return utf8(
    JSON.stringify({
      keys: [{ kid: 'HCLAkPub', key_ops: ['sign'], kty: 'RSA', e, n }],
      'vm-configuration': { 'secure-boot': true, 'tpm-enabled': true, vmUniqueId: 'DEVELOPMENT' },
    }),
  );
}

/** The fields of a TDREPORT_STRUCT that a verifier compares with the quote. */
function tdReport(reportData: Uint8Array, mrTd: Uint8Array): Uint8Array {
  const out = new Uint8Array(HCL_REPORT_BYTES);
  out.set(reportData, 128);
  out.set(mrTd, 528);
  return out;
}

function hclReport(report: Uint8Array, type: number, runtimeData: Uint8Array): Uint8Array {
  const size = 20 + runtimeData.length;
  const total = 32 + HCL_REPORT_BYTES + size;
  const head = concat(utf8('HCLA'), little(2, 4), little(total, 4), little(2, 4));
  return concat(
    head,
    new Uint8Array(32 - head.length),
    report,
    little(size, 4),
    little(1, 4),
    little(type, 4),
    little(1, 4),
    little(runtimeData.length, 4),
    runtimeData,
  );
}

export function mintedAzureMeasurement(kind: AzureKind, pcr0: Uint8Array): Uint8Array {
  const zero = new Uint8Array(48);
  const hardware =
    kind === 'azure-snp-vtpm' ? zero : tdxMeasurement(nodeCrypto, zero, Array(4).fill(zero));
  return azureMeasurement(nodeCrypto, hardware, mintedTpmMeasurement(pcr0));
}

/** The collateral of the hardware under the vTPM. */
export function azureItems(
  root: DevelopmentRoot,
  options: MintCollateralOptions,
): Collateral['items'] {
  const hardware = hardwareRoot(root);
  return root.kind === 'azure-tdx-vtpm'
    ? dcapItems(hardware, options)
    : snpItems(hardware, options);
}
