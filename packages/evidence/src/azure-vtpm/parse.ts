// SPDX-License-Identifier: Apache-2.0
// Azure confidential VM evidence to a frozen struct. The paravisor (HCL) keeps a hardware report in
// the vTPM's NV index 0x01400001; its report data is the digest of the runtime data that follows,
// which names the vTPM's attestation key. Source: Microsoft, "Guest attestation for confidential
// VMs" (HCL report layout).
//
//   "HCLA" 4, version u32, size u32 (of all, without padding), request type u32, status u32, 0 12
//   hardware report 1184 (an SNP report; for TDX a TD report, whose quote comes beside it)
//   data size u32, version u32, report type u32 (2 SNP, 4 TDX), hash type u32, variable size u32
//   variable data: JSON with "keys": [{ "kid": "HCLAkPub", "kty": "RSA", "e", "n" }]
//
// The envelope is ours: deterministic CBOR { "v": 1, "hcl", "attest", "sig", "pcrs", "proof" },
// where `proof` is the VCEK certificate (SNP) or the TDX quote.
import { decodeCbor, equal, fromBase64Url, utf8 } from '@cloister/core';
import { FieldReader, isZero } from '../bytes.ts';
import { evidenceError } from '../errors.ts';
import { JsonView, parseJson } from '../json.ts';
import { parsePcrBanks } from '../tpm2/parse.ts';
import type { TpmQuoteInput } from '../tpm2/quote.ts';
import { rsaSpki } from '../tpm2/structures.ts';

export const HCL_REPORT_BYTES = 1184;
export const REPORT_TYPE_SNP = 2;
export const REPORT_TYPE_TDX = 4;
const REQUEST_TYPE = 2;
const DATA_HEAD_BYTES = 20;
const MAGIC = utf8('HCLA');
const AK_KEY_ID = 'HCLAkPub';
const HASHES = { 1: 'sha256', 2: 'sha384', 3: 'sha512' } as const;
const MAX_EVIDENCE_BYTES = 1024 * 1024;

export interface HclReport {
  readonly hardwareReport: Uint8Array;
  readonly type: 'snp' | 'tdx';
  readonly hash: 'sha256' | 'sha384' | 'sha512';
  /** What the hardware report's report data is the digest of. */
  readonly runtimeData: Uint8Array;
  /** SubjectPublicKeyInfo of the vTPM's attestation key. */
  readonly ak: Uint8Array;
  readonly secureBoot: boolean | undefined;
  readonly vmId: string;
}

/** Parses an HCL report. @throws CodedError `evidence-*` */
export function parseHcl(bytes: Uint8Array): HclReport {
  const reader = new FieldReader(bytes, 'HCL report');
  if (!equal(reader.bytes(4), MAGIC)) {
    throw evidenceError('evidence-field-invalid', 'an HCL report begins with HCLA');
  }
  const version = reader.u32();
  const total = reader.u32();
  const request = reader.u32();
  const status = reader.bytes(16);
  const hardwareReport = reader.bytes(HCL_REPORT_BYTES);
  const dataSize = reader.u32();
  const dataVersion = reader.u32();
  const type = reader.u32();
  const hash = HASHES[reader.u32() as 1 | 2 | 3];
  if (hash === undefined || (type !== REPORT_TYPE_SNP && type !== REPORT_TYPE_TDX)) {
    throw evidenceError('evidence-version-unsupported', `HCL report of type ${type}`);
  }
  const runtimeData = reader.bytes(reader.u32());
  // Nothing signs the frame, so it has one form only.
  const framed =
    (version === 1 || version === 2) &&
    dataVersion === 1 &&
    request === REQUEST_TYPE &&
    isZero(status) &&
    total === reader.at &&
    dataSize === DATA_HEAD_BYTES + runtimeData.length;
  if (!framed) {
    throw evidenceError(
      'evidence-field-invalid',
      'an HCL report with another version, size or status',
    );
  }
  if (!isZero(reader.rest())) {
    throw evidenceError('evidence-trailing-bytes', 'only zero padding may follow the runtime data');
  }
  return Object.freeze({
    hardwareReport,
    type: type === REPORT_TYPE_SNP ? 'snp' : 'tdx',
    hash,
    runtimeData,
    ...parseRuntimeData(runtimeData),
  });
}

function parseRuntimeData(bytes: Uint8Array): Pick<HclReport, 'ak' | 'secureBoot' | 'vmId'> {
  const json = new JsonView(parseJson(bytes, 'evidence-malformed'), 'evidence-malformed');
  const keys = json
    .get('keys')
    .list(16)
    .filter((key) => key.get('kid').text() === AK_KEY_ID);
  const [key] = keys;
  if (key === undefined || keys.length !== 1) {
    throw evidenceError(
      'evidence-field-invalid',
      `runtime data names ${keys.length} vTPM keys, wanted 1`,
    );
  }
  key.get('kty').text(/^RSA$/);
  let exponent = 0;
  for (const byte of fromBase64Url(key.get('e').text(/^.{1,6}$/))) exponent = exponent * 256 + byte;
  const configuration = json.has('vm-configuration') ? json.get('vm-configuration') : undefined;
  const has = (name: string) => configuration?.has(name) === true;
  return {
    ak: rsaSpki(fromBase64Url(key.get('n').text(/^.{1,1024}$/)), exponent),
    secureBoot: has('secure-boot') ? configuration?.get('secure-boot').value === true : undefined,
    vmId: has('vmUniqueId') ? (configuration?.get('vmUniqueId').text(/^[\w-]{1,64}$/) ?? '') : '',
  };
}

export interface AzureEvidence extends TpmQuoteInput {
  readonly hcl: Uint8Array;
  /** VCEK certificate (SNP) or TDX quote. */
  readonly proof: Uint8Array;
}

/** @throws CodedError `evidence-malformed`, `evidence-field-invalid` and core's CBOR codes */
export function parseAzure(bytes: Uint8Array): AzureEvidence {
  if (bytes.length > MAX_EVIDENCE_BYTES) {
    throw evidenceError('evidence-malformed', 'Azure evidence is larger than 1 MiB');
  }
  const value = decodeCbor(bytes) as Record<string, unknown> | null;
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 6) {
    throw evidenceError(
      'evidence-malformed',
      'Azure evidence is { v, hcl, attest, sig, pcrs, proof }',
    );
  }
  const { v, hcl, attest, sig, pcrs, proof } = value;
  const fields = [hcl, attest, sig, proof];
  if (v !== 1 || !fields.every((field) => field instanceof Uint8Array)) {
    throw evidenceError('evidence-field-invalid', 'Azure evidence with a field of another type');
  }
  return Object.freeze({
    hcl: hcl as Uint8Array,
    attest: attest as Uint8Array,
    signature: sig as Uint8Array,
    pcrs: parsePcrBanks(pcrs),
    proof: proof as Uint8Array,
  });
}
