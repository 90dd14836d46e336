// SPDX-License-Identifier: Apache-2.0
// Verifies SGX quotes (v3, v4, v5). The platform's level is the first in the TCB info whose 16
// component SVNs and PCE SVN are all at or below the PCK certificate's (PCS API v4, "Get TCB
// Info"); the quoting enclave's status is merged into it.
import { parseQuote, parseSgxReport } from '../dcap/quote.ts';
import {
  mergeAdvisories,
  mergeStatus,
  type PlatformLevel,
  type TcbInfo,
} from '../dcap/tcb-info.ts';
import { type VerifiedQuote, verifyDcapQuote } from '../dcap/verify.ts';
import { evidenceError } from '../errors.ts';
import type { Claims, VerifyOptions } from '../types.ts';
import { sgxClaims } from './claims.ts';

/** Verifies SGX DCAP evidence. @throws CodedError with an EvidenceErrorCode */
export async function verifySgx(bytes: Uint8Array, options: VerifyOptions): Promise<Claims> {
  const quote = parseQuote(bytes);
  if (quote.bodyType !== 'sgx') {
    throw evidenceError('evidence-field-invalid', 'wanted an SGX quote, got a TDX quote');
  }
  const verified = await verifyDcapQuote(quote, 'sgx-dcap', options);
  const level = sgxLevel(verified.tcbInfo, verified);
  const { qeLevel } = verified;
  return sgxClaims(
    verified,
    parseSgxReport(quote.body),
    {
      status: mergeStatus(level.status, qeLevel.status),
      platformStatus: level.status,
      advisories: mergeAdvisories(level.advisories, qeLevel.advisories),
      date: level.date,
    },
    options.at,
  );
}

function sgxLevel(info: TcbInfo, { pck }: VerifiedQuote): PlatformLevel {
  if (info.tee !== 'SGX') throw evidenceError('tcb-info-mismatch', 'TCB info is not for SGX');
  const found = info.levels.find(
    (level) =>
      pck.pceSvn >= level.pceSvn && level.sgx.every((svn, i) => (pck.components[i] ?? 0) >= svn),
  );
  if (found === undefined) {
    throw evidenceError('tcb-level-unmatched', 'no TCB level is at or below the platform');
  }
  return found;
}
