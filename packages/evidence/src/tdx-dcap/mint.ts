// SPDX-License-Identifier: Apache-2.0
// Mints TDX quotes v4 of TD 1.0, or v5 of TD 1.5, under a development root (dcap/mint.ts).
// `measurement` becomes MRTD; the claims then have `tdxMeasurement` of it and the RTMRs, which are
// zero unless given. The hardware id is the PPID; SVNs: pce, component, qe, module.
import { concat } from '@cloister/core';
import { TEE_TYPE_TDX } from '../dcap/constants.ts';
import { finishQuote, little, quoteHeader } from '../dcap/mint.ts';
import { checkedRequest } from '../mint/request.ts';
import type { MintRequest } from '../mint/types.ts';

export interface TdxMintRequest extends MintRequest {
  /** Four of 48 bytes. */
  readonly rtmrs?: readonly Uint8Array[];
  /** TD 1.5, in a quote v5: SVNs of the module that runs now, 16 bytes. */
  readonly teeTcbSvn2?: Uint8Array;
  readonly mrServiceTd?: Uint8Array;
  /** Default true, as Linux sets it. */
  readonly septVeDisabled?: boolean;
}

const MODULE_SVN = 4;

/** Evidence bytes of kind `tdx-dcap`. @throws CodedError `mint-usage` */
export function mintTdx(request: TdxMintRequest): Uint8Array {
  const { hardwareId } = checkedRequest(request, 'tdx-dcap');
  const { teeTcbSvn2, rtmrs = [] } = request;
  const body = new Uint8Array(teeTcbSvn2 === undefined ? 584 : 648);
  const svn = new Uint8Array(16).fill(MODULE_SVN);
  svn.set([request.svn?.['module'] ?? MODULE_SVN, request.svn?.['moduleVersion'] ?? 1, MODULE_SVN]);
  body.set(svn, 0);
  body[120] = request.debug === true ? 0x01 : 0;
  // Byte 3 of the attributes: SEPT_VE_DISABLE is its bit 4, MIGRATABLE its bit 5.
  body[123] =
    (request.septVeDisabled === false ? 0 : 0x10) | (request.migratable === true ? 0x20 : 0);
  body.set([0xe7, 0x02, 0x06], 128);
  body.set(request.measurement, 136);
  for (const [i, rtmr] of rtmrs.entries()) body.set(rtmr, 328 + 48 * i);
  body.set(request.reportData, 520);
  if (teeTcbSvn2 === undefined) {
    return finishQuote(request, 4, concat(quoteHeader(4, TEE_TYPE_TDX), body), hardwareId);
  }
  body.set(teeTcbSvn2, 584);
  body.set(request.mrServiceTd ?? new Uint8Array(48), 600);
  const descriptor = concat(little(3, 2), little(body.length, 4));
  const signed = concat(quoteHeader(5, TEE_TYPE_TDX), descriptor, body);
  return finishQuote(request, 5, signed, hardwareId);
}
