// SPDX-License-Identifier: Apache-2.0
// Verifies OP-TEE attestation: the signature holds, under one of the enrolled RSA keys, over the
// nonce that the command, the application's UUID and the report data give, and the digest. There is
// no chain, no revocation and no TCB: whoever enrolled the key answers for the device.
import { concat } from '@cloister/core';
import { evidenceError } from '../errors.ts';
import type { Claims, Root, VerifyOptions } from '../types.ts';
import { parsePublicKey } from '../x509/algorithms.ts';
import { type ChainContext, importedKey } from '../x509/chain.ts';
import {
  DIGEST_BYTES,
  SCHEME,
  WEAKNESS_COMMAND,
  WEAKNESS_ENROLLED,
  WEAKNESS_NO_TCB,
} from './constants.ts';
import { type OpteeEvidence, opteeNonce, parseOptee } from './parse.ts';

/** Verifies OP-TEE evidence. @throws CodedError with an EvidenceErrorCode */
export async function verifyOptee(bytes: Uint8Array, options: VerifyOptions): Promise<Claims> {
  const evidence = parseOptee(bytes);
  const { crypto } = options;
  const nonce = opteeNonce(crypto, evidence.command, evidence.uuid, evidence.reportData);
  const output = concat(evidence.digest, evidence.signature);
  for (const root of options.roots) {
    if (!root.kinds.includes('op-tee')) continue;
    if (await opteeOutputHolds(options, root.key, nonce, output)) {
      return opteeClaims(evidence, root, options);
    }
  }
  const message =
    'no enrolled key signed this digest for this command, application and report data';
  throw evidenceError('signature-invalid', message);
}

/**
 * True if `output` (digest || signature) of the PTA holds under `spki` for `nonce`. The signature
 * must be exactly as long as the modulus.
 */
export async function opteeOutputHolds(
  context: Pick<ChainContext, 'crypto' | 'cache'>,
  spki: Uint8Array,
  nonce: Uint8Array,
  output: Uint8Array,
): Promise<boolean> {
  const key = parsePublicKey(spki);
  const signature = output.subarray(DIGEST_BYTES);
  if (key.rsaModulus === undefined || signature.length !== key.rsaModulus.length) return false;
  const signed = concat(nonce, output.subarray(0, DIGEST_BYTES));
  return context.crypto.verify(await importedKey(context, SCHEME, spki), signed, signature);
}

function opteeClaims(evidence: OpteeEvidence, root: Root, options: VerifyOptions): Claims {
  const { digest, uuid, command, reportData } = evidence;
  return {
    kind: 'op-tee',
    measurement: digest,
    measurements: { [command]: digest, uuid },
    signers: [],
    reportData,
    binding: 'report-data',
    debug: false,
    migratable: false,
    tcb: { status: 'Unrated', advisories: [], svn: {}, number: 0 },
    hardwareId: { type: 'key-digest', value: options.crypto.digest('sha256', root.key) },
    family: root.family,
    root: root.fingerprint,
    trust: root.trust,
    time: { judgedAt: options.at, validUntil: Number.POSITIVE_INFINITY },
    weaknesses: [WEAKNESS_ENROLLED, WEAKNESS_COMMAND, WEAKNESS_NO_TCB],
    extra: { command },
    proved: [
      `a key enrolled under ${root.family} signed the digest of command '${command}'`,
      'the nonce binds command, application and report data',
    ],
  };
}
