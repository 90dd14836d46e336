// SPDX-License-Identifier: Apache-2.0
// Parquet as text, of files that somebody made to do harm: whatever they hold, this process lives,
// nothing but the named file is read or written, and nothing of what went wrong is told.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isCoded } from '@cloister/core';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { EngineChild } from './child-process.ts';
import { type ExportFormat, type ExportLimits, exportParquet } from './parquet-export.ts';

const MIB = 1024 * 1024;
const LIMITS: ExportLimits = { memoryBytes: 128 * MIB, outBytes: MIB, timeMs: 20_000 };
const folder = mkdtempSync(join(tmpdir(), 'cloister-text-test-'));
let db: DuckDBConnection;
let files = 0;

beforeAll(async () => {
  db = await (await DuckDBInstance.create(':memory:')).connect();
});
afterAll(() => {
  db.closeSync();
  rmSync(folder, { recursive: true });
});

async function parquet(sql: string, options = 'COMPRESSION zstd'): Promise<string> {
  const path = join(folder, `made-${files++}.parquet`);
  await db.run(`COPY (${sql}) TO '${path}' (FORMAT parquet, ${options})`);
  return path;
}

interface Asked {
  readonly format?: ExportFormat;
  /** As they are written, of all columns. */
  readonly names?: readonly string[];
}

/** The text, or the code of the refusal; nothing is left of a refusal. */
async function textOf(
  file: string,
  { format = 'csv', names = ['a'], ...limits }: Partial<ExportLimits> & Asked = {},
): Promise<string> {
  const own = mkdtempSync(join(folder, 'tmp-'));
  vi.stubEnv('TMPDIR', own);
  onTestFinished(() => void vi.unstubAllEnvs());
  const out = join(folder, `text-${files++}`);
  try {
    const columns = names.map((name) => ({ name }));
    await exportParquet({ files: [file], columns, to: { format, out } }, { ...LIMITS, ...limits });
    return readFileSync(out, 'utf8').slice(0, 1_000);
  } catch (error) {
    expect(existsSync(out)).toBe(false);
    if (!isCoded(error)) throw error;
    expect(error.message).not.toContain('secret');
    return error.code;
  } finally {
    expect(readdirSync(own)).toEqual([]);
  }
}

describe('a result as text', () => {
  it('is CSV with a header, or a JSON object a line, in the order of its rows', async () => {
    const file = await parquet(`SELECT * FROM (VALUES (2, 'b"'), (1, NULL)) t(n, "odd "" name")`);
    const names = ['n', 'odd " name'];
    expect(await textOf(file, { names })).toBe('n,"odd "" name"\n2,"b"""\n1,\n');
    const lines = (await textOf(file, { format: 'jsonl', names })).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
      { n: 2, 'odd " name': 'b"' },
      { n: 1, 'odd " name': null },
    ]);
  });

  it('takes a name of a column for a name, whatever it says', async () => {
    const name = `x"; COPY (SELECT 1) TO '${join(folder, 'escaped')}'; --`;
    const file = await parquet(`SELECT 1 AS "${name.replaceAll('"', '""')}"`);
    expect(await textOf(file, { names: [name] })).toContain('COPY (SELECT 1)');
    expect(existsSync(join(folder, 'escaped'))).toBe(false);
  });
});

describe('a hostile file', () => {
  it('of one value that is huge when it is unpacked costs its child only', async () => {
    const file = await parquet("SELECT 'secret' || repeat('x', 250000000) AS a");
    const { rss } = process.memoryUsage();
    expect(await textOf(file, { memoryBytes: 32 * MIB, outBytes: 1024 * MIB })).toBe(
      'engine-text-failed',
    );
    expect(process.memoryUsage().rss - rss).toBeLessThan(100 * MIB);
  });

  it('of few bytes and many rows is cut off at the longest text', async () => {
    const file = await parquet("SELECT 'secret' AS a FROM range(1000000)");
    expect(readFileSync(file).length).toBeLessThan(MIB);
    expect(await textOf(file)).toBe('engine-text-failed');
  });

  it('that takes too long is cut off', async () => {
    const file = await parquet("SELECT repeat('secret', 40) AS a FROM range(4000000)");
    expect(await textOf(file, { timeMs: 1, outBytes: 1024 * MIB })).toBe('engine-text-failed');
  });

  it('cut or changed anywhere gives a text or a code, and never ends this process', async () => {
    const whole = readFileSync(await parquet("SELECT range AS a, 'secret' AS b FROM range(30)"));
    const names = ['a', 'b'];
    const bent = join(folder, 'bent.parquet');
    for (let at = 4; at < whole.length; at += Math.ceil(whole.length / 3)) {
      writeFileSync(bent, whole.subarray(0, at));
      expect(await textOf(bent, { names })).toBe('engine-text-failed');
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] as number) ^ 0x55;
      writeFileSync(bent, changed);
      expect(await textOf(bent, { names })).toMatch(/^(a,|engine-(text-failed|columns-differ)$)/);
    }
  });

  it.each([
    ['is no Parquet', 'a,b\n1,2\n'],
    ['is empty', ''],
    ['names another file', 'PAR1/etc/passwdPAR1'],
  ])('that %s is refused', async (_what, bytes) => {
    const path = join(folder, `raw-${files++}`);
    writeFileSync(path, bytes);
    expect(await textOf(path)).toBe('engine-text-failed');
  });

  it('that is not there, or whose text has no place, is refused', async () => {
    expect(await textOf(join(folder, 'nowhere'))).toBe('engine-text-failed');
    const [file, out] = [await parquet('SELECT 1 AS a'), join(folder, 'no', 'folder')];
    const request = {
      files: [file],
      columns: [{ name: 'a' }],
      to: { format: 'csv', out },
    } as const;
    const refused = exportParquet(request, LIMITS);
    await expect(refused).rejects.toMatchObject({ code: 'engine-text-failed' });
  });
});

it('the child reads and writes what it was told of, and says nothing of why it fails', async () => {
  const limits = { memoryBytes: 64 * MIB, threads: 1 };
  const file = await parquet("SELECT 'secret' AS a");
  const out = join(folder, 'elsewhere');
  writeFileSync(out, '');
  const own = { script: 'export.mjs', reads: [file], writes: [out] };
  const child = await EngineChild.start({ ...limits, fileBytes: MIB }, own);
  onTestFinished(() => child.kill());
  const columns = [{ name: 'a', type: 'VARCHAR' }];
  const ask = (allowed: string[], from = file) => {
    const request = {
      op: 'convert',
      files: [from],
      out,
      format: 'csv',
      columns,
      ...limits,
      allowed,
    };
    return child.ask(request, 5_000);
  };
  expect(await ask([out])).toEqual({ failed: '' });
  expect(await ask([file])).toEqual({ failed: '' });
  expect(await ask([file, out], 'http://127.0.0.1:9/x.parquet')).toEqual({ failed: '' });
  expect(readFileSync(out, 'utf8')).toBe('');
  expect(await ask([file, out])).toEqual({ ok: {} });
});
