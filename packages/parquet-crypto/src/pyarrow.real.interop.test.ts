// SPDX-License-Identifier: Apache-2.0
// pyarrow reads what this package encrypts, and this package reads what pyarrow encrypts, in every
// mode that pyarrow has. Equality is judged by pyarrow on whole tables, types included. Runs in the
// lane `interop`; CLOISTER_PYTHON names an interpreter that has pyarrow.
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fromHex } from '@cloister/core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Bridge, KEYS, MASTER_KEYS } from '../testing/bridge.ts';
import { AS_GATEWAYS_WRITE, Duck } from '../testing/files.ts';
import {
  assertFullyEncrypted,
  bufferSource,
  decryptProjection,
  type EncryptOptions,
  encryptParquet,
  fileSink,
  fileSource,
  type KeyProvider,
  masterKeys,
  readSchema,
} from './index.ts';

let folder: string;
let bridge: Bridge;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'parquet-interop-'));
  bridge = new Bridge('pyarrow_bridge.py');
});

afterAll(async () => {
  await bridge.close();
  await rm(folder, { recursive: true });
});

async function encrypt(
  plain: string,
  sealed: string,
  mode: Partial<EncryptOptions> = {},
): Promise<void> {
  const bytes = new Uint8Array(await readFile(plain));
  const { columns } = await readSchema(bufferSource(bytes));
  const key = (id: string) => ({ id, masterKey: KEYS.get(id) ?? new Uint8Array() });
  const file = await open(sealed, 'w');
  const { externalMaterial } = await encryptParquet({
    source: bufferSource(bytes),
    sink: fileSink(file),
    footerKey: key('0'),
    columnKeys: new Map(columns.map((c, i) => [c.path, key(String(1 + (i % 2)))])),
    aadPrefix: new Uint8Array([0, 1, 2, 0xff]),
    ...mode,
  });
  await file.close();
  if (externalMaterial !== undefined) {
    const path = join(folder, `_KEY_MATERIAL_FOR_${basename(sealed)}.json`);
    await writeFile(path, JSON.stringify(Object.fromEntries(externalMaterial)));
  }
}

async function decrypt(paths: { sealed: string; like: string; out: string }, external: boolean) {
  const [from, to] = [await open(paths.sealed, 'r'), await open(paths.out, 'w')];
  const material = external ? await externalMaterial(paths.sealed) : {};
  const { columns } = await readSchema(bufferSource(new Uint8Array(await readFile(paths.like))));
  try {
    return await decryptProjection({
      source: await fileSource(from),
      sink: fileSink(to),
      keys: masterKeys(KEYS, material),
      columns: columns.map((c) => c.path),
    });
  } finally {
    await from.close();
    await to.close();
  }
}

async function externalMaterial(sealed: string) {
  const path = join(folder, `_KEY_MATERIAL_FOR_${basename(sealed)}.json`);
  const entries: Record<string, string> = JSON.parse(await readFile(path, 'utf8'));
  return { externalMaterial: new Map(Object.entries(entries)) };
}

const WRITERS: Record<string, object> = {
  'INT96 timestamps': { use_deprecated_int96_timestamps: true },
  'delta and byte stream split encodings': {
    use_dictionary: false,
    column_encoding: { i: 'DELTA_BINARY_PACKED', real: 'BYTE_STREAM_SPLIT' },
  },
  'pages V1, snappy': { row_group_size: 700, data_page_size: 2048 },
  'pages V2, zstd': { data_page_version: '2.0', compression: 'zstd', row_group_size: 700 },
  'page index, gzip': { write_page_index: true, compression: 'gzip', data_page_size: 1024 },
  'V2 and page index, brotli': {
    data_page_version: '2.0',
    write_page_index: true,
    compression: 'brotli',
    data_page_size: 1024,
  },
  'lz4, no dictionaries': { compression: 'lz4', use_dictionary: false, row_group_size: 300 },
  'uncompressed, checksums': { compression: 'none', write_page_checksum: true },
};

/** A mode, in our words and in pyarrow's. */
interface Mode {
  readonly ours: Partial<EncryptOptions>;
  readonly theirs: object;
}
const MODES: Record<string, Mode> = {
  'GCM, 128 bits': { ours: { keyBits: 128 }, theirs: { data_key_length_bits: 128 } },
  'GCM, 192 bits': { ours: { keyBits: 192 }, theirs: { data_key_length_bits: 192 } },
  'GCM, 256 bits': { ours: {}, theirs: { data_key_length_bits: 256 } },
  'CTR, 128 bits': {
    ours: { algorithm: 'AES_GCM_CTR_V1', keyBits: 128 },
    theirs: { encryption_algorithm: 'AES_GCM_CTR_V1', data_key_length_bits: 128 },
  },
  'CTR, 256 bits': {
    ours: { algorithm: 'AES_GCM_CTR_V1' },
    theirs: { encryption_algorithm: 'AES_GCM_CTR_V1', data_key_length_bits: 256 },
  },
  'plaintext footer': { ours: { footer: 'plaintext' }, theirs: { plaintext_footer: true } },
  'single wrapping': { ours: { wrapping: 'single' }, theirs: { double_wrapping: false } },
  'external key material': {
    ours: { keyMaterial: 'external' },
    theirs: { internal_key_material: false },
  },
  'external, single wrapping, plaintext footer': {
    ours: { keyMaterial: 'external', wrapping: 'single', footer: 'plaintext' },
    theirs: { internal_key_material: false, double_wrapping: false, plaintext_footer: true },
  },
  'uniform key': { ours: { columnKeys: 'footer-key' }, theirs: { uniform_encryption: true } },
};

