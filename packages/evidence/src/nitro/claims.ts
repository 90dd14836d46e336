// SPDX-License-Identifier: Apache-2.0
// What a verified Nitro document proves. `measurement` is PCR0 (48 bytes): the whole enclave image;
// PCR1 (kernel and boot), PCR2 (application), PCR3 (the parent's role), PCR4 (its instance) and
// PCR8 (the image's signer) are in `measurements`. An enclave in debug mode has PCR0 to PCR2 zero.
// `reportData` is user_data; a nonce and a public key are in `measurements` as they came.
import { utf8 } from '@cloister/core';
import { isZero } from '../bytes.ts';
import { evidenceError } from '../errors.ts';
import type { Claims } from '../types.ts';
import type { ValidPath } from '../x509/chain.ts';
import {
  MAX_AGE_MS,
  WEAKNESS_NO_TCB,
  WEAKNESS_OPERATOR,
  WEAKNESS_REVOCATION,
} from './constants.ts';
import type { NitroDocument } from './parse.ts';

export function nitroClaims(document: NitroDocument, path: ValidPath, at: number): Claims {
  const { root } = path;
  const pcr0 = document.pcrs.get(0);
  if (pcr0 === undefined)
    throw evidenceError('evidence-field-invalid', 'a Nitro document has no PCR0');
  const measurements: Record<string, Uint8Array> = {};
  for (const [index, value] of document.pcrs) measurements[`pcr${index}`] = value;
  if (document.nonce.length > 0) measurements['nonce'] = document.nonce;
  if (document.publicKey.length > 0) measurements['public-key'] = document.publicKey;
  const signer = document.pcrs.get(8);
  return {
    kind: 'nitro',
    measurement: pcr0,
    measurements,
    signers: signer === undefined || isZero(signer) ? [] : [signer],
    reportData: document.userData,
    binding: document.userData.length > 0 ? 'report-data' : 'none',
    debug: isZero(pcr0),
    migratable: false,
    tcb: { status: 'Unrated', advisories: [], svn: {}, number: 0 },
    hardwareId: { type: 'module-id', value: utf8(document.moduleId) },
    family: root.family,
    root: root.fingerprint,
    trust: root.trust,
    time: {
      judgedAt: at,
      validUntil: Math.min(path.validUntil, document.timestamp + MAX_AGE_MS),
      attestedAt: document.timestamp,
    },
    weaknesses: [WEAKNESS_OPERATOR, WEAKNESS_NO_TCB, WEAKNESS_REVOCATION],
    extra: { moduleId: document.moduleId, pcrs: document.pcrs.size },
    proved: [
      `the document's certificate chains to ${root.family}'s root`,
      'the Nitro hypervisor signed this document, at the time that it says',
    ],
  };
}
