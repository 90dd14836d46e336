// SPDX-License-Identifier: Apache-2.0
// What is read of an encrypted file of many chunks: of granted columns only, from the owner's
// gateway, and equal to what the owner encrypted.
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DatasetFile, TaskContents } from '@cloister/contract';
import { CHUNK_BYTES, datasetAadPrefix, digestTree, type RightInput } from '@cloister/contract';
import type { Use } from '@cloister/contract/policy';
import { type BlobStore, CodedError, equal, systemTimers } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { BufferSink, bufferSource, encryptParquet } from '@cloister/parquet-crypto';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ReadRequest } from './data-plane.ts';
import { inputTables, readInputs } from './inputs.ts';

const GENESIS = new Uint8Array(32).fill(1);
const DATASET = new Uint8Array(16).fill(2);
const COLUMNS = ['a', 'wide', 'c'].map((name, i) => ({ id: i + 1, name, type: 'VARCHAR' }));
const keyOf = (id: number) => ({ id: String(id), masterKey: new Uint8Array(32).fill(id + 10) });

let folder: string;
let db: DuckDBConnection;
let encrypted: Uint8Array;
let files: DatasetFile[];
let leaves: Uint8Array;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloister-read-test-'));
  db = await (await DuckDBInstance.create(':memory:', { threads: '1' })).connect();
  const plain = join(folder, 'plain.parquet');
  await db.run(`COPY (SELECT md5(i::VARCHAR) AS a, repeat(md5((i * 7)::VARCHAR), 4) AS wide,
    md5((i * 3)::VARCHAR) AS c FROM range(100000) r(i))
    TO '${plain}' (FORMAT parquet, COMPRESSION uncompressed)`);
  const sink = new BufferSink();
  await encryptParquet({
    source: bufferSource(new Uint8Array(await readFile(plain))),
    sink,
    footerKey: keyOf(0),
    columnKeys: new Map(COLUMNS.map(({ id, name }) => [name, keyOf(id)])),
    aadPrefix: datasetAadPrefix({ genesis: GENESIS, dataset: DATASET, version: 1, file: 0 }),
  });
  encrypted = sink.bytes();
  const chunks = async function* () {
    for (let at = 0; at < encrypted.length; at += CHUNK_BYTES)
      yield encrypted.subarray(at, at + CHUNK_BYTES);
  };
  const tree = await digestTree(chunks(), nodeCrypto);
  leaves = tree.leaves;
  const digest = (bytes: Uint8Array) => nodeCrypto.digest('sha256', bytes);
  const { root, length } = tree;
  files = [{ blob: digest(encrypted), length, root, leaves: digest(leaves) }];
});

afterAll(async () => {
  db.closeSync();
  await rm(folder, { recursive: true, force: true });
});

function store(range: BlobStore['range']): BlobStore {
  const get = async (wanted: Uint8Array) => {
    if (equal(wanted, files[0]?.leaves as Uint8Array)) return Uint8Array.from(leaves);
    throw new CodedError('blob-not-found', 'not-found', 'a whole file is not asked for');
  };
  const put = () => Promise.reject(new Error('nothing is stored'));
  return { put, get, head: async () => undefined, range };
}

it('reads the ranges of granted columns from the owner, and decrypts just those', async () => {
  const touched = new Set<number>();
  const owner = store(async (_, start, end) => {
    for (let at = start; at < end; at += CHUNK_BYTES) touched.add(Math.floor(at / CHUNK_BYTES));
    return Uint8Array.from(encrypted.subarray(start, end));
  });
  const other = store(() => Promise.reject(new Error('the owner answers')));
  const of = { statement: 0, input: 0, role: 'output', function: '' } as const;
  const uses: Use[] = [1, 3].map((column) => {
    return { ...of, column, expression: `#${column}`, output: column };
  });
  const schemas = [{ name: 'd', columns: COLUMNS }];
  const contents = { uses, schemas, parameters: { tables: ['t'], params: {}, outputs: [] } };
  const input = { dataset: DATASET, version: 1, columns: [1, 2, 3] };
  const request: ReadRequest = {
    genesis: GENESIS,
    blobs: owner,
    blobsOf: async (member) => (member === 'bank' ? [owner, other] : [other]),
    crypto: nodeCrypto,
    timers: systemTimers,
    folder,
    inputs: [{ input, owner: 'bank', event: '', body: {} } as unknown as RightInput],
    files: [files],
    contents: contents as unknown as TaskContents,
    suppression: [],
    keys: [new Map([0, 1, 3].map((id) => [id, keyOf(id).masterKey]))],
  };
  const [table] = inputTables(request);
  expect(table).toMatchObject({ name: 't', granted: [1, 3] });
  const [read] = await readInputs(request);
  expect(read?.rows).toBe(100_000);
  // The wide column is two thirds of the file: most of its chunks are never asked for.
  const chunks = Math.ceil(encrypted.length / CHUNK_BYTES);
  expect(touched.size).toBeLessThan(chunks / 2 + 2);
  expect(read?.bytes).toBeLessThanOrEqual(touched.size * CHUNK_BYTES);
  const sums = (file: string) =>
    db.runAndReadAll(`SELECT min(a), max(c), sum(hash(a) % 997), sum(hash(c) % 997), count(*)
      FROM read_parquet('${file}')`);
  const got = await sums(table?.files[0] as string);
  const wanted = await sums(join(folder, 'plain.parquet'));
  expect(got.getRowsJson()).toEqual(wanted.getRowsJson());
  const columns = await db.runAndReadAll(`DESCRIBE FROM read_parquet('${table?.files[0]}')`);
  expect(columns.getRowsJson().map(([name]) => name)).toEqual(['a', 'c']);
});
