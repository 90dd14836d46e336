// SPDX-License-Identifier: Apache-2.0
// A worker with two engines: the task says which runs it, and one that is no SQL engine goes the
// whole way, from the keepers' shares to a result that its recipient opens.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  decodeKeyBundle,
  decodeResultKeys,
  decodeResultParts,
  resultAadPrefix,
  resultKeysInfo,
} from '@cloister/contract';
import { CodedError, systemRandom, toHex } from '@cloister/core';
import { createDuckdbPlanner, createDuckdbRunner } from '@cloister/engine-duckdb';
import {
  BufferSink,
  bufferSource,
  decryptProjection,
  numberedKeys,
} from '@cloister/parquet-crypto';
import {
  scorecardPlanner,
  scorecardRunner,
  type TestTables,
  testTables,
} from '@cloister/testkit/engines';
import { namedSecret } from '@cloister/testkit/world';
import { hpkeKeyPairFrom, hpkeOpen } from '@cloister/threshold/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Stage, type StageDataset, type StageEngine } from '../testing/stage.ts';
import { execute } from './run.ts';

let folder: string;
let files: TestTables;
let sql: StageEngine;
let scores: StageEngine;
let stage: Stage;
let dataset: StageDataset;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloister-other-engine-'));
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
  await rm(folder, { recursive: true });
});

const cardOf = (most = { rows: 10, bytes: 65_536 }) =>
  JSON.stringify({ scorecard: 1, input: 't', points: { a: 2, c: 1 }, most });
const outputs = [{ name: 'score', type: 'BIGINT', recipients: ['hospital'] }];
const scoring = (code: string) =>
  stage.addTask(dataset, { code, columns: [1, 3], outputs, engine: scores });

/** One run of a task by a worker that has both engines; how it ended. */
async function run(task: Uint8Array) {
  const id = systemRandom.bytes(16);
  const ports = stage.ports({ computes: true });
  const error = await execute(ports, await stage.asked(task, id), () => {}).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  const code = error instanceof CodedError ? error.code : error === undefined ? 'none' : 'uncoded';
  return { id, code, folded: stage.world.state.runs.get(toHex(id)) };
}

/** The rows that the hospital opens of a result of one part. */
async function opened(task: Uint8Array, id: Uint8Array) {
  const usage = stage.world.state.runs.get(toHex(id))?.usage?.body;
  const blob = (digest: Uint8Array) => stage.shared.blobs.get(toHex(digest)) as Uint8Array;
  const { statements, bundle } = decodeResultParts(blob(usage?.result as Uint8Array));
  const { genesis, seed } = stage.world;
  const keyPair = hpkeKeyPairFrom(namedSecret(seed, 'hospital/hpke'));
  const info = resultKeysInfo({ genesis, task, run: id, member: 'hospital' });
  const sealed = decodeKeyBundle(blob(bundle)).get('hospital') as Uint8Array;
  const aad = new Uint8Array(0);
  const [file] = decodeResultKeys(hpkeOpen({ keyPair, info, aad, sealed })).files;
  const [part] = statements[0] as [Uint8Array];
  const sink = new BufferSink();
  await decryptProjection({
    source: bufferSource(blob(part).subarray(0, file?.lengths[0])),
    sink,
    keys: numberedKeys(file?.columns.map(({ id: key, key: k }) => [key, k]) ?? []),
    columns: ['score'],
    aadPrefix: resultAadPrefix({ genesis, task, run: id, statement: 0, part: 0 }),
  });
  const path = join(folder, `${toHex(id)}.parquet`);
  await writeFile(path, sink.bytes());
  return files.read([path]);
}

describe('a worker with two engines', () => {
  it('runs each task by the engine that it names', async () => {
    const task = await scoring(cardOf());
    const { id, code, folded } = await run(task);
    expect([code, folded?.status]).toEqual(['none', 'released']);
    // Rows (1, 10), (2, 20), (3, 30), by 2 and 1.
    expect(await opened(task, id)).toEqual([['12'], ['24'], ['36']]);
    expect(await stage.measures(folded?.usage, 'insurer')).toMatchObject({ rowsOut: 3 });
    const select = 'SELECT 2 * a + c AS score FROM t';
    const asked = { code: select, columns: [1, 3], outputs };
    const plain = await stage.addTask(dataset, asked);
    const other = await run(plain);
    expect(other.code).toBe('none');
    expect(await opened(plain, other.id)).toEqual([['12'], ['24'], ['36']]);
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
});
