// SPDX-License-Identifier: Apache-2.0
// Verifies TDX quotes (v4, v5; TD 1.0 and 1.5): what SGX quotes need, and the TDX module's identity
// and level (tcb.ts).
import { parseQuote } from '../dcap/quote.ts';
import { verifyDcapQuote } from '../dcap/verify.ts';
import { evidenceError } from '../errors.ts';
import type { Claims, EvidenceKind, VerifyOptions } from '../types.ts';
import { tdxClaims } from './claims.ts';
import { parseTdReport } from './parse.ts';
import { evaluateTdx } from './tcb.ts';

/** Verifies TDX DCAP evidence. @throws CodedError with an EvidenceErrorCode */
export function verifyTdx(bytes: Uint8Array, options: VerifyOptions): Promise<Claims> {
  return verifyTdxAs('tdx-dcap', bytes, options);
}

/** The same under the roots and collateral of another kind that carries a TDX quote. */
export async function verifyTdxAs(
  kind: EvidenceKind,
  bytes: Uint8Array,
  options: VerifyOptions,
): Promise<Claims> {
  const quote = parseQuote(bytes);
  if (quote.bodyType === 'sgx') {
    throw evidenceError('evidence-field-invalid', 'wanted a TDX quote, got an SGX quote');
  }
  const verified = await verifyDcapQuote(quote, kind, options);
  const report = parseTdReport(quote.body);
  return tdxClaims(options.crypto, verified, report, evaluateTdx(verified, report), options.at);
}
