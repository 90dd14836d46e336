// SPDX-License-Identifier: Apache-2.0
// A recipient opens what a worker released, and who runs the worker's machine may have made it: the
// keys fit, the digests are on the ledger, and the file is whatever the attacker likes.
import { mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises';
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
import { nodeCrypto } from '@cloister/core/node';
import { exportParquet } from '@cloister/engine-duckdb';
import { BufferSink, bufferSource, encryptParquet } from '@cloister/parquet-crypto';
import { deriveHpkeKeyPair, hpkeSeal } from '@cloister/threshold/node';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gateway } from '../context.ts';
import type { RunVerdict } from '../verdicts/own-appraisals.ts';
import {
  type ConvertResult,
  describeResult,
  listResult,
  type OpenedResult,
  openResult,
} from './results.ts';

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
  /** What further statements made. */
  readonly others?: readonly string[];
  /** Columns that the key bundle names, where they are not those of the file. */
  readonly named?: readonly string[];
  /** What becomes of the encrypted files. */
  readonly bend?: (bytes: Uint8Array) => Uint8Array;
  /** What further parts of each file made. */
  readonly more?: readonly string[];
  /** Order and choice of the parts that are in the list, where it is not their own. */
  readonly listed?: readonly number[];
  /** Lengths of parts that are not in the list. */
  readonly other?: readonly number[];
  /** Of how many statements that are not in the list the keys are. */
  readonly missing?: number;
  /** Whose keys the bundle has. */
  readonly recipient?: string;
  /** What the ledger has of the run. */
  readonly status?: 'joined' | 'recorded' | 'released';
}

/** An encrypted file of what `sql` gives, and the keys of its columns. */
async function fileOf(
  sql: string,
  about: { run: Uint8Array; statement: number; part: number },
  named?: readonly string[],
  given?: readonly Uint8Array[],
) {
  const path = join(home, `plain-${toHex(about.run)}`);
  await db.run(`COPY (${sql}) TO '${path}' (FORMAT parquet, COMPRESSION zstd)`);
  const rows = await db.runAndReadAll(`DESCRIBE SELECT * FROM read_parquet('${path}')`);
  const names = rows.getRowsJS().map(([name]) => String(name));
  const columns = ['', ...(named ?? names)].map((name, id) => {
    return { id, name, key: given?.[id] ?? systemRandom.bytes(32) };
  });
  const last = columns.length - 1;
  const keyOf = (id: number) => ({ id: String(id), masterKey: columns[id]?.key as Uint8Array });
  const sink = new BufferSink();
  await encryptParquet({
    source: bufferSource(new Uint8Array(await readFile(path))),
    sink,
    footerKey: keyOf(0),
    columnKeys: new Map(names.map((name, at) => [name, keyOf(Math.min(at + 1, last))])),
    aadPrefix: resultAadPrefix({ genesis, task, ...about }),
  });
  await rm(path);
  return { bytes: sink.bytes(), columns };
}

/** The bank's gateway, whose ledger has a run, with files that an attacker made. */
async function gatewayWith(forged: Forged, verdict: RunVerdict = { status: 'yes', at: 0 }) {
  const { others = [], bend = (bytes) => bytes, more = [], missing = 0, other = [] } = forged;
  const { recipient = 'bank', status = 'released' } = forged;
  const run = systemRandom.bytes(16);
  const blobs = new Map<string, Uint8Array>();
  const put = (bytes: Uint8Array) => {
    const digest = nodeCrypto.digest('sha256', bytes);
    blobs.set(toHex(digest), bytes);
    return digest;
  };
  const files = [];
  const statements = [];
  for (const [statement, sql] of [forged.sql, ...others].entries()) {
    const { columns, bytes } = await fileOf(sql, { run, statement, part: 0 }, forged.named);
    const keys = columns.map(({ key }) => key);
    const parts = [bend(bytes)];
    for (const [at, further] of more.entries()) {
      const part = { run, statement, part: at + 1 };
      parts.push((await fileOf(further, part, forged.named, keys)).bytes);
    }
    const order = forged.listed ?? parts.map((_, part) => part);
    const listed = order.map((part) => parts[part] as Uint8Array);
    const lengths = [...parts.map(({ length }) => length), ...other];
    files.push({ statement: statement + missing, lengths, columns });
    statements.push(listed.map(put));
  }
  const info = resultKeysInfo({ genesis, task, run, member: 'bank' });
  const plaintext = encodeResultKeys({ files });
  const sealed = hpkeSeal({ publicKey: hpke.publicKey, info, aad: NO_AAD, plaintext });
  const bundle = put(encodeKeyBundle(new Map([[recipient, sealed]])));
  const body = { result: put(encodeResultParts({ statements, bundle })) };
  const usage = status === 'joined' ? null : { body, event: 'recorded' };
  const gateway = {
    home,
    genesis,
    card: { id: 'bank' },
    keys: { hpke },
    random: systemRandom,
    appraisals: { settled: async () => verdict },
    allBlobs: { get: async (digest: Uint8Array) => blobs.get(toHex(digest)) },
    follower: {
      archive: new Archive(),
      state: {
        charter: {},
        tasks: new Map(),
        runs: new Map([[toHex(run), { status, task: toHex(task), usage }]]),
      },
    },
  } as unknown as Gateway;
  return { gateway, run: toHex(run) };
}

