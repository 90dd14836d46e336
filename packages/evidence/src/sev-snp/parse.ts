// SPDX-License-Identifier: Apache-2.0
// SEV-SNP evidence to a frozen struct: no cryptography. It is the 1,184-byte attestation report
// (AMD 56860, table 23), optionally followed by the certificate table of an extended guest request
// (AMD 56421, section 4.1.8.1), which is what configfs-tsm gives as `outblob` and `auxblob`.
//
//   000 version u32, guest_svn u32, policy u64, family_id 16, image_id 16
//   030 vmpl u32, signature_algo u32, current_tcb 8, platform_info u64, key flags u32
//   050 report_data 64, measurement 48, host_data 32, id_key_digest 48, author_key_digest 48
//   140 report_id 32, report_id_ma 32, reported_tcb 8, cpuid family, model, stepping (v3 and later)
//   1a0 chip_id 64, committed_tcb 8, current and committed build, launch_tcb 8, ...
//   2a0 signature: r 72, s 72, little endian; zero to 4a0
import { FieldReader, isZero } from '../bytes.ts';
import { evidenceError } from '../errors.ts';
import {
  ALGO_ECDSA_P384_SHA384,
  CPUID_PRODUCTS,
  GUIDS,
  MAX_TABLE_BYTES,
  MAX_TABLE_ENTRIES,
  P384_BYTES,
  REPORT_BYTES,
  SIGNATURE_FIELD_BYTES,
  SIGNED_BYTES,
  SIGNING_KEY_VCEK,
  SIGNING_KEY_VLEK,
  type SnpProduct,
  VERSIONS,
} from './constants.ts';

export interface SnpReport {
  readonly version: number;
  readonly guestSvn: number;
  readonly policy: bigint;
  readonly familyId: Uint8Array;
  readonly imageId: Uint8Array;
  readonly vmpl: number;
  readonly currentTcb: Uint8Array;
  readonly platformInfo: bigint;
  readonly signingKey: 'vcek' | 'vlek';
  readonly authorKeyEnabled: boolean;
  readonly reportData: Uint8Array;
  readonly measurement: Uint8Array;
  readonly hostData: Uint8Array;
  readonly idKeyDigest: Uint8Array;
  readonly authorKeyDigest: Uint8Array;
  readonly reportId: Uint8Array;
  readonly reportIdMa: Uint8Array;
  readonly reportedTcb: Uint8Array;
  /** From CPUID, which reports carry from version 3 on. */
  readonly product: SnpProduct | undefined;
  readonly chipId: Uint8Array;
  readonly committedTcb: Uint8Array;
  readonly launchTcb: Uint8Array;
  readonly signed: Uint8Array;
  /** r || s, big endian, 96 bytes. */
  readonly signature: Uint8Array;
}

export type SnpTable = Readonly<Partial<Record<keyof typeof GUIDS, Uint8Array>>>;

/** Splits evidence into report and certificates. @throws CodedError `evidence-*` */
export function parseSnpEvidence(bytes: Uint8Array): { report: SnpReport; table: SnpTable } {
  if (bytes.length < REPORT_BYTES) {
    const message = `a report has ${REPORT_BYTES} bytes, got ${bytes.length}`;
    throw evidenceError('evidence-malformed', message);
  }
  return {
    report: parseSnpReport(bytes.subarray(0, REPORT_BYTES)),
    table: parseTable(bytes.subarray(REPORT_BYTES)),
  };
}

