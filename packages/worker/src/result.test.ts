// SPDX-License-Identifier: Apache-2.0
// Sealing as parts come: every part under the same keys and an AAD prefix of its own, the list in
// their order, nothing plain on the disk, and nothing taken from the disk that is not what was
// written there.
import { mkdtemp, open, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  decodeKeyBundle,
  decodeResultKeys,
  decodeResultParts,
  paddedLength,
  resultAadPrefix,
  resultKeysInfo,
} from '@cloister/contract';
import { isCoded, systemRandom, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import {
  BufferSink,
  bufferSource,
  decryptProjection,
  numberedKeys,
  readSchema,
} from '@cloister/parquet-crypto';
import { namedSecret, World } from '@cloister/testkit/world';
import { hpkeKeyPairFrom, hpkeOpen } from '@cloister/threshold/node';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { ResultRequest, SealedResult } from './data-plane.ts';
import { resultSealer } from './result.ts';

const task = new Uint8Array(32).fill(2);
const run = new Uint8Array(16).fill(3);
const SECRET = 'nobody-else-reads-this';
let root: string;
let spool: string;
let db: DuckDBConnection;
let world: World;
let made = 0;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cloister-sealer-'));
  db = await (await DuckDBInstance.create(':memory:')).connect();
  world = await World.create();
});
afterAll(async () => {
  db.closeSync();
  await rm(root, { recursive: true });
});
beforeEach(async () => {
  spool = await mkdtemp(join(root, 'spool-'));
});

async function partOf(statement: number, sql: string) {
  const file = join(root, `plain-${made++}.parquet`);
  await db.run(`COPY (${sql}) TO '${file}' (FORMAT parquet)`);
  return { statement, file, rows: 1 };
}

const row = (at: number) => `SELECT ${at}::BIGINT AS a, '${SECRET}' AS b`;

/** Two statements, of two columns and of one; all for the bank. */
function request(): ResultRequest {
  const outputs = [
    { id: 1, statement: 0, name: 'a', type: 'BIGINT' },
    { id: 2, statement: 0, name: 'b', type: 'VARCHAR' },
    { id: 3, statement: 1, name: 'n', type: 'BIGINT' },
  ];
  const { genesis, charter } = world;
  return {
    spool,
    ...{ genesis, charter, task, run, crypto: nodeCrypto, random: systemRandom },
    outputs: outputs.map(({ id }) => ({ id, recipients: ['bank'] })),
    parameters: { tables: ['t'], params: {}, outputs },
  };
}

/** The bank's keys, the list, and the bytes of every part. */
async function readAll({ blobs, result }: SealedResult) {
  const byDigest = new Map<string, Uint8Array>();
  for (const blob of blobs) {
    const bytes = await blob.read();
    expect(bytes.length).toBe(blob.length);
    byDigest.set(toHex(nodeCrypto.digest('sha256', bytes)), bytes);
  }
  const get = (digest: Uint8Array) => byDigest.get(toHex(digest)) as Uint8Array;
  const { statements, bundle } = decodeResultParts(get(result));
  const { genesis, seed } = world;
  const keyPair = hpkeKeyPairFrom(namedSecret(seed, 'bank/hpke'));
  const info = resultKeysInfo({ genesis, task, run, member: 'bank' });
  const sealed = decodeKeyBundle(get(bundle)).get('bank') as Uint8Array;
  const aad = new Uint8Array(0);
  const { files } = decodeResultKeys(hpkeOpen({ keyPair, info, aad, sealed }));
  return { files, parts: statements.map((parts) => parts.map(get)) };
}

async function codeOf(act: Promise<unknown>): Promise<string> {
  try {
    await act;
    return 'none';
  } catch (error) {
    return isCoded(error) ? error.code : `uncoded: ${String(error)}`;
  }
}

