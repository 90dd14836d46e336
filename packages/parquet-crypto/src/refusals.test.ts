// SPDX-License-Identifier: Apache-2.0
// What is refused, and with which code: missing and wrong keys, moved modules, cut and changed
// files, columns in clear, options that contradict one another.
import { isCoded, utf8 } from '@cloister/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AAD_PREFIX, Duck, FOOTER_KEY, holding, keyOf, seal, unseal } from '../testing/files.ts';
import { mintParquet } from '../testing/mint.ts';
import { chunksOf, DataKeys, openColumn } from './columns.ts';
import { openParquet } from './footer.ts';
import {
  assertFullyEncrypted,
  BufferSink,
  bufferSource,
  decryptProjection,
  encryptParquet,
  inspectParquet,
  masterKeys,
} from './index.ts';

let duck: Duck;
let plain: Uint8Array;
let sealed: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  duck = await Duck.open();
  plain = await duck.write(`SELECT i AS a, i + 1 AS b, 't' || i AS t FROM range(4200) r(i)`);
  sealed = await seal(plain);
});
afterAll(() => duck.close());

describe('keys', () => {
  test('a missing key is named, before anything is written', async () => {
    const sink = new BufferSink();
    const options = { source: bufferSource(sealed), sink, keys: holding(0, 2) };
    await expect(decryptProjection({ ...options, columns: ['a', 'b'] })).rejects.toMatchObject({
      code: 'key-missing',
      message: expect.stringContaining('"2"'),
    });
    expect(sink.bytes()).toHaveLength(0);
  });

  test('a wrong key is refused, before anything is written', async () => {
    const wrong = { ...keyOf(0), masterKey: new Uint8Array(32) };
    const keys = masterKeys(new Map([FOOTER_KEY, wrong].map((k) => [k.id, k.masterKey])));
    const sink = new BufferSink();
    const options = { source: bufferSource(sealed), sink, keys, columns: ['a'] };
    await expect(decryptProjection(options)).rejects.toMatchObject({ code: 'tag-invalid' });
    expect(sink.bytes()).toHaveLength(0);
  });

  test('without the footer key nothing is told of the file but which key it needs', async () => {
    await expect(inspectParquet(bufferSource(sealed))).rejects.toMatchObject({
      code: 'key-missing',
      details: { masterKeyId: '0' },
    });
  });

  test('a key of a length that AES lacks is refused', async () => {
    const short = { id: '0', masterKey: new Uint8Array(31) };
    await expect(seal(plain, { footerKey: short })).rejects.toMatchObject({ code: 'key-length' });
  });

  test('one id cannot stand for two keys', async () => {
    const other = { id: '1', masterKey: new Uint8Array(32) };
    await expect(seal(plain, { footerKey: other })).rejects.toMatchObject({
      code: 'options-invalid',
    });
  });
});

describe('complete columns', () => {
  test('a column without a key is refused and named', async () => {
    const columnKeys = new Map([['a', keyOf(0)]]);
    const message = expect.stringContaining('column b');
    await expect(seal(plain, { columnKeys })).rejects.toMatchObject({
      code: 'column-key-absent',
      message,
    });
  });

  test('a key for a column that is not there is refused', async () => {
    await expect(seal(plain, { columnKeys: new Map([['z', keyOf(0)]]) })).rejects.toMatchObject({
      code: 'column-unknown',
    });
  });

  test('a file in clear is no encrypted file, and the reverse', async () => {
    const source = bufferSource(plain);
    await expect(assertFullyEncrypted(source, holding())).rejects.toMatchObject({
      code: 'parquet-clear',
    });
    const options = { source, sink: new BufferSink(), keys: holding(), columns: ['a'] };
    await expect(decryptProjection(options)).rejects.toMatchObject({ code: 'parquet-clear' });
    const columnKeys = 'footer-key' as const;
    const again = { source: bufferSource(sealed), sink: new BufferSink(), footerKey: FOOTER_KEY };
    await expect(encryptParquet({ ...again, columnKeys })).rejects.toMatchObject({
      code: 'parquet-encrypted',
    });
    const signed = await seal(plain, { footer: 'plaintext' });
    await expect(seal(signed)).rejects.toMatchObject({ code: 'parquet-encrypted' });
  });

  test('a footer in clear is not full encryption unless that is allowed', async () => {
    const source = bufferSource(await seal(plain, { footer: 'plaintext' }));
    await expect(assertFullyEncrypted(source, holding(0, 1, 2))).rejects.toMatchObject({
      code: 'parquet-clear',
    });
    const allowed = { allowPlaintextFooter: true };
    expect(await assertFullyEncrypted(source, holding(0, 1, 2), allowed)).toMatchObject({
      rows: 4200,
    });
  });
});

