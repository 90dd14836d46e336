// SPDX-License-Identifier: Apache-2.0
// Results in parts: every row once and in its order, whatever the size of a part; what is larger
// than the engine's memory flows through it; limits are of all parts together, and whoever takes
// them is waited for, and ends the run where it takes none.
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EngineTable, ResultPart, RunLimits } from '@cloister/contract/policy';
import { CodedError } from '@cloister/core';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { codeOf } from '../testing/code-of.ts';
import { duckdb } from '../testing/duckdb.ts';

const MIB = 1024 * 1024;
const LIMITS: RunLimits = {
  memoryBytes: 64 * MIB,
  threads: 2,
  timeMs: 50_000,
  outputRows: 10_000_000,
  outputBytes: 1024 * MIB,
  partBytes: MIB / 2,
};
const numbers: EngineTable = { name: 'numbers', columns: [{ id: 1, name: 'n', type: 'BIGINT' }] };
const ROWS = 120_000;
const folder = mkdtempSync(join(tmpdir(), 'cloister-parts-test-'));
const input = join(folder, 'numbers.parquet');
const part = join(folder, 'cloister-part.parquet');
const tables = [{ ...numbers, granted: [1], files: [input] }];
const engine = duckdb();
let db: DuckDBConnection;

beforeAll(async () => {
  db = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect();
  await db.run(`COPY (SELECT i AS n FROM range(${ROWS}) r(i)) TO '${input}'`);
});

afterAll(async () => {
  await engine.close();
  db.closeSync();
  rmSync(folder, { recursive: true, force: true });
});

interface Kept extends Omit<ResultPart, 'file'> {
  readonly first: unknown;
  readonly bytes: number;
}

/** Runs a code; its parts as they came, each looked at before the next is made. */
async function run(
  code: string,
  change: Partial<RunLimits> = {},
  look: (part: ResultPart) => Promise<void> = async () => undefined,
) {
  const plan = await engine.plan({ code, tables: [numbers] });
  const parts: Kept[] = [];
  const take = async ({ file, ...of }: ResultPart) => {
    const reader = await db.runAndReadAll(`SELECT #1 FROM read_parquet('${file}')`);
    expect(reader.currentRowCount).toBe(of.rows);
    const values = reader.getColumnsJS()[0] ?? [];
    const start = BigInt(Number(values[0] ?? 0));
    expect(values.every((value, at) => value === start + BigInt(at))).toBe(true);
    parts.push({ ...of, first: values[0], bytes: statSync(file).size });
    await look({ file, ...of });
  };
  const result = await engine.run({ plan, tables, limits: { ...LIMITS, ...change }, folder, take });
  return { parts, result };
}

describe('the parts of a result', () => {
  it('have every row once, in its order, and are counted together', async () => {
    const { parts, result } = await run('SELECT n FROM numbers');
    expect(parts.length).toBeGreaterThan(1);
    let next = 0n;
    for (const { first, rows } of parts) {
      expect(first).toBe(next);
      next += BigInt(rows);
    }
    expect(next).toBe(BigInt(ROWS));
    expect(result.rows).toBe(ROWS);
    expect(result.bytes).toBe(parts.reduce((sum, { bytes }) => sum + bytes, 0));
    const value = (name: string) => result.metrics.find((one) => one.name === name)?.value;
    expect([value('rows-in'), value('rows-out')]).toEqual([ROWS, ROWS]);
    expect(value('bytes-out')).toBe(result.bytes);
  });

  it('are one where a part has room for all, or where there are no rows', async () => {
    const room = { partBytes: 32 * MIB };
    const whole = await run('SELECT n FROM numbers', room);
    expect(whole.parts.map(({ rows }) => rows)).toEqual([ROWS]);
    const { parts, result } = await run('SELECT n FROM numbers WHERE n < 0', room);
    expect(parts.map(({ rows, statement }) => [statement, rows])).toEqual([[0, 0]]);
    expect(result.rows).toBe(0);
  });

  it('are of one statement each, statements in order', async () => {
    const code = 'SELECT n FROM numbers; SELECT n FROM numbers WHERE n < 0; SELECT n FROM numbers';
    const { parts } = await run(code);
    const statements = parts.map(({ statement }) => statement);
    expect(statements).toEqual([...statements].sort());
    expect(statements.filter((statement) => statement === 1)).toHaveLength(1);
    for (const statement of [0, 2]) {
      const own = parts.filter((one) => one.statement === statement);
      expect(own.length).toBeGreaterThan(1);
      expect(own.reduce((sum, { rows }) => sum + rows, 0)).toBe(ROWS);
    }
  });

  it('of a result several times the memory of its engine flow through it', async () => {
    const memoryBytes = 64 * MIB;
    const width = 30;
    const columns = Array.from({ length: width }, (_, at) => `n + ${at} AS c${at}`);
    const many = join(folder, 'many.parquet');
    const rows = 900_000;
    await db.run(`COPY (SELECT i AS n FROM range(${rows}) r(i)) TO '${many}'`);
    const code = `SELECT ${columns.join(', ')} FROM numbers`;
    const plan = await engine.plan({ code, tables: [numbers] });
    let most = 0;
    const take = async (one: ResultPart) => {
      most = Math.max(most, one.rows);
    };
    const limits = { ...LIMITS, memoryBytes, partBytes: 32 * MIB };
    const asked = { plan, tables: [{ ...numbers, granted: [1], files: [many] }] };
    const result = await engine.run({ ...asked, limits, folder, take });
    expect(result.rows).toBe(rows);
    expect(rows * width * 8).toBeGreaterThan(3 * memoryBytes);
    expect(most * width * 8).toBeLessThan(memoryBytes / 8);
  });

  it('are made one after another: the next when the last was taken', async () => {
    let under = 0;
    await run('SELECT n FROM numbers', {}, async () => {
      under += 1;
      expect(under).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(existsSync(part)).toBe(true);
      under -= 1;
    });
    expect(existsSync(part)).toBe(false);
  });
});

describe('a run ends', () => {
  const code = 'SELECT n FROM numbers';

  it('with what its taker says, where that takes no more', async () => {
    let taken = 0;
    const full = async () => {
      taken += 1;
      if (taken === 2) throw new CodedError('disk-full', 'unavailable', 'no');
    };
    expect(await codeOf(run(code, {}, full))).toBe('disk-full');
    expect([taken, existsSync(part)]).toEqual([2, false]);
  });

  it('by limits of all its parts together', async () => {
    expect(await codeOf(run(code, { outputRows: ROWS }))).toBe('ok');
    expect(await codeOf(run(code, { outputRows: ROWS - 1 }))).toBe('engine-run-failed');
    const { result } = await run(code);
    expect(await codeOf(run(code, { outputBytes: result.bytes }))).toBe('ok');
    expect(await codeOf(run(code, { outputBytes: result.bytes - 1 }))).toBe('engine-run-failed');
  });

  it('by its own time, of which a slow taker takes none', async () => {
    const slow = () => new Promise<void>((resolve) => setTimeout(resolve, 1_000));
    const timeMs = 2_500;
    const { parts } = await run(code, { timeMs }, slow);
    expect(parts.length * 1_000).toBeGreaterThanOrEqual(timeMs);
  });

  it('in the middle, by a value that is met late', async () => {
    const value = `CASE WHEN n = ${ROWS - 1} THEN 'x' ELSE '1' END`;
    const late = `SELECT CAST(${value} AS INTEGER) AS t FROM numbers`;
    expect(await codeOf(run(late))).toBe('engine-run-failed');
    expect(existsSync(part)).toBe(false);
  });
});
