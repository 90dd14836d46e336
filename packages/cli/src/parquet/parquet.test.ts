// SPDX-License-Identifier: Apache-2.0
// The parquet commands as people use them: what they encrypt and decrypt DuckDB reads as it was;
// wrong and missing keys, open key files and taken names are refused by code; a command that fails
// leaves nothing.
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isCoded } from '@cloister/core';
import { DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { buildProgram } from '../program.ts';
import { writeWhole } from './whole-file.ts';

let duck: DuckDBInstance;
let home: string;
let folder: string;
let tests = 0;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'cloister-parquet-'));
  duck = await DuckDBInstance.create(':memory:', { threads: '1' });
  await query(
    `COPY (SELECT i AS id, 'row ' || (i % 9) AS name, (i / 7)::DECIMAL(9, 3) AS amount,
     {'a': i, 'b': [i, NULL]} AS nested FROM range(5000) r(i))
     TO '${join(home, 'plain.parquet')}' (FORMAT parquet, ROW_GROUP_SIZE 2048)`,
  );
});
afterAll(async () => {
  duck.closeSync();
  await rm(home, { recursive: true });
});
/** DuckDB keeps what it knows of a path, so each test has its own folder. */
beforeEach(async () => {
  folder = await mkdtemp(join(home, `${tests++}-`));
});

async function query(sql: string): Promise<unknown[]> {
  const connection = await duck.connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowsJson();
  } finally {
    connection.closeSync();
  }
}

const rows = (path: string, columns = '*') => query(`SELECT ${columns} FROM '${path}'`);
const at = (name: string) => join(folder, name);
const plain = () => join(home, 'plain.parquet');

/** Answers stdout, or `code status` of what was thrown. */
async function cloister(...args: readonly string[]): Promise<string> {
  const out: string[] = [];
  const spy = vi
    .spyOn(process.stdout, 'write')
    .mockImplementation((text) => out.push(String(text)) > 0);
  try {
    await buildProgram().parseAsync(['node', 'cloister', 'parquet', ...args]);
    return out.join('');
  } catch (error) {
    if (isCoded(error)) return error.code;
    throw error;
  } finally {
    spy.mockRestore();
  }
}

interface Keys {
  footer: { id: string; key: string };
  columns: Record<string, { id: string; key: string }> | 'footer-key';
}

/** A fresh key file, and the encrypted file under it. */
async function sealed(): Promise<{ keys: string; file: string; content: Keys }> {
  const keys = at('keys.json');
  const file = at('sealed.parquet');
  expect(await cloister('keygen', plain(), keys)).toContain('5 columns');
  expect(await cloister('encrypt', plain(), file, '--keys', keys)).toContain('5000 rows');
  return { keys, file, content: JSON.parse(await readFile(keys, 'utf8')) };
}

async function putKeys(name: string, content: unknown, mode = 0o600): Promise<string> {
  await writeFile(at(name), typeof content === 'string' ? content : JSON.stringify(content));
  await chmod(at(name), mode);
  return at(name);
}

const hex = (byte: string) => byte.repeat(32);

