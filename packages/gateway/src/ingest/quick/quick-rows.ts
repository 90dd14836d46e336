// SPDX-License-Identifier: Apache-2.0
// The rows of a text file from its bytes, for files in UTF-8 that are written in the usual way; the
// others, and all that are wrong, are left to rows.ts, which reads them as texts and says what is
// wrong. Whoever asked has then to begin anew.
//
// Invariants: what is taken here is what rows.ts would have taken; memory is bounded by one record.
import { isUtf8 } from 'node:buffer';
import { type FileHandle, open } from 'node:fs/promises';
import { markedEncoding } from '../dialect/encoding.ts';
import { ingestError } from '../errors.ts';
import type { RowLayout, RowOptions } from '../rows.ts';
import type { ByteRows } from './byte-rows.ts';
import { CsvBytes } from './csv-bytes.ts';
import { JsonBytes } from './json-bytes.ts';
import type { Batch } from './quick-column.ts';

const CHUNK_BYTES = 1 << 18;
const MAX_RECORD = 8 << 20;
const LOST = Buffer.from('\ufffd');

/** Takes the names of columns as they are met, and rows. */
export interface BatchReader {
  /** More columns; answers whether there can be such. */
  onNames(names: readonly string[]): boolean;
  onBatch(batch: Batch): void;
}

/** What was found beside the rows. */
export interface Taken {
  /** How the rows of a CSV file lie in it. */
  readonly layout?: RowLayout;
}

/** Answers undefined where the file has to be read as text. */
export async function quickRows(
  path: string,
  options: RowOptions,
  reader: BatchReader,
  between: () => Promise<void>,
  chunkBytes = CHUNK_BYTES,
): Promise<Taken | undefined> {
  if (!isUsual(options)) return undefined;
  const file = await open(path, 'r').catch((cause: unknown) => {
    throw ingestError('input-unreadable', 'cannot open the file', { cause });
  });
  try {
    return await readFile(file, { options, reader, between, chunkBytes });
  } finally {
    await file.close();
  }
}

function isUsual(options: RowOptions): boolean {
  const { format, encoding, decimal, thousands, zone, dateFormat, delimiter, quote } = options;
  const ascii = [delimiter, quote ?? ''].every((mark) => mark.length <= 1 && mark < '\x80');
  const plain = (decimal === '.' || decimal === null) && thousands === null && zone === null;
  const bare = options.null.length === 0 && dateFormat.length === 0;
  const usual = encoding === 'utf-8' && plain && bare;
  return usual && (format === 'jsonl' || ascii);
}

/** Bytes of the file that are not yet taken, with room for one more behind them. */
interface Held {
  readonly bytes: Buffer;
  readonly from: number;
  readonly to: number;
  readonly last: boolean;
}

async function readFile(
  file: FileHandle,
  of: {
    options: RowOptions;
    reader: BatchReader;
    between: () => Promise<void>;
    chunkBytes: number;
  },
): Promise<Taken | undefined> {
  const { options, reader, between, chunkBytes } = of;
  const csv = options.format === 'csv' ? new CsvBytes(options) : undefined;
  const scanner = csv ?? new JsonBytes();
  let bytes = Buffer.allocUnsafe(2 * chunkBytes + 1);
  let to = await readAt(file, bytes.subarray(0, chunkBytes), 0);
  let at = to;
  let from = markedEncoding(bytes.subarray(0, to))?.length ?? 0;
  for (let last = false; ; ) {
    const end = takeAll(scanner, { bytes, from, to, last }, reader);
    if (end === undefined) return undefined;
    if (last) break;
    await between();
    bytes.copyWithin(0, end, to);
    to -= end;
    from = 0;
    if (bytes.length < to + chunkBytes + 1) {
      if (to > MAX_RECORD) return undefined;
      bytes = Buffer.concat([bytes.subarray(0, to)], 2 * bytes.length);
    }
    const read = await readAt(file, bytes.subarray(to, to + chunkBytes), at);
    last = read === 0;
    at += read;
    to += read;
  }
  if (csv === undefined) return {};
  const { lineEnds, quotedLineEnds, blank } = csv;
  return { layout: { lineEnds, quotedLineEnds, blankLines: blank } };
}

async function readAt(file: FileHandle, into: Buffer, at: number): Promise<number> {
  const { bytesRead } = await file.read(into, 0, into.length, at).catch((cause: unknown) => {
    throw ingestError('input-unreadable', 'reading the file failed', { cause });
  });
  return bytesRead;
}

/** Takes the whole rows that are held; answers where they end, undefined where it cannot. */
function takeAll(
  scanner: ByteRows,
  { bytes, from, to, last }: Held,
  reader: BatchReader,
): number | undefined {
  for (let at = from; ; at = scanner.end) {
    const stop = scanner.take(bytes, at, to, last);
    if (stop === 'unusual') return undefined;
    const taken = bytes.subarray(at, scanner.end);
    if (!isUtf8(taken) || taken.includes(0)) return undefined;
    if (scanner.rows > 0) reader.onBatch(scanner.batch(bytes, taken.includes(LOST)));
    const names = scanner.takeNames();
    if (names.length > 0 && !reader.onNames(names)) return undefined;
    if (stop === 'empty') return scanner.end;
  }
}
