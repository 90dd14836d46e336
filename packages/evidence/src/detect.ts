// SPDX-License-Identifier: Apache-2.0
// Guesses what evidence is from its first bytes, for people who were handed a file. A guess is only
// a convenience: the verifier of the guessed kind decides.
import { decodeCbor, isCoded } from '@cloister/core';
import { TEE_TYPE_TDX } from './dcap/constants.ts';
import { REPORT_BYTES, VERSIONS } from './sev-snp/constants.ts';
import type { EvidenceKind } from './types.ts';

const COSE_TAG = 0xd2;
const CBOR_ARRAY_OF_4 = 0x84;

/** The kind that `bytes` look like, or undefined. */
export function detectKind(bytes: Uint8Array): EvidenceKind | undefined {
  if (bytes.length < 48) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [first] = bytes;
  if (first === COSE_TAG || first === CBOR_ARRAY_OF_4) return 'nitro';
  if (((first as number) & 0xe0) === 0xa0) return detectEnvelope(bytes);
  const version = view.getUint16(0, true);
  const keyType = view.getUint16(2, true);
  if (version >= 3 && version <= 5 && keyType === 2) {
    return view.getUint32(4, true) === TEE_TYPE_TDX ? 'tdx-dcap' : 'sgx-dcap';
  }
  const isSnp = bytes.length >= REPORT_BYTES && VERSIONS.has(view.getUint32(0, true));
  return isSnp ? 'sev-snp' : undefined;
}

/** Our own envelopes are CBOR maps and differ by their members. */
function detectEnvelope(bytes: Uint8Array): EvidenceKind | undefined {
  let value: unknown;
  try {
    value = decodeCbor(bytes);
  } catch (error) {
    if (!isCoded(error)) throw error;
    return undefined;
  }
  if (typeof value !== 'object' || value === null) return undefined;
  if ('uuid' in value && 'cmd' in value) return 'op-tee';
  if ('ak' in value && 'attest' in value) return 'tpm2';
  if (!('hcl' in value) || !(value.hcl instanceof Uint8Array)) return undefined;
  // The report type stands after the header, the hardware report and two numbers.
  return value.hcl[32 + REPORT_BYTES + 8] === 4 ? 'azure-tdx-vtpm' : 'azure-snp-vtpm';
}