describe('names', () => {
  const sql = `SELECT 1 AS "a.b", {'b': 2, 'c': 3} AS a, 4 AS d`;

  test('that two columns share are refused; others beside them are not', async () => {
    const two = await duck.write(sql);
    const ambiguous = { code: 'column-ambiguous' };
    const columnKeys = new Map([['a.b', keyOf(0)]]);
    await expect(seal(two, { columnKeys })).rejects.toMatchObject(ambiguous);
    const both = await seal(two, { columnKeys: 'footer-key' });
    await expect(unseal(both, ['a.b'])).rejects.toMatchObject(ambiguous);
    expect(await duck.read(await unseal(both, ['d', 'a.c']))).toEqual([[{ c: 3 }, 4]]);
    expect(await duck.read(await unseal(both, ['a']))).toEqual([[{ b: 2, c: 3 }]]);
  });

  test('of a group stand for all under it, and a longer name wins', async () => {
    const nested = await duck.write(`SELECT {'b': 2, 'c': 3} AS a`);
    const columnKeys = new Map([
      ['a.c', keyOf(1)],
      ['a', keyOf(0)],
    ]);
    const bytes = await seal(nested, { columnKeys });
    const seen = await inspectParquet(bufferSource(bytes), { keys: holding(0, 1) });
    expect(seen.columns.map((c) => [c.path, c.key])).toEqual([
      ['a.b', { kind: 'master-key', masterKeyId: '1', doubleWrapping: true }],
      ['a.c', { kind: 'master-key', masterKeyId: '2', doubleWrapping: true }],
    ]);
  });

  test('that are unknown, or none at all, are refused', async () => {
    await expect(unseal(sealed, ['zz'])).rejects.toMatchObject({ code: 'column-unknown' });
    await expect(unseal(sealed, [])).rejects.toMatchObject({ code: 'options-invalid' });
  });
});

describe('the AAD prefix', () => {
  const read = async (bytes: Uint8Array, aadPrefix?: Uint8Array) =>
    await decryptProjection({
      source: bufferSource(bytes),
      sink: new BufferSink(),
      keys: holding(0),
      columns: ['a'],
      ...(aadPrefix === undefined ? {} : { aadPrefix }),
    });

  test('stored: any, or the one expected', async () => {
    expect(await read(sealed)).toMatchObject({ rows: 4200 });
    expect(await read(sealed, AAD_PREFIX)).toMatchObject({ rows: 4200 });
    await expect(read(sealed, utf8('other'))).rejects.toMatchObject({
      code: 'aad-prefix-mismatch',
    });
  });

  test('not stored: the reader supplies it', async () => {
    const bare = await seal(plain, { storeAadPrefix: false });
    expect(await read(bare, AAD_PREFIX)).toMatchObject({ rows: 4200 });
    await expect(read(bare)).rejects.toMatchObject({ code: 'aad-prefix-absent' });
    await expect(read(bare, utf8('other'))).rejects.toMatchObject({ code: 'tag-invalid' });
  });

  test('none: none may be expected', async () => {
    const none = await seal(plain, { aadPrefix: new Uint8Array(0) });
    expect(await read(none)).toMatchObject({ rows: 4200 });
    await expect(read(none, AAD_PREFIX)).rejects.toMatchObject({ code: 'aad-prefix-mismatch' });
  });
});

describe('moved modules', () => {
  /** Copies one column chunk over another, all under one key, so that only AADs tell them apart. */
  async function moved(from: readonly [string, number], to: readonly [string, number]) {
    const options = 'ROW_GROUP_SIZE 2048, COMPRESSION uncompressed';
    const sql = 'SELECT hash(i) AS a, hash(i + 7) AS b FROM range(4096) r(i)';
    const bytes = await seal(await duck.write(sql, options), { columnKeys: 'footer-key' });
    const file = await openParquet({ source: bufferSource(bytes), keys: holding() });
    const open = async ([path, rowGroup]: readonly [string, number]) => {
      const leaf = file.schema.leaves.find((l) => l.path === path);
      const chunk = leaf && chunksOf(file, rowGroup)[leaf.ordinal];
      if (leaf === undefined || chunk === undefined) throw new Error('no such chunk');
      return await openColumn(file, new DataKeys(holding()), { rowGroup, chunk, leaf });
    };
    const [source, target] = [await open(from), await open(to)];
    expect(source.end - source.start).toBe(target.end - target.start);
    bytes.copyWithin(target.start, source.start, source.end);
    return await unseal(bytes, ['a', 'b'], holding());
  }

  test('a row group in the place of another', async () => {
    await expect(moved(['a', 0], ['a', 1])).rejects.toMatchObject({ code: 'tag-invalid' });
  });

  test('a column in the place of another', async () => {
    await expect(moved(['a', 0], ['b', 0])).rejects.toMatchObject({ code: 'tag-invalid' });
  });

  test('a chunk of another file under the same keys', async () => {
    const again = await seal(plain);
    const mixed = Uint8Array.from(sealed);
    mixed.set(again.subarray(4, 5000), 4);
    await expect(unseal(mixed, ['a'])).rejects.toMatchObject({ code: 'tag-invalid' });
  });

  test('a footer of another file', async () => {
    const again = await seal(plain);
    const length = new DataView(again.buffer).getUint32(again.length - 8, true) + 8;
    expect(again.length).toBe(sealed.length);
    const mixed = Uint8Array.from(sealed);
    mixed.set(again.subarray(again.length - length), sealed.length - length);
    await expect(unseal(mixed, ['a'])).rejects.toMatchObject({ code: 'tag-invalid' });
  });
});

