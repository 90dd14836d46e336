// SPDX-License-Identifier: Apache-2.0
// A recipient opens what a worker released, and who runs the worker's machine may have made it: the
// keys fit, the digests are on the ledger, and the file is whatever the attacker likes.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ResultFormat } from '@cloister/api';
import {
  Archive,
  encodeKeyBundle,
  encodeResultKeys,
  encodeResultParts,
  resultAadPrefix,
  resultKeysInfo,
} from '@cloister/contract';
import { isCoded, systemRandom, toHex } from '@cloister/core';
import { exportParquet } from '@cloister/engine-duckdb';
import { BufferSink, bufferSource, encryptParquet } from '@cloister/parquet-crypto';
import { deriveHpkeKeyPair, hpkeSeal } from '@cloister/threshold/node';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../context.ts';
import type { RunVerdict } from '../verdicts/own-appraisals.ts';
import { type ConvertResult, openResult } from './results.ts';

const genesis = new Uint8Array(32).fill(1);
const task = new Uint8Array(32).fill(2);
const hpke = deriveHpkeKeyPair(new Uint8Array(32).fill(3));
const MIB = 1024 * 1024;
const LIMITS = { memoryBytes: 128 * MIB, outBytes: MIB, timeMs: 20_000 };
const convert: ConvertResult = (request) => exportParquet(request, LIMITS);
const NO_AAD = new Uint8Array(0);

let home: string;
let db: DuckDBConnection;
beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'cloister-results-'));
  db = await (await DuckDBInstance.create(':memory:')).connect();
});
afterAll(async () => {
  db.closeSync();
  await rm(home, { recursive: true });
});

interface Forged {
  readonly sql: string;
  /** Columns that the key bundle names, where they are not those of the file. */
  readonly named?: readonly string[];
  /** What becomes of the encrypted file. */
  readonly bend?: (bytes: Uint8Array) => Uint8Array;
  /** Further parts of its file. */
  readonly more?: readonly number[];
  /** Lengths of parts that are not in the list. */
  readonly other?: readonly number[];
  /** A statement that is not in the list, for which the keys are. */
  readonly missing?: number;
}

/** A gateway whose ledger has a released run, with the file that an attacker made of `sql`. */
async function gatewayWith(
  { sql, named, bend = (bytes) => bytes, more = [], missing, other = [] }: Forged,
  verdict: RunVerdict | undefined = { status: 'yes', at: 0 },
) {
  const run = systemRandom.bytes(16);
  const path = join(home, `plain-${toHex(run)}`);
  await db.run(`COPY (${sql}) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`);
  const rows = await db.runAndReadAll(`DESCRIBE SELECT * FROM read_parquet('${path}')`);
  const names = rows.getRowsJS().map(([name]) => String(name));
  const keys = ['', ...(named ?? names)].map((name, id) => {
    return { id, name, key: systemRandom.bytes(32) };
  });
  const keyOf = (id: number) => ({ id: String(id), masterKey: keys[id]?.key as Uint8Array });
  const sink = new BufferSink();
  await encryptParquet({
    source: bufferSource(new Uint8Array(await readFile(path))),
    sink,
    footerKey: keyOf(0),
    columnKeys: new Map(names.map((name, at) => [name, keyOf(Math.min(at + 1, keys.length - 1))])),
    aadPrefix: resultAadPrefix({ genesis, task, run, statement: 0, part: 0 }),
  });
  await rm(path);
  const bytes = bend(sink.bytes());
  const info = resultKeysInfo({ genesis, task, run, member: 'bank' });
  const plaintext = encodeResultKeys({
    files: [
      {
        statement: missing ?? 0,
        lengths: [bytes.length, ...more.map(() => 9), ...other],
        columns: keys,
      },
    ],
  });
  const sealed = hpkeSeal({ publicKey: hpke.publicKey, info, aad: NO_AAD, plaintext });
  const bundle = encodeKeyBundle(new Map([['bank', sealed]]));
  const idOf = (at: number) => new Uint8Array(32).fill(at);
  const parts = [idOf(1), ...more.map((at) => idOf(at))];
  const list = encodeResultParts({ statements: [parts], bundle: idOf(2) });
  const blobs = [list, bytes, bundle];
  const body = { result: idOf(0) };
  const folded = { status: 'released', task: toHex(task), usage: { body, event: 'recorded' } };
  const gateway = {
    home,
    genesis,
    card: { id: 'bank' },
    keys: { hpke },
    random: systemRandom,
    appraisals: { settled: async () => verdict },
    allBlobs: { get: async ([at]: Uint8Array) => blobs[at ?? 0] },
    follower: {
      archive: new Archive(),
      state: { charter: {}, tasks: new Map(), runs: new Map([[toHex(run), folded]]) },
    },
  } as unknown as Gateway;
  return { gateway, run: toHex(run) };
}

/** What is opened as text, or the code of the refusal; nothing plain stays behind. */
async function opened(
  forged: Forged,
  format: ResultFormat = 'csv',
  verdict: RunVerdict | undefined = { status: 'yes', at: 0 },
): Promise<string> {
  const { gateway, run } = await gatewayWith(forged, verdict);
  try {
    const { bytes } = await openResult(gateway, run, { format, convert });
    return new TextDecoder().decode(bytes);
  } catch (error) {
    return isCoded(error) ? error.code : `uncoded: ${String(error)}`;
  } finally {
    expect(await readdir(join(home, 'results'))).toEqual([]);
  }
}

describe('a released result', () => {
  const sql = "SELECT 1 AS a, 'x' AS b";

  it('is opened as CSV, JSON, JSON lines, Parquet or Arrow', async () => {
    expect(await opened({ sql })).toBe('a,b\n1,x\n');
    expect(JSON.parse(await opened({ sql }, 'json'))).toEqual([{ a: 1, b: 'x' }]);
    expect(JSON.parse(await opened({ sql }, 'jsonl'))).toEqual({ a: 1, b: 'x' });
    expect(await opened({ sql }, 'parquet')).toMatch(/^PAR1/);
    expect(await opened({ sql }, 'arrow')).toMatch(/^ARROW1/);
  });

  it('is not opened before its worker has been found good here', async () => {
    const wrong = { code: 'measurement-not-allowed', wanted: 'a', got: 'b' };
    const no = { status: 'no', at: 0, ...wrong } as const;
    const later = { status: 'not-yet', code: 'blob-not-found' } as const;
    expect(await opened({ sql }, 'csv', no)).toBe('worker-not-accepted');
    expect(await opened({ sql }, 'csv', later)).toBe('worker-not-appraised');
  });

  it('whose file lacks a column that its keys are for is refused', async () => {
    expect(await opened({ sql, named: ['a', 'c'] })).toBe('column-unknown');
  });

  it('whose file was cut or changed is refused', async () => {
    expect(await opened({ sql, bend: (bytes) => bytes.slice(0, -9) })).toMatch(/^parquet-/);
    const bend = (bytes: Uint8Array) => bytes.fill(7, 20, 21);
    expect(await opened({ sql, bend })).toBe('tag-invalid');
  });

  it('whose keys are for other parts, or for another statement, is refused', async () => {
    expect(await opened({ sql, other: [9] })).toBe('result-not-found');
    expect(await opened({ sql, missing: 1 })).toBe('result-not-found');
  });

  it('in several parts is not put together', async () => {
    expect(await opened({ sql, more: [3] })).toBe('result-in-parts');
  });

  it('that is small and unpacks to more than there is room for is refused', async () => {
    const many = 'SELECT 123456789 AS a FROM range(1000000)';
    expect(await opened({ sql: many })).toBe('engine-text-failed');
  });
});
