// SPDX-License-Identifier: Apache-2.0
// DCAP quotes v3, v4 and v5 to a frozen struct: no cryptography. Every length is checked against
// what is left, nested lengths must fill their container exactly, and after the quote only zero
// padding may follow (constants.ts).
//
//   v3  header 48 | SGX report 384                    | u32 n | n bytes of signature data
//   v4  header 48 | SGX report 384 or TD report 584   | u32 n | ...
//   v5  header 48 | u16 type | u32 size | body of size | u32 n | ...
//   signature data  v3:     sig 64 | key 64 | QE report 384 | QE sig 64 | u16 a | auth
//                           | u16 t | u32 c | cert
//                   v4, v5: sig 64 | key 64 | u16 6 | u32 s | (from the QE report on, s bytes)
import { FieldReader, isZero } from '../bytes.ts';
import { evidenceError } from '../errors.ts';
import {
  BODY_SGX,
  BODY_TD10,
  BODY_TD15,
  CERT_TYPE_PCK_CHAIN,
  CERT_TYPE_QE_REPORT,
  KEY_TYPE_ECDSA_P256,
  MAX_PADDING_BYTES,
  MAX_QUOTE_BYTES,
  SGX_REPORT_BYTES,
  TD10_REPORT_BYTES,
  TD15_REPORT_BYTES,
  TEE_TYPE_SGX,
  TEE_TYPE_TDX,
} from './constants.ts';

export type QuoteBodyType = 'sgx' | 'td10' | 'td15';

export interface DcapQuote {
  readonly version: 3 | 4 | 5;
  readonly bodyType: QuoteBodyType;
  readonly qeVendorId: Uint8Array;
  readonly userData: Uint8Array;
  /** What the attestation key signs: header, body descriptor (v5) and body. */
  readonly signed: Uint8Array;
  readonly body: Uint8Array;
  /** r || s. */
  readonly signature: Uint8Array;
  /** x || y. */
  readonly attestationKey: Uint8Array;
  readonly qeReport: Uint8Array;
  readonly qeReportSignature: Uint8Array;
  readonly qeAuthData: Uint8Array;
  /** PCK chain, PEM. */
  readonly certificates: Uint8Array;
  /** Zero bytes after the quote. */
  readonly padding: number;
}

/**
 * Parses a quote.
 * @throws CodedError `evidence-malformed`, `evidence-trailing-bytes`,
 * `evidence-version-unsupported`,
 *   `evidence-key-type-unsupported`, `evidence-cert-type-unsupported`
 */
export function parseQuote(bytes: Uint8Array): DcapQuote {
  if (bytes.length > MAX_QUOTE_BYTES) {
    throw evidenceError('evidence-malformed', `a quote of ${bytes.length} bytes is too large`);
  }
  const reader = new FieldReader(bytes, 'DCAP quote');
  const version = reader.u16();
  if (version !== 3 && version !== 4 && version !== 5) {
    throw evidenceError(
      'evidence-version-unsupported',
      `got quote version ${version}, wanted 3 to 5`,
    );
  }
  const keyType = reader.u16();
  if (keyType !== KEY_TYPE_ECDSA_P256) {
    throw evidenceError(
      'evidence-key-type-unsupported',
      `attestation key type ${keyType}, wanted 2`,
    );
  }
  const tee = reader.u32();
  if (tee !== TEE_TYPE_SGX && (tee !== TEE_TYPE_TDX || version === 3)) {
    throw evidenceError(
      'evidence-field-invalid',
      `TEE type 0x${tee.toString(16)} in version ${version}`,
    );
  }
  reader.bytes(4);
  const qeVendorId = reader.bytes(16);
  const userData = reader.bytes(20);
  const bodyType =
    version === 5 ? readDescriptor(reader, tee) : tee === TEE_TYPE_SGX ? 'sgx' : 'td10';
  const body = reader.bytes(BODY_BYTES[bodyType]);
  const signed = bytes.subarray(0, reader.at);
  const data = new FieldReader(reader.bytes(reader.u32()), 'DCAP signature data');
  const padding = reader.rest();
  if (padding.length > MAX_PADDING_BYTES || !isZero(padding)) {
    const message = `${padding.length} bytes follow the quote: only zero padding may`;
    throw evidenceError('evidence-trailing-bytes', message);
  }
  return Object.freeze({
    version,
    bodyType,
    qeVendorId,
    userData,
    signed,
    body,
    ...parseSignatureData(data, version),
    padding: padding.length,
  });
}

