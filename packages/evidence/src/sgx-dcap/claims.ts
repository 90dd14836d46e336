// SPDX-License-Identifier: Apache-2.0
// What a verified SGX quote proves. `measurement` is MRENCLAVE (32 bytes): the enclave's pages as
// loaded, whoever signed them.
import { toHex } from '@cloister/core';
import { SGX_ATTRIBUTE_DEBUG, WEAKNESS_INTERPOSER } from '../dcap/constants.ts';
import type { SgxReport } from '../dcap/quote.ts';
import type { VerifiedQuote } from '../dcap/verify.ts';
import type { Claims, TcbStatus } from '../types.ts';

export interface SgxTcb {
  readonly status: TcbStatus;
  readonly platformStatus: TcbStatus;
  readonly advisories: readonly string[];
  /** Milliseconds. */
  readonly date: number;
}

export function sgxClaims(
  verified: VerifiedQuote,
  report: SgxReport,
  tcb: SgxTcb,
  at: number,
): Claims {
  const { pck, root, quote } = verified;
  return {
    kind: 'sgx-dcap',
    measurement: report.mrEnclave,
    measurements: {
      mrenclave: report.mrEnclave,
      mrsigner: report.mrSigner,
      'config-id': report.configId,
      'isv-family-id': report.isvFamilyId,
      attributes: report.attributes,
    },
    signers: [report.mrSigner],
    reportData: report.reportData,
    binding: 'report-data',
    debug: ((report.attributes[0] as number) & SGX_ATTRIBUTE_DEBUG) !== 0,
    migratable: false,
    tcb: {
      status: tcb.status,
      advisories: tcb.advisories,
      svn: {
        isv: report.isvSvn,
        config: report.configSvn,
        pce: pck.pceSvn,
        qe: verified.qeReport.isvSvn,
      },
      number: verified.collateral.number,
      date: tcb.date,
    },
    hardwareId: { type: 'ppid', value: pck.ppid },
    family: root.family,
    root: root.fingerprint,
    trust: root.trust,
    time: { judgedAt: at, validUntil: verified.validUntil },
    weaknesses: [WEAKNESS_INTERPOSER],
    extra: {
      quoteVersion: quote.version,
      fmspc: pck.fmspc,
      isvProdId: report.isvProdId,
      cpuSvn: toHex(report.cpuSvn),
      platformStatus: tcb.platformStatus,
      qeStatus: verified.qeLevel.status,
      paddingBytes: quote.padding,
    },
    proved: [...verified.proved, `the platform is at TCB level '${tcb.status}'`],
  };
}