describe('a sealed result', () => {
  it('has the parts in their order, each for its own place, padded', async () => {
    const sealer = resultSealer(request());
    for (const at of [1, 2, 3]) await sealer.take(await partOf(0, row(at)));
    await sealer.take(await partOf(1, 'SELECT 4::BIGINT AS n'));
    const sealed = await sealer.finish();
    sealer.close();
    const { files, parts } = await readAll(sealed);
    expect(files.map(({ statement, lengths }) => [statement, lengths.length])).toEqual([
      [0, 3],
      [1, 1],
    ]);
    const { genesis } = world;
    const seen = [];
    for (const { statement, lengths, columns } of files) {
      for (const [part, length] of lengths.entries()) {
        const bytes = parts[statement]?.[part] as Uint8Array;
        expect(bytes.length).toBe(paddedLength(length));
        const sink = new BufferSink();
        const open = (at: number) =>
          decryptProjection({
            source: bufferSource(bytes.subarray(0, length)),
            sink,
            keys: numberedKeys(columns.map(({ id, key }) => [id, key])),
            columns: columns.filter(({ id }) => id > 0).map(({ name }) => name),
            aadPrefix: resultAadPrefix({ genesis, task, run, statement, part: at }),
          });
        expect(await codeOf(open(part + 1))).toBe('aad-prefix-mismatch');
        await open(part);
        const plain = join(root, `opened-${statement}-${part}.parquet`);
        await writeFile(plain, sink.bytes());
        const rows = await db.runAndReadAll(`SELECT #1 FROM read_parquet('${plain}')`);
        seen.push(Number(rows.getRows()[0]?.[0]));
      }
    }
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it('leaves nothing plain in the spool, and forgets its keys', async () => {
    const sealer = resultSealer(request());
    const plain = await partOf(0, row(1));
    await sealer.take(plain);
    await sealer.take(await partOf(1, 'SELECT 4::BIGINT AS n'));
    expect((await readFile(plain.file)).includes(SECRET)).toBe(true);
    const names = await readdir(spool);
    expect(names).toHaveLength(2);
    for (const name of names) {
      const bytes = await readFile(join(spool, name));
      expect(bytes.includes(SECRET)).toBe(false);
      const source = bufferSource(bytes);
      expect(await codeOf(readSchema(source))).not.toBe('none');
    }
    sealer.close();
    // Nothing is sealed by keys that are gone and were never told: a bundle of them opens nothing.
    const { files } = await readAll(await sealer.finish());
    for (const { columns } of files) {
      for (const { key } of columns) expect(key.every((byte) => byte === 0)).toBe(true);
    }
  });

  it.each([
    ['changed', (bytes: Buffer) => bytes.fill(7, 20, 21)],
    ['cut', (bytes: Buffer) => bytes.subarray(0, -1)],
    ['made longer', (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(1)])],
  ])('whose part was %s on the disk does not leave', async (_what, bend) => {
    const sealer = resultSealer(request());
    await sealer.take(await partOf(0, row(1)));
    await sealer.take(await partOf(1, 'SELECT 4::BIGINT AS n'));
    const { blobs } = await sealer.finish();
    const [name = ''] = (await readdir(spool)).sort();
    const path = join(spool, name);
    await writeFile(path, bend(await readFile(path)));
    expect(await codeOf(blobs[0]?.read() as Promise<unknown>)).toBe('run-failed');
    await rm(path);
    expect(await codeOf(blobs[0]?.read() as Promise<unknown>)).toBe('run-failed');
    expect(await codeOf(blobs[1]?.read() as Promise<unknown>)).toBe('none');
  });
});

describe('a result is not sealed', () => {
  it('whose statements come in another order, again, or not at all', async () => {
    const [first, second] = [await partOf(0, row(1)), await partOf(1, 'SELECT 4::BIGINT AS n')];
    const none = resultSealer(request());
    expect(await codeOf(none.finish())).toBe('run-failed');
    expect(await codeOf(none.take(second))).toBe('run-failed');
    await none.take(first);
    expect(await codeOf(none.finish())).toBe('run-failed');
    await none.take(second);
    expect(await codeOf(none.take(first))).toBe('run-failed');
    expect(await codeOf(none.take({ ...second, statement: 2 }))).toBe('run-failed');
    expect(await codeOf(none.take({ ...second, statement: -1 }))).toBe('run-failed');
  });

  it.each([
    ['has another column', "SELECT 1::BIGINT AS a, 'x' AS c"],
    ['has a column more', "SELECT 1::BIGINT AS a, 'x' AS b, 2 AS c"],
  ])('whose part %s than its task says', async (_what, sql) => {
    const sealer = resultSealer(request());
    expect(await codeOf(sealer.take(await partOf(0, sql)))).toBe('run-failed');
  });

  it('whose part is no Parquet, or not there, or has no room', async () => {
    const file = join(root, 'none.parquet');
    await (await open(file, 'w')).close();
    const empty = resultSealer(request());
    expect(await codeOf(empty.take({ statement: 0, file, rows: 1 }))).toBe('run-failed');
    const absent = { statement: 0, file: join(root, 'absent'), rows: 1 };
    expect(await codeOf(resultSealer(request()).take(absent))).toBe('run-failed');
    const nowhere = resultSealer({ ...request(), spool: join(spool, 'no', 'folder') });
    expect(await codeOf(nowhere.take(await partOf(0, row(1))))).toBe('run-failed');
  });
});