const BODY_BYTES: Readonly<Record<QuoteBodyType, number>> = {
  sgx: SGX_REPORT_BYTES,
  td10: TD10_REPORT_BYTES,
  td15: TD15_REPORT_BYTES,
};
const BODY_OF: Readonly<Record<number, QuoteBodyType>> = {
  [BODY_SGX]: 'sgx',
  [BODY_TD10]: 'td10',
  [BODY_TD15]: 'td15',
};

function readDescriptor(reader: FieldReader, tee: number): QuoteBodyType {
  const type = reader.u16();
  const size = reader.u32();
  const body = BODY_OF[type];
  if (body === undefined) {
    throw evidenceError('evidence-version-unsupported', `quote body type ${type}, wanted 1 to 3`);
  }
  if (size !== BODY_BYTES[body] || (body === 'sgx') !== (tee === TEE_TYPE_SGX)) {
    const message = `quote body type ${type} of ${size} bytes for TEE type 0x${tee.toString(16)}`;
    throw evidenceError('evidence-field-invalid', message);
  }
  return body;
}

type SignatureData = Pick<
  DcapQuote,
  'signature' | 'attestationKey' | 'qeReport' | 'qeReportSignature' | 'qeAuthData' | 'certificates'
>;

function parseSignatureData(data: FieldReader, version: number): SignatureData {
  const signature = data.bytes(64);
  const attestationKey = data.bytes(64);
  let inner = data;
  if (version !== 3) {
    const outerType = data.u16();
    if (outerType !== CERT_TYPE_QE_REPORT) throw certType(outerType, CERT_TYPE_QE_REPORT);
    inner = new FieldReader(data.bytes(data.u32()), 'DCAP QE report data');
    data.end();
  }
  const qeReport = inner.bytes(SGX_REPORT_BYTES);
  const qeReportSignature = inner.bytes(64);
  const qeAuthData = inner.bytes(inner.u16());
  const type = inner.u16();
  if (type !== CERT_TYPE_PCK_CHAIN) throw certType(type, CERT_TYPE_PCK_CHAIN);
  const certificates = inner.bytes(inner.u32());
  inner.end();
  return { signature, attestationKey, qeReport, qeReportSignature, qeAuthData, certificates };
}

function certType(got: number, wanted: number): Error {
  const message = `certification data of type ${got}, wanted ${wanted} (a PCK chain)`;
  return evidenceError('evidence-cert-type-unsupported', message);
}

/** The fields of an SGX report that anything here reads (Intel SDM vol. 3D, table 34-21). */
export interface SgxReport {
  readonly cpuSvn: Uint8Array;
  readonly miscSelect: Uint8Array;
  readonly attributes: Uint8Array;
  readonly mrEnclave: Uint8Array;
  readonly mrSigner: Uint8Array;
  readonly configId: Uint8Array;
  readonly isvProdId: number;
  readonly isvSvn: number;
  readonly configSvn: number;
  readonly isvFamilyId: Uint8Array;
  readonly reportData: Uint8Array;
}

/** Parses 384 bytes. */
export function parseSgxReport(bytes: Uint8Array): SgxReport {
  const reader = new FieldReader(bytes, 'SGX report');
  const cpuSvn = reader.bytes(16);
  const miscSelect = reader.bytes(4);
  reader.bytes(28);
  const attributes = reader.bytes(16);
  const mrEnclave = reader.bytes(32);
  reader.bytes(32);
  const mrSigner = reader.bytes(32);
  reader.bytes(32);
  const configId = reader.bytes(64);
  const isvProdId = reader.u16();
  const isvSvn = reader.u16();
  const configSvn = reader.u16();
  reader.bytes(42);
  const isvFamilyId = reader.bytes(16);
  const reportData = reader.bytes(64);
  reader.end();
  return {
    cpuSvn,
    miscSelect,
    attributes,
    mrEnclave,
    mrSigner,
    configId,
    isvProdId,
    isvSvn,
    configSvn,
    isvFamilyId,
    reportData,
  };
}
