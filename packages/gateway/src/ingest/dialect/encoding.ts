// SPDX-License-Identifier: Apache-2.0
// Bytes of a text file as text, in the encoding that it has: every byte means something, or the
// file is refused. Node decodes all encodings but two itself: some of its versions read
// windows-1252 as if it were ISO 8859-1, so these two are decoded here, by their tables.
import type { Encoding } from './dialect.ts';

/** Decodes pieces of one file in order; the last call says that there is no more. */
export interface Decoder {
  /** @throws RangeError or TypeError where bytes mean nothing */
  decode(bytes: Uint8Array, more: boolean): string;
}

/** 0x80 to 0x9f of windows-1252; five of them are not in use. */
const WINDOWS_1252 =
  '\u20ac\0\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\0\u017d\0' +
  '\0\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\0\u017e\u0178';
const UNICODE: ReadonlySet<Encoding> = new Set(['utf-8', 'utf-16le', 'utf-16be', 'gb18030']);
/** Control characters that no text has: a byte that another encoding has a letter for. */
const CONTROL = /[\u0080-\u0084\u0086-\u009f]/;

export function decoderOf(encoding: Encoding): Decoder {
  if (encoding === 'windows-1252') return { decode: fromWindows1252 };
  if (encoding === 'iso-8859-1') {
    return { decode: (bytes) => withoutControls(latin1(bytes)) };
  }
  const decoder = new TextDecoder(encoding, { fatal: true, ignoreBOM: true });
  const decode = (bytes: Uint8Array, more: boolean) => decoder.decode(bytes, { stream: more });
  if (UNICODE.has(encoding)) return { decode };
  return { decode: (bytes, more) => withoutControls(decode(bytes, more)) };
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}

function fromWindows1252(bytes: Uint8Array): string {
  return latin1(bytes).replace(/[\u0080-\u009f]/g, (byte) => {
    const char = WINDOWS_1252[byte.charCodeAt(0) - 0x80] as string;
    if (char === '\0') throw new RangeError('a byte that windows-1252 has no character for');
    return char;
  });
}

function withoutControls(text: string): string {
  if (CONTROL.test(text)) throw new RangeError('a control character where a letter is meant');
  return text;
}

/** The encoding that a mark at the beginning of a file names, and how long the mark is. */
export function markedEncoding(
  head: Uint8Array,
): { readonly encoding: Encoding; readonly length: number } | undefined {
  const [one, two, three] = head;
  if (one === 0xef && two === 0xbb && three === 0xbf) return { encoding: 'utf-8', length: 3 };
  if (one === 0xff && two === 0xfe) return { encoding: 'utf-16le', length: 2 };
  if (one === 0xfe && two === 0xff) return { encoding: 'utf-16be', length: 2 };
  return undefined;
}

/** The beginning of a file as text, to look at: what means nothing in it is left out. */
export function looselyDecoded(head: Uint8Array, encoding: Encoding): string {
  const own = encoding === 'windows-1252' || encoding === 'iso-8859-1';
  const text = own ? latin1(head) : new TextDecoder(encoding).decode(head, { stream: true });
  return text.replace(/^\ufeff/, '');
}