describe('proof', () => {
  test('bytes that no module holds are found', async () => {
    // Bytes put between the last module and the footer: positions before them stay as they are.
    const length = new DataView(sealed.buffer).getUint32(sealed.length - 8, true) + 8;
    const at = sealed.length - length;
    const padded = new Uint8Array(sealed.length + 5);
    padded.set(sealed.subarray(0, at));
    padded.set(sealed.subarray(at), at + 5);
    expect(await unseal(padded, ['a'])).toBeInstanceOf(Uint8Array);
    await expect(
      assertFullyEncrypted(bufferSource(padded), holding(0, 1, 2)),
    ).rejects.toMatchObject({ code: 'bytes-unaccounted' });
  });

  test('every key is needed', async () => {
    await expect(assertFullyEncrypted(bufferSource(sealed), holding(0, 1))).rejects.toMatchObject({
      code: 'key-missing',
    });
  });
});

describe('bytes that are cut or changed', () => {
  let tiny: Uint8Array<ArrayBuffer>;
  let tinyPlain: Uint8Array;
  beforeAll(async () => {
    tinyPlain = await duck.write(`SELECT i AS a, 't' || (i % 2) AS t FROM range(6) r(i)`);
    tiny = await seal(tinyPlain);
  });

  async function codeOf(run: () => Promise<unknown>): Promise<string> {
    try {
      await run();
      return 'none';
    } catch (error) {
      if (!isCoded(error)) throw error;
      return error.code;
    }
  }

  test('a file cut at any byte is refused', async () => {
    for (let length = 0; length < tiny.length; length++) {
      const cut = tiny.subarray(0, length);
      expect(await codeOf(() => unseal(cut, ['a', 't']))).not.toBe('none');
      const cutPlain = tinyPlain.subarray(0, Math.min(length, tinyPlain.length - 1));
      expect(await codeOf(() => seal(cutPlain))).not.toBe('none');
    }
  });

  test('a changed byte anywhere is refused, or changes nothing that is read', async () => {
    const back = await unseal(tiny, ['a', 't']);
    const refused = await flipAll(tiny, 1, async (bytes) => {
      expect(await unseal(bytes, ['a', 't'])).toEqual(back);
    });
    expect(refused).toBeGreaterThan(tiny.length * 0.9);
  });

  test('so is every changed bit', async () => {
    const one = await seal(mintParquet({ valuesPerPage: 2 }), { columnKeys: 'footer-key' });
    const back = await unseal(one, ['c0']);
    const refused = await flipAll(one, 8, async (bytes) => {
      expect(await unseal(bytes, ['c0'])).toEqual(back);
    });
    expect(refused).toBeGreaterThan(one.length * 8 * 0.9);
  });

  /** Flips bits one at a time; answers how many flips had a coded refusal. */
  async function flipAll(
    bytes: Uint8Array,
    bitsPerByte: 1 | 8,
    read: (bytes: Uint8Array) => Promise<void>,
  ): Promise<number> {
    let refused = 0;
    const flipped = Uint8Array.from(bytes);
    for (let at = 0; at < bytes.length; at++) {
      for (let i = 0; i < bitsPerByte; i++) {
        const was = bytes[at] ?? 0;
        flipped[at] = was ^ (1 << ((at + i) % 8));
        if ((await codeOf(() => read(flipped))) !== 'none') refused++;
        flipped[at] = was;
      }
    }
    return refused;
  }
});

test('a sink or source that fails passes its error on', async () => {
  const broken = { write: async () => Promise.reject(new Error('disk full')) };
  const base = { source: bufferSource(plain), footerKey: FOOTER_KEY };
  const columnKeys = new Map(['a', 'b', 't'].map((name, i) => [name, keyOf(i)]));
  await expect(encryptParquet({ ...base, sink: broken, columnKeys })).rejects.toThrow('disk full');
  const short = { size: sealed.length, read: async () => new Uint8Array(3) };
  const options = { source: short, sink: new BufferSink(), keys: holding(0), columns: ['a'] };
  await expect(decryptProjection(options)).rejects.toMatchObject({ code: 'source-short-read' });
});