it('what is encrypted comes back whole, and DuckDB reads it', async () => {
  const { keys, file } = await sealed();
  expect((await stat(keys)).mode & 0o777).toBe(0o600);
  expect((await readFile(file)).subarray(0, 4).toString()).toBe('PARE');
  await expect(rows(file)).rejects.toThrow();
  const back = at('back.parquet');
  const json = JSON.parse(await cloister('decrypt', file, back, '--keys', keys, '--json'));
  expect(json).toMatchObject({ out: back, rows: 5000, authenticated: true });
  expect(await rows(back)).toEqual(await rows(plain()));
  expect((await stat(back)).mode & 0o777).toBe(0o600);
  const one = at('one.parquet');
  await cloister('decrypt', file, one, '--keys', keys, '--column', 'amount');
  expect(await rows(one)).toEqual(await rows(plain(), 'amount'));
  expect((await readdir(folder)).filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

it('one key for all, a footer in clear and a prefix that readers supply', async () => {
  const keys = await putKeys('all.keys', {
    footer: { id: 'the key', key: hex('ab') },
    columns: 'footer-key',
  });
  const prefix = ['--aad-prefix', '0102'];
  const file = at('sealed.parquet');
  const more = ['--plaintext-footer', '--no-store-aad-prefix', ...prefix];
  await cloister('encrypt', plain(), file, '--keys', keys, ...more);
  const seen = await cloister('inspect', file);
  expect(seen).toContain('footer in clear, 5000 rows');
  expect(seen).toContain('NOT VERIFIED: the footer may be forged');
  expect(seen).toContain('under key "the key", AAD prefix to be supplied');
  const verified = await cloister('inspect', file, '--keys', keys, ...prefix);
  expect(verified).toContain('the footer is authentic');
  const out = at('out.parquet');
  expect(await cloister('decrypt', file, out, '--keys', keys)).toBe('aad-prefix-absent');
  const other = ['--aad-prefix', '0103'];
  expect(await cloister('decrypt', file, out, '--keys', keys, ...other)).toBe('tag-invalid');
  expect(await cloister('decrypt', file, out, '--keys', keys, '--aad-prefix', 'x')).toBe(
    'option-malformed',
  );
  await cloister('decrypt', file, out, '--keys', keys, ...prefix);
  expect(await rows(out)).toEqual(await rows(plain()));
});

it('inspect lists columns with the keys that there are', async () => {
  const { file, keys, content } = await sealed();
  expect(await cloister('inspect', plain())).toContain('NOT ENCRYPTED, 5000 rows');
  expect(await cloister('inspect', file)).toBe('key-missing');
  const all = JSON.parse(await cloister('inspect', file, '--keys', keys, '--json'));
  expect(all.columns.map((c: { path: string }) => c.path)).toHaveLength(5);
  const less = await putKeys('less.keys', { footer: content.footer, columns: {} });
  const seen = await cloister('inspect', file, '--keys', less);
  expect(seen).toMatch(/^id +INT.* +key "1" +hidden +hidden$/m);
});

it('a wrong key, a missing key, a column without one: a code, and no file', async () => {
  const { file, content } = await sealed();
  const columns = content.columns as Exclude<Keys['columns'], string>;
  const out = at('out.parquet');
  const wrong = { ...columns, amount: { id: columns['amount']?.id, key: hex('00') } };
  const { amount: _, ...others } = columns;
  const cases: [string, unknown, string][] = [
    ['wrong', { ...content, columns: wrong }, 'tag-invalid'],
    ['missing', { ...content, columns: others }, 'key-missing'],
    ['footer', { ...content, footer: { id: '0', key: hex('00') } }, 'tag-invalid'],
  ];
  for (const [name, keys, code] of cases) {
    const path = await putKeys(`${name}.keys`, keys);
    expect([name, await cloister('decrypt', file, out, '--keys', path)]).toEqual([name, code]);
  }
  const short = await putKeys('short.keys', { ...content, columns: others });
  expect(await cloister('encrypt', plain(), out, '--keys', short)).toBe('column-key-absent');
  // The columns whose keys are there can be had alone.
  const id = ['--column', 'id', '--keys', at('missing.keys')];
  await cloister('decrypt', file, out, ...id);
  expect(await rows(out)).toEqual(await rows(plain(), 'id'));
  const left = await readdir(folder);
  expect(left.filter((name) => name.includes('.tmp'))).toEqual([]);
});

it('a changed file gives a code, and no file', async () => {
  const { file, keys } = await sealed();
  const bytes = await readFile(file);
  bytes[40] = (bytes[40] as number) ^ 1;
  await writeFile(at('changed'), bytes);
  expect(await cloister('decrypt', at('changed'), at('out'), '--keys', keys)).toBe('tag-invalid');
  await writeFile(at('changed'), bytes.subarray(0, 900));
  expect(await cloister('decrypt', at('changed'), at('out'), '--keys', keys)).toMatch(/^parquet-/);
  expect(await readdir(folder)).toEqual(['changed', 'keys.json', 'sealed.parquet']);
});

it('an existing file is kept, unless told otherwise', async () => {
  const { file, keys } = await sealed();
  await writeFile(at('out.parquet'), 'mine');
  const args = ['decrypt', file, at('out.parquet'), '--keys', keys];
  expect(await cloister(...args)).toBe('file-exists');
  expect(await cloister('encrypt', plain(), at('out.parquet'), '--keys', keys)).toBe('file-exists');
  expect(await cloister('keygen', plain(), keys)).toBe('file-exists');
  expect(await readFile(at('out.parquet'), 'utf8')).toBe('mine');
  await cloister(...args, '--force');
  expect(await rows(at('out.parquet'))).toEqual(await rows(plain()));
});

it('a name that is taken while we write is kept too', async () => {
  const options = { force: false, mode: 0o600 };
  const race = writeWhole(at('out'), options, async (f) => {
    await f.writeFile('ours');
    await writeFile(at('out'), 'theirs');
  });
  await expect(race).rejects.toMatchObject({ code: 'file-exists' });
  expect(await readFile(at('out'), 'utf8')).toBe('theirs');
  expect(await readdir(folder)).toEqual(['out']);
});

it('a key file must be closed to others, well-formed, and is never quoted', async () => {
  const good: Keys = { footer: { id: '0', key: hex('5e') }, columns: 'footer-key' };
  const cases: [unknown, number, string][] = [
    [good, 0o640, 'key-file-exposed'],
    [good, 0o604, 'key-file-exposed'],
    ['{"footer": 5e5e5e5e', 0o600, 'key-file-malformed'],
    [{ ...good, footer: { id: '0', key: '5e5e5e5e' } }, 0o600, 'key-file-malformed'],
    [{ ...good, columns: { a: { id: '0', key: hex('5f') } } }, 0o600, 'key-file-malformed'],
    [{ ...good, key: hex('5e') }, 0o600, 'key-file-malformed'],
  ];
  for (const [content, mode, code] of cases) {
    const keys = await putKeys('some.keys', content, mode);
    const program = buildProgram();
    const args = ['encrypt', plain(), at('out'), '--keys', keys];
    const failed = program.parseAsync(['node', 'cloister', 'parquet', ...args]);
    const error: unknown = await failed.then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(isCoded(error) && error.code).toBe(code);
    expect(`${(error as Error).message} ${(error as Error).cause}`).not.toMatch(/5e5e|5f5f/);
  }
  expect(await cloister('encrypt', plain(), at('out'), '--keys', at('none'))).toBe(
    'file-unreadable',
  );
  expect(await cloister('inspect', at('none'))).toBe('file-unreadable');
});

/** A key service of one master key: XOR stands for wrapping, as it is of no matter here. */
async function keyService(): Promise<string> {
  const path = at('kms.cjs');
  await writeFile(
    path,
    `#!${process.execPath}
    const lines = require('node:readline').createInterface({ input: process.stdin });
    const turn = (b) => Buffer.from(b.map((x) => x ^ 0x33));
    lines.on('line', (line) => {
      const r = JSON.parse(line);
      const known = r.masterKeyId === 'm1';
      const wrapped = () => ({ wrapped: turn(Buffer.from(r.key, 'base64')).toString('hex') });
      const key = () => ({ key: turn(Buffer.from(r.wrapped, 'hex')).toString('base64') });
      const answer = known ? (r.op === 'wrap' ? wrapped() : key()) : { error: 'no such key' };
      process.stdout.write(JSON.stringify(answer) + '\\n');
    });`,
  );
  await chmod(path, 0o700);
  return path;
}

it('a key service keeps the master keys: no key file has any, and reading needs none', async () => {
  const kms = await keyService();
  const m1 = { id: 'm1' };
  const keys = await putKeys('ids.keys', { footer: m1, columns: 'footer-key' });
  const file = at('sealed.parquet');
  const out = at('out.parquet');
  expect(await cloister('encrypt', plain(), file, '--keys', keys, '--kms', kms)).toContain(
    'proved',
  );
  await cloister('decrypt', file, out, '--kms', kms);
  expect(await rows(out)).toEqual(await rows(plain()));
  expect(await cloister('inspect', file, '--kms', kms)).toContain('footer under key "m1"');
  expect(await cloister('decrypt', file, at('o2'))).toBe('option-malformed');
  const missing = await putKeys('m2.keys', { footer: { id: 'm2' }, columns: 'footer-key' });
  const refused = ['encrypt', plain(), at('o3'), '--keys', missing, '--kms', kms];
  expect(await cloister(...refused)).toBe('kms-refused');
  // Keys are in the file or with the service, not in both and not in neither.
  const both = await putKeys('both.keys', {
    footer: { id: 'm1', key: hex('ab') },
    columns: 'footer-key',
  });
  for (const args of [
    ['--keys', both, '--kms', kms],
    ['--keys', keys],
  ]) {
    expect(await cloister('encrypt', plain(), at('o4'), ...args)).toBe('key-file-malformed');
  }
  expect((await readdir(folder)).filter((name) => /^o[234]/.test(name))).toEqual([]);
});

it('data keys themselves, for readers without a key service', async () => {
  const keys = at('direct.keys');
  expect(await cloister('keygen', plain(), keys, '--direct')).toContain('5 columns');
  const content = JSON.parse(await readFile(keys, 'utf8'));
  expect(content).toMatchObject({
    direct: true,
    footer: { key: expect.stringMatching(/^\w{64}$/) },
  });
  const file = at('sealed.parquet');
  const out = at('out.parquet');
  await cloister('encrypt', plain(), file, '--keys', keys);
  await cloister('decrypt', file, out, '--keys', keys);
  expect(await rows(out)).toEqual(await rows(plain()));
  const kms = await keyService();
  expect(await cloister('decrypt', file, at('o2'), '--keys', keys, '--kms', kms)).toBe(
    'key-file-malformed',
  );
});

it('a file that DuckDB encrypted is read where that is allowed', async () => {
  const secret = '0123456789abcdef0123456789abcdef';
  await query('SET force_mbedtls_unsafe=true');
  await query(`PRAGMA add_parquet_key('k', '${secret}')`);
  const [file, out] = [at('duck.parquet'), at('out.parquet')];
  const how = "(FORMAT parquet, ENCRYPTION_CONFIG {footer_key: 'k'})";
  await query(`COPY (FROM '${plain()}') TO '${file}' ${how}`);
  const key = Buffer.from(secret).toString('hex');
  const keys = await putKeys('duck.keys', {
    direct: true,
    footer: { key },
    columns: 'footer-key',
  });
  expect(await cloister('decrypt', file, out, '--keys', keys)).toBe('modules-unbound');
  const allowed = ['--keys', keys, '--allow-unbound-modules'];
  expect(await cloister('decrypt', file, out, ...allowed)).toContain('NOT AUTHENTICATED');
  expect(await rows(out)).toEqual(await rows(plain()));
  expect(await cloister('inspect', file, '--keys', keys)).toContain('NOT VERIFIED');
});
