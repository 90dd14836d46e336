// SPDX-License-Identifier: Apache-2.0
// Signed notes (C2SP signed-note v1.0.0): a text, a blank line, signature lines.
//
//   any text                             <- the text includes its last newline
//                                        <- blank line
//   — witness.example q80BAAAAAA...==    <- em dash, key name, base64(4-byte key id || signature)
//
// Parsing is strict: valid UTF-8, no control characters but newline, canonical base64, and bounds
// on everything. Whose signatures count is decided elsewhere.
import {
  type CryptoPort,
  concat,
  fromBase64,
  fromUtf8,
  isCoded,
  toBase64,
  toHex,
  utf8,
} from '@cloister/core';
import { tlogError } from './errors.ts';

/** Most bytes of a note that is read. */
export const NOTE_SIZE_MAX = 256 * 1024;
/** Most signature lines of a note that is read (the format demands at least 16). */
export const NOTE_SIGNATURES_MAX = 256;

const KEY_ID_SIZE = 4;
const KEY_NAME_LENGTH_MAX = 255;

/** One signature line. */
export interface NoteSignature {
  readonly name: string;
  /** Four bytes that name key and algorithm, not a proof of anything. */
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

/** A note, parsed; no signature has been checked. */
export interface Note {
  /** Ends in a newline. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** First 4 bytes of SHA-256(name || 0x0A || type || key): how a signature line names its key. */
export function noteKeyId(
  crypto: CryptoPort,
  name: string,
  type: Uint8Array,
  key: Uint8Array,
): Uint8Array<ArrayBuffer> {
  checkKeyName(name);
  return crypto.digest('sha256', utf8(name), Uint8Array.of(0x0a), type, key).slice(0, KEY_ID_SIZE);
}

/** Refuses what cannot be a key name: empty, with white space, plus or control characters. */
export function checkKeyName(name: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (name === '' || name.length > KEY_NAME_LENGTH_MAX || /[\s+\u0000-\u001f\u007f]/u.test(name)) {
    const message =
      'a key name has 1 to 255 characters and no white space, plus or control character';
    throw tlogError('key-name-malformed', message);
  }
}

/** The line of a signature, with its newline. */
export function formatSignatureLine(signature: NoteSignature): string {
  checkKeyName(signature.name);
  const bytes = concat(signature.keyId, signature.signature);
  return `\u2014 ${signature.name} ${toBase64(bytes)}\n`;
}

/** Reads one signature line, its newline included. @throws CodedError `note-malformed` */
export function parseSignatureLine(line: string): NoteSignature {
  const match = /^\u2014 (\S+) ([A-Za-z0-9+/]+={0,2})\n$/u.exec(line);
  if (match === null) throw malformed('has a line that is not a signature');
  const [, name, base64] = match as unknown as [string, string, string];
  try {
    checkKeyName(name);
    const bytes = fromBase64(base64);
    if (bytes.length <= KEY_ID_SIZE) throw malformed('has a signature without bytes');
    return { name, keyId: bytes.slice(0, KEY_ID_SIZE), signature: bytes.slice(KEY_ID_SIZE) };
  } catch (error) {
    if (!isCoded(error)) throw error;
    throw malformed('has a signature line with a bad name or bad base64');
  }
}

/** The note of `text` (ending in a newline) and its signatures, in the order given. */
export function formatNote(text: string, signatures: readonly NoteSignature[]): string {
  checkText(text);
  if (!text.endsWith('\n')) throw malformed('has a text that does not end in a newline');
  return `${text}\n${signatures.map(formatSignatureLine).join('')}`;
}

/** Parses a note. @throws CodedError `note-malformed` */
export function parseNote(note: Uint8Array | string): Note {
  const text = typeof note === 'string' ? note : decode(note);
  if (text.length > NOTE_SIZE_MAX) throw malformed(`is larger than ${NOTE_SIZE_MAX} bytes`);
  checkText(text);
  const blank = text.lastIndexOf('\n\n');
  if (blank < 0) throw malformed('has no blank line before its signatures');
  const lines = text.slice(blank + 2).match(/[^\n]*\n/g) ?? [];
  const joined = lines.join('');
  if (blank + 2 + joined.length !== text.length) throw malformed('does not end in a newline');
  if (lines.length === 0 || lines.length > NOTE_SIGNATURES_MAX) {
    throw malformed(`has ${lines.length} signatures, wanted 1 to ${NOTE_SIGNATURES_MAX}`);
  }
  return { text: text.slice(0, blank + 1), signatures: lines.map(parseSignatureLine) };
}

/** Adds the signatures of `more` that `note` does not have yet; both must have the same text. */
export function mergeNotes(note: string, more: string): string {
  const [a, b] = [parseNote(note), parseNote(more)];
  if (a.text !== b.text) throw malformed('is to be merged with one of another text');
  const lines = new Map<string, NoteSignature>();
  for (const s of [...a.signatures, ...b.signatures]) {
    const name = `${s.name} ${toHex(s.keyId)}`;
    if (!lines.has(name)) lines.set(name, s);
  }
  return formatNote(a.text, [...lines.values()]);
}

/** The signature lines of a note of exactly this text; none if it is another or does not parse. */
export function linesOf(note: string, text: string): readonly NoteSignature[] {
  try {
    const parsed = parseNote(note);
    return parsed.text === text ? parsed.signatures : [];
  } catch (error) {
    if (!isCoded(error)) throw error;
    return [];
  }
}

function decode(bytes: Uint8Array): string {
  if (bytes.length > NOTE_SIZE_MAX) throw malformed(`is larger than ${NOTE_SIZE_MAX} bytes`);
  try {
    return fromUtf8(bytes);
  } catch (error) {
    if (!isCoded(error)) throw error;
    throw malformed('is not UTF-8');
  }
}

function checkText(text: string): void {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\u0000-\u0009\u000b-\u001f]|\p{Surrogate}/u.test(text)) {
    throw malformed('has a control character or half a character');
  }
}

function malformed(what: string): Error {
  return tlogError('note-malformed', `a signed note ${what}`);
}
