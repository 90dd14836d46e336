// SPDX-License-Identifier: Apache-2.0
// A text file for the engine: the file itself where the engine reads it as it lies, a copy of it in
// UTF-8 whose lines end with LF, or its rows as our own reader has them. In the first two the
// engine finds rows and fields by code of its own, so that comparing checks our reader, too.
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { type CsvMarks, LINE_ENDS } from './csv.ts';
import { PLAIN } from './dialect/dialect.ts';
import { literal } from './duck.ts';
import { ingestError } from './errors.ts';
import type { Inspection } from './inspection.ts';
import { JSON_TYPES } from './quick/quick-column.ts';
import { type Cell, type RowOptions, readRows } from './rows.ts';
import { textChunks } from './text-chunks.ts';

/** What the engine reads, and how. */
export interface EngineText extends CsvMarks, Pick<RowOptions, 'header' | 'null'> {
  /** One after another; only a single one may have a header. */
  readonly paths: readonly string[];
  readonly lineEnd: '\\n' | '\\r';
  /** Whether a field may hold line ends. */
  readonly lineEndsWithin: boolean;
}

const FLUSH_CHARACTERS = 1 << 20;
const MAX_LINE_BYTES = 64 << 20;
/** The engine keeps two buffers of twice as much: longer lines it is given in rows. */
const USUAL_LINE_BYTES = 16 << 20;
/** Where fields hold line ends the engine reads a file in one piece, and keeps all it has read. */
const IN_ONE_PIECE_BYTES = 256 << 20;
const MAX_OBJECT_BYTES = 16 << 20;

/** The engine's own reading of a text; every column as text. */
export function readText(text: EngineText, columns: readonly { readonly name: string }[]): string {
  const texts = columns.map(({ name }) => `${literal(name)}: 'VARCHAR'`).join(', ');
  const quote = literal(text.quote ?? '');
  const absent = ['', ...text.null].map(literal).join(', ');
  const line = text.lineEndsWithin ? MAX_LINE_BYTES : USUAL_LINE_BYTES;
  const options = [
    `columns={${texts}}`,
    `delim=${literal(text.delimiter)}, quote=${quote}, escape=${quote}, nullstr=[${absent}]`,
    `new_line='${text.lineEnd}', header=${text.header}, compression='none'`,
    'hive_partitioning=false, filename=false, union_by_name=false',
    'auto_detect=false, allow_quoted_nulls=false, strict_mode=true',
    // Beginning anywhere it takes the next line end for that of a row.
    `parallel=${!text.lineEndsWithin}, max_line_size=${line}, buffer_size=${2 * line}`,
  ];
  return `read_csv([${text.paths.map(literal).join(', ')}], ${options.join(', ')})`;
}

/** What follows FROM, and the names of columns that come in their type; the others are texts. */
export interface EngineRows {
  readonly rows: string;
  readonly typed: ReadonlySet<string>;
}

/**
 * The engine's own reading of JSON lines; undefined where it would change a value: a number among
 * texts, or of more digits than a double has, would be written anew.
 */
export function readObjects(
  path: string,
  { reading, ofOneKind, byteOrderMark, columns: found }: Inspection,
  columns: readonly { readonly name: string; readonly type: string }[],
): EngineRows | undefined {
  const inferred = columns.every(({ type }, i) => type === found[i]?.type);
  const exact = columns.every(({ type }) => !type.startsWith('DECIMAL'));
  const usual = reading?.format === 'jsonl' && reading.null.length === 0;
  if (!usual || byteOrderMark === true || ofOneKind !== true || !inferred || !exact) {
    return undefined;
  }
  const isTyped = (type: string) => JSON_TYPES.includes(type);
  const types = columns
    .map(({ name, type }) => `${literal(name)}: '${isTyped(type) ? type : 'VARCHAR'}'`)
    .join(', ');
  const options = [
    `columns={${types}}, format='newline_delimited', auto_detect=false`,
    "compression='uncompressed'",
    'hive_partitioning=false, filename=false, union_by_name=false, ignore_errors=false',
    `maximum_object_size=${MAX_OBJECT_BYTES}`,
  ];
  const typed = columns.filter(({ type }) => isTyped(type)).map(({ name }) => name);
  return { rows: `read_json(${literal(path)}, ${options.join(', ')})`, typed: new Set(typed) };
}

