// SPDX-License-Identifier: Apache-2.0
// Tables of what was seen with other people's libraries, as README.md has them: what each asks for
// in a row, libraries in columns. Pages V1 and V2 of one thing are one row, and so are neighbours
// that fared alike everywhere.
import { TYPES } from './format-values.ts';

/** How what a row is of is called, and what it is told from in the papers. */
const SAID: readonly (readonly [RegExp, string])[] = [
  [/, finer$/, ' finer than µs'],
  [/, fixed length$/, ' of fixed length'],
  [/, other types$/, ' of other types'],
  [/, far-apart INT32$/, ' of far-apart INT32'],
];
const ENCODINGS = [
  ...['PLAIN', 'RLE of booleans', 'dictionary', 'DELTA_BINARY_PACKED'],
  'DELTA_BINARY_PACKED, far-apart INT32',
  ...['DELTA_LENGTH_BYTE_ARRAY', 'DELTA_BYTE_ARRAY', 'DELTA_BYTE_ARRAY, fixed length'],
  ...['BYTE_STREAM_SPLIT of reals', 'BYTE_STREAM_SPLIT, other types'],
];
const CODECS = ['none', 'SNAPPY', 'GZIP', 'BROTLI', 'LZ4_RAW', 'ZSTD', 'LZ4'];
const LAYOUTS = ['small pages and row groups', 'page index and checksums', 'no value absent'];

/** All rows, in the order of the table. */
export const ROWS: readonly string[] = [
  ...Object.keys(TYPES).map((name) => `type ${name}`),
  ...ENCODINGS.map((name) => `encoding ${name}`),
  ...CODECS.map((name) => `codec ${name}`),
  ...LAYOUTS.map((name) => `layout ${name}`),
];

/** A row without its page version, and that version. */
export function rowOf(text: string): { row: string; pages: string } {
  const match = /^(.*), pages (V\d)$/.exec(text);
  return { row: match?.[1] ?? text, pages: match?.[2] ?? '' };
}

export class FormatMatrix {
  readonly #corner: string;
  readonly #columns: readonly string[];
  readonly #rows: readonly string[];
  readonly #cells = new Map<string, Map<string, string>>();

  constructor(corner: string, columns: readonly string[], rows: readonly string[]) {
    this.#corner = corner;
    this.#columns = columns;
    this.#rows = rows;
  }

  /** `text` is a row, with its page version or without. */
  set(text: string, column: string, cell: string): void {
    const { row, pages } = rowOf(text);
    if (!this.#rows.includes(row)) throw new Error(`no row ${row}`);
    const key = `${row}\n${column}`;
    const cells = this.#cells.get(key) ?? new Map<string, string>();
    this.#cells.set(key, cells.set(pages, cell));
  }

  markdown(): string {
    const seen = this.#rows.map((row) => ({
      kind: row.split(' ')[0] ?? '',
      name: SAID.reduce((name, [from, to]) => name.replace(from, to), row.replace(/^\w+ /, '')),
      cells: this.#columns.map((column) => this.#cell(row, column)).join(' | '),
    }));
    const kinds = new Set(seen.map(({ kind }) => kind)).size > 1;
    const lines: string[] = [];
    for (let i = 0; i < seen.length; ) {
      const { kind, cells } = seen[i] as (typeof seen)[number];
      let end = i + 1;
      while (seen[end]?.kind === kind && seen[end]?.cells === cells) end += 1;
      const names = seen.slice(i, end).map(({ name }) => name);
      lines.push(`| ${kinds ? `${kind} | ` : ''}${names.join(', ')} | ${cells} |\n`);
      i = end;
    }
    const head = [this.#corner, ...(kinds ? ['of'] : []), ...this.#columns];
    return `| ${head.join(' | ')} |\n|${'---|'.repeat(head.length)}\n${lines.join('')}`;
  }

  #cell(row: string, column: string): string {
    const cells = this.#cells.get(`${row}\n${column}`);
    if (cells === undefined) return '-';
    const [first, ...others] = [...cells.entries()];
    const [pages = '', cell = ''] = first ?? [];
    if (others.length === 0) return pages === '' || pages === 'V1' ? cell : `${cell} ${pages}`;
    const same = others.every(([, other]) => other === cell);
    return same ? cell : [...cells].map(([of, one]) => `${one} ${of}`).join(', ');
  }
}
