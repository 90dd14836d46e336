// SPDX-License-Identifier: Apache-2.0
// Files that lie: lengths, counts, offsets, types, thrift that nests or claims too much. Each lie
// has its code, and costs no more than the bytes that tell it.
import { concat, utf8 } from '@cloister/core';
import { parquetReadObjects } from 'hyparquet';
import { describe, expect, test } from 'vitest';
import { holding, seal, unseal } from '../testing/files.ts';
import { type MintOptions, mintParquet, withFooter } from '../testing/mint.ts';
import { openParquet } from './footer.ts';
import { CHUNK, COLUMN, ELEMENT, FILE, GROUP, PAGE } from './format.ts';
import { assertFullyEncrypted, bufferSource, inspectParquet, readSchema } from './index.ts';
import { TYPE } from './thrift/compact.ts';
import { binary, encodeStruct, i32, i64, list, struct, structList } from './thrift/struct.ts';

const MODE = { columnKeys: 'footer-key' } as const;

test('a minted file is a Parquet file, and so is what comes back of it', async () => {
  for (const options of [{}, { v2: true }, { offsetIndex: true, pages: 3, columns: 2 }]) {
    const plain = mintParquet({ valuesPerPage: 5, ...options });
    const rows = await parquetReadObjects({ file: plain.buffer });
    expect(rows[4]).toMatchObject({ c0: 4 });
    const back = await unseal(await seal(plain, MODE), ['c0']);
    const again = await parquetReadObjects({ file: back.buffer });
    expect(again.map((row) => row['c0'])).toEqual(rows.map((row) => row['c0']));
  }
});

test('a chunk of a dictionary and no data pages, as Arrow writes empty tables', async () => {
  const plain = mintParquet({
    page: {
      [PAGE.type]: i32(2),
      [PAGE.data]: undefined,
      [PAGE.dictionary]: struct(encodeStruct({ 1: i32(1), 2: i32(0) })),
    },
    metadata: {
      [COLUMN.values]: i64(0),
      [COLUMN.dataPageOffset]: i64(0),
      [COLUMN.dictionaryPageOffset]: i64(4),
    },
    group: { [GROUP.rows]: i64(0) },
    file: { [FILE.rows]: i64(0) },
  });
  const sealed = await seal(plain, MODE);
  await assertFullyEncrypted(bufferSource(sealed), holding());
  const back = await unseal(sealed, ['c0']);
  expect(await parquetReadObjects({ file: back.buffer })).toEqual([]);
});

const LIES: Record<string, [MintOptions, string]> = {
  'a page longer than its chunk': [{ page: { [PAGE.compressedSize]: i32(5000) } }, 'truncated'],
  'a page of 2 GB': [{ page: { [PAGE.compressedSize]: i32(0x7fffffff) } }, 'limit'],
  'a page of negative size': [{ page: { [PAGE.compressedSize]: i32(-1) } }, 'thrift'],
  'an uncompressed size below zero': [{ page: { [PAGE.uncompressedSize]: i32(-1) } }, 'thrift'],
  'a page of an unknown type': [{ page: { [PAGE.type]: i32(9) } }, 'unsupported'],
  'an index page': [{ page: { [PAGE.type]: i32(1) } }, 'unsupported'],
  'a page without its inner header': [{ page: { [PAGE.data]: undefined } }, 'malformed'],
  'a chunk beyond the file': [{ metadata: { [COLUMN.compressedSize]: i64(1e9) } }, 'malformed'],
  'a chunk beyond 2^53': [{ metadata: { [COLUMN.dataPageOffset]: i64(2 ** 53) } }, 'thrift'],
  'a chunk before the file': [{ metadata: { [COLUMN.dataPageOffset]: i64(-5) } }, 'thrift'],
  'a chunk that ends within a page': [
    { metadata: { [COLUMN.compressedSize]: i64(20) } },
    'truncated',
  ],
  'more values than pages hold': [{ metadata: { [COLUMN.values]: i64(99) } }, 'malformed'],
  'another type than in the schema': [{ metadata: { [COLUMN.type]: i32(2) } }, 'malformed'],
  'the path of another column': [
    { metadata: { [COLUMN.path]: list(TYPE.binary, [binary('zz').value]) } },
    'malformed',
  ],
  'a chunk without metadata': [{ chunk: { [CHUNK.metadata]: undefined } }, 'malformed'],
  'a chunk in another file': [{ chunk: { [CHUNK.filePath]: binary('x') } }, 'unsupported'],
  'a row group without columns': [{ group: { [GROUP.columns]: structList([]) } }, 'malformed'],
  'a schema that promises more': [
    { file: { [FILE.schema]: structList([encodeStruct({ [ELEMENT.children]: i32(2) })]) } },
    'malformed',
  ],
  'no schema': [{ file: { [FILE.schema]: undefined } }, 'malformed'],
  'no row count': [{ file: { [FILE.rows]: undefined } }, 'thrift'],
  'a row count below zero': [{ file: { [FILE.rows]: i64(-1) } }, 'thrift'],
  'a physical type that does not exist': [{ element: { [ELEMENT.type]: i32(99) } }, 'malformed'],
  'a repetition that does not exist': [{ element: { [ELEMENT.repetition]: i32(7) } }, 'malformed'],
  'an offset index beyond the file': [
    { chunk: { [CHUNK.offsetIndexOffset]: i64(1e9), [CHUNK.offsetIndexLength]: i32(9) } },
    'malformed',
  ],
  'an offset index that misplaces pages': [
    { chunk: { [CHUNK.offsetIndexOffset]: i64(4), [CHUNK.offsetIndexLength]: i32(10) } },
    'any',
  ],
  'a bloom filter beyond the file': [
    { metadata: { [COLUMN.bloomFilterOffset]: i64(1e9), [COLUMN.bloomFilterLength]: i32(9) } },
    'malformed',
  ],
  'an unknown algorithm': [
    { file: { [FILE.encryptionAlgorithm]: struct(encodeStruct({ 3: struct(encodeStruct({})) })) } },
    'algorithm-unknown',
  ],
  'two algorithms': [
    {
      file: {
        [FILE.encryptionAlgorithm]: struct(
          encodeStruct({ 1: struct(encodeStruct({})), 2: struct(encodeStruct({})) }),
        ),
      },
    },
    'malformed',
  ],
  'an algorithm without a signature': [
    { file: { [FILE.encryptionAlgorithm]: struct(encodeStruct({ 1: struct(encodeStruct({})) })) } },
    'malformed',
  ],
};

