// SPDX-License-Identifier: Apache-2.0
// TCB info v2 and v3 and enclave identities v2 of Intel's PCS: their JSON to structs, and the
// statuses that they give. Source: PCS API v4 documentation, "Get TCB Info", "Get QE Identity";
// Intel's DCAP Quote Verification Library for the merges.
import { fromHex } from '@cloister/core';
import { evidenceError } from '../errors.ts';
import { JsonView, parseJson } from '../json.ts';
import type { TcbStatus } from '../types.ts';

const MAX_LEVELS = 256;
const HEX = /^([0-9a-fA-F]{2})*$/;

export interface TcbLevel {
  readonly status: TcbStatus;
  /** Milliseconds. */
  readonly date: number;
  readonly advisories: readonly string[];
}

export interface PlatformLevel extends TcbLevel {
  readonly sgx: readonly number[];
  readonly pceSvn: number;
  readonly tdx?: readonly number[];
}

export interface IsvLevel extends TcbLevel {
  readonly isvSvn: number;
}

export interface ModuleIdentity {
  readonly id: string;
  readonly mrSigner: Uint8Array;
  readonly attributes: Uint8Array;
  readonly attributesMask: Uint8Array;
  readonly levels: readonly IsvLevel[];
}

export interface TcbInfo {
  readonly tee: 'SGX' | 'TDX';
  readonly issueDate: number;
  readonly nextUpdate: number;
  readonly fmspc: string;
  readonly pceId: string;
  readonly number: number;
  readonly levels: readonly PlatformLevel[];
  readonly tdxModule?: Omit<ModuleIdentity, 'id' | 'levels'>;
  readonly moduleIdentities: readonly ModuleIdentity[];
}

export interface EnclaveIdentity {
  readonly id: string;
  readonly issueDate: number;
  readonly nextUpdate: number;
  readonly number: number;
  readonly miscSelect: Uint8Array;
  readonly miscSelectMask: Uint8Array;
  readonly attributes: Uint8Array;
  readonly attributesMask: Uint8Array;
  readonly mrSigner: Uint8Array;
  readonly isvProdId: number;
  readonly levels: readonly IsvLevel[];
}

const STATUSES: ReadonlySet<string> = new Set<TcbStatus>([
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
]);

/** @throws CodedError `tcb-info-malformed` */
export function parseTcbInfo(bytes: Uint8Array): TcbInfo {
  const code = 'tcb-info-malformed';
  const json = new JsonView(parseJson(bytes, code), code);
  const version = json.get('version').number(3);
  const tee = version === 3 ? json.get('id').text(/^(SGX|TDX)$/) : 'SGX';
  if (version === 3 || version === 2) json.get('tcbType').number(0);
  if (version !== 2 && version !== 3) json.get('version').text(/^2 or 3$/);
  const tdxModule = json.has('tdxModule') ? parseModule(json.get('tdxModule')) : undefined;
  return {
    tee: tee as 'SGX' | 'TDX',
    issueDate: json.get('issueDate').time(),
    nextUpdate: json.get('nextUpdate').time(),
    fmspc: json
      .get('fmspc')
      .text(/^[0-9a-fA-F]{12}$/)
      .toLowerCase(),
    pceId: json
      .get('pceId')
      .text(/^[0-9a-fA-F]{4}$/)
      .toLowerCase(),
    number: json.get('tcbEvaluationDataNumber').number(1_000_000),
    levels: json
      .get('tcbLevels')
      .list(MAX_LEVELS)
      .map((l) => parsePlatformLevel(l, version)),
    ...(tdxModule === undefined ? {} : { tdxModule }),
    moduleIdentities: json.has('tdxModuleIdentities')
      ? json.get('tdxModuleIdentities').list(MAX_LEVELS).map(parseModuleIdentity)
      : [],
  };
}

/** @throws CodedError `qe-identity-malformed` */
export function parseEnclaveIdentity(bytes: Uint8Array): EnclaveIdentity {
  const code = 'qe-identity-malformed';
  const json = new JsonView(parseJson(bytes, code), code);
  json.get('version').number(2);
  return {
    id: json.get('id').text(/^(QE|TD_QE|QVE)$/),
    issueDate: json.get('issueDate').time(),
    nextUpdate: json.get('nextUpdate').time(),
    number: json.get('tcbEvaluationDataNumber').number(1_000_000),
    miscSelect: hex(json.get('miscselect'), 4),
    miscSelectMask: hex(json.get('miscselectMask'), 4),
    attributes: hex(json.get('attributes'), 16),
    attributesMask: hex(json.get('attributesMask'), 16),
    mrSigner: hex(json.get('mrsigner'), 32),
    isvProdId: json.get('isvprodid').number(65_535),
    levels: json.get('tcbLevels').list(MAX_LEVELS).map(parseIsvLevel),
  };
}

