// SPDX-License-Identifier: Apache-2.0
// Runs: small groups suppressed, results and metrics right, limits kept, and every failure inside
// the child told as the one code. Files are made by a DuckDB of the test's own. It is long
// because one database and one engine serve all of it.
import {
  copyFileSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type EngineTable,
  type RunLimits,
  type RunRequest,
  type RunTable,
  STATEMENTS_MAX,
} from '@cloister/contract/policy';
import { isCoded } from '@cloister/core';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { codeOf } from '../testing/code-of.ts';
import { type Duckdb, duckdb } from '../testing/duckdb.ts';
import { EngineChild } from './child-process.ts';
import { engineError } from './errors.ts';

const folder = mkdtempSync(join(tmpdir(), 'cloister-run-test-'));
const LIMITS: RunLimits = {
  memoryBytes: 256 * 1024 * 1024,
  threads: 2,
  timeMs: 20_000,
  outputRows: 1000,
  outputBytes: 1024 * 1024,
  partBytes: 4 * 1024 * 1024,
};
const people: EngineTable = {
  name: 'people',
  columns: [
    { id: 1, name: 'ID', type: 'BIGINT' },
    { id: 2, name: 'TOWN', type: 'VARCHAR' },
    { id: 3, name: 'AGE', type: 'INTEGER' },
    { id: 4, name: 'NOTE', type: 'VARCHAR' },
  ],
};
const visits: EngineTable = {
  name: 'visits',
  columns: [
    { id: 1, name: 'ID', type: 'BIGINT' },
    { id: 2, name: 'cost.eur', type: 'INTEGER' },
  ],
};

let engine: Duckdb;
let db: DuckDBConnection;
let counter = 0;
const fresh = () => {
  counter += 1;
  return join(folder, `result-${counter}.parquet`);
};

beforeAll(async () => {
  engine = duckdb();
  db = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect();
  // Town A has 30 people, B has 5, C has 1; only people with an odd ID have visits, C's has 50.
  await db.run(`COPY (SELECT i AS "ID",
    CASE WHEN i <= 30 THEN 'A' WHEN i <= 35 THEN 'B' ELSE 'C' END AS "TOWN",
    (20 + i)::INTEGER AS "AGE" FROM range(1, 37) r(i)) TO '${folder}/people.parquet'`);
  await db.run(`COPY (SELECT i AS "ID", i::INTEGER AS "cost.eur" FROM range(1, 36, 2) r(i) UNION ALL
    SELECT 36, 7 FROM range(50)) TO '${folder}/visits.parquet'`);
});

afterAll(async () => {
  await engine.close();
  db.closeSync();
  rmSync(folder, { recursive: true, force: true });
});

const inputs = (granted: readonly number[] = [1, 2, 3]): RunTable[] => [
  { ...people, granted, files: [join(folder, 'people.parquet')] },
  { ...visits, granted: [1, 2], files: [join(folder, 'visits.parquet')] },
];

async function rowsOf(file: string): Promise<unknown[]> {
  const reader = await db.runAndReadAll(`SELECT * FROM read_parquet('${file}')`);
  return reader.getRowObjectsJson();
}

/** Runs a plan into fresh files; `files` are the statements' first parts. */
async function runTo(
  by: Duckdb,
  request: Omit<RunRequest, 'limits' | 'folder' | 'take'> & {
    limits?: RunLimits;
  },
) {
  const parts: { file: string; rows: number }[][] = [];
  const take: RunRequest['take'] = async ({ statement, file, rows }) => {
    const kept = fresh();
    copyFileSync(file, kept);
    parts[statement] = [...(parts[statement] ?? []), { file: kept, rows }];
  };
  try {
    const result = await by.run({ limits: LIMITS, ...request, folder, take });
    const files = parts.map(([first]) => first?.file as string);
    return { ...result, parts, files, file: files[0] as string };
  } catch (error) {
    for (const { file } of parts.flat()) rmSync(file);
    throw error;
  } finally {
    expect(existsSync(join(folder, 'cloister-part.parquet'))).toBe(false);
  }
}

const JOINED = 'FROM people p JOIN visits v ON p.ID = v.ID';

