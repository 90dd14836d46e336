// SPDX-License-Identifier: Apache-2.0
// TD report bodies of quotes: TD 1.0 (584 bytes) and TD 1.5 (648 bytes, two fields more).
//
//   000 tee_tcb_svn 16, mrseam 48, mrsignerseam 48, seam_attributes 8, td_attributes 8, xfam 8
//   088 mrtd 48, mrconfigid 48, mrowner 48, mrownerconfig 48, rtmr0..3 48 each
//   208 report_data 64; in TD 1.5: tee_tcb_svn2 16, mrservicetd 48
import { type CryptoPort, concat } from '@cloister/core';
import { FieldReader } from '../bytes.ts';

export interface TdReport {
  readonly teeTcbSvn: Uint8Array;
  readonly mrSeam: Uint8Array;
  readonly mrSignerSeam: Uint8Array;
  readonly seamAttributes: Uint8Array;
  readonly attributes: Uint8Array;
  readonly xfam: Uint8Array;
  readonly mrTd: Uint8Array;
  readonly mrConfigId: Uint8Array;
  readonly mrOwner: Uint8Array;
  readonly mrOwnerConfig: Uint8Array;
  readonly rtmrs: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  readonly reportData: Uint8Array;
  /** TD 1.5: SVNs of the module that runs now, which may have been updated under the TD. */
  readonly teeTcbSvn2?: Uint8Array;
  readonly mrServiceTd?: Uint8Array;
}

/** Parses a body of 584 or 648 bytes. */
export function parseTdReport(bytes: Uint8Array): TdReport {
  const reader = new FieldReader(bytes, 'TD report');
  const common = {
    teeTcbSvn: reader.bytes(16),
    mrSeam: reader.bytes(48),
    mrSignerSeam: reader.bytes(48),
    seamAttributes: reader.bytes(8),
    attributes: reader.bytes(8),
    xfam: reader.bytes(8),
    mrTd: reader.bytes(48),
    mrConfigId: reader.bytes(48),
    mrOwner: reader.bytes(48),
    mrOwnerConfig: reader.bytes(48),
    rtmrs: [reader.bytes(48), reader.bytes(48), reader.bytes(48), reader.bytes(48)] as const,
    reportData: reader.bytes(64),
  };
  if (reader.left === 0) return common;
  const more = { teeTcbSvn2: reader.bytes(16), mrServiceTd: reader.bytes(48) };
  reader.end();
  return { ...common, ...more };
}

/** True if bit `n` of a little-endian bit field is set. */
export function bit(field: Uint8Array, n: number): boolean {
  return (((field[n >> 3] as number) >> (n & 7)) & 1) === 1;
}

/**
 * The one value that a charter pins for a TD: SHA-384 over MRTD and the four RTMRs. MRTD alone
 * would pin the firmware and let any kernel run.
 */
export function tdxMeasurement(
  crypto: CryptoPort,
  mrTd: Uint8Array,
  rtmrs: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  return crypto.digest('sha384', concat(mrTd, ...rtmrs));
}