function hex(view: JsonView, length: number): Uint8Array {
  const text = view.text(HEX);
  return text.length === 2 * length ? fromHex(text) : fromHex(view.text(/^exact length$/));
}

function parseLevel(view: JsonView): TcbLevel {
  const status = view.get('tcbStatus').text();
  if (!STATUSES.has(status)) view.get('tcbStatus').text(/^a known status$/);
  return {
    status: status as TcbStatus,
    date: view.get('tcbDate').time(),
    advisories: view.has('advisoryIDs')
      ? view
          .get('advisoryIDs')
          .list(MAX_LEVELS)
          .map((a) => a.text(/^[\w-]{1,40}$/))
      : [],
  };
}

function parsePlatformLevel(view: JsonView, version: number): PlatformLevel {
  const tcb = view.get('tcb');
  const svns = (name: string): number[] => {
    const list = tcb.get(name).list(16);
    if (list.length !== 16) tcb.get(name).text();
    return list.map((c) => c.get('svn').number(255));
  };
  const sgx: number[] = [];
  if (version === 2) {
    for (let i = 1; i <= 16; i++) {
      sgx.push(tcb.get(`sgxtcbcomp${String(i).padStart(2, '0')}svn`).number(255));
    }
  } else sgx.push(...svns('sgxtcbcomponents'));
  return {
    ...parseLevel(view),
    sgx,
    pceSvn: tcb.get('pcesvn').number(65_535),
    ...(tcb.has('tdxtcbcomponents') ? { tdx: svns('tdxtcbcomponents') } : {}),
  };
}

function parseIsvLevel(view: JsonView): IsvLevel {
  return { ...parseLevel(view), isvSvn: view.get('tcb').get('isvsvn').number(65_535) };
}

function parseModule(view: JsonView): Omit<ModuleIdentity, 'id' | 'levels'> {
  return {
    mrSigner: hex(view.get('mrsigner'), 48),
    attributes: hex(view.get('attributes'), 8),
    attributesMask: hex(view.get('attributesMask'), 8),
  };
}

function parseModuleIdentity(view: JsonView): ModuleIdentity {
  return {
    id: view.get('id').text(/^TDX_[0-9A-F]{2}$/),
    ...parseModule(view),
    levels: view.get('tcbLevels').list(MAX_LEVELS).map(parseIsvLevel),
  };
}

/** The first level whose ISV SVN is at most `isvSvn` (levels come highest first). */
export function isvLevel(levels: readonly IsvLevel[], isvSvn: number, what: string): IsvLevel {
  const found = levels.find((level) => isvSvn >= level.isvSvn);
  if (found === undefined) {
    throw evidenceError(
      'tcb-level-unmatched',
      `no TCB level of the ${what} has ISV SVN <= ${isvSvn}`,
    );
  }
  return found;
}

/** An out-of-date quoting enclave or TDX module makes the platform out of date. */
const OUT_OF_DATE: Readonly<Partial<Record<TcbStatus, TcbStatus>>> = {
  UpToDate: 'OutOfDate',
  SWHardeningNeeded: 'OutOfDate',
  ConfigurationNeeded: 'OutOfDateConfigurationNeeded',
  ConfigurationAndSWHardeningNeeded: 'OutOfDateConfigurationNeeded',
  TDRelaunchAdvised: 'OutOfDate',
  TDRelaunchAdvisedConfigurationNeeded: 'OutOfDateConfigurationNeeded',
};

/** Merges the status of a part (QE, TDX module) into the platform's, the worse winning. */
export function mergeStatus(platform: TcbStatus, part: TcbStatus): TcbStatus {
  if (platform === 'Revoked' || part === 'Revoked') return 'Revoked';
  if (part === 'OutOfDate') return OUT_OF_DATE[platform] ?? platform;
  if (part === 'UpToDate' || part === platform) return platform;
  return worse(platform, part);
}

const ORDER: readonly TcbStatus[] = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'TDRelaunchAdvised',
  'TDRelaunchAdvisedConfigurationNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
];

function worse(a: TcbStatus, b: TcbStatus): TcbStatus {
  return ORDER.indexOf(a) >= ORDER.indexOf(b) ? a : b;
}

/** Union of advisories, sorted. */
export function mergeAdvisories(...lists: readonly (readonly string[])[]): string[] {
  return [...new Set(lists.flat())].sort();
}

/** True if `value & mask` equals `wanted & mask`, byte for byte. */
export function maskedEqual(value: Uint8Array, wanted: Uint8Array, mask: Uint8Array): boolean {
  if (value.length !== mask.length || wanted.length !== mask.length) return false;
  for (let i = 0; i < mask.length; i++) {
    const bits = mask[i] as number;
    if (((value[i] as number) & bits) !== ((wanted[i] as number) & bits)) return false;
  }
  return true;
}
