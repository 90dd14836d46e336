// SPDX-License-Identifier: Apache-2.0
// Spark reads what this package encrypts, and this package reads what Spark encrypts, in every mode
// that parquet-java has. Equality is judged by Spark on all rows and types. Runs in the lane
// `interop` where the interpreter has pyspark and there is a JDK.
import { execFile, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { utf8 } from '@cloister/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Bridge, interopFile, KEYS, MASTER_KEYS, PYTHON } from '../testing/bridge.ts';
import { AS_GATEWAYS_WRITE, Duck } from '../testing/files.ts';
import {
  assertFullyEncrypted,
  BufferSink,
  bufferSource,
  decryptProjection,
  type EncryptOptions,
  encryptParquet,
  inspectParquet,
  masterKeys,
  readSchema,
} from './index.ts';

const LOCATE = 'import pyspark, os; print(os.path.dirname(pyspark.__file__))';
const found = spawnSync(PYTHON, ['-c', LOCATE], { encoding: 'utf8' });
const hasSpark = found.status === 0 && spawnSync('javac', ['-version']).status === 0;

const COLUMNS = [
  ...['i', 'text', 'nothing', 'real', 'money', 'date', 'zoned', 'local', 'flag', 'bytes'],
  ...['list.list.element', 'structs.list.element.a', 'structs.list.element.b'],
  ...['map.key_value.key', 'map.key_value.value'],
];
const CRYPTO = {
  'parquet.crypto.factory.class':
    'org.apache.parquet.crypto.keytools.PropertiesDrivenCryptoFactory',
  'parquet.encryption.kms.client.class': 'cloister.interop.MemoryKms',
  'cloister.interop.master.keys': Object.entries(MASTER_KEYS)
    .map((k) => k.join(':'))
    .join(','),
};
const COLUMN_KEYS = {
  'parquet.encryption.footer.key': '0',
  'parquet.encryption.column.keys': `1:${COLUMNS.slice(0, 8)};2:${COLUMNS.slice(8)}`,
};

/** A mode, in our words and in Spark's. */
interface Mode {
  readonly ours: Partial<EncryptOptions>;
  readonly theirs: Record<string, string>;
}

const E = 'parquet.encryption';
const CTR = { [`${E}.algorithm`]: 'AES_GCM_CTR_V1' };
const BITS_256 = { [`${E}.data.key.length.bits`]: '256' };
const EXTERNAL = { [`${E}.key.material.store.internally`]: 'false' };
const SINGLE = { [`${E}.double.wrapping`]: 'false' };
const PLAINTEXT = { [`${E}.plaintext.footer`]: 'true' };
const UNIFORM = { [`${E}.footer.key`]: '', [`${E}.column.keys`]: '', [`${E}.uniform.key`]: '0' };

const MODES: Record<string, Mode> = {
  'GCM, 128 bits': { ours: { keyBits: 128 }, theirs: {} },
  'GCM, 192 bits': {
    ours: { keyBits: 192 },
    theirs: { [`${E}.data.key.length.bits`]: '192' },
  },
  'GCM, 256 bits': { ours: {}, theirs: BITS_256 },
  'CTR, 128 bits': { ours: { algorithm: 'AES_GCM_CTR_V1', keyBits: 128 }, theirs: CTR },
  'CTR, 256 bits': { ours: { algorithm: 'AES_GCM_CTR_V1' }, theirs: { ...CTR, ...BITS_256 } },
  'plaintext footer': { ours: { footer: 'plaintext' }, theirs: PLAINTEXT },
  'plaintext footer and CTR': {
    ours: { footer: 'plaintext', algorithm: 'AES_GCM_CTR_V1' },
    theirs: { ...PLAINTEXT, ...CTR },
  },
  'single wrapping': { ours: { wrapping: 'single' }, theirs: SINGLE },
  'external key material': { ours: { keyMaterial: 'external' }, theirs: EXTERNAL },
  'external, single wrapping, plaintext footer': {
    ours: { keyMaterial: 'external', wrapping: 'single', footer: 'plaintext' },
    theirs: { ...EXTERNAL, ...SINGLE, ...PLAINTEXT },
  },
  'uniform key': { ours: { columnKeys: 'footer-key' }, theirs: UNIFORM },
  'complete columns': {
    ours: {},
    theirs: { [`${E}.column.keys`]: '1:i,text', [`${E}.complete.columns`]: 'true' },
  },
  'page size 1 kB, zstd': {
    ours: {},
    theirs: { 'parquet.page.size': '1024', compression: 'zstd' },
  },
  'bloom filters': { ours: {}, theirs: { 'parquet.bloom.filter.enabled': 'true' } },
  ...Object.fromEntries(
    ['gzip', 'lz4_raw', 'none'].map((compression) => [
      `compression ${compression}`,
      { ours: {}, theirs: { compression } },
    ]),
  ),
};
const CASES = Object.entries(MODES).map(([name, mode]) => ({ name, mode }));

describe.skipIf(!hasSpark)('Spark [skip: tool]', () => {
  let folder: string;
  let bridge: Bridge;
  const plains = new Map<string, Uint8Array>();
  let files = 0;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parquet-spark-'));
    const jars = join(found.stdout.trim(), 'jars', '*');
    const classes = join(folder, 'classes');
    await mkdir(classes);
    const run = promisify(execFile);
    const sources = ['MemoryKms', 'PrefixFactory'].map((name) => interopFile(`spark/${name}.java`));
    await run('javac', ['-cp', jars, '-d', classes, ...sources]);
    const jar = join(folder, 'kms.jar');
    await run('jar', ['cf', jar, '-C', classes, '.']);
    bridge = new Bridge('spark_bridge.py', [jar]);
    await bridge.ask({ op: 'version' });
  }, 180_000);

  afterAll(async () => {
    await bridge.close();
    await rm(folder, { recursive: true });
  });

  /** A file that Spark writes. */
  async function written(options: Record<string, string>): Promise<string> {
    const path = join(folder, `spark-${files++}`);
    const { file } = await bridge.ask({ op: 'write', path, rows: 500, options });
    return String(file);
  }

  async function plainOf(theirs: Record<string, string>): Promise<Uint8Array> {
    const options = Object.fromEntries(
      Object.entries(theirs).filter(([name]) => !name.startsWith(E)),
    );
    const name = JSON.stringify(options);
    const known = plains.get(name) ?? new Uint8Array(await readFile(await written(options)));
    plains.set(name, known);
    return known;
  }

  async function put(bytes: Uint8Array): Promise<string> {
    const path = join(folder, `ours-${files++}.parquet`);
    await writeFile(path, bytes);
    return path;
  }

  async function externalOf(path: string) {
    const name = join(dirname(path), `_KEY_MATERIAL_FOR_${basename(path)}.json`);
    const text = await readFile(name, 'utf8').catch(() => undefined);
    if (text === undefined) return {};
    return { externalMaterial: new Map(Object.entries<string>(JSON.parse(text))) };
  }

  async function equalToPlain(a: object, plain: Uint8Array, rows = 500): Promise<void> {
    const b = { path: await put(plain) };
    expect(await bridge.ask({ op: 'compare', a, b })).toEqual({ equal: true, rows, schema: '' });
  }

  test.each(CASES)('Spark reads what we encrypt: $name', async ({ mode }) => {
    const plain = await plainOf(mode.theirs);
    const source = bufferSource(plain);
    const { columns } = await readSchema(source);
    const key = (id: string) => ({ id, masterKey: KEYS.get(id) ?? new Uint8Array() });
    const columnKeys = new Map(columns.map((c, i) => [c.path, key(String(1 + (i % 2)))]));
    const sink = new BufferSink();
    const base = { source, sink, footerKey: key('0'), columnKeys, aadPrefix: new Uint8Array([7]) };
    const { externalMaterial } = await encryptParquet({ ...base, ...mode.ours });
    const path = await put(sink.bytes());
    if (externalMaterial !== undefined) {
      const name = join(folder, `_KEY_MATERIAL_FOR_${basename(path)}.json`);
      await writeFile(name, JSON.stringify(Object.fromEntries(externalMaterial)));
    }
    await equalToPlain({ path, options: CRYPTO }, plain);
  });

  test('Spark reads what we encrypt: as gateways write it', async () => {
    const duck = await Duck.open();
    const { sql, options, rows } = AS_GATEWAYS_WRITE;
    const plain = await duck.write(sql, options);
    await duck.close();
    const sink = new BufferSink();
    const footerKey = { id: '0', masterKey: KEYS.get('0') ?? new Uint8Array() };
    const base = { source: bufferSource(plain), sink, footerKey };
    await encryptParquet({ ...base, columnKeys: 'footer-key' });
    await equalToPlain({ path: await put(sink.bytes()), options: CRYPTO }, plain, rows);
  });

  test.each(CASES)('we read what Spark encrypts: $name', async ({ name, mode }) => {
    const path = await written({ ...CRYPTO, ...COLUMN_KEYS, ...mode.theirs });
    const file = await open(path);
    const bytes = new Uint8Array(await file.readFile());
    await file.close();
    const keys = masterKeys(KEYS, await externalOf(path));
    const source = bufferSource(bytes);
    const { columns } = await inspectParquet(source, { keys });
    const sink = new BufferSink();
    const options = { source, sink, keys, columns: columns.map((c) => c.path) };
    const report = await decryptProjection(options);
    expect(report).toMatchObject({ rows: 500, authenticated: !name.includes('CTR') });
    await assertFullyEncrypted(source, keys, { allowPlaintextFooter: true });
    await equalToPlain({ path: await put(sink.bytes()) }, await plainOf(mode.theirs));
  });

  describe.each([true, false])('an AAD prefix, stored: %s', (stored) => {
    const prefix = 'a place';
    const withPrefix = {
      ...CRYPTO,
      'parquet.crypto.factory.class': 'cloister.interop.PrefixFactory',
      'cloister.interop.aad.prefix': prefix,
      'cloister.interop.store.aad.prefix': String(stored),
    };

    test('we read what Spark encrypts', async () => {
      const path = await written({ ...withPrefix, ...COLUMN_KEYS });
      const source = bufferSource(new Uint8Array(await readFile(path)));
      const keys = masterKeys(KEYS);
      const sink = new BufferSink();
      const options = { source, sink, keys, columns: COLUMNS };
      const wrong = decryptProjection({ ...options, aadPrefix: utf8('another place') });
      const code = stored ? 'aad-prefix-mismatch' : 'tag-invalid';
      await expect(wrong).rejects.toMatchObject({ code });
      await decryptProjection({ ...options, aadPrefix: utf8(prefix) });
      await equalToPlain({ path: await put(sink.bytes()) }, await plainOf({}));
    });

    test('Spark reads what we encrypt', async () => {
      const plain = await plainOf({});
      const key = { id: '0', masterKey: KEYS.get('0') ?? new Uint8Array() };
      const sink = new BufferSink();
      const base = { source: bufferSource(plain), sink, footerKey: key };
      const mode = { aadPrefix: utf8(prefix), storeAadPrefix: stored };
      await encryptParquet({ ...base, ...mode, columnKeys: 'footer-key' });
      await equalToPlain({ path: await put(sink.bytes()), options: withPrefix }, plain);
    });
  });

  test('pages V2: Spark leaves levels in clear, which we read only when told to', async () => {
    const v2 = { 'parquet.writer.version': 'PARQUET_2_0' };
    const path = await written({ ...CRYPTO, ...COLUMN_KEYS, ...v2 });
    const source = bufferSource(new Uint8Array(await readFile(path)));
    const keys = masterKeys(KEYS);
    const sink = new BufferSink();
    const options = { source, sink, keys, columns: COLUMNS };
    await expect(decryptProjection(options)).rejects.toMatchObject({ code: 'levels-clear' });
    await expect(assertFullyEncrypted(source, keys)).rejects.toMatchObject({
      code: 'levels-clear',
    });
    const whole = new BufferSink();
    const report = await decryptProjection({ ...options, sink: whole, allowClearLevels: true });
    expect(report.authenticated).toBe(false);
    await equalToPlain({ path: await put(whole.bytes()) }, await plainOf(v2));
  });

  test('pages V2: Spark cannot read sealed levels, which is what the format asks for', async () => {
    const plain = await plainOf({ 'parquet.writer.version': 'PARQUET_2_0' });
    const key = { id: '0', masterKey: KEYS.get('0') ?? new Uint8Array() };
    const sink = new BufferSink();
    const base = { source: bufferSource(plain), sink, footerKey: key };
    await encryptParquet({ ...base, columnKeys: 'footer-key' });
    const a = { path: await put(sink.bytes()), options: CRYPTO };
    await expect(equalToPlain(a, plain)).rejects.toThrow();
  });
});