describe('results', () => {
  test('groups below k vanish, by rows and by distinct subjects', async () => {
    const code = `SELECT TOWN, avg(AGE) AS age, sum("cost.eur") AS cost, count(*) AS n ${JOINED}
      GROUP BY TOWN ORDER BY TOWN`;
    const tables = [people, visits];
    const suppress = [
      { statement: 0, input: 0, k: 3, subjects: [1] },
      { statement: 0, input: 1, k: 2, subjects: [1] },
    ];
    const plan = await engine.plan({ code, tables, suppress });
    const result = await runTo(engine, { plan, tables: inputs() });
    // C has 50 rows of one person: enough rows, not enough subjects.
    expect(await rowsOf(result.file)).toEqual([
      { TOWN: 'A', age: 35, cost: '225', n: '15' },
      { TOWN: 'B', age: 53, cost: '99', n: '3' },
    ]);
    expect(plan.outputs[2]).toEqual({
      id: 3,
      statement: 0,
      name: 'cost',
      type: 'DECIMAL(38,0)',
    });
    const value = Object.fromEntries(result.metrics.map((one) => [one.name, one.value]));
    expect(value['rows-in']).toBe(36 + 18 + 50);
    expect(value['rows-out']).toBe(2);
    expect(value['bytes-out']).toBe(result.bytes);
    const bent = result.metrics.filter((one) => one.trust === 'host-influenced');
    expect(bent.map((one) => one.name).sort()).toEqual(['peak-memory-bytes', 'run-ms']);

    const unsuppressed = await engine.plan({ code, tables });
    const all = await runTo(engine, { plan: unsuppressed, tables: inputs() });
    expect(await rowsOf(all.file)).toHaveLength(3);
  });

  test('columns that are not granted need not be in the files', async () => {
    const plan = await engine.plan({ code: 'SELECT max(AGE) AS m FROM people', tables: [people] });
    const tables = [{ ...people, granted: [3], files: [join(folder, 'people.parquet')] }];
    const result = await runTo(engine, { plan, tables });
    expect(await rowsOf(result.file)).toEqual([{ m: 56 }]);
  });

  test('parameters are values, whatever they hold', async () => {
    const code = `SELECT count(*) AS n FROM people WHERE TOWN = $town AND AGE > $age`;
    const plan = async (town: string) =>
      engine.plan({ code, params: { town, age: 30 }, tables: [people] });
    const tables = inputs().slice(0, 1);
    const run = async (town: string) => runTo(engine, { plan: await plan(town), tables });
    expect(await rowsOf((await run('A')).file)).toEqual([{ n: '20' }]);
    expect(await rowsOf((await run(`A' OR 'x' = 'x`)).file)).toEqual([{ n: '0' }]);
    expect(await codeOf(engine.plan({ code, params: { town: 'A' }, tables: [people] }))).toBe(
      'engine-params-invalid',
    );
    const params = { town: 'A', age: 1, more: 2 };
    expect(await codeOf(engine.plan({ code, params, tables: [people] }))).toBe(
      'engine-params-invalid',
    );
  });

  test('rows keep the order that the code asks for', async () => {
    const plan = await engine.plan({
      code: 'SELECT ID FROM people ORDER BY AGE DESC LIMIT 3',
      tables: [people],
    });
    const tables = inputs().slice(0, 1);
    const result = await runTo(engine, { plan, tables });
    expect(await rowsOf(result.file)).toEqual([{ ID: '36' }, { ID: '35' }, { ID: '34' }]);
  });
});

