// SPDX-License-Identifier: Apache-2.0
// Counting witnesses. One routine decides for checkpoints and freshness notes alike whose timed
// signatures on a text count, and whether there are enough.
//
// Invariants: a signature line that no named witness could have made is ignored; one that names a
// witness and does not hold refuses the whole note; two lines of one witness refuse it before
// anything is counted; the set itself has no name or key twice.
import {
  type CryptoPort,
  compare,
  concat,
  equal,
  isCoded,
  type Signer,
  toHex,
  utf8,
} from '@cloister/core';
import { tlogError } from './errors.ts';
import { type Note, type NoteSignature, noteKeyId } from './note.ts';

const TIME_SIZE = 8;
const SIGNATURE_SIZE = 64;

/** A witness by its key name and raw 32-byte Ed25519 key. */
export interface WitnessKey {
  readonly name: string;
  readonly key: Uint8Array;
}

/** Whose signatures are enough. */
export interface WitnessPolicy {
  /** The witnesses that count. */
  readonly witnesses: readonly WitnessKey[];
  /** How many of them must have signed, at least 1. */
  readonly quorum: number;
  /** Names that must be among the signers: an owner's own witness. May be empty. */
  readonly required: readonly string[];
}

/** A witness that signed, and when by its own clock (POSIX seconds). */
export interface WitnessTime {
  readonly name: string;
  readonly timeSeconds: number;
}

/** A kind of timed signature: how its lines name keys, and the first line of what is signed. */
export interface TimedScheme {
  readonly type: Uint8Array;
  readonly header: string;
}

/** C2SP tlog-cosignature v1.0.0, Ed25519. */
export const COSIGNATURE_V1: TimedScheme = {
  type: Uint8Array.of(0x04),
  header: 'cosignature/v1',
};

/** Signs `text` at a time: header line, time line, text. */
export async function signTimed(
  crypto: CryptoPort,
  scheme: TimedScheme,
  by: { readonly name: string; readonly signer: Signer; readonly timeSeconds: number },
  text: string,
): Promise<NoteSignature> {
  if (!Number.isSafeInteger(by.timeSeconds) || by.timeSeconds < 0) {
    const message = 'the time of a cosignature is a whole number of seconds since 1970';
    throw tlogError('cosignature-malformed', message);
  }
  const time = new Uint8Array(TIME_SIZE);
  new DataView(time.buffer).setBigUint64(0, BigInt(by.timeSeconds));
  const signature = await by.signer.sign(signedBytes(scheme, by.timeSeconds, text));
  return {
    name: by.name,
    keyId: noteKeyId(crypto, by.name, scheme.type, by.signer.key),
    signature: concat(time, signature),
  };
}

/** The times of the witnesses that signed `note`, if they satisfy `policy`. */
export async function verifyTimed(
  crypto: CryptoPort,
  scheme: TimedScheme,
  note: Note,
  policy: WitnessPolicy,
): Promise<WitnessTime[]> {
  checkPolicy(policy);
  const signed = new Map<string, NoteSignature>();
  for (const line of note.signatures) {
    const witness = policy.witnesses.find((w) => names(crypto, scheme, w, line));
    if (witness === undefined) continue;
    if (signed.has(witness.name)) {
      const message = `witness ${witness.name} signed twice: remove the duplicate`;
      throw tlogError('cosignature-duplicate', message);
    }
    signed.set(witness.name, line);
  }
  const times: WitnessTime[] = [];
  for (const witness of policy.witnesses) {
    const line = signed.get(witness.name);
    if (line === undefined) continue;
    const timeSeconds = await verifyLine(crypto, scheme, witness, line, note.text);
    times.push({ name: witness.name, timeSeconds });
  }
  checkEnough(policy, times);
  return times;
}

/**
 * The note with only those lines that hold under a key of `witnesses`, one for each witness, and
 * whose they are. For whoever gathers: a peer that answers garbage then spoils nothing.
 */
