// SPDX-License-Identifier: Apache-2.0
// The checks that every kind's minting makes of its request.
import { utf8 } from '@cloister/core';
import { evidenceError } from '../errors.ts';
import { type EvidenceKind, MEASUREMENT_LENGTH, REPORT_DATA_LENGTH } from '../types.ts';
import type { DevelopmentRoot, MintRequest } from './types.ts';

/** Bytes of the hardware ids that can be chosen; kinds whose id follows from a key are absent. */
export const HARDWARE_ID_LENGTH: Readonly<Partial<Record<EvidenceKind, number>>> = {
  'sgx-dcap': 16,
  'tdx-dcap': 16,
  'sev-snp': 64,
  'azure-snp-vtpm': 64,
  'azure-tdx-vtpm': 16,
};

/** Lengths as the kind wants them. @throws CodedError `mint-usage` */
export function checkedRequest(
  request: MintRequest,
  kind: EvidenceKind,
): { readonly hardwareId: Uint8Array } {
  const { root, measurement, reportData } = request;
  if (root.kind !== kind) {
    throw evidenceError(
      'mint-usage',
      `wanted a development root for ${kind}, got one for ${root.kind}`,
    );
  }
  const hardwareId = request.hardwareId ?? platformId(root);
  const lengths: [string, Uint8Array, number | undefined][] = [
    ['measurement', measurement, MEASUREMENT_LENGTH[kind]],
    ['reportData', reportData, REPORT_DATA_LENGTH[kind]],
    ['hardwareId', hardwareId, HARDWARE_ID_LENGTH[kind]],
  ];
  for (const [name, bytes, wanted] of lengths) {
    if (wanted !== undefined && bytes.length !== wanted) {
      const message = `${name} of ${kind} has ${wanted} bytes, got ${bytes.length}`;
      throw evidenceError('mint-usage', message);
    }
  }
  return { hardwareId };
}

/** The id of the one platform in a development root: the start of its fingerprint. */
function platformId(root: DevelopmentRoot): Uint8Array {
  if (root.kind === 'nitro') return utf8(`i-${root.root.fingerprint.slice(0, 17)}-enc0`);
  const fingerprint = Uint8Array.from(Buffer.from(root.root.fingerprint, 'hex'));
  const length = HARDWARE_ID_LENGTH[root.kind];
  if (length === undefined) return fingerprint;
  const out = new Uint8Array(length);
  out.set(fingerprint.subarray(0, length));
  return out;
}

/**
 * The hardware id that evidence minted under `root` has where the request names none. For OP-TEE,
 * whose id is the digest of its key, it is the only one.
 */
export function hardwareIdOf(root: DevelopmentRoot): Uint8Array {
  return platformId(root);
}
