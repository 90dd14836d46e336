// SPDX-License-Identifier: Apache-2.0
// DuckDB's planner and runner do what every planner and runner must.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  PLANNER_CHECKS,
  RUNNER_CHECKS,
  type RunnerSubject,
  type TestTables,
  testTables,
} from '@cloister/testkit/engines';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { createDuckdbPlanner } from './duckdb-planner.ts';
import { createDuckdbRunner } from './runner.ts';

const columns = [
  { id: 1, name: 'n', type: 'BIGINT' },
  { id: 2, name: 'note', type: 'VARCHAR' },
];
const SECRET = 'nobody-else-reads-this';
const ROWS = Array.from({ length: 20_000 }, (_, at) => [at, SECRET]);
const code = 'SELECT n, n + 1 AS next FROM t';
const planner = createDuckdbPlanner();

describe('DuckDB', () => {
  const tables = [{ name: 't', columns }];
  const refused = [
    ...['', 'SELECT', 'SELECT m FROM t', 'SELECT n FROM u', 'DROP TABLE t', '\u0000'],
    ...['SELECT 1 AS a, 2 AS a FROM t', "SELECT * FROM read_text('/etc/passwd')"],
  ];
  const planning = { planner: createDuckdbPlanner, tables, code, refused };
  for (const { name, check } of PLANNER_CHECKS) it(`plans: ${name}`, () => check(planning));

  let running: RunnerSubject;
  let folder: string;
  let files: TestTables;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cloister-conformance-'));
    files = await testTables();
    const file = join(folder, 't.parquet');
    await files.write(file, columns, ROWS);
    running = {
      ...{ planner, runner: createDuckdbRunner, files, folder, code },
      tables: [{ name: 't', columns, granted: [1, 2], files: [file] }],
      rows: ROWS.map(([n]) => [String(n), String(Number(n) + 1)]),
      other: 'SELECT note, n FROM t',
      failing: { code: 'SELECT CAST(note AS INTEGER) AS n FROM t', secret: SECRET },
    };
  });
  afterAll(async () => {
    await planner.close();
    files.close();
    await rm(folder, { recursive: true });
  });
  for (const { name, check } of RUNNER_CHECKS) it(`runs: ${name}`, () => check(running));
});