/**
 * The file itself, or a copy in `folder`; undefined where the engine cannot find its rows: in JSON
 * lines, where lines are blank, where not all line ends are alike and fields hold some, too, and
 * where fields hold some in a file that the engine could not keep in memory.
 */
export async function asItIs(
  path: string,
  folder: string,
  { reading, layout, bytes }: Inspection,
): Promise<EngineText | undefined> {
  if (reading === undefined || layout === undefined || layout.blankLines) return undefined;
  const { lineEnds, quotedLineEnds: lineEndsWithin } = layout;
  const isLf = lineEnds === LINE_ENDS.lf || lineEnds === 0;
  const isCr = lineEnds === LINE_ENDS.cr;
  const alike = isLf || isCr;
  if (lineEndsWithin && (!alike || bytes > IN_ONE_PIECE_BYTES)) return undefined;
  const found = { ...reading, lineEnd: isCr ? '\\r' : '\\n', lineEndsWithin } as const;
  if (alike && reading.encoding === 'utf-8') return { ...found, paths: [path] };
  const paths = await writing(join(folder, 'copy.csv'), async (write) => {
    let held = '';
    for await (const chunk of textChunks(path, reading.encoding)) {
      const text = held + chunk;
      // A line end may be cut in two.
      held = !alike && text.endsWith('\r') ? '\r' : '';
      const whole = text.slice(0, text.length - held.length);
      await write(alike ? whole : whole.replace(/\r\n?/g, '\n'));
    }
    await write(held === '' ? '' : '\n');
  });
  return { ...found, paths };
}

/**
 * The rows as our own reader has them, one LF each, without header, in files of at most about so
 * many characters; fields stay as they are, in quotes or not, and so do spellings of absent values.
 */
export async function inRows(
  path: string,
  folder: string,
  { reading = { ...PLAIN, format: 'csv' }, rows: wanted, columns }: Inspection,
  most: number = IN_ONE_PIECE_BYTES / 2,
): Promise<EngineText> {
  const { delimiter, quote }: CsvMarks = reading.format === 'csv' ? reading : PLAIN;
  const field = (cell: Cell | undefined): string => {
    if (cell === undefined || cell.kind === 'null' || cell.kind === 'bare') return cell?.text ?? '';
    if (quote === null) return cell.text;
    return `${quote}${cell.text.replaceAll(quote, quote + quote)}${quote}`;
  };
  let rows = 0;
  const paths = await writing(join(folder, 'rows.csv'), async (write, next) => {
    let written = 0;
    let pending = '';
    const onRow = (cells: readonly Cell[]): void => {
      rows += 1;
      pending += `${columns.map((_, i) => field(cells[i])).join(delimiter)}\n`;
    };
    const flush = async (least: number): Promise<void> => {
      if (pending.length < least) return;
      const text = pending;
      pending = '';
      if (written > 0 && written + text.length > most) {
        written = 0;
        await next();
      }
      written += text.length;
      await write(text);
    };
    const reader = { onColumn: () => undefined, onRow };
    await readRows(path, reading, reader, () => flush(FLUSH_CHARACTERS));
    await flush(0);
  });
  if (rows !== wanted) {
    const message = 'the file changed while it was read: try again when nobody writes to it';
    throw ingestError('input-changed', message);
  }
  const form = { delimiter, quote, header: false, null: reading.null } as const;
  return { ...form, paths, lineEnd: '\\n', lineEndsWithin: true };
}

/** A new file that only we can read, and after each `next` another beside it; their paths. */
async function writing(
  path: string,
  task: (write: (text: string) => Promise<void>, next: () => Promise<void>) => Promise<void>,
): Promise<string[]> {
  const paths: string[] = [];
  let file: FileHandle | undefined;
  const next = async (): Promise<void> => {
    await file?.close();
    const one = `${path}.${paths.length}`;
    file = await open(one, 'wx', 0o600);
    paths.push(one);
  };
  const write = async (text: string): Promise<void> => {
    if (text !== '') await file?.writeFile(text);
  };
  await next();
  try {
    await task(write, next);
  } finally {
    await file?.close();
  }
  return paths;
}