const CODES: Record<string, string> = {
  truncated: 'parquet-truncated',
  limit: 'parquet-limit',
  thrift: 'thrift-malformed',
  unsupported: 'parquet-unsupported',
  malformed: 'parquet-malformed',
};

test.each(Object.entries(LIES))('%s', async (_, [options, code]) => {
  const wanted = code === 'any' ? expect.any(String) : (CODES[code] ?? code);
  const lie = mintParquet({ valuesPerPage: 10, ...options });
  await expect(seal(lie, MODE)).rejects.toMatchObject({ name: 'CodedError', code: wanted });
});

describe('the end of a file', () => {
  const cases: Record<string, [Uint8Array, string]> = {
    'nothing at all': [new Uint8Array(0), 'parquet-truncated'],
    'eleven bytes': [utf8('PAR1xxxPAR1'), 'parquet-truncated'],
    'not Parquet': [utf8('hello, this is a text file'), 'parquet-malformed'],
    'magics that differ': [utf8('PARExxxx\u0000\u0000\u0000\u0000PAR1'), 'parquet-malformed'],
    'a footer longer than the file': [
      utf8('PAR1xxxx\u007f\u0000\u0000\u0000PAR1'),
      'parquet-truncated',
    ],
    'a footer of no bytes': [utf8('PAR1\u0000\u0000\u0000\u0000PAR1'), 'parquet-truncated'],
    'a footer of 4 GB': [
      concat(utf8('PAR1xxxx'), new Uint8Array(4).fill(255), utf8('PAR1')),
      'parquet-limit',
    ],
    'bytes after the footer': [
      withFooter(utf8('PAR1'), concat(encodeStruct({}), utf8('xx'))),
      'parquet-malformed',
    ],
  };
  test.each(Object.entries(cases))('%s', async (_, [bytes, code]) => {
    await expect(readSchema(bufferSource(bytes))).rejects.toMatchObject({ code });
  });
});