/** Parses exactly 1,184 bytes. @throws CodedError `evidence-*` */
export function parseSnpReport(bytes: Uint8Array): SnpReport {
  const reader = new FieldReader(bytes, 'SNP report');
  const version = reader.u32();
  if (!VERSIONS.has(version)) {
    throw evidenceError(
      'evidence-version-unsupported',
      `report version ${version}, wanted 2, 3 or 5`,
    );
  }
  const guestSvn = reader.u32();
  const policy = reader.u64();
  const familyId = reader.bytes(16);
  const imageId = reader.bytes(16);
  const vmpl = reader.u32();
  const algorithm = reader.u32();
  if (algorithm !== ALGO_ECDSA_P384_SHA384) {
    throw evidenceError(
      'evidence-key-type-unsupported',
      `signature algorithm ${algorithm}, wanted 1`,
    );
  }
  const currentTcb = reader.bytes(8);
  const platformInfo = reader.u64();
  const flags = reader.u32();
  reader.bytes(4);
  const reportData = reader.bytes(64);
  const measurement = reader.bytes(48);
  const hostData = reader.bytes(32);
  const idKeyDigest = reader.bytes(48);
  const authorKeyDigest = reader.bytes(48);
  const reportId = reader.bytes(32);
  const reportIdMa = reader.bytes(32);
  const reportedTcb = reader.bytes(8);
  const family = reader.u8();
  const model = reader.u8();
  reader.bytes(22);
  const chipId = reader.bytes(64);
  const committedTcb = reader.bytes(8);
  reader.bytes(8);
  const launchTcb = reader.bytes(8);
  reader.bytes(SIGNED_BYTES - reader.at);
  const signature = readSignature(reader);
  return Object.freeze({
    version,
    guestSvn,
    policy,
    familyId,
    imageId,
    vmpl,
    currentTcb,
    platformInfo,
    signingKey: signingKey((flags >>> 2) & 7),
    authorKeyEnabled: (flags & 1) !== 0,
    reportData,
    measurement,
    hostData,
    idKeyDigest,
    authorKeyDigest,
    reportId,
    reportIdMa,
    reportedTcb,
    product: version >= 3 ? productOf(family, model) : undefined,
    chipId,
    committedTcb,
    launchTcb,
    signed: bytes.subarray(0, SIGNED_BYTES),
    signature,
  });
}

function signingKey(value: number): 'vcek' | 'vlek' {
  if (value === SIGNING_KEY_VCEK) return 'vcek';
  if (value === SIGNING_KEY_VLEK) return 'vlek';
  throw evidenceError('evidence-key-type-unsupported', `signing key ${value}, wanted VCEK or VLEK`);
}

function productOf(family: number, model: number): SnpProduct {
  const found = CPUID_PRODUCTS.find((p) => p.family === family && model >= p.from && model <= p.to);
  if (found !== undefined) return found.product;
  const cpu = `family 0x${family.toString(16)} model 0x${model.toString(16)}`;
  throw evidenceError('evidence-field-invalid', `no known product has CPU ${cpu}`);
}

/** Unsigned bytes of the signature field must be zero, so that a report has one encoding. */
function readSignature(reader: FieldReader): Uint8Array {
  const out = new Uint8Array(2 * P384_BYTES);
  for (const at of [0, P384_BYTES]) {
    const field = reader.bytes(SIGNATURE_FIELD_BYTES);
    if (!isZero(field.subarray(P384_BYTES))) {
      throw evidenceError('evidence-field-invalid', 'a signature integer is longer than P-384 has');
    }
    out.set(field.subarray(0, P384_BYTES).slice().reverse(), at);
  }
  if (!isZero(reader.rest())) {
    throw evidenceError('evidence-field-invalid', 'the reserved part of the signature is not zero');
  }
  return out;
}

function parseTable(bytes: Uint8Array): SnpTable {
  if (bytes.length === 0) return {};
  if (bytes.length > MAX_TABLE_BYTES) {
    throw evidenceError('evidence-malformed', 'a certificate table is larger than 64 KiB');
  }
  const names = new Map(Object.entries(GUIDS).map(([name, guid]) => [guid.join(), name]));
  const reader = new FieldReader(bytes, 'SNP certificate table');
  const out: Record<string, Uint8Array> = {};
  const free = bytes.slice();
  for (let i = 0; ; i++) {
    const guid = reader.bytes(16);
    const offset = reader.u32();
    const length = reader.u32();
    free.fill(0, 0, reader.at);
    if (isZero(guid) && offset === 0 && length === 0) break;
    if (i === MAX_TABLE_ENTRIES || offset + length > bytes.length) {
      throw evidenceError('evidence-malformed', 'a certificate table entry lies outside the table');
    }
    free.fill(0, offset, offset + length);
    const name = names.get(guid.join());
    if (name === undefined) continue;
    if (Object.hasOwn(out, name)) {
      throw evidenceError('evidence-malformed', `a certificate table has '${name}' twice`);
    }
    out[name] = bytes.subarray(offset, offset + length);
  }
  if (!isZero(free)) {
    const message = 'a certificate table holds bytes that no entry names: only zero padding may';
    throw evidenceError('evidence-trailing-bytes', message);
  }
  return out;
}

/** Security version numbers in a TCB_VERSION (AMD 56860 table 3; Turin moved them). */
export function tcbParts(tcb: Uint8Array, product: SnpProduct): Record<string, number> {
  const at = (i: number): number => tcb[i] as number;
  if (product === 'Turin') {
    return { fmc: at(0), bootloader: at(1), tee: at(2), snp: at(3), microcode: at(7) };
  }
  return { bootloader: at(0), tee: at(1), snp: at(6), microcode: at(7) };
}