describe('several statements', () => {
  const code = `SELECT TOWN, count(*) AS n FROM people GROUP BY TOWN ORDER BY TOWN;
    SELECT count(*) AS n FROM people WHERE AGE > 40;
    SELECT TOWN, sum("cost.eur") AS n ${JOINED} GROUP BY TOWN ORDER BY TOWN`;
  const tables = [people, visits];

  test('run over inputs that were read once, each into a file of its own', async () => {
    const plan = await engine.plan({ code, tables });
    expect(plan.outputs.map(({ id, statement, name }) => [id, statement, name])).toEqual([
      [1, 0, 'TOWN'],
      [2, 0, 'n'],
      [3, 1, 'n'],
      [4, 2, 'TOWN'],
      [5, 2, 'n'],
    ]);
    const shown = plan.uses.filter(({ column, role }) => column === 2 && role === 'output');
    const where = shown.map(({ statement, output }) => [statement, output]);
    expect(where).toEqual(
      expect.arrayContaining([
        [0, 1],
        [2, 4],
      ]),
    );
    const result = await runTo(engine, { plan, tables: inputs() });
    const [first, second, third] = await Promise.all(result.files.map(rowsOf));
    expect(first).toEqual([
      { TOWN: 'A', n: '30' },
      { TOWN: 'B', n: '5' },
      { TOWN: 'C', n: '1' },
    ]);
    expect(second).toEqual([{ n: '16' }]);
    expect(third).toHaveLength(3);
    expect(result.rows).toBe(7);
    // Each by itself puts out the same.
    for (const [at, sql] of code.split(';').entries()) {
      const alone = await engine.plan({ code: sql, tables });
      const { file } = await runTo(engine, { plan: alone, tables: inputs() });
      expect(await rowsOf(file)).toEqual([first, second, third][at]);
    }
  });

  test('small groups are suppressed in the statement that is named, and in no other', async () => {
    const suppress = [{ statement: 2, input: 1, k: 2, subjects: [1] }];
    const plan = await engine.plan({ code, tables, suppress });
    const { files } = await runTo(engine, { plan, tables: inputs() });
    expect(await Promise.all(files.map(rowsOf))).toMatchObject([
      [{ TOWN: 'A' }, { TOWN: 'B' }, { TOWN: 'C' }],
      [{}],
      [{ TOWN: 'A' }, { TOWN: 'B' }],
    ]);
    const none = [{ statement: 3, input: 1, k: 2, subjects: [1] }];
    expect(await codeOf(engine.plan({ code, tables, suppress: none }))).toBe(
      'engine-suppression-failed',
    );
    // A plan that says that another statement was suppressed is not run.
    const moved = { ...plan, suppression: suppress.map((one) => ({ ...one, statement: 0 })) };
    expect(await codeOf(runTo(engine, { plan: moved, tables: inputs() }))).toBe(
      'engine-plan-changed',
    );
  });

  test('statements of a plan cannot change places, be left out or be added', async () => {
    const plan = await engine.plan({ code, tables });
    const [a = '', b = '', c = ''] = plan.steps;
    for (const steps of [
      [b, a, c],
      [a, b],
      [a, b, c, a],
    ]) {
      const changed = { ...plan, steps };
      expect(await codeOf(runTo(engine, { plan: changed, tables: inputs() }))).toBe(
        'engine-plan-changed',
      );
    }
  });

  test('one that fails ends all, and limits are of all together', async () => {
    const kept = readdirSync(folder).length;
    const failing = `SELECT ID FROM people; SELECT CAST(TOWN AS INTEGER) AS n FROM people`;
    const two = 'SELECT ID FROM people; SELECT AGE FROM people';
    const run = async (sql: string, limits = LIMITS) => {
      const plan = await engine.plan({ code: sql, tables: [people] });
      return runTo(engine, { plan, tables: inputs().slice(0, 1), limits });
    };
    expect(await codeOf(run(failing))).toBe('engine-run-failed');
    expect(await codeOf(run(two, { ...LIMITS, outputRows: 71 }))).toBe('engine-run-failed');
    const { bytes } = await run(two, { ...LIMITS, outputRows: 72 });
    expect(await codeOf(run(two, { ...LIMITS, outputBytes: bytes - 1 }))).toBe('engine-run-failed');
    expect(readdirSync(folder).length).toBe(kept + 2);
  });

  test('a star that only asks whether there are rows reads no column for it', async () => {
    const exists = 'EXISTS (SELECT * FROM visits v WHERE v.ID = p.ID)';
    const sql = `SELECT ID FROM people p WHERE ${exists} ORDER BY ID LIMIT 2`;
    const plan = await engine.plan({ code: sql, tables });
    const read = plan.uses.filter(({ input }) => input === 1).map(({ column }) => column);
    expect([...new Set(read)]).toEqual([0, 1]);
    expect(await rowsOf((await runTo(engine, { plan, tables: inputs() })).file)).toEqual([
      { ID: '1' },
      { ID: '3' },
    ]);
  });

  test('parameters are for all of them; too many statements are refused', async () => {
    const params = { town: 'A' };
    const each = 'SELECT count(*) AS n FROM people WHERE TOWN = $town;';
    const { steps } = await engine.plan({
      code: `${each} SELECT 1 AS one; ${each}`,
      params,
      tables: [people],
    });
    expect(steps).toHaveLength(3);
    const many = 'SELECT 1 AS a;'.repeat(STATEMENTS_MAX + 1);
    expect(await codeOf(engine.plan({ code: many, tables: [people] }))).toBe(
      'engine-statement-count',
    );
  });
});

