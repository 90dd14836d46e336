// SPDX-License-Identifier: Apache-2.0
// Data keys given directly, without a key service: by column, by group, by the name in key
// metadata; keys that a service wraps; and DuckDB's own encryption, whose modules are tied to no
// place.
import { utf8 } from '@cloister/core';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Duck, seal, topColumns } from '../testing/files.ts';
import {
  assertFullyEncrypted,
  BufferSink,
  bufferSource,
  type DecryptOptions,
  decryptProjection,
  directKeys,
  type EncryptOptions,
  inspectParquet,
  type KeyProvider,
  kmsKeys,
  localKms,
  masterKeys,
} from './index.ts';

const SQL = `SELECT i AS a, 'text ' || i AS b, {'x': i, 'y': [i, NULL]} AS g
  FROM range(3000) r(i)`;
const key = (byte: number, length = 32) => new Uint8Array(length).fill(byte);
const [FOOTER, A, B, G] = [key(1), key(2, 16), key(3, 24), key(4)];

let duck: Duck;
let plain: Uint8Array;
beforeAll(async () => {
  duck = await Duck.open();
  plain = await duck.write(SQL);
});
afterAll(() => duck.close());

const rowsOf = (file: Uint8Array) => parquetReadObjects({ file: new Uint8Array(file).buffer });

async function open(sealed: Uint8Array, keys: KeyProvider, more: Partial<DecryptOptions> = {}) {
  const sink = new BufferSink();
  const columns = await topColumns(plain);
  const source = bufferSource(sealed);
  const report = await decryptProjection({ source, sink, keys, columns, ...more });
  return { report, rows: await rowsOf(sink.bytes()) };
}

const direct: Partial<EncryptOptions> = {
  footerKey: { dataKey: FOOTER },
  columnKeys: new Map([
    ['a', { dataKey: A }],
    ['b', { dataKey: B, name: 'kb' }],
    ['g', { dataKey: G }],
  ]),
};
const byColumn = new Map([
  ['a', A],
  ['g', G],
]);

describe('keys given directly', () => {
  test.each(['encrypted', 'plaintext'] as const)(
    'by column and by name, %s footer',
    async (footer) => {
      const sealed = await seal(plain, { ...direct, footer });
      const keys = directKeys({ footer: FOOTER, columns: byColumn, named: new Map([['kb', B]]) });
      const { report, rows } = await open(sealed, keys);
      expect(report).toMatchObject({ rows: 3000, authenticated: true });
      expect(rows).toEqual(await rowsOf(plain));
      const proof = { allowPlaintextFooter: footer === 'plaintext' };
      await assertFullyEncrypted(bufferSource(sealed), keys, proof);
      // A column's path serves where the name in the file is not known.
      const paths = new Map([...byColumn, ['b', B]]);
      expect((await open(sealed, directKeys({ footer: FOOTER, columns: paths }))).rows).toEqual(
        rows,
      );
    },
  );

  test('columns without names have keys of their own', async () => {
    const sealed = await seal(plain, direct);
    const swapped = new Map([
      ['a', G],
      ['b', B],
      ['g', A],
    ]);
    const refused = open(sealed, directKeys({ footer: FOOTER, columns: swapped }));
    await expect(refused).rejects.toMatchObject({ code: 'tag-invalid' });
  });

  test('a key that is missing is named by its column and by what the file calls it', async () => {
    const sealed = await seal(plain, direct);
    const refused = open(sealed, directKeys({ footer: FOOTER, columns: byColumn }));
    await expect(refused).rejects.toMatchObject({
      code: 'key-missing',
      message: expect.stringMatching(/column b.*"kb"/),
    });
    await expect(open(sealed, directKeys({ columns: byColumn }))).rejects.toMatchObject({
      code: 'key-missing',
      message: expect.stringContaining('the footer'),
    });
  });

  test('one beside keys that a service wraps', async () => {
    const kms = localKms(new Map([['m', key(9)]]));
    const sealed = await seal(plain, {
      footerKey: { id: 'm', kms },
      columnKeys: new Map([
        ['a', { dataKey: A }],
        ['b', { id: 'm', kms }],
        ['g', { id: 'm', kms }],
      ]),
    });
    const wrapped = kmsKeys(kms);
    const keys: KeyProvider = {
      dataKey: async (metadata, use, column) =>
        column === 'a' ? A : await wrapped.dataKey(metadata, use, column),
    };
    expect((await open(sealed, keys)).rows).toHaveLength(3000);
  });

  test('of a length that AES does not have is refused', async () => {
    const columnKeys = 'footer-key' as const;
    const refused = seal(plain, { footerKey: { dataKey: key(1, 20) }, columnKeys });
    await expect(refused).rejects.toMatchObject({ code: 'key-length' });
  });
});