export async function keepTimed(
  crypto: CryptoPort,
  scheme: TimedScheme,
  note: Note,
  witnesses: readonly WitnessKey[],
): Promise<{ signatures: NoteSignature[]; times: WitnessTime[] }> {
  const signatures: NoteSignature[] = [];
  const times: WitnessTime[] = [];
  for (const witness of witnesses) {
    for (const line of note.signatures) {
      if (!names(crypto, scheme, witness, line)) continue;
      try {
        const timeSeconds = await verifyLine(crypto, scheme, witness, line, note.text);
        signatures.push(line);
        times.push({ name: witness.name, timeSeconds });
        break;
      } catch (error) {
        if (!isCoded(error)) throw error;
      }
    }
  }
  return { signatures, times };
}

function names(
  crypto: CryptoPort,
  scheme: TimedScheme,
  witness: WitnessKey,
  line: NoteSignature,
): boolean {
  if (witness.name !== line.name) return false;
  return equal(line.keyId, noteKeyId(crypto, witness.name, scheme.type, witness.key));
}

async function verifyLine(
  crypto: CryptoPort,
  scheme: TimedScheme,
  witness: WitnessKey,
  line: NoteSignature,
  text: string,
): Promise<number> {
  const bytes = line.signature;
  if (bytes.length !== TIME_SIZE + SIGNATURE_SIZE) {
    const message = `the signature of witness ${witness.name} has ${bytes.length} bytes, wanted 72`;
    throw tlogError('cosignature-malformed', message);
  }
  const time = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0);
  if (time > BigInt(Number.MAX_SAFE_INTEGER)) {
    const message = `the signature of witness ${witness.name} has a time past 2^53 - 1 seconds`;
    throw tlogError('cosignature-malformed', message);
  }
  const data = signedBytes(scheme, Number(time), text);
  if (!(await crypto.verifyEd25519(witness.key, data, bytes.slice(TIME_SIZE)))) {
    const message = `the ${scheme.header} of witness ${witness.name} does not hold under its key`;
    throw tlogError('cosignature-invalid', message);
  }
  return Number(time);
}

function signedBytes(scheme: TimedScheme, timeSeconds: number, text: string): Uint8Array {
  return utf8(`${scheme.header}\ntime ${timeSeconds}\n${text}`);
}

function checkPolicy(policy: WitnessPolicy): void {
  const { witnesses, quorum, required } = policy;
  const nameSet = new Set(witnesses.map((w) => w.name));
  const keys = witnesses.map((w) => w.key).sort(compare);
  const bad = (what: string) => tlogError('witness-set-invalid', `a witness set ${what}`);
  if (nameSet.size !== witnesses.length) throw bad('has a name twice');
  const twice = keys.find((key, i) => i > 0 && equal(key, keys[i - 1] as Uint8Array));
  if (twice !== undefined) throw bad(`has the key ${toHex(twice)} twice`);
  if (!Number.isSafeInteger(quorum) || quorum < 1 || quorum > witnesses.length) {
    throw bad(`of ${witnesses.length} cannot have the quorum ${quorum}`);
  }
  const stranger = required.find((name) => !nameSet.has(name));
  if (stranger !== undefined) throw bad(`requires ${stranger}, which is not in it`);
}

function checkEnough(policy: WitnessPolicy, times: readonly WitnessTime[]): void {
  if (times.length < policy.quorum) {
    const details = { got: times.length, wanted: policy.quorum };
    const message = `${details.got} witnesses signed, wanted ${details.wanted}: ask the others`;
    throw tlogError('quorum-not-met', message, { details });
  }
  const missing = policy.required.filter((name) => !times.some((t) => t.name === name));
  if (missing.length > 0) {
    const message = `required witnesses did not sign: ${missing.join(', ')}`;
    throw tlogError('required-witness-missing', message, { details: { missing } });
  }
}