describe('refusals and failures', () => {
  const plain = async (code: string) => engine.plan({ code, tables: [people] });
  const run = async (
    code: string,
    limits: Partial<RunLimits> = {},
    tables = inputs().slice(0, 1),
  ) => runTo(engine, { plan: await plain(code), tables, limits: { ...LIMITS, ...limits } });

  test('a failure that depends on data is one code and says nothing', async () => {
    const error = await run('SELECT CAST(TOWN AS INTEGER) AS n FROM people').catch((one) => one);
    expect(isCoded(error, 'engine-run-failed')).toBe(true);
    expect(JSON.stringify(error.message) + JSON.stringify(error.details)).not.toMatch(/'A'|TOWN/);
    expect(error.cause).toBeUndefined();
  });

  test('too many rows, too many bytes, too much memory, too long', async () => {
    // Of these runs only the one that succeeds leaves a file.
    const results = () => readdirSync(folder).filter((name) => name.startsWith('result-')).length;
    const kept = results();
    expect(await codeOf(run('SELECT ID FROM people', { outputRows: 35 }))).toBe(
      'engine-run-failed',
    );
    expect(await codeOf(run('SELECT ID FROM people', { outputRows: 36 }))).toBe('ok');
    expect(await codeOf(run('SELECT ID FROM people', { outputBytes: 100 }))).toBe(
      'engine-run-failed',
    );
    const cross = Array.from({ length: 9 }, (_, at) => `people p${at}`).join(', ');
    const slow = `SELECT sum(p0.AGE + p8.AGE) AS n FROM ${cross}`;
    const before = performance.now();
    expect(await codeOf(run(slow, { timeMs: 700 }))).toBe('engine-run-failed');
    expect(performance.now() - before).toBeLessThan(20_000);
    const wide = `SELECT count(*) AS n FROM (SELECT DISTINCT p0.ID a, p1.ID b, p2.ID c, p3.ID d,
      p4.ID e FROM people p0, people p1, people p2, people p3, people p4)`;
    const memoryBytes = 32 * 1024 * 1024;
    expect(await codeOf(run(wide, { memoryBytes }))).toBe('engine-run-failed');
    expect(results()).toBe(kept + 1);
  });

  test('unreadable, truncated, empty and lying files', async () => {
    const file = join(folder, 'bad.parquet');
    for (const bytes of [Buffer.alloc(0), Buffer.from('PAR1xxxxxxxxPAR1')]) {
      writeFileSync(file, bytes);
      const tables = [{ ...people, granted: [1, 2, 3], files: [file] }];
      expect(await codeOf(run('SELECT ID FROM people', {}, tables))).toBe('engine-run-failed');
    }
    const lying = [{ ...people, granted: [1, 2, 3], files: [join(folder, 'visits.parquet')] }];
    expect(await codeOf(run('SELECT AGE FROM people', {}, lying))).toBe('engine-run-failed');
    const absent = [{ ...people, granted: [1, 2, 3], files: [join(folder, 'none.parquet')] }];
    expect(await codeOf(run('SELECT ID FROM people', {}, absent))).toBe('engine-run-failed');
  });

  test('a statement other than the planned one is not run', async () => {
    const plan = await plain('SELECT count(*) AS n FROM people');
    const tables = inputs().slice(0, 1);
    const with_ = (statement: string) =>
      runTo(engine, { plan: { ...plan, steps: [statement] }, tables });
    expect(await codeOf(with_('SELECT max(AGE) AS n FROM people'))).toBe('engine-plan-changed');
    expect(await codeOf(with_(`COPY people TO '${folder}/x.csv'`))).toBe('engine-not-select');
    expect(existsSync(join(folder, 'x.csv'))).toBe(false);
    const ungranted = [{ ...people, granted: [1], files: [join(folder, 'people.parquet')] }];
    const run2 = runTo(engine, {
      plan: await plain('SELECT AGE FROM people'),
      tables: ungranted,
    });
    expect(await codeOf(run2)).toBe('engine-run-invalid');
  });

  test('schemas, types and paths are checked before anything starts', async () => {
    const plan = (columns: EngineTable['columns'], name = 'people') =>
      codeOf(engine.plan({ code: 'SELECT 1 AS a', tables: [{ name, columns }] }));
    const column = { id: 1, name: 'a', type: 'BIGINT' };
    expect(await plan([column])).toBe('ok');
    expect(await plan([])).toBe('engine-schema-invalid');
    expect(await plan([{ ...column, id: 2 }])).toBe('engine-schema-invalid');
    expect(await plan([column, { ...column, id: 2, name: 'A' }])).toBe('engine-schema-invalid');
    expect(await plan([{ ...column, type: 'BIGINT); DROP TABLE x; --' }])).toBe(
      'engine-schema-invalid',
    );
    expect(await plan([{ ...column, type: 'DECIMAL(39,1)' }])).toBe('engine-schema-invalid');
    expect(await plan([column], 'cloister_result')).toBe('engine-schema-invalid');
    const tables = [{ ...people, granted: [1, 2, 3], files: ['people*.parquet'] }];
    expect(await codeOf(run('SELECT ID FROM people', {}, tables))).toBe('engine-run-invalid');
  });

  test('a spare child serves one run and is replaced; close leaves none', async () => {
    const other = duckdb({ spare: LIMITS });
    const plan = await other.plan({ code: 'SELECT count(*) AS n FROM people', tables: [people] });
    const tables = inputs().slice(0, 1);
    for (const limits of [LIMITS, LIMITS, { ...LIMITS, threads: 1 }]) {
      const result = await runTo(other, { plan, tables, limits });
      expect(await rowsOf(result.file)).toEqual([{ n: '36' }]);
    }
    await other.close();
  });

  test('what held a run is said, and too little is refused before any file', async () => {
    const other = duckdb();
    const plan = await other.plan({ code: 'SELECT count(*) AS n FROM people', tables: [people] });
    const { cage, lacks } = await other.cage();
    expect(cage === 'sandbox').toBe(lacks.length === 0);
    const tables = inputs().slice(0, 1);
    expect((await runTo(other, { plan, tables })).cage).toBe(cage);
    const take = async () => undefined;
    const never = new Promise(() => undefined);
    const request = { plan, tables, limits: LIMITS, folder, take, ready: never };
    expect(await codeOf(other.run({ ...request, cage: 'machine' }))).toBe('engine-cage-weak');
    await other.close();
  });

  test('a run makes ready while its files are written, and ends if they are not', async () => {
    const file = join(folder, 'late.parquet');
    const tables = [{ ...people, granted: [1, 2, 3], files: [file] }];
    const plan = await plain('SELECT count(*) AS n FROM people');
    let written: () => void = () => undefined;
    const late = new Promise<void>((resolve) => {
      written = resolve;
    });
    const running = runTo(engine, { plan, tables, ready: late });
    await db.run(`COPY (FROM read_parquet('${folder}/people.parquet')) TO '${file}'`);
    written();
    expect(await rowsOf((await running).file)).toEqual([{ n: '36' }]);
    const gone = Promise.reject(engineError('engine-run-invalid', 'not to be had'));
    expect(await codeOf(runTo(engine, { plan, tables, ready: gone }))).toBe('engine-run-invalid');
    // What the plan lacks is said without waiting.
    const never = new Promise(() => undefined);
    const changed = { ...plan, steps: ['SELECT max(AGE) AS n FROM people'] };
    expect(await codeOf(runTo(engine, { plan: changed, tables, ready: never }))).toBe(
      'engine-plan-changed',
    );
  });

  test('a closed engine says so', async () => {
    const other = duckdb();
    await other.close();
    expect(await codeOf(other.plan({ code: 'SELECT 1 AS a', tables: [] }))).toBe('engine-closed');
  });
});

