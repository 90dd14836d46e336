// SPDX-License-Identifier: Apache-2.0
// A text file in chunks of bounded size, as strings: strict UTF-8, a byte-order mark at the start
// dropped, zero bytes refused. Chunks cut anywhere, also inside a line, never inside a character.
import { open } from 'node:fs/promises';
import { ingestError } from './errors.ts';

const CHUNK_BYTES = 1 << 20;

/** @throws CodedError `input-unreadable`, `input-not-utf8`, `input-not-text` */
export async function* textChunks(path: string): AsyncGenerator<string, void> {
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw ingestError('input-unreadable', 'cannot open the file', { cause });
  });
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const buffer = Buffer.alloc(CHUNK_BYTES);
  let line = 1;
  try {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length).catch((cause: unknown) => {
        const options = { cause };
        throw ingestError('input-unreadable', 'reading the file failed', options);
      });
      const bytes = buffer.subarray(0, bytesRead);
      let text: string;
      try {
        text = decoder.decode(bytes, { stream: bytesRead > 0 });
      } catch {
        const message = `the file is not UTF-8 at or after line ${line + goodLines(bytes)}`;
        throw ingestError('input-not-utf8', `${message}: save it as UTF-8`);
      }
      if (text.includes('\0')) {
        throw ingestError('input-not-text', `a zero byte at or after line ${line}`);
      }
      line += count(text);
      if (text !== '') yield text;
      if (bytesRead === 0) return;
    }
  } finally {
    await file.close();
  }
}

/** Line ends before the first line of `bytes` that is not UTF-8, the first line left out. */
function goodLines(bytes: Buffer): number {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let lines = 0;
  for (let at = bytes.indexOf(10); at >= 0; lines++) {
    const end = bytes.indexOf(10, at + 1);
    try {
      decoder.decode(bytes.subarray(at + 1, end < 0 ? bytes.length : end));
    } catch {
      return lines + 1;
    }
    at = end;
  }
  return 0;
}

function count(text: string): number {
  let lines = 0;
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) lines += 1;
  return lines;
}
