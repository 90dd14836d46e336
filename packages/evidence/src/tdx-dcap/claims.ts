// SPDX-License-Identifier: Apache-2.0
// What a verified TDX quote proves. `measurement` is SHA-384 over MRTD and RTMR0 to RTMR3
// (parse.ts). `migratable` is ATTRIBUTES.MIGRATABLE or a bound service TD, either of which lets
// another TD reach this one's state.
import { type CryptoPort, toHex } from '@cloister/core';
import { isZero } from '../bytes.ts';
import { WEAKNESS_INTERPOSER } from '../dcap/constants.ts';
import type { VerifiedQuote } from '../dcap/verify.ts';
import type { Claims } from '../types.ts';
import {
  BIT_MIGRATABLE,
  BIT_PERFMON,
  BIT_SEPT_VE_DISABLE,
  TUD_BYTE,
  WEAKNESS_SEPT_VE,
  WEAKNESS_SERVICE_TD,
} from './constants.ts';
import { bit, type TdReport, tdxMeasurement } from './parse.ts';
import type { TdxTcb } from './tcb.ts';

export function tdxClaims(
  crypto: CryptoPort,
  verified: VerifiedQuote,
  report: TdReport,
  tcb: TdxTcb,
  at: number,
): Claims {
  const { pck, root, quote } = verified;
  const serviceTd = report.mrServiceTd !== undefined && !isZero(report.mrServiceTd);
  const septVeDisabled = bit(report.attributes, BIT_SEPT_VE_DISABLE);
  return {
    kind: 'tdx-dcap',
    measurement: tdxMeasurement(crypto, report.mrTd, report.rtmrs),
    measurements: tdxMeasurements(report),
    signers: [],
    reportData: report.reportData,
    binding: 'report-data',
    debug: report.attributes[TUD_BYTE] !== 0,
    migratable: bit(report.attributes, BIT_MIGRATABLE) || serviceTd,
    tcb: {
      status: tcb.status,
      advisories: tcb.advisories,
      svn: {
        module: report.teeTcbSvn[0] as number,
        moduleVersion: report.teeTcbSvn[1] as number,
        seamLoader: report.teeTcbSvn[2] as number,
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
    weaknesses: [
      WEAKNESS_INTERPOSER,
      ...(septVeDisabled ? [] : [WEAKNESS_SEPT_VE]),
      ...(serviceTd ? [WEAKNESS_SERVICE_TD] : []),
    ],
    extra: {
      quoteVersion: quote.version,
      body: quote.bodyType,
      fmspc: pck.fmspc,
      teeTcbSvn: toHex(report.teeTcbSvn),
      ...(report.teeTcbSvn2 === undefined ? {} : { teeTcbSvn2: toHex(report.teeTcbSvn2) }),
      tdAttributes: toHex(report.attributes),
      xfam: toHex(report.xfam),
      septVeDisabled,
      perfmon: bit(report.attributes, BIT_PERFMON),
      serviceTd,
      platformStatus: tcb.platformStatus,
      moduleStatus: tcb.moduleStatus ?? 'none',
      qeStatus: verified.qeLevel.status,
      paddingBytes: quote.padding,
    },
    proved: [
      ...verified.proved,
      'the TDX module is the one that TCB info names',
      `platform, module and quoting enclave together are at TCB level '${tcb.status}'`,
    ],
  };
}

function tdxMeasurements(report: TdReport): Record<string, Uint8Array> {
  const [rtmr0, rtmr1, rtmr2, rtmr3] = report.rtmrs;
  return {
    mrtd: report.mrTd,
    rtmr0,
    rtmr1,
    rtmr2,
    rtmr3,
    mrconfigid: report.mrConfigId,
    mrowner: report.mrOwner,
    mrownerconfig: report.mrOwnerConfig,
    mrseam: report.mrSeam,
    mrsignerseam: report.mrSignerSeam,
    ...(report.mrServiceTd === undefined ? {} : { mrservicetd: report.mrServiceTd }),
  };
}
