// SPDX-License-Identifier: Apache-2.0
// Readers and writers that are given data keys themselves: the programs of interop/, which build
// on other people's libraries. One table goes to and fro in the modes that a library has.
import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fromHex, toHex } from '@cloister/core';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  assertFullyEncrypted,
  BufferSink,
  bufferSource,
  decryptProjection,
  directKeys,
  type EncryptOptions,
  encryptParquet,
} from '../src/index.ts';
import { Duck } from './files.ts';

const ROWS = 2000;
const FOOTER = '0f'.repeat(32);
const COLUMNS: Readonly<Record<string, string>> = {
  i: '1a'.repeat(32),
  text: '2b'.repeat(32),
  real: '3c'.repeat(32),
};
const PREFIX = '00ff01';

/** A mode, as we call it and as the programs do. */
interface Mode {
  readonly ours: Partial<EncryptOptions>;
  readonly theirs: Readonly<Record<string, unknown>>;
}

const prefix = { prefix: PREFIX };
export const MODES = {
  'a key for each column': { ours: {}, theirs: { columns: COLUMNS } },
  'keys of 128 bits': {
    ours: {},
    theirs: {
      footer: FOOTER.slice(32),
      columns: Object.fromEntries(Object.entries(COLUMNS).map(([n, k]) => [n, k.slice(32)])),
    },
  },
  'one key for all': { ours: {}, theirs: {} },
  'keys with names': { ours: {}, theirs: { columns: COLUMNS, named: true } },
  'plaintext footer': {
    ours: { footer: 'plaintext' },
    theirs: { columns: COLUMNS, plaintextFooter: true },
  },
  CTR: { ours: { algorithm: 'AES_GCM_CTR_V1' }, theirs: { columns: COLUMNS, ctr: true } },
  'AAD prefix stored': { ours: {}, theirs: { columns: COLUMNS, ...prefix, storePrefix: true } },
  'AAD prefix supplied': {
    ours: { storeAadPrefix: false },
    theirs: { columns: COLUMNS, ...prefix, storePrefix: false },
  },
  'data pages V2': { ours: {}, theirs: { columns: COLUMNS, v2: true } },
} as const satisfies Record<string, Mode>;
export type ModeName = keyof typeof MODES;

const WANTED = {
  rows: ROWS,
  sum: (ROWS * (ROWS - 1)) / 2,
  nulls: Math.ceil(ROWS / 3),
  last: `text ${(ROWS - 1) % 100}`,
};

/** The tests of one program; the modes that its library does not have, by direction. */
export function directPeer(
  name: string,
  program: string | undefined,
  not: { readonly reads?: readonly ModeName[]; readonly writes?: readonly ModeName[] } = {},
): void {
  let folder: string;
  let plain: Uint8Array;
  let files = 0;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parquet-peer-'));
    const duck = await Duck.open();
    plain = await duck.write(`SELECT i AS i,
      CASE WHEN i % 3 = 0 THEN NULL ELSE 'text ' || (i % 100) END AS text, i / 7 AS real
      FROM range(${ROWS}) r(i)`);
    await duck.close();
  });
  afterAll(() => rm(folder, { recursive: true }));

  const ask = (request: object): Record<string, unknown> => {
    const input = JSON.stringify({ footer: FOOTER, ...request });
    const { stdout, stderr, status } = spawnSync(program ?? '', [], { input, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${name}: ${stderr.slice(0, 1_000)}`);
    return JSON.parse(stdout) as Record<string, unknown>;
  };
  const keysOf = ({ theirs }: Mode) => {
    const columns = (theirs['columns'] ?? {}) as Record<string, string>;
    const footer = fromHex(String(theirs['footer'] ?? FOOTER));
    return { footer, columns: new Map(Object.entries(columns).map(([n, k]) => [n, fromHex(k)])) };
  };
  const prefixOf = ({ theirs }: Mode) =>
    theirs['prefix'] === undefined ? {} : { aadPrefix: fromHex(String(theirs['prefix'])) };
  const all = Object.keys(MODES) as ModeName[];

  describe(`${name} reads what we encrypt`, () => {
    const modes = all.filter((mode) => mode !== 'data pages V2' && !not.reads?.includes(mode));
    test.each(modes)('%s', async (which) => {
      const mode: Mode = MODES[which];
      const { footer, columns } = keysOf(mode);
      const named = mode.theirs['named'] === true;
      const keyOf = (key: Uint8Array, id: string) => ({
        dataKey: key,
        ...(named ? { name: `k-${id}` } : {}),
      });
      const own = new Map([...columns].map(([n, k]) => [n, keyOf(k, n)]));
      const sink = new BufferSink();
      await encryptParquet({
        source: bufferSource(plain),
        sink,
        footerKey: keyOf(footer, 'footer'),
        columnKeys: own.size === 0 ? 'footer-key' : own,
        ...prefixOf(mode),
        ...mode.ours,
      });
      const path = join(folder, `ours-${files++}`);
      await writeFile(path, sink.bytes());
      expect(ask({ op: 'read', path, ...mode.theirs })).toEqual(WANTED);
      const wrong = toHex(footer.map((byte) => byte ^ 1));
      expect(ask({ op: 'read', path, ...mode.theirs, footer: wrong })).toHaveProperty('error');
    });
  });

  describe(`we read what ${name} encrypts`, () => {
    test.each(all.filter((mode) => !not.writes?.includes(mode)))('%s', async (which) => {
      const mode: Mode = MODES[which];
      const path = join(folder, `theirs-${files++}`);
      expect(ask({ op: 'write', path, rows: ROWS, ...mode.theirs })).not.toHaveProperty('error');
      const sealed = new Uint8Array(await readFile(path));
      const sink = new BufferSink();
      const keys = directKeys(keysOf(mode));
      const source = bufferSource(sealed);
      const of = { source, keys, ...prefixOf(mode) };
      const report = await decryptProjection({ ...of, sink, columns: ['i', 'text', 'real'] });
      expect(report).toMatchObject({ rows: ROWS, authenticated: which !== 'CTR' });
      const rows = await parquetReadObjects({ file: new Uint8Array(sink.bytes()).buffer });
      expect(rows).toEqual(await parquetReadObjects({ file: new Uint8Array(plain).buffer }));
      await assertFullyEncrypted(source, keys, { ...prefixOf(mode), allowPlaintextFooter: true });
    });
  });
}