/** What is opened as text, or the code of the refusal; nothing plain stays behind. */
async function opened(
  forged: Forged,
  as: { format?: ResultFormat; statement?: number } = {},
  verdict?: RunVerdict,
): Promise<string> {
  const { gateway, run } = await gatewayWith(forged, verdict);
  let text = '';
  const code = await codeOf(async () => {
    text = await textOf(await openResult(gateway, run, { format: 'csv', convert, ...as }));
  });
  expect(await readdir(join(home, 'results')).catch(() => [])).toEqual([]);
  expect(await heldOpen()).toEqual([]);
  return code ?? text;
}

/** What is streamed, of the length that was said. */
async function textOf({ bytes, length }: OpenedResult): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of bytes) pieces.push(piece);
  const all = Buffer.concat(pieces);
  expect(all.length).toBe(length);
  return all.toString();
}

/** The code with which `act` fails, if it does. */
async function codeOf(act: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await act();
    return undefined;
  } catch (error) {
    return isCoded(error) ? error.code : `uncoded: ${String(error)}`;
  }
}

/** Files below the home that this process has open, removed ones, too. */
async function heldOpen(): Promise<string[]> {
  const links = await readdir('/proc/self/fd');
  const open = links.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => ''));
  return (await Promise.all(open)).filter((path) => path.startsWith(home));
}

