// SPDX-License-Identifier: Apache-2.0
// A worker with two engines: the task says which runs it, and one that is no SQL engine goes the
// whole way, from the keepers' shares to a result that its recipient opens.
import { readdir } from 'node:fs/promises';
import { CodedError, systemRandom, toHex } from '@cloister/core';
import { createDuckdbPlanner, createDuckdbRunner } from '@cloister/engine-duckdb';
import {
  scorecardPlanner,
  scorecardRunner,
  type TestTables,
  testTables,
} from '@cloister/testkit/engines';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openedParts } from '../testing/opened.ts';
import { Stage, type StageDataset, type StageEngine } from '../testing/stage.ts';
import type { WorkerConfig } from './config.ts';
import { execute } from './run.ts';

let files: TestTables;
let sql: StageEngine;
let scores: StageEngine;
let stage: Stage;
let dataset: StageDataset;

beforeAll(async () => {
  files = await testTables();
  sql = { planner: createDuckdbPlanner(), runner: createDuckdbRunner() };
  scores = { planner: scorecardPlanner(), runner: scorecardRunner(files) };
  stage = await Stage.raise(sql, [scores]);
  dataset = await stage.addDataset('insurer');
});

afterAll(async () => {
  await stage.lower();
  const ports = [sql, scores].flatMap(({ planner, runner }) => [planner, runner]);
  await Promise.all(ports.map((port) => port.close()));
  files.close();
});

const cardOf = (most = { rows: 10, bytes: 65_536 }) =>
  JSON.stringify({ scorecard: 1, input: 't', points: { a: 2, c: 1 }, most });
const outputs = [{ name: 'score', type: 'BIGINT', recipients: ['hospital'] }];
const scoring = (code: string) =>
  stage.addTask(dataset, { code, columns: [1, 3], outputs, engine: scores });

/** One run of a task by a worker that has both engines; how it ended. */
async function run(task: Uint8Array, change: Partial<WorkerConfig['limits']> = {}) {
  const id = systemRandom.bytes(16);
  const usual = stage.ports({ computes: true });
  const limits = { ...usual.config.limits, ...change };
  const ports = { ...usual, config: { ...usual.config, limits } };
  const error = await execute(ports, await stage.asked(task, id), () => {}).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  const code = error instanceof CodedError ? error.code : error === undefined ? 'none' : 'uncoded';
  return { id, code, folded: stage.world.state.runs.get(toHex(id)) };
}

/** The rows that the hospital opens, in each part. */
function opened(task: Uint8Array, id: Uint8Array) {
  return openedParts(stage, { task, run: id, member: 'hospital', files });
}

describe('a worker with two engines', () => {
  it('runs each task by the engine that it names', async () => {
    const task = await scoring(cardOf());
    const { id, code, folded } = await run(task);
    expect([code, folded?.status]).toEqual(['none', 'released']);
    // Rows (1, 10), (2, 20), (3, 30), by 2 and 1.
    expect(await opened(task, id)).toEqual([[['12'], ['24'], ['36']]]);
    expect(await stage.measures(folded?.usage, 'insurer')).toMatchObject({ rowsOut: 3 });
    const select = 'SELECT 2 * a + c AS score FROM t';
    const asked = { code: select, columns: [1, 3], outputs };
    const plain = await stage.addTask(dataset, asked);
    const other = await run(plain);
    expect(other.code).toBe('none');
    expect(await opened(plain, other.id)).toEqual([[['12'], ['24'], ['36']]]);
  });

  it('holds a code to what it declares to put out, and tells no more than a code', async () => {
    const { code, folded } = await run(await scoring(cardOf({ rows: 2, bytes: 65_536 })));
    expect([code, folded?.status]).toEqual(['scorecard-run-failed', 'failed']);
  });

  it('opens nothing for a code of one engine in a task of another', async () => {
    const asked = { code: 'SELECT a AS score FROM t', columns: [1, 3], outputs };
    const task = await stage.addTask(dataset, { ...asked, usesOf: cardOf(), engine: scores });
    for (const keeper of stage.keepers) keeper.reset();
    const { code } = await run(task);
    expect(code).toBe('scorecard-malformed');
    const paths = stage.keepers.flatMap(({ requests }) => requests);
    expect(paths.filter((path) => path.endsWith('/open'))).toEqual([]);
  });

  it('delivers a result in as many parts as it has, and leaves none behind', async () => {
    const times = Array.from({ length: 8 }, (_, at) => `t AS t${at}`);
    const rows = 3 ** times.length;
    const select = `SELECT t0.a + t7.c AS score FROM ${times.join(', ')}`;
    const task = await stage.addTask(dataset, { code: select, columns: [1, 3], outputs });
    const { id, code } = await run(task, { partBytes: 1_024 });
    expect(code).toBe('none');
    const parts = await opened(task, id);
    expect(parts.length).toBeGreaterThan(2);
    expect(parts.every((part) => part.length > 0)).toBe(true);
    const scores = parts.flat().map(([score]) => Number(score));
    expect(scores).toHaveLength(rows);
    // Each of the nine sums as often as any other: 1, 2, 3 and 10, 20, 30.
    const sums = new Map<number, number>();
    for (const score of scores) sums.set(score, (sums.get(score) ?? 0) + 1);
    expect([...sums.values()]).toEqual(Array(9).fill(rows / 9));
    expect(await readdir(stage.spool)).toEqual([]);
    expect(
      await stage.measures(stage.world.state.runs.get(toHex(id))?.usage, 'bank'),
    ).toMatchObject({ rowsOut: rows });
  });
});
