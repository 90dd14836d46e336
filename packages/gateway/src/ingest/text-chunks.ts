// SPDX-License-Identifier: Apache-2.0
// A text file in chunks of bounded size, as strings: decoded strictly, a byte-order mark at the
// start dropped, zero characters refused. Chunks cut anywhere, also inside a line, never inside a
// character.
import { type FileHandle, open } from 'node:fs/promises';
import type { Encoding } from './dialect/dialect.ts';
import { decoderOf, markedEncoding } from './dialect/encoding.ts';
import { ingestError } from './errors.ts';

const CHUNK_BYTES = 1 << 20;

/**
 * @throws CodedError `input-unreadable`, `input-not-text`; `input-not-utf8`, `input-not-encoded`
 * with the line and the byte
 */
export async function* textChunks(path: string, encoding: Encoding): AsyncGenerator<string, void> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw ingestError('input-unreadable', 'cannot open the file', { cause });
  });
  try {
    const start = await markLength(file);
    const decoder = decoderOf(encoding);
    const buffer = Buffer.alloc(CHUNK_BYTES);
    let line = 1;
    for (let at = start; ; ) {
      const bytes = await readAt(file, buffer, at);
      let text: string;
      try {
        text = decoder.decode(bytes, bytes.length > 0);
      } catch {
        throw await badByte(file, encoding, { start, at });
      }
      if (text.includes('\0')) {
        const zero = line + lines(text.slice(0, text.indexOf('\0')));
        throw ingestError('input-not-text', `a zero character on line ${zero}: it is not text`);
      }
      line += lines(text);
      if (text !== '') yield text;
      if (bytes.length === 0) return;
      at += bytes.length;
    }
  } finally {
    await file.close();
  }
}

async function markLength(file: FileHandle): Promise<number> {
  return markedEncoding(await readAt(file, Buffer.alloc(3), 0))?.length ?? 0;
}

async function readAt(file: FileHandle, buffer: Buffer, at: number): Promise<Buffer> {
  const { bytesRead } = await file.read(buffer, 0, buffer.length, at).catch((cause: unknown) => {
    throw ingestError('input-unreadable', 'reading the file failed', { cause });
  });
  return buffer.subarray(0, bytesRead);
}

/** Reads again up to the chunk that is wrong, and that one in ever smaller pieces. */
async function badByte(
  file: FileHandle,
  encoding: Encoding,
  { start, at }: { start: number; at: number },
): Promise<Error> {
  const near = await untilBad(file, encoding, { start, from: at, size: 1_024 });
  // A character may have begun before.
  const from = Math.max(start, near.at - 8);
  const { line, whole: bad } = await untilBad(file, encoding, { start, from, size: 1 });
  const details = { line, byte: bad };
  const where = `on line ${line}, byte ${bad} of the file (from 0)`;
  if (encoding !== 'utf-8') {
    const message = `the text is not ${encoding} ${where}: name the encoding with --encoding`;
    return ingestError('input-not-encoded', message, { details });
  }
  const message =
    `the text is not UTF-8 ${where}: save it as UTF-8, or name its encoding with --encoding ` +
    '(windows-1252 is what western spreadsheets write)';
  return ingestError('input-not-utf8', message, { details });
}

/**
 * Decodes up to `from` in one go, and from there pieces of `size`: where the first begins that
 * cannot be decoded, where the last whole character ended, and on which line.
 */
async function untilBad(
  file: FileHandle,
  encoding: Encoding,
  { start, from, size }: { start: number; from: number; size: number },
): Promise<{ at: number; whole: number; line: number }> {
  const decoder = decoderOf(encoding);
  let [at, whole, line] = [start, start, 1];
  for (;;) {
    const most = at < from ? Math.min(CHUNK_BYTES, from - at) : size;
    const bytes = await readAt(file, Buffer.alloc(most), at);
    if (bytes.length === 0) return { at, whole, line };
    let text: string;
    try {
      text = decoder.decode(bytes, true);
    } catch {
      return { at, whole, line };
    }
    at += bytes.length;
    line += lines(text);
    if (text !== '') whole = at;
  }
}

function lines(text: string): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) count += 1;
  return count;
}