describe('a released result', () => {
  const sql = "SELECT 1 AS a, 'x' AS b";

  it('is opened as CSV, JSON, JSON lines, Parquet or Arrow', async () => {
    expect(await opened({ sql })).toBe('a,b\n1,x\n');
    expect(JSON.parse(await opened({ sql }, { format: 'json' }))).toEqual([{ a: 1, b: 'x' }]);
    expect(JSON.parse(await opened({ sql }, { format: 'jsonl' }))).toEqual({ a: 1, b: 'x' });
    expect(await opened({ sql }, { format: 'parquet' })).toMatch(/^PAR1/);
    expect(await opened({ sql }, { format: 'arrow' })).toMatch(/^ARROW1/);
  });

  it('is described as each format writes it, with the columns of its file alone', async () => {
    const moment = "TIMESTAMPTZ '2026-01-31 08:00:00+00'";
    const { gateway, run } = await gatewayWith({
      sql: `SELECT 1::BIGINT AS n, NULL::DECIMAL(9,2) AS d, ${moment} AS t`,
    });
    const written: Record<string, readonly string[]> = {
      csv: ['integer', 'decimal', 'date and time, Z'],
      json: ['string: integer', 'string: decimal', 'string: date and time, Z'],
      arrow: ['int64', 'decimal128(9, 2)', 'timestamp[us, tz=UTC]'],
      parquet: ['INT64, INT_64', 'INT32, DECIMAL(9,2)', 'INT64, TIMESTAMP(MICROS,UTC)'],
    };
    for (const [format, forms] of Object.entries(written)) {
      const as = { format: format as ResultFormat, convert };
      const schema = await describeResult(gateway, run, as);
      expect(schema).toMatchObject({ format, run, task: toHex(task), statement: 1, rows: 1 });
      expect(schema.columns.map((column) => column.written)).toEqual(forms);
      expect(schema.columns).toMatchObject([
        { name: 'n', type: 'BIGINT', nullable: true, nulls: 0 },
        { name: 'd', type: 'DECIMAL(9,2)', nulls: 1 },
        { name: 't', type: 'TIMESTAMP WITH TIME ZONE', unit: 'us', zone: 'UTC', nulls: 0 },
      ]);
      const { schema: again, bytes } = await openResult(gateway, run, as);
      expect(again).toEqual(schema);
      bytes.destroy();
    }
    expect(await readdir(join(home, 'results'))).toEqual([]);
  });

  it('is not opened before its worker has been found good here', async () => {
    const wrong = { code: 'measurement-not-allowed', wanted: 'a', got: 'b' };
    const no = { status: 'no', at: 0, ...wrong } as const;
    const later = { status: 'not-yet', code: 'blob-not-found' } as const;
    expect(await opened({ sql }, {}, no)).toBe('worker-not-accepted');
    expect(await opened({ sql }, {}, later)).toBe('worker-not-appraised');
  });

  it('whose file lacks a column that its keys are for is refused', async () => {
    expect(await opened({ sql, named: ['a', 'c'] })).toBe('column-unknown');
  });

  it('whose file was cut or changed is refused', async () => {
    expect(await opened({ sql, bend: (bytes) => bytes.slice(0, -9) })).toMatch(/^parquet-/);
    const bend = (bytes: Uint8Array) => bytes.fill((bytes[20] ?? 0) ^ 7, 20, 21);
    expect(await opened({ sql, bend })).toBe('tag-invalid');
  });

  it('whose keys are for other parts, or for another statement, is refused', async () => {
    expect(await opened({ sql, other: [9] })).toBe('result-not-found');
    expect(await opened({ sql, missing: 1 })).toBe('result-not-found');
  });

  it('that is sealed to others only is refused', async () => {
    expect(await opened({ sql, recipient: 'hospital' })).toBe('result-not-for-you');
  });

  it('of several statements is opened statement by statement', async () => {
    const two = { sql, others: ['SELECT 2 AS c'] };
    const { gateway, run } = await gatewayWith(two);
    expect(await listResult(gateway, run)).toEqual([
      { statement: 1, columns: ['a', 'b'] },
      { statement: 2, columns: ['c'] },
    ]);
    expect(await opened(two, { statement: 1 })).toBe('a,b\n1,x\n');
    expect(await opened(two, { statement: 2 })).toBe('c\n2\n');
    expect(await opened(two, { statement: 3 })).toBe('result-not-found');
    expect(await opened(two)).toBe('result-many-statements');
  });

  describe('in several parts', () => {
    const more = ["SELECT 2 AS a, 'y' AS b", "SELECT 3 AS a, 'z' AS b"];

    it('is one file, in the order of its parts, in every format', async () => {
      expect(await opened({ sql, more })).toBe('a,b\n1,x\n2,y\n3,z\n');
      const json = JSON.parse(await opened({ sql, more }, { format: 'json' })) as { a: number }[];
      expect(json.map(({ a }) => a)).toEqual([1, 2, 3]);
      expect(await opened({ sql, more }, { format: 'arrow' })).toMatch(/^ARROW1/);
      const { gateway, run } = await gatewayWith({ sql, more });
      const as = { format: 'parquet', convert } as const;
      const { bytes, schema } = await openResult(gateway, run, as);
      const path = join(home, 'whole.parquet');
      await writeFile(path, bytes);
      const rows = await db.runAndReadAll(`FROM read_parquet('${path}')`);
      expect(rows.getRows()).toEqual([
        [1, 'x'],
        [2, 'y'],
        [3, 'z'],
      ]);
      await rm(path);
      expect(await heldOpen()).toEqual([]);
      expect(schema.rows).toBe(3);
      expect(await describeResult(gateway, run, as)).toEqual(schema);
      expect(await readdir(join(home, 'results'))).toEqual([]);
    });

    it.each([
      ['less at its end', [0, 1], 'result-not-found'],
      ['but the first left out', [0], 'result-not-found'],
      ['changed about', [0, 2, 1], 'aad-prefix-mismatch'],
      ['turned', [1, 2, 0], 'aad-prefix-mismatch'],
      ['named twice', [0, 1, 1], 'result-malformed'],
    ])('and with parts %s is refused', async (_what, listed, code) => {
      expect(await opened({ sql, more, listed })).toBe(code);
    });

    it('and keys for another number of parts than the list has is refused', async () => {
      expect(await opened({ sql, more, other: [9] })).toBe('result-not-found');
    });

    it.each([
      ['other columns', 'SELECT 2 AS c'],
      ['another type', "SELECT '2' AS a, 'y' AS b"],
      ['a wider type', "SELECT 2::BIGINT AS a, 'y' AS b"],
      ['columns in another order', "SELECT 'y' AS b, 2 AS a"],
    ])('of which one has %s is refused', async (_what, part) => {
      expect(await opened({ sql, more: [part] })).toMatch(/^(result-parts-differ|column-unknown)$/);
    });
  });

  it('that is small and unpacks to more than there is room for is refused', async () => {
    const many = 'SELECT 123456789 AS a FROM range(1000000)';
    expect(await opened({ sql: many })).toBe('engine-text-failed');
  });
});

it('a run that released nothing, or is none, has no result', async () => {
  const sql = 'SELECT 1 AS a';
  expect(await opened({ sql, status: 'joined' })).toBe('result-not-found');
  expect(await opened({ sql, status: 'recorded' })).toBe('result-not-found');
  const { gateway } = await gatewayWith({ sql });
  expect(await codeOf(() => listResult(gateway, '00'.repeat(16)))).toBe('result-not-found');
});