const CASES: { name: string; mode: Mode; writer: object; rows?: number }[] = [
  { name: 'an empty table', mode: { ours: {}, theirs: {} }, writer: {}, rows: 0 },
  { name: 'a table of one row', mode: { ours: {}, theirs: {} }, writer: {}, rows: 1 },
  ...Object.entries(MODES).map(([name, mode]) => ({ name, mode, writer: {} })),
  ...Object.entries(WRITERS).map(([name, writer]) => ({
    name,
    mode: { ours: {}, theirs: {} },
    writer,
  })),
];

/** pyarrow writes bloom filters into plain files only. */
const BLOOM: (typeof CASES)[number] = {
  name: 'bloom filters',
  mode: { ours: {}, theirs: {} },
  writer: { bloom_filter_options: { i: true, text: { ndv: 200, fpp: 0.01 } } },
};

describe('pyarrow reads what we encrypt', () => {
  test.each([...CASES, BLOOM])('$name', async ({ name, mode, writer, rows = 2000 }) => {
    const path = (kind: string): string => join(folder, `${name} ${kind}`.replaceAll(' ', '_'));
    const [plain, sealed] = [path('plain'), path('ours')];
    await bridge.ask({ op: 'plain', plain, writer, rows });
    await encrypt(plain, sealed, mode.ours);
    const external = mode.ours.keyMaterial === 'external';
    const file = await open(sealed, 'r');
    const keys = masterKeys(KEYS, external ? await externalMaterial(sealed) : {});
    await assertFullyEncrypted(await fileSource(file), keys, { allowPlaintextFooter: true });
    await file.close();
    const a = { path: sealed, masterKeys: MASTER_KEYS, external };
    const compared = await bridge.ask({ op: 'compare', a, b: { path: plain } });
    expect(compared).toMatchObject({ equal: true, rows, schema: '' });
  });

  test('as gateways write it', async () => {
    const [plain, sealed] = [join(folder, 'plain-duck'), join(folder, 'sealed-duck')];
    const duck = await Duck.open();
    const { sql, options, rows } = AS_GATEWAYS_WRITE;
    await writeFile(plain, await duck.write(sql, options));
    await duck.close();
    await encrypt(plain, sealed);
    const a = { path: sealed, masterKeys: MASTER_KEYS };
    const compared = await bridge.ask({ op: 'compare', a, b: { path: plain } });
    expect(compared).toMatchObject({ equal: true, rows, schema: '' });
  });

  test('plaintext footer and CTR together', async () => {
    const [plain, sealed] = [join(folder, 'p'), join(folder, 's')];
    await bridge.ask({ op: 'plain', plain, rows: 10 });
    await encrypt(plain, sealed, { footer: 'plaintext', algorithm: 'AES_GCM_CTR_V1' });
    const a = { path: sealed, masterKeys: MASTER_KEYS };
    expect(await bridge.ask({ op: 'compare', a, b: { path: plain } })).toMatchObject({
      equal: true,
    });
  });
});

describe('we read what pyarrow encrypts', () => {
  test.each(CASES)('$name', async ({ name, mode, writer, rows = 2000 }) => {
    const path = (kind: string): string => join(folder, `${name} ${kind}`.replaceAll(' ', '_'));
    const [plain, sealed, out] = [path('like'), path('theirs'), path('out')];
    const encryption = mode.theirs;
    const request = { plain, sealed, masterKeys: MASTER_KEYS, encryption, writer, rows };
    await bridge.ask({ op: 'write', ...request });
    const report = await decrypt({ sealed, like: plain, out }, name.startsWith('external'));
    expect(report).toMatchObject({ rows, authenticated: !name.startsWith('CTR') });
    const compared = await bridge.ask({ op: 'compare', a: { path: out }, b: { path: plain } });
    expect(compared).toMatchObject({ equal: true, rows, schema: '' });
  });

  test.each([true, false])('an AAD prefix, stored: %s', async (stored) => {
    const [plain, sealed, out] = [join(folder, 'p'), join(folder, 's'), join(folder, 'o')];
    const [key, aadPrefix] = ['33'.repeat(32), fromHex('0001ff')];
    const direct = { key, aad_prefix: '0001ff', store_aad_prefix: stored };
    await bridge.ask({ op: 'write', plain, sealed, direct, rows: 100 });
    const source = bufferSource(new Uint8Array(await readFile(sealed)));
    const keys: KeyProvider = { dataKey: async () => fromHex(key) };
    const { columns } = await readSchema(bufferSource(new Uint8Array(await readFile(plain))));
    const to = await open(out, 'w');
    const sink = fileSink(to);
    const options = { source, sink, keys, columns: columns.map((c) => c.path) };
    const wrong = decryptProjection({ ...options, aadPrefix: fromHex('0001fe') });
    const code = stored ? 'aad-prefix-mismatch' : 'tag-invalid';
    await expect(wrong).rejects.toMatchObject({ code });
    await decryptProjection({ ...options, aadPrefix });
    await to.close();
    const compared = await bridge.ask({ op: 'compare', a: { path: out }, b: { path: plain } });
    expect(compared).toMatchObject({ equal: true, rows: 100 });
  });

  test('plaintext footer and CTR together: pyarrow names the wrong algorithm', async () => {
    // Arrow signs the footer under AES_GCM_V1 and writes that as the file's algorithm, so that
    // neither Arrow nor anyone else can open the pages.
    const [plain, sealed, out] = [join(folder, 'p'), join(folder, 's'), join(folder, 'o')];
    const encryption = { plaintext_footer: true, encryption_algorithm: 'AES_GCM_CTR_V1' };
    const request = { plain, sealed, masterKeys: MASTER_KEYS, encryption, rows: 10 };
    await bridge.ask({ op: 'write', ...request });
    await expect(decrypt({ sealed, like: plain, out }, false)).rejects.toMatchObject({
      code: 'tag-invalid',
    });
  });
});
