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
import { formatNote, linesOf, type NoteSignature, parseNote } from './note.ts';
import {
  COSIGNATURE_V1,
  keepTimed,
  signTimed,
  verifyTimed,
  type WitnessKey,
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
 * Gathers cosignatures of one checkpoint out of several notes: one valid line for each witness,
 * whatever else the notes hold. Answers the note (undefined while nobody signed) and its signers,
 * without judging whether they are enough. Notes of another text are passed over.
 */
export async function gatherCosignatures(
  crypto: CryptoPort,
  notes: readonly string[],
  expect: { readonly checkpoint: Checkpoint; readonly witnesses: readonly WitnessKey[] },
): Promise<{ note: string | undefined; times: readonly WitnessTime[] }> {
  const text = formatCheckpoint(expect.checkpoint);
  const signatures = notes.flatMap((note) => linesOf(note, text));
  const kept = await keepTimed(crypto, COSIGNATURE_V1, { text, signatures }, expect.witnesses);
  const note = kept.signatures.length === 0 ? undefined : formatNote(text, kept.signatures);
  return { note, times: kept.times };
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
    throw tlogError('checkpoint-origin-mismatch', message);
  }
  const times = await verifyTimed(crypto, COSIGNATURE_V1, parsed, expect);
  return { ...checkpoint, times };
}