describe('the child by itself', () => {
  const settings = { memoryBytes: 64 * 1024 * 1024, threads: 1 };
  test('holes that DuckDB leaves open end at the child', async () => {
    const logs = join(folder, 'logs');
    const child = await EngineChild.start({ ...settings, fileBytes: 1 << 20 });
    onTestFinished(() => child.kill());
    const resultFile = child.room.result;
    const ask = async (statement: string) => {
      const outputs = [{ name: 'a', type: 'BIGINT' }];
      const work = { ...settings, tables: [], statements: [{ sql: statement, outputs }] };
      const most = { outputRows: 10, outputBytes: 10_000, partBytes: 10_000 };
      const where = { file: resultFile, allowed: [resultFile] };
      await child.ask({ op: 'run', ...work, ...most, ...where }, 5000);
      const answer = await child.ask({ op: 'part' }, 5000);
      return answer === undefined || 'failed' in answer ? answer : 'ran';
    };
    // A control that runs, so that the others fail for what they do.
    expect(await ask('SELECT 1 AS a')).toBe('ran');
    // Even a caller who skips planning runs nothing but one SELECT over the named files.
    for (const statement of [
      `CALL enable_logging(storage = 'file', storage_path = '${logs}')`,
      "PRAGMA add_parquet_key('k', '0123456789112345')",
      "SELECT 1 AS a; PRAGMA add_parquet_key('k', '0123456789112345')",
      "SELECT length(content) AS a FROM read_text('/etc/passwd')",
      `SELECT count(*) AS a FROM glob('${folder}/*')`,
      `COPY (SELECT 1 AS a) TO '${folder}/copied.parquet'`,
      'SET threads = 4',
    ]) {
      expect([statement, await ask(statement)]).toEqual([statement, { failed: '' }]);
    }
    // 2 GB in one string: the process limit, not DuckDB's, and whichever way it ends, it ends.
    const huge = await ask("SELECT length(repeat('x', 2000000000)) AS a");
    expect(huge === undefined || JSON.stringify(huge) === '{"failed":""}').toBe(true);
    expect(existsSync(logs)).toBe(false);
    expect(existsSync(join(folder, 'copied.parquet'))).toBe(false);
  });

  test('what it may take beyond its start is the same under every Node', async () => {
    const child = await EngineChild.start({ ...settings, fileBytes: 0 });
    onTestFinished(() => child.kill());
    const number = (file: string, pattern: RegExp) =>
      Number(pattern.exec(readFileSync(`/proc/${child.pid}/${file}`, 'utf8'))?.[1]);
    const limit = number('limits', /^Max data size +(\d+)/m);
    const taken = number('status', /^VmData:\s+(\d+) kB$/m) * 1024;
    // 64 MB of DuckDB's, 16 of a thread's, 336 for the rest, of which loading DuckDB took some. A
    // Node that reserves 512 MB takes none of that from the child, and gives it no more.
    expect(limit - taken).toBeGreaterThan(300 * 2 ** 20);
    expect(limit - taken).toBeLessThan((64 + 16 + 336) * 2 ** 20);
  });

  test('one that does not start tells its last words', async () => {
    const own = mkdtempSync(join(folder, 'tmp-'));
    vi.stubEnv('TMPDIR', own);
    onTestFinished(() => void vi.unstubAllEnvs());
    const impossible = { ...settings, memoryBytes: -(2 ** 33), fileBytes: 0 };
    const failed = await EngineChild.start(impossible).catch((error: unknown) => error);
    expect(failed).toMatchObject({ code: 'engine-start-failed' });
    expect(String(failed)).toMatch(/did not start \(exit status \d\): .*sh: .*ulimit: /);
    expect(readdirSync(own)).toEqual([]);
  });

  test('a child that overstays is killed, and its folder goes with it', async () => {
    const own = mkdtempSync(join(folder, 'tmp-'));
    const count = () => readdirSync(own).length;
    vi.stubEnv('TMPDIR', own);
    onTestFinished(() => void vi.unstubAllEnvs());
    const child = await EngineChild.start({ ...settings, fileBytes: 0 });
    expect(count()).toBe(1);
    await child.ask({ op: 'tables', tables: [], ...settings, allowed: [] }, 5000);
    const rows = 'range(100000000) a, range(100000000) b';
    const forever = child.ask({ op: 'parse', sql: 'SELECT 1' }, 5000);
    expect(await forever).toMatchObject({ ok: {} });
    const sql = `SELECT sum(a.range + b.range)::DOUBLE AS a FROM ${rows}`;
    const outputs = [{ name: 'a', type: 'DOUBLE' }];
    const file = child.room.result;
    const limit = { outputRows: 10, outputBytes: 10_000, partBytes: 10_000 };
    const work = { op: 'run', tables: [], statements: [{ sql, outputs }], file, allowed: [file] };
    expect(await child.ask({ ...work, ...settings, ...limit }, 5_000)).toEqual({
      ok: { rowsIn: 0 },
    });
    const answer = await child.ask({ op: 'part' }, 300);
    expect(answer === undefined || 'failed' in answer).toBe(true);
    await child.kill();
    expect(child.dead).toBe(true);
    expect(count()).toBe(0);
    expect(await child.ask({ op: 'parse', sql: 'SELECT 1' }, 5000)).toBeUndefined();
  });
});
