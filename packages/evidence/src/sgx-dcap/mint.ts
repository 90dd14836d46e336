// SPDX-License-Identifier: Apache-2.0
// Mints SGX quotes v3 under a development root (dcap/mint.ts). `measurement` is MRENCLAVE, `signer`
// MRSIGNER, the hardware id the PPID; SVNs: isv, pce, component (all sixteen), qe.
import { concat } from '@cloister/core';
import { finishQuote, quoteHeader, sgxReport } from '../dcap/mint.ts';
import { checkedRequest } from '../mint/request.ts';
import type { MintRequest } from '../mint/types.ts';

/** Evidence bytes of kind `sgx-dcap`. @throws CodedError `mint-usage` */
export function mintSgx(request: MintRequest): Uint8Array {
  const { hardwareId } = checkedRequest(request, 'sgx-dcap');
  const body = sgxReport({
    mrEnclave: request.measurement,
    mrSigner: request.signer ?? new Uint8Array(32),
    reportData: request.reportData,
    isvProdId: 0,
    isvSvn: request.svn?.['isv'] ?? 0,
    debug: request.debug === true,
  });
  return finishQuote(request, 3, concat(quoteHeader(3, 0), body), hardwareId);
}
