// SPDX-License-Identifier: Apache-2.0
// OP-TEE evidence to a frozen struct. The PTA's output is only digest || signature, so this project
// carries the rest beside it and binds it through the nonce:
//
//   evidence = deterministic CBOR { "v": 1, "cmd": 1|2|3, "uuid": 16 bytes, "data": 64 bytes,
//                                   "out": digest 32 || RSA signature }
//   nonce    = SHA-256(domain || cmd (1 byte) || uuid || data)
//   signed   = nonce || digest       (RSASSA-PSS, SHA-256, MGF1-SHA-256, salt 32)
//
// `data` is the report data: the caller asks the PTA with that nonce, and whoever verifies computes
// it again. `uuid` is the trusted application's; for `tee-memory` it is the asking one's.
import { type CryptoPort, concat, decodeCbor, utf8 } from '@cloister/core';
import { evidenceError } from '../errors.ts';
import {
  COMMANDS,
  DIGEST_BYTES,
  MAX_EVIDENCE_BYTES,
  NONCE_DOMAIN,
  type OpteeCommand,
  UUID_BYTES,
} from './constants.ts';

export interface OpteeEvidence {
  readonly command: OpteeCommand;
  readonly uuid: Uint8Array;
  readonly reportData: Uint8Array;
  readonly digest: Uint8Array;
  readonly signature: Uint8Array;
}

/** @throws CodedError `evidence-malformed`, `evidence-field-invalid` and core's CBOR codes */
export function parseOptee(bytes: Uint8Array): OpteeEvidence {
  if (bytes.length > MAX_EVIDENCE_BYTES) {
    throw evidenceError(
      'evidence-malformed',
      `OP-TEE evidence of ${bytes.length} bytes is too large`,
    );
  }
  const value = decodeCbor(bytes) as Record<string, unknown> | null;
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 5) {
    throw evidenceError('evidence-malformed', 'OP-TEE evidence is { v, cmd, uuid, data, out }');
  }
  const { v, cmd, uuid, data, out } = value;
  const command = (Object.keys(COMMANDS) as OpteeCommand[]).find((c) => COMMANDS[c] === cmd);
  if (v !== 1 || command === undefined) {
    throw evidenceError(
      'evidence-field-invalid',
      'OP-TEE evidence of an unknown version or command',
    );
  }
  if (!(uuid instanceof Uint8Array) || uuid.length !== UUID_BYTES) throw field('uuid', UUID_BYTES);
  if (!(data instanceof Uint8Array) || data.length !== 64) throw field('data', 64);
  if (!(out instanceof Uint8Array) || out.length <= DIGEST_BYTES) throw field('out', 32);
  return Object.freeze({
    command,
    uuid,
    reportData: data,
    digest: out.subarray(0, DIGEST_BYTES),
    signature: out.subarray(DIGEST_BYTES),
  });
}

function field(name: string, length: number): Error {
  return evidenceError(
    'evidence-field-invalid',
    `OP-TEE field '${name}' has ${length} bytes or more`,
  );
}

/** The nonce to ask the PTA with. */
export function opteeNonce(
  crypto: CryptoPort,
  command: OpteeCommand,
  uuid: Uint8Array,
  reportData: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const head = concat(utf8(NONCE_DOMAIN), Uint8Array.of(COMMANDS[command]));
  return crypto.digest('sha256', head, uuid, reportData);
}
