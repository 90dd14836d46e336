// SPDX-License-Identifier: Apache-2.0
// Plain Parquet files made field by field, for shapes that no writer at hand makes: thousands of
// columns, thousands of pages, V2 pages, indexes, and lies. Values are PLAIN INT32, REQUIRED,
// uncompressed, so that a page of n values has 4n bytes, unless a body is given.
import { concat, utf8 } from '@cloister/core';
import { joinBytes } from '../src/bytes.ts';
import { CHUNK, COLUMN, ELEMENT, FILE, GROUP, PAGE, PAGE_TYPE } from '../src/format.ts';
import { TYPE } from '../src/thrift/compact.ts';
import {
  binary,
  type Edits,
  encodeStruct,
  i32,
  i64,
  list,
  struct,
  structList,
  textList,
} from '../src/thrift/struct.ts';

/** Shape of a file, and what to say wrongly in it. */
export interface MintOptions {
  readonly columns?: number;
  readonly rowGroups?: number;
  readonly pages?: number;
  readonly valuesPerPage?: number;
  readonly v2?: boolean;
  readonly offsetIndex?: boolean;
  /** What each page has behind its header. */
  readonly body?: Uint8Array;
  /** Fields that overwrite what would be true. */
  readonly page?: Edits;
  readonly metadata?: Edits;
  readonly chunk?: Edits;
  readonly group?: Edits;
  readonly file?: Edits;
  readonly element?: Edits;
}

/** A plain Parquet file, columns `c0`, `c1`, ... */
export function mintParquet(options: MintOptions = {}): Uint8Array<ArrayBuffer> {
  const { columns = 1, rowGroups = 1, pages = 1, valuesPerPage = 1 } = options;
  const rows = pages * valuesPerPage;
  const parts: Uint8Array[] = [utf8('PAR1')];
  let at = 4;
  const put = (part: Uint8Array): number => {
    parts.push(part);
    at += part.length;
    return at - part.length;
  };
  const page = mintPage(valuesPerPage, options);
  const groups = Array.from({ length: rowGroups }, () => {
    const chunks = Array.from({ length: columns }, (_, c) => {
      const start = at;
      const places: Uint8Array[] = [];
      for (let p = 0; p < pages; p++) {
        const offset = put(page);
        const row = i64(p * valuesPerPage);
        places.push(encodeStruct({ 1: i64(offset), 2: i32(page.length), 3: row }));
      }
      const size = at - start;
      const index = options.offsetIndex === true && encodeStruct({ 1: structList(places) });
      const indexAt = index === false ? undefined : put(index);
      return mintChunk({ c, rows, start, size, indexAt, options, ...(index && { index }) });
    });
    return encodeStruct({
      [GROUP.columns]: structList(chunks),
      [GROUP.totalByteSize]: i64(columns * pages * page.length),
      [GROUP.rows]: i64(rows),
      ...options.group,
    });
  });
  const elements = Array.from({ length: columns }, (_, c) =>
    encodeStruct({
      [ELEMENT.type]: i32(1),
      [ELEMENT.repetition]: i32(0),
      [ELEMENT.name]: binary(`c${c}`),
      ...options.element,
    }),
  );
  const root = encodeStruct({ [ELEMENT.name]: binary('root'), [ELEMENT.children]: i32(columns) });
  const footer = encodeStruct({
    [FILE.version]: i32(1),
    [FILE.schema]: structList([root, ...elements]),
    [FILE.rows]: i64(rows * rowGroups),
    [FILE.rowGroups]: structList(groups),
    ...options.file,
  });
  return withFooter(joinBytes(parts), footer);
}

/** A file of a body and any footer at all. */
export function withFooter(body: Uint8Array, footer: Uint8Array): Uint8Array<ArrayBuffer> {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, footer.length, true);
  return concat(body, footer, length, utf8('PAR1'));
}

function plainNumbers(values: number): Uint8Array {
  const body = new Uint8Array(4 * values);
  for (let i = 0; i < values; i++) body[4 * i] = i % 251;
  return body;
}

function mintPage(values: number, options: MintOptions): Uint8Array {
  const body = options.body ?? plainNumbers(values);
  const v1 = encodeStruct({ 1: i32(values), 2: i32(0), 3: i32(3), 4: i32(3) });
  const v2 = encodeStruct({
    ...{ 1: i32(values), 2: i32(0), 3: i32(values), 4: i32(0) },
    ...{ 5: i32(0), 6: i32(0), 7: { type: TYPE.false, value: new Uint8Array(0) } },
  });
  const header = encodeStruct({
    [PAGE.type]: i32(options.v2 === true ? PAGE_TYPE.dataV2 : PAGE_TYPE.data),
    [PAGE.uncompressedSize]: i32(body.length),
    [PAGE.compressedSize]: i32(body.length),
    ...(options.v2 === true ? { [PAGE.dataV2]: struct(v2) } : { [PAGE.data]: struct(v1) }),
    ...options.page,
  });
  return concat(header, body);
}

function mintChunk(args: {
  readonly c: number;
  readonly rows: number;
  readonly start: number;
  readonly size: number;
  readonly indexAt: number | undefined;
  readonly index?: Uint8Array;
  readonly options: MintOptions;
}): Uint8Array {
  const { c, rows, start, size, indexAt, index, options } = args;
  const metadata = encodeStruct({
    [COLUMN.type]: i32(1),
    [COLUMN.encodings]: list(TYPE.i32, [Uint8Array.of(0)]),
    [COLUMN.path]: textList([`c${c}`]),
    [COLUMN.codec]: i32(0),
    [COLUMN.values]: i64(rows),
    [COLUMN.uncompressedSize]: i64(size),
    [COLUMN.compressedSize]: i64(size),
    [COLUMN.dataPageOffset]: i64(start),
    ...options.metadata,
  });
  return encodeStruct({
    [CHUNK.fileOffset]: i64(0),
    [CHUNK.metadata]: struct(metadata),
    ...(index === undefined
      ? {}
      : {
          [CHUNK.offsetIndexOffset]: i64(indexAt ?? 0),
          [CHUNK.offsetIndexLength]: i32(index.length),
        }),
    ...options.chunk,
  });
}
