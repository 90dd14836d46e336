// SPDX-License-Identifier: Apache-2.0
// Cosigned checkpoints (C2SP tlog-cosignature v1.0.0, Ed25519). A witness says: at this time, the
// largest head I have seen of this log has this size and root, and it extends all I saw before.
//
//   signed bytes   cosignature/v1 LF "time " seconds LF checkpoint
//   line           — name base64(key id || u64 seconds || 64-byte Ed25519 signature)
//   key id         SHA-256(name || LF || 0x04 || key)[:4]
//
// No log signs its checkpoint here: verifiers count witnesses and nothing else.
import type { CryptoPort, Signer } from '@cloister/core';
import { type Checkpoint, formatCheckpoint, parseCheckpoint } from './checkpoint.ts';
import { tlogError } from './errors.ts';
import { type NoteSignature, parseNote } from './note.ts';
import {
  COSIGNATURE_V1,
  signTimed,
  verifyTimed,
  type WitnessPolicy,
  type WitnessTime,
} from './witness-set.ts';

/** A checkpoint that enough witnesses signed. */
export interface CosignedCheckpoint extends Checkpoint {
  readonly times: readonly WitnessTime[];
}

/**
 * Signs a checkpoint as a witness. Only a witness that has made this head durable may call this:
 * `Witness` does.
 */
export async function cosign(
  crypto: CryptoPort,
  by: { readonly name: string; readonly signer: Signer; readonly timeSeconds: number },
  checkpoint: Checkpoint,
): Promise<NoteSignature> {
  return signTimed(crypto, COSIGNATURE_V1, by, formatCheckpoint(checkpoint));
}

/**
 * Parses a signed note as a checkpoint of `origin` and counts its witnesses.
 * @throws CodedError `note-malformed`, `checkpoint-malformed`, `checkpoint-origin-mismatch`,
 * `cosignature-malformed`, `cosignature-invalid`, `cosignature-duplicate`, `quorum-not-met`,
 * `required-witness-missing`, `witness-set-invalid`
 */
export async function verifyCheckpoint(
  crypto: CryptoPort,
  note: Uint8Array | string,
  expect: WitnessPolicy & { readonly origin: string },
): Promise<CosignedCheckpoint> {
  const parsed = parseNote(note);
  const checkpoint = parseCheckpoint(parsed.text);
  if (checkpoint.origin !== expect.origin) {
    const message = `a checkpoint of ${checkpoint.origin}, wanted one of ${expect.origin}`;
    throw tlogError('checkpoint-origin-mismatch', 'verification', message);
  }
  const times = await verifyTimed(crypto, COSIGNATURE_V1, parsed, expect);
  return { ...checkpoint, times };
}