describe('thrift bombs', () => {
  const open = (footer: Uint8Array) =>
    inspectParquet(bufferSource(withFooter(utf8('PAR1'), footer)));
  const cases: Record<string, [Uint8Array, string]> = {
    'a list of 2^40 elements': [
      Uint8Array.of(0x29, 0xfc, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20),
      'parquet-truncated',
    ],
    'a varint without end': [new Uint8Array(40).fill(0xff).fill(0x16, 0, 1), 'thrift-malformed'],
    'structs in structs': [new Uint8Array(100_000).fill(0x1c), 'thrift-malformed'],
    'lists in lists': [
      concat(Uint8Array.of(0x19), new Uint8Array(100_000).fill(0x19)),
      'thrift-malformed',
    ],
    'maps in maps': [
      concat(Uint8Array.of(0x1b), ...Array.from({ length: 1000 }, () => Uint8Array.of(1, 0xbb))),
      'thrift-malformed',
    ],
    'a string of 2^40 bytes': [
      Uint8Array.of(0x18, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20),
      'parquet-truncated',
    ],
    'a field twice': [Uint8Array.of(0x15, 0, 0x05, 2, 0, 0), 'thrift-malformed'],
    'a thousand fields': [
      concat(...Array.from({ length: 1000 }, () => Uint8Array.of(0x15, 0)), Uint8Array.of(0)),
      'thrift-malformed',
    ],
    'a field of no type': [Uint8Array.of(0x1e, 0, 0), 'thrift-malformed'],
    'a million row groups': [
      encodeStruct({
        [FILE.schema]: structList([encodeStruct({})]),
        [FILE.rowGroups]: list(TYPE.struct, [new Uint8Array(0)]),
      }),
      'any',
    ],
  };
  test.each(Object.entries(cases))('%s', async (_, [footer, code]) => {
    const started = performance.now();
    const wanted = code === 'any' ? expect.any(String) : code;
    await expect(open(footer)).rejects.toMatchObject({ name: 'CodedError', code: wanted });
    expect(performance.now() - started).toBeLessThan(10_000);
  });

  test('more row groups than ordinals is over a limit', async () => {
    const many = list(TYPE.struct, new Array(40_000).fill(Uint8Array.of(0)));
    const footer = encodeStruct({
      [FILE.schema]: structList([encodeStruct({})]),
      [FILE.rows]: i64(0),
      [FILE.rowGroups]: many,
    });
    await expect(open(footer)).rejects.toMatchObject({ code: 'parquet-limit' });
  });
});

test('row groups that all claim the whole file are refused early', async () => {
  const shape = { rowGroups: 3 };
  const { footerStart } = await openParquet({ source: bufferSource(mintParquet(shape)) });
  const metadata = {
    [COLUMN.dataPageOffset]: i64(4),
    [COLUMN.compressedSize]: i64(footerStart - 4),
    [COLUMN.values]: i64(3),
  };
  await expect(seal(mintParquet({ ...shape, metadata }), MODE)).rejects.toMatchObject({
    code: 'parquet-malformed',
    message: expect.stringContaining('overlap'),
  });
});

test('a name that is long, above many columns, is over a limit', async () => {
  const leaf = encodeStruct({ [ELEMENT.type]: i32(1), [ELEMENT.name]: binary('c') });
  const names = (length: number, columns: number) =>
    encodeStruct({
      [FILE.schema]: structList([
        encodeStruct({ [ELEMENT.children]: i32(1) }),
        encodeStruct({
          [ELEMENT.name]: binary('x'.repeat(length)),
          [ELEMENT.children]: i32(columns),
        }),
        ...new Array<Uint8Array>(columns).fill(leaf),
      ]),
      [FILE.rows]: i64(0),
    });
  const open = (footer: Uint8Array) => readSchema(bufferSource(withFooter(utf8('PAR1'), footer)));
  expect((await open(names(100, 1000))).columns).toHaveLength(1000);
  await expect(open(names(1_000_000, 1000))).rejects.toMatchObject({ code: 'parquet-limit' });
});

describe('large shapes', () => {
  test('10,000 columns', async () => {
    const plain = mintParquet({ columns: 10_000 });
    const sealed = await seal(plain, MODE);
    const seen = await readSchema(bufferSource(plain));
    expect(seen.columns).toHaveLength(10_000);
    const back = await unseal(sealed, ['c0', 'c9999']);
    expect(await parquetReadObjects({ file: back.buffer })).toEqual([{ c0: 0, c9999: 0 }]);
  });

  test('five times the pages take five times the processor, within a factor', async () => {
    const time = async (rowGroups: number): Promise<number> => {
      const plain = mintParquet({ pages: 1000, rowGroups });
      const started = process.cpuUsage();
      await unseal(await seal(plain, MODE), ['c0']);
      const { user, system } = process.cpuUsage(started);
      return (user + system) / 1000;
    };
    await time(1);
    const [one, five] = [await time(1), await time(5)];
    expect(five).toBeLessThan(5 * one * 3 + 200);
  });

  test('a list that is longer than a call may have arguments', async () => {
    const pair = encodeStruct({ 1: binary('k'), 2: binary('v') });
    const many = new Array(150_000).fill(pair);
    const plain = mintParquet({ columns: 2, file: { [FILE.keyValues]: structList(many) } });
    const back = await unseal(await seal(plain, MODE), ['c1']);
    expect(back.length).toBeGreaterThan(150_000 * pair.length);
  });
});
