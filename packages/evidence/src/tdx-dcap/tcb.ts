// SPDX-License-Identifier: Apache-2.0
// The TCB status of a TDX platform: SGX part, TDX part, module identity and, for TD 1.5, whether a
// relaunch would make it current. Behaviour of Intel's quote verification library (checks
// 4.1.2.4.17 of its specification, "TDX TCB level", "TDX module", "TD relaunch").
//
// tee_tcb_svn: byte 0 the module's ISV SVN, byte 1 its major version, byte 2 the SEAM loader's.
import { equal } from '@cloister/core';
import {
  type IsvLevel,
  isvLevel,
  type ModuleIdentity,
  maskedEqual,
  mergeAdvisories,
  mergeStatus,
  type PlatformLevel,
  type TcbInfo,
} from '../dcap/tcb-info.ts';
import type { VerifiedQuote } from '../dcap/verify.ts';
import { evidenceError } from '../errors.ts';
import type { TcbStatus } from '../types.ts';
import type { TdReport } from './parse.ts';

export interface TdxTcb {
  readonly status: TcbStatus;
  readonly platformStatus: TcbStatus;
  readonly moduleStatus: TcbStatus | undefined;
  readonly advisories: readonly string[];
  /** Milliseconds. */
  readonly date: number;
}

/** Evaluates `report` by the TCB info. @throws CodedError `tcb-*`, `module-identity-mismatch` */
export function evaluateTdx(verified: VerifiedQuote, report: TdReport): TdxTcb {
  const { tcbInfo: info, qeLevel } = verified;
  if (info.tee !== 'TDX') throw evidenceError('tcb-info-mismatch', 'TCB info is not for TDX');
  const { sgx, tdx } = matchLevels(info, verified, report.teeTcbSvn);
  const moduleLevel = checkModule(info, report);
  const withModule = mergeStatus(tdx.status, moduleLevel?.status ?? 'UpToDate');
  const advised =
    report.teeTcbSvn2 === undefined || withModule === 'Revoked' || qeLevel.status !== 'UpToDate'
      ? withModule
      : relaunch(info, sgx, withModule, moduleLevel?.status, report.teeTcbSvn2);
  return {
    status: mergeStatus(advised, qeLevel.status),
    platformStatus: tdx.status,
    moduleStatus: moduleLevel?.status,
    advisories: mergeAdvisories(tdx.advisories, moduleLevel?.advisories ?? [], qeLevel.advisories),
    date: tdx.date,
  };
}

/** The first level that the SGX part reaches, and the first that both parts reach. */
function matchLevels(
  info: TcbInfo,
  { pck }: VerifiedQuote,
  teeTcbSvn: Uint8Array,
): { sgx: PlatformLevel; tdx: PlatformLevel } {
  const from = (teeTcbSvn[1] as number) > 0 ? 2 : 0;
  let sgx: PlatformLevel | undefined;
  for (const level of info.levels) {
    const reached =
      pck.pceSvn >= level.pceSvn && level.sgx.every((svn, i) => (pck.components[i] ?? 0) >= svn);
    if (!reached) continue;
    sgx ??= level;
    const wanted = level.tdx;
    if (wanted === undefined)
      throw evidenceError('tcb-info-malformed', 'a TDX level lacks TDX SVNs');
    if (wanted.every((svn, i) => i < from || (teeTcbSvn[i] as number) >= svn)) {
      return { sgx, tdx: level };
    }
  }
  throw evidenceError(
    'tcb-level-unmatched',
    'no TCB level is at or below the platform and its module',
  );
}

function checkModule(info: TcbInfo, report: TdReport): IsvLevel | undefined {
  const version = report.teeTcbSvn[1] as number;
  const identity = version === 0 ? info.tdxModule : moduleIdentity(info, version);
  if (identity === undefined) {
    throw evidenceError('module-identity-mismatch', 'TCB info names no TDX module of this version');
  }
  const fits =
    equal(report.mrSignerSeam, identity.mrSigner) &&
    maskedEqual(report.seamAttributes, identity.attributes, identity.attributesMask);
  if (!fits) {
    throw evidenceError('module-identity-mismatch', 'the TDX module is not the one TCB info names');
  }
  if (version === 0) return undefined;
  const { levels } = identity as ModuleIdentity;
  return isvLevel(levels, report.teeTcbSvn[0] as number, 'TDX module');
}

function moduleIdentity(info: TcbInfo, version: number): ModuleIdentity | undefined {
  const id = `TDX_${version.toString(16).toUpperCase().padStart(2, '0')}`;
  return info.moduleIdentities.find((identity) => identity.id === id);
}

const SGX_IS_CURRENT: ReadonlySet<TcbStatus> = new Set<TcbStatus>([
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
]);

/** Out of date only because it was launched under an older module than runs now? */
function relaunch(
  info: TcbInfo,
  sgx: PlatformLevel,
  status: TcbStatus,
  moduleStatus: TcbStatus | undefined,
  svn2: Uint8Array,
): TcbStatus {
  const outOfDate = status === 'OutOfDate' || status === 'OutOfDateConfigurationNeeded';
  if (!SGX_IS_CURRENT.has(sgx.status) || !outOfDate || moduleStatus !== 'OutOfDate') return status;
  const latest = info.levels[0]?.tdx;
  if (latest === undefined) throw evidenceError('tcb-info-malformed', 'a TDX level lacks TDX SVNs');
  const version = svn2[1] as number;
  let wanted = latest[0] as number;
  if (version > 0) {
    const level = moduleIdentity(info, version)?.levels[0];
    if (level === undefined) {
      throw evidenceError(
        'module-identity-mismatch',
        'TCB info does not name the module that runs now',
      );
    }
    wanted = level.isvSvn;
  }
  const current = (svn2[0] as number) >= wanted && (svn2[2] as number) >= (latest[2] as number);
  if (!current) return status;
  const configuration =
    [sgx.status, status].some((s) => s.startsWith('Configuration')) ||
    status === 'OutOfDateConfigurationNeeded';
  return configuration ? 'TDRelaunchAdvisedConfigurationNeeded' : 'TDRelaunchAdvised';
}
