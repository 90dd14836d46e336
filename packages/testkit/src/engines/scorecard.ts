// SPDX-License-Identifier: Apache-2.0
// An engine that is no SQL engine, as small as one can be, to try the ports of planners and runners
// with. Its code is a scorecard: a JSON text that gives points to columns of one input, and says
// what it puts out at most. Each row of the input becomes one score.
//
//   { "scorecard": 1, "input": "t", "points": { "a": 2, "c": 1 },
//     "most": { "rows": 9, "bytes": 99 } }
//
// A value that is absent or negative is an error that depends on data. It has no small groups, so
// it takes no suppression, and binds no grouping.
import { rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import {
  canonicalUses,
  type EngineOutput,
  type EnginePlan,
  type EngineTable,
  encodeUses,
  limitsFor,
  type Planner,
  type PlanRequest,
  ROWS,
  type Runner,
  type RunRequest,
  type RunResult,
  type Use,
} from '@cloister/contract/policy';
import { CodedError, equal } from '@cloister/core';
import { z } from 'zod';
import type { TestTables } from './tables.ts';

export const SCORECARD_KIND = 'scorecard';

const scorecard = z.strictObject({
  scorecard: z.literal(1),
  input: z.string(),
  points: z.record(z.string(), z.int()),
  most: z.strictObject({ rows: z.int().min(1), bytes: z.int().min(1) }),
});
type Scorecard = z.infer<typeof scorecard>;

const OUTPUTS: readonly EngineOutput[] = [{ id: 1, statement: 0, name: 'score', type: 'BIGINT' }];
const SCORE_BYTES = 8;
const WHOLE = /^U?(TINY|SMALL|BIG)?INT(EGER)?$/;

function refused(message: string): CodedError {
  return new CodedError('scorecard-refused', 'unsupported', message);
}

function parse(code: string): Scorecard {
  try {
    return scorecard.parse(JSON.parse(code));
  } catch {
    throw new CodedError('scorecard-malformed', 'malformed', 'the code is no scorecard');
  }
}

function planOf({ code, tables, suppress = [], params = {} }: PlanRequest): EnginePlan {
  const { input, points, most } = parse(code);
  if (suppress.length > 0) throw refused('a scorecard has no groups that could be dropped');
  if (Object.keys(params).length > 0) throw refused('a scorecard has no parameters');
  const at = tables.findIndex((table) => table.name === input);
  if (at < 0) throw refused(`there is no input ${input}`);
  const ids = Object.keys(points).map((name) => columnOf(tables[at] as EngineTable, name).id);
  if (ids.length === 0) throw refused('a scorecard gives points to a column at least');
  const of = { statement: 0, input: at, role: 'output' } as const;
  const rows: Use = { ...of, column: 0, function: ROWS.rowByRow, expression: '', output: 0 };
  const uses = ids.map((column): Use => {
    return { ...of, column, function: '', expression: `points(#${column})`, output: 1 };
  });
  return {
    uses: canonicalUses([rows, ...uses]),
    outputs: OUTPUTS,
    suppression: [],
    steps: [code],
    bounds: most,
  };
}

function columnOf({ columns }: EngineTable, name: string) {
  const found = columns.find((column) => column.name === name);
  if (found === undefined) throw refused(`the input has no column ${name}`);
  if (!WHOLE.test(found.type)) throw refused(`column ${name} has no whole numbers`);
  return found;
}

/** Plans scorecards. */
export function scorecardPlanner(): Planner {
  let closed = false;
  return {
    kind: SCORECARD_KIND,
    version: '1',
    plan: async (request) => {
      if (closed) throw closedError();
      return planOf(request);
    },
    close: async () => {
      closed = true;
    },
  };
}

/** Runs planned scorecards over files that `tables` reads. */
export function scorecardRunner(tables: TestTables): Runner {
  let closed = false;
  return {
    kind: SCORECARD_KIND,
    nodes: 'one',
    cage: async () => ({ cage: 'process', lacks: [] }),
    run: async (request) => {
      if (closed) throw closedError();
      return run(tables, request);
    },
    close: async () => {
      closed = true;
    },
  };
}

async function run(tables: TestTables, request: RunRequest): Promise<RunResult> {
  const { plan, ready } = request;
  ready?.catch(() => undefined);
  const [code = '', ...more] = plan.steps;
  const { input, points } = parse(code);
  const again = planOf({ code, tables: request.tables });
  const same =
    more.length === 0 &&
    equal(encodeUses(again.uses), encodeUses(plan.uses)) &&
    JSON.stringify(again.outputs) === JSON.stringify(plan.outputs);
  if (!same) throw refused('the plan is not what its step does');
  const table = request.tables.find(({ name }) => name === input);
  if (table === undefined) throw refused(`there is no input ${input}`);
  const names = Object.keys(points);
  const hidden = names.find((name) => !table.granted.includes(columnOf(table, name).id));
  if (hidden !== undefined) throw refused(`column ${hidden} is not granted`);
  await ready;
  // From here on there is data, and nothing is said of what goes wrong.
  const rows = await tables.read(table.files, names).catch(() => undefined);
  const scores = rows?.map((row) => score(row, Object.values(points)));
  if (scores === undefined || scores.some((one) => one === undefined)) throw runFailed();
  return handOver(tables, request, scores as number[]);
}

function score(row: readonly unknown[], points: readonly number[]): number | undefined {
  const values = row.map((cell) => (cell === null ? Number.NaN : Number(cell)));
  if (!values.every((value) => value >= 0)) return undefined;
  return values.reduce((sum, value, at) => sum + value * (points[at] ?? 0), 0);
}

async function handOver(
  tables: TestTables,
  request: RunRequest,
  scores: readonly number[],
): Promise<RunResult> {
  const { folder, take } = request;
  const limits = limitsFor(request.plan, request.limits);
  if (scores.length > limits.outputRows) throw runFailed();
  const file = join(folder, 'scores.parquet');
  const partRows = Math.max(1, Math.floor(limits.partBytes / SCORE_BYTES));
  let bytes = 0;
  try {
    for (let at = 0; at === 0 || at < scores.length; at += partRows) {
      const part = scores.slice(at, at + partRows);
      await tables.write(
        file,
        OUTPUTS,
        part.map((one) => [one]),
      );
      bytes += (await stat(file)).size;
      if (bytes > limits.outputBytes) throw runFailed();
      await take({ statement: 0, file, rows: part.length });
    }
  } finally {
    await rm(file, { force: true });
  }
  const trust = 'counted-inside' as const;
  return {
    rows: scores.length,
    bytes,
    metrics: [{ name: 'rows-out', value: scores.length, trust }],
    cage: 'process',
  };
}

function closedError(): CodedError {
  return new CodedError('scorecard-closed', 'usage', 'this engine has been closed');
}

function runFailed(): CodedError {
  const message = 'the run failed; why is not told, because it may tell of data';
  return new CodedError('scorecard-run-failed', 'verification', message);
}
