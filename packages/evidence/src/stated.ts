// SPDX-License-Identifier: Apache-2.0
// What evidence says of itself, unverified: for whoever has just been given it by its own hardware
// and needs to know its own measurement and identity. Nothing may be judged by it; a verifier that
// checks the same bytes finds the same values in its claims.
import { type CryptoPort, utf8 } from '@cloister/core';
import { isZero } from './bytes.ts';
import { parsePckInfo } from './dcap/pck.ts';
import { parseQuote } from './dcap/quote.ts';
import { evidenceError } from './errors.ts';
import { parseNitro } from './nitro/parse.ts';
import { parseSnpEvidence } from './sev-snp/parse.ts';
import { parseTdReport, tdxMeasurement } from './tdx-dcap/parse.ts';
import type { Evidence, EvidenceKind } from './types.ts';
import { parseCertificate } from './x509/certificate.ts';
import { parsePem } from './x509/pem.ts';

/** As `Claims` would name them; none of it is verified. */
export interface Stated {
  readonly measurement: Uint8Array;
  readonly hardware: Uint8Array;
  readonly reportData: Uint8Array;
}

type Reader = (bytes: Uint8Array, crypto: CryptoPort) => Stated;

/** The kinds whose hardware measures by itself, so that the guest must read what it is. */
const READERS: Readonly<Partial<Record<EvidenceKind, Reader>>> = {
  'tdx-dcap': statedByTd,
  'sev-snp': statedBySnp,
  nitro: statedByNitro,
};

/** @throws CodedError of the kind's parser, `evidence-kind-unsupported` */
export function statedBy(evidence: Evidence, crypto: CryptoPort): Stated {
  const reader = READERS[evidence.kind];
  if (reader === undefined) {
    const message = `evidence of kind ${evidence.kind} does not say what its guest must read`;
    throw evidenceError('evidence-kind-unsupported', message);
  }
  return reader(evidence.bytes, crypto);
}

function statedByTd(bytes: Uint8Array, crypto: CryptoPort): Stated {
  const quote = parseQuote(bytes);
  if (quote.bodyType === 'sgx') {
    throw evidenceError(
      'evidence-field-invalid',
      'got a quote of an SGX enclave, wanted one of a TD',
    );
  }
  const { mrTd, rtmrs, reportData } = parseTdReport(quote.body);
  const [pck] = parsePem(quote.certificates);
  if (pck === undefined) throw evidenceError('certificate-missing', 'a quote without a PCK chain');
  const hardware = parsePckInfo(parseCertificate(pck)).ppid;
  return { measurement: tdxMeasurement(crypto, mrTd, rtmrs), hardware, reportData };
}

function statedBySnp(bytes: Uint8Array): Stated {
  const { measurement, chipId, reportData } = parseSnpEvidence(bytes).report;
  if (isZero(chipId)) {
    const message = 'the report masks its chip id (MASK_CHIP_ID): a seat names its chip';
    throw evidenceError('hardware-id-masked', message);
  }
  return { measurement, hardware: chipId, reportData };
}

function statedByNitro(bytes: Uint8Array): Stated {
  const document = parseNitro(bytes);
  const measurement = document.pcrs.get(0);
  if (measurement === undefined) {
    throw evidenceError('evidence-field-invalid', 'a Nitro document has no PCR0');
  }
  return { measurement, hardware: utf8(document.moduleId), reportData: document.userData };
}
