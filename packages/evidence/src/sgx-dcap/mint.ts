// SPDX-License-Identifier: Apache-2.0
// Mints SGX quotes v3, v4 and v5 under a development root. `measurement` is MRENCLAVE, `signer`
// MRSIGNER, the hardware id the PPID; SVNs: isv, pce, component (all sixteen), qe.
import { concat } from '@cloister/core';
import { BODY_SGX, TEE_TYPE_SGX } from '../dcap/constants.ts';
import { finishQuote, little, quoteHeader, sgxReport } from '../dcap/mint.ts';
import { checkedRequest } from '../mint/request.ts';
import type { MintRequest } from '../mint/types.ts';

export interface SgxMintRequest extends MintRequest {
  /** Of the quote; default 3. */
  readonly version?: 3 | 4 | 5;
}

/** Evidence bytes of kind `sgx-dcap`. @throws CodedError `mint-usage` */
export function mintSgx(request: SgxMintRequest): Uint8Array {
  const { hardwareId } = checkedRequest(request, 'sgx-dcap');
  const body = sgxReport({
    mrEnclave: request.measurement,
    mrSigner: request.signer ?? new Uint8Array(32),
    reportData: request.reportData,
    isvProdId: 0,
    isvSvn: request.svn?.['isv'] ?? 0,
    debug: request.debug === true,
  });
  const { version = 3 } = request;
  const descriptor =
    version === 5 ? concat(little(BODY_SGX, 2), little(body.length, 4)) : new Uint8Array(0);
  const signed = concat(quoteHeader(version, TEE_TYPE_SGX), descriptor, body);
  return finishQuote(request, version, signed, hardwareId);
}