describe('keys that a service keeps', () => {
  test('are never here, and it is asked once for each of them', async () => {
    const inner = localKms(new Map([['one', key(5)]]));
    const asked: string[] = [];
    const kms = {
      wrap: async (id: string, secret: Uint8Array) => {
        asked.push(id);
        return await inner.wrap(id, secret);
      },
      unwrap: inner.unwrap,
    };
    const own = { id: 'one', kms };
    const columnKeys = new Map((await topColumns(plain)).map((name) => [name, own]));
    const sealed = await seal(plain, { footerKey: own, columnKeys });
    expect(asked).toEqual(['one']);
    const { rows } = await open(sealed, masterKeys(new Map([['one', key(5)]])));
    expect(rows).toEqual(await rowsOf(plain));
  });

  test('that wraps under one id for two services, or fails, is refused', async () => {
    const kms = localKms(new Map([['one', key(5)]]));
    const other = localKms(new Map([['one', key(6)]]));
    const footerKey = { id: 'one', kms };
    const [a, b, g] = ['a', 'b', 'g'].map((name) => [name, { id: 'one', kms: other }] as const);
    const columnKeys = new Map([a, b, g] as [string, { id: string; kms: typeof kms }][]);
    const two = seal(plain, { footerKey, columnKeys });
    await expect(two).rejects.toMatchObject({ code: 'options-invalid' });
    const unknown = seal(plain, { footerKey: { id: 'two', kms }, columnKeys: 'footer-key' });
    await expect(unknown).rejects.toMatchObject({ code: 'key-missing' });
  });
});

describe('a file that DuckDB encrypted', () => {
  const SECRET = '0123456789abcdef0123456789abcdef';
  const keys = directKeys({ footer: utf8(SECRET) });

  async function encrypted(options = ''): Promise<Uint8Array> {
    await duck.query('SET force_mbedtls_unsafe=true');
    await duck.query(`PRAGMA add_parquet_key('k', '${SECRET}')`);
    return await duck.write(SQL, `ENCRYPTION_CONFIG {footer_key: 'k'}${options}`);
  }

  test.each(['', ', ROW_GROUP_SIZE 2048', ', PARQUET_VERSION v2', ', COMPRESSION uncompressed'])(
    'is read where that is allowed%s',
    async (options) => {
      const sealed = await encrypted(options);
      const { report, rows } = await open(sealed, keys, { allowUnboundModules: true });
      expect(report).toMatchObject({ rows: 3000, authenticated: false });
      expect(rows).toEqual(await rowsOf(plain));
    },
  );

  test('is refused otherwise: its pages may have been moved', async () => {
    const sealed = await encrypted();
    await expect(open(sealed, keys)).rejects.toMatchObject({ code: 'modules-unbound' });
    const source = bufferSource(sealed);
    await expect(inspectParquet(source, { keys })).rejects.toMatchObject({
      code: 'modules-unbound',
    });
    const seen = await inspectParquet(source, { keys, allowUnboundModules: true });
    expect(seen).toMatchObject({ authenticated: false, rows: 3000 });
    expect(seen.columns[0]?.key).toEqual({ kind: 'footer-key' });
    await expect(assertFullyEncrypted(source, keys)).rejects.toMatchObject({
      code: 'modules-unbound',
    });
  });

  test('under another key, or changed anywhere, is refused', async () => {
    const sealed = await encrypted();
    const allowUnboundModules = true;
    const other = directKeys({ footer: utf8([...SECRET].reverse().join('')) });
    await expect(open(sealed, other, { allowUnboundModules })).rejects.toMatchObject({
      code: 'tag-invalid',
    });
    for (let at = 4; at < sealed.length; at += Math.ceil(sealed.length / 40)) {
      const changed = sealed.slice();
      changed[at] = (changed[at] as number) ^ 0x20;
      await expect(open(changed, keys, { allowUnboundModules })).rejects.toMatchObject({
        code: expect.stringMatching(/^(tag-invalid|parquet-|thrift-)/),
      });
    }
  });

  test('the permission changes nothing for files that are tied', async () => {
    const sealed = await seal(plain, direct);
    const changed = sealed.slice();
    changed[100] = (changed[100] as number) ^ 1;
    const own = directKeys({ footer: FOOTER, columns: new Map([...byColumn, ['b', B]]) });
    const allowUnboundModules = true;
    await expect(open(changed, own, { allowUnboundModules })).rejects.toMatchObject({
      code: 'tag-invalid',
    });
    expect((await open(sealed, own, { allowUnboundModules })).report.authenticated).toBe(true);
  });
});
