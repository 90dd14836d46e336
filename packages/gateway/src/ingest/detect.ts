// SPDX-License-Identifier: Apache-2.0
// What a file is, judged by its bytes and compared with what its name claims. A name that lies is
// an error and not a guess: whoever adds a dataset should know which file they picked.
import { open, stat } from 'node:fs/promises';
import { extname } from 'node:path';
import { isSystemError } from '@cloister/core';
import type { Encoding } from './dialect/dialect.ts';
import { looselyDecoded, markedEncoding } from './dialect/encoding.ts';
import { type IngestErrorCode, ingestError } from './errors.ts';

export type IngestFormat = 'csv' | 'jsonl' | 'parquet';

const EXTENSIONS: Readonly<Record<string, IngestFormat>> = {
  '.csv': 'csv',
  '.tsv': 'csv',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.parquet': 'parquet',
  '.pq': 'parquet',
};

/** First bytes of what people mistake for CSV, and what to do about it. */
const FOREIGN: readonly [magic: readonly number[], IngestErrorCode, advice: string][] = [
  [[0x50, 0x4b, 0x03, 0x04], 'input-not-text', 'a zip or a spreadsheet: export it as CSV'],
  [[0xd0, 0xcf, 0x11, 0xe0], 'input-not-text', 'an old spreadsheet: export it as CSV'],
  [[0x1f, 0x8b], 'input-compressed', 'compressed with gzip: decompress it first'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'input-compressed', 'compressed with zstd: decompress it first'],
];
const HEAD_BYTES = 65_536;
// A Parquet file: magic, at least one byte of footer, its length, magic.
const PARQUET_MIN_BYTES = 13;

export interface Detected {
  readonly format: IngestFormat;
  readonly bytes: number;
  /** Of a text; what its byte-order mark says, or the caller, or UTF-8. */
  readonly encoding: Encoding;
  readonly byteOrderMark: boolean;
}

/**
 * What the file at `path` holds. `format` is what the caller says it is; without it the extension
 * of `name` or of the path counts, and without a known extension the content alone. `encoding` is
 * what the caller says of a text.
 * @throws CodedError `input-unreadable`, `input-empty`, `input-format-mismatch`, `input-not-text`,
 *   `input-compressed`, `dialect-conflict`, `parquet-encrypted`, `parquet-truncated`
 */
export async function detect(
  path: string,
  options: {
    readonly format?: IngestFormat;
    readonly name?: string;
    readonly encoding?: Encoding | undefined;
  } = {},
): Promise<Detected> {
  const { head, tail, bytes } = await readEnds(path);
  if (bytes === 0) throw ingestError('input-empty', 'the file is empty');
  const claimed = options.format ?? EXTENSIONS[extname(options.name ?? path).toLowerCase()];
  const mark = markedEncoding(head);
  const encoding = mark?.encoding ?? options.encoding ?? 'utf-8';
  const format = contentOf(head, encoding, claimed);
  if (claimed !== undefined && claimed !== format) {
    const message = `the file is called ${claimed} but holds ${format}: name it for what it is`;
    throw ingestError('input-format-mismatch', message);
  }
  if (format === 'parquet') checkParquetEnds(tail, bytes);
  else if (mark !== undefined && mark.encoding !== (options.encoding ?? mark.encoding)) {
    const message = `the file begins with the mark of ${mark.encoding}, and --encoding says other`;
    throw ingestError('dialect-conflict', message);
  }
  return { format, bytes, encoding, byteOrderMark: mark !== undefined };
}

async function readEnds(path: string): Promise<{
  head: Buffer;
  tail: Buffer;
  bytes: number;
}> {
  try {
    const info = await stat(path);
    if (!info.isFile()) throw ingestError('input-unreadable', 'not a plain file');
    const file = await open(path, 'r');
    try {
      const head = Buffer.alloc(Math.min(HEAD_BYTES, info.size));
      await file.read(head, 0, head.length, 0);
      const tail = Buffer.alloc(Math.min(8, info.size));
      await file.read(tail, 0, tail.length, info.size - tail.length);
      return { head, tail, bytes: info.size };
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    const message = `cannot read the file (${cause.code})`;
    throw ingestError('input-unreadable', message, { cause });
  }
}

function contentOf(
  head: Buffer,
  encoding: Encoding,
  claimed: IngestFormat | undefined,
): IngestFormat {
  const magic = head.toString('latin1', 0, 4);
  if (magic === 'PAR1') return 'parquet';
  if (magic === 'PARE') throw parquetEncrypted();
  for (const [bytes, code, advice] of FOREIGN) {
    const found = bytes.every((byte, i) => head[i] === byte);
    if (found) throw ingestError(code, `the file is ${advice}`);
  }
  if (head.includes(0) && !encoding.startsWith('utf-16')) {
    const binary =
      'the file holds zero bytes: it is not text, or UTF-16 without its mark ' +
      '(--encoding utf-16le)';
    if (claimed === 'parquet') throw ingestError('parquet-malformed', 'no Parquet magic PAR1');
    throw ingestError('input-not-text', binary);
  }
  const text = looselyDecoded(head, encoding);
  if (/^\s*\[/.test(text) && (claimed === 'jsonl' || isJson(text.trimStart()))) {
    const message = 'the file is a JSON array: write one object a line instead';
    throw ingestError('json-not-lines', message);
  }
  return startsWithObject(text) ? 'jsonl' : 'csv';
}

function startsWithObject(text: string): boolean {
  return /^\s*\{\s*(?:"(?:[^"\\]|\\.)*"\s*:|\})/.test(text);
}

function isJson(text: string): boolean {
  return /^\[\s*(?:[{[\]"]|-?\d|true|false|null)/.test(text);
}

function checkParquetEnds(tail: Buffer, bytes: number): void {
  const ends = bytes >= PARQUET_MIN_BYTES && tail.toString('latin1', 4) === 'PAR1';
  const footer = bytes >= PARQUET_MIN_BYTES ? tail.readUInt32LE(0) : 0;
  if (!ends || footer === 0 || footer > bytes - 12) {
    const message = 'the Parquet file does not end with a footer and PAR1: it is cut';
    throw ingestError('parquet-truncated', message, { details: { bytes } });
  }
}

export function parquetEncrypted(): Error {
  const message = 'the Parquet file is encrypted already: add the plain one';
  return ingestError('parquet-encrypted', message);
}
