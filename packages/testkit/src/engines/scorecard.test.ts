// SPDX-License-Identifier: Apache-2.0
// The small engine keeps what the checks of planners and runners ask of every engine.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { PLANNER_CHECKS } from './planner-checks.ts';
import { RUNNER_CHECKS, type RunnerSubject } from './runner-checks.ts';
import { scorecardPlanner, scorecardRunner } from './scorecard.ts';
import { type TestTables, testTables } from './tables.ts';

const most = { rows: 1_000_000, bytes: 64 * 1024 * 1024 };
const cardOf = (points: Record<string, number>) =>
  JSON.stringify({ scorecard: 1, input: 't', points, most });
const columns = [
  { id: 1, name: 'a', type: 'BIGINT' },
  { id: 2, name: 'b', type: 'BIGINT' },
  { id: 3, name: 'note', type: 'VARCHAR' },
];
const SECRET = '-4711';
const ROWS = Array.from({ length: 20_000 }, (_, at) => [at, 2 * at]);
const code = cardOf({ a: 2, b: 1 });

describe('the scorecard', () => {
  const refused = ['', '{}', 'SELECT a FROM t', cardOf({}), cardOf({ c: 1 }), cardOf({ note: 1 })];
  const planning = { planner: scorecardPlanner, tables: [{ name: 't', columns }], code, refused };
  for (const { name, check } of PLANNER_CHECKS) it(`plans: ${name}`, () => check(planning));

  let running: RunnerSubject;
  let folder: string;
  let files: TestTables;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'cloister-scorecard-'));
    files = await testTables();
    const tables = [];
    const inputs = { t: ROWS, bad: [[Number(SECRET), 1]] };
    for (const [name, rows] of Object.entries(inputs)) {
      const file = join(folder, `${name}.parquet`);
      await files.write(file, columns.slice(0, 2), rows);
      tables.push({ name, columns, granted: [1, 2], files: [file] });
    }
    running = {
      ...{ planner: scorecardPlanner(), runner: () => scorecardRunner(files) },
      ...{ tables, files, folder, code },
      rows: ROWS.map(([a = 0, b = 0]) => [String(2 * a + b)]),
      other: cardOf({ a: 1 }),
      failing: { code: code.replace('"t"', '"bad"'), secret: SECRET },
    };
  });
  afterAll(async () => {
    files.close();
    await rm(folder, { recursive: true });
  });
  for (const { name, check } of RUNNER_CHECKS) it(`runs: ${name}`, () => check(running));
});
