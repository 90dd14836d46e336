// SPDX-License-Identifier: Apache-2.0
// Parquet files of every type, encoding, codec and page version that seven libraries write: each
// comes out of a gateway with the values that pyarrow finds in it, or is refused by a code that
// names the column and why. And what a gateway writes is read by six libraries with these values.
// Both tables stand in this package's README.md, which is held to what was seen. Runs in the lane
// `formats`.
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { constants, copyFile, mkdtemp, open, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { COLUMN_TYPES, type ResultPart } from '@cloister/contract/policy';
import { CodedError } from '@cloister/core';
import { createDuckdbPlanner, createDuckdbRunner } from '@cloister/engine-duckdb';
import { fileSource, inspectParquet } from '@cloister/parquet-crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FormatMatrix, ROWS, rowOf } from '../../testing/format-matrix.ts';
import { FormatPeer, type Found, type Written } from '../../testing/format-peer.ts';
import { BULK, FAR, TYPES, type Values } from '../../testing/format-values.ts';
import { compareParquet } from './compare/compare-parquet.ts';
import { convertToParquet } from './convert.ts';
import { inspectInput } from './inspect.ts';

const vectors = new URL('../../../../../shared/vectors/parquet-testing/', import.meta.url);
const README = new URL('../../README.md', import.meta.url);
const WRITERS = ['pyarrow', 'polars', 'DuckDB', 'Spark', 'fastparquet', 'arrow-rs', 'arrow-go'];
const READERS = ['pyarrow', 'Spark', 'polars', 'fastparquet', 'arrow-rs', 'arrow-go'];

/** What a gateway made of a file. */
interface Judged {
  readonly writer: string;
  readonly row: string;
  readonly file: string;
  readonly made?: string;
  readonly types: readonly string[];
  readonly cut: boolean;
  readonly refused?: { readonly code: string; readonly message: string };
}

let root: string;
const peers = new Map<string, FormatPeer>();
const written = new Map<string, Written[]>();
const judged: Judged[] = [];
let attempts = 0;
let sources: Record<string, Found> = {};
let outcomes: Record<string, Found> = {};

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cloister-formats-'));
  const direct = { 'arrow-rs': 'CLOISTER_RUST_PARQUET', 'arrow-go': 'CLOISTER_GO_PARQUET' };
  for (const name of WRITERS) {
    const program = process.env[direct[name as keyof typeof direct] ?? ''];
    const python = () => FormatPeer.python(name.toLowerCase());
    peers.set(name, program === undefined ? python() : new FormatPeer(name, program, ['formats']));
  }
  const slowest = [...peers].sort(([a], [b]) => Number(b === 'Spark') - Number(a === 'Spark'));
  const asked = new Map(
    slowest.map(([name, peer]) => {
      const folder = join(root, name);
      mkdirSync(folder);
      return [name, peer.write({ folder, types: TYPES, bulk: BULK, far: FAR })];
    }),
  );
  for (const name of [...WRITERS.filter((one) => one !== 'Spark'), 'Spark']) {
    const files = (await asked.get(name)) ?? [];
    written.set(name, files);
    for (const { row, file } of files) {
      if (file !== undefined) judged.push(await judge(name, row, file));
    }
  }
  sources = await peer('pyarrow').read(judged.map(({ file }) => file));
  outcomes = await peer('pyarrow').read(judged.flatMap(({ made }) => made ?? []));
}, 600_000);
afterAll(async () => {
  await Promise.all([...peers.values()].map((one) => one.close()));
  await rm(root, { recursive: true });
});

function peer(name: string): FormatPeer {
  const found = peers.get(name);
  if (found === undefined) throw new Error(`no peer ${name}`);
  return found;
}

/** Inspects, converts and compares, as adding a dataset does. */
async function judge(writer: string, row: string, file: string): Promise<Judged> {
  const made = join(root, `made-${attempts++}.parquet`);
  const of = { writer, row, file };
  try {
    const inspection = await inspectInput(file);
    const { columns } = await convertToParquet(file, made, { inspection });
    await compareParquet({ source: file, parquet: made, columns });
    const types = columns.map(({ type }) => type);
    return {
      ...of,
      made,
      types,
      cut: inspection.remarks.some(({ kind }) => kind === 'nanoseconds-cut'),
    };
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    const { code, message } = error;
    return { ...of, types: [], cut: false, refused: { code, message } };
  }
}

/** Down to whole microseconds, as the engine cuts them: instants towards 1970. */
function cutDown({ kind, values }: Values): Values {
  const cut = (nanos: bigint): bigint => {
    const rest = nanos % 1_000n;
    return nanos - rest - (kind === 'timestamp' && rest < 0n ? 1_000n : 0n);
  };
  return { kind, values: values.map((text) => text && `${cut(BigInt(text))}`) };
}

/** Where two columns part, in words; undefined where they hold the same. */
function difference(wanted: Values, got: Values | undefined): string | undefined {
  if (got === undefined) return 'the column is not there';
  // Some have no type of UUIDs, and hold the greatest integers as decimals.
  const alike = { uuid: 'bytes', int: 'decimal' }[wanted.kind] ?? wanted.kind;
  const empty = wanted.values.every((value) => value === null);
  if (![wanted.kind, alike].includes(got.kind) && !empty) return `${wanted.kind} is ${got.kind}`;
  if (wanted.values.length !== got.values.length) return `${got.values.length} rows`;
  const whole = (text: string | null | undefined) =>
    wanted.kind === 'int' ? text?.replace(/e-0$/, '') : text;
  const at = wanted.values.findIndex(
    (value, i) => (value ?? null) !== (whole(got.values[i]) ?? null),
  );
  return at < 0 ? undefined : `row ${at + 1} is ${got.values[at]}, wanted ${wanted.values[at]}`;
}

/** What the writer was asked for, where its row is of a type. */
function askedFor(row: string): Record<string, Values> | undefined {
  if (row.endsWith('far-apart INT32')) return { x: FAR };
  const type = TYPES[row.replace(/^type /, '')];
  return type === undefined ? undefined : { x: type };
}

describe('what libraries write', () => {
  it('is what it is said to be: encodings, codecs, versions of pages', async () => {
    const wrong: string[] = [];
    for (const { writer, row, file } of judged) {
      const { row: plain, pages } = rowOf(row);
      const source = await open(file, 'r');
      const bytes = await fileSource(source);
      const { columns } = await inspectParquet(bytes);
      for (const { path, sizes } of columns) {
        const { codecs = [], encodings = [] } = sizes ?? {};
        const [kind = '', name = ''] = /^(\w+) (.*)$/.exec(plain)?.slice(1) ?? [];
        const encoding = name.replace(/(?:,| of) .*/, '').replace('dictionary', 'RLE_DICTIONARY');
        const old = encodings.includes('PLAIN_DICTIONARY') && encoding === 'RLE_DICTIONARY';
        if (kind === 'encoding' && !encodings.includes(encoding) && !old) {
          wrong.push(`${writer}, ${row}: ${path} has ${encodings}`);
        }
        const codec = name === 'none' ? 'UNCOMPRESSED' : name;
        if (kind === 'codec' && `${codecs}` !== codec) {
          wrong.push(`${writer}, ${row}: ${path} has ${codecs}`);
        }
      }
      if (pages !== '' && (await pagesOf(bytes)) !== pages) wrong.push(`${writer}, ${row}: pages`);
      await source.close();
    }
    expect(wrong).toEqual([]);
  });

  /** Writers that write other values than they are given. */
  const OTHERWISE: Readonly<Record<string, string>> = {
    'arrow-go, type float16': 'the smallest are 0',
    'fastparquet, type float32': 'NaN is an absent value',
    'fastparquet, type float64': 'NaN is an absent value',
    'fastparquet, type json': 'texts are JSON in JSON',
    'fastparquet, type time_ns': 'microseconds',
  };

  it('has the values that were asked for', () => {
    const wrong = judged.flatMap(({ writer, row, file, refused }) => {
      const wanted = askedFor(row);
      const found = sources[file];
      const unread = found?.columns === undefined || refused?.code === 'column-type-unsupported';
      if (wanted === undefined || unread) return [];
      const other = difference(wanted['x'] as Values, found.columns['x']);
      const known = OTHERWISE[`${writer}, ${row}`] !== undefined;
      return (other !== undefined) === known ? [] : [`${writer}, ${row}: ${other ?? 'is right'}`];
    });
    expect(wrong).toEqual([]);
  });

  it('comes out with these values, or is refused with the column and why', () => {
    const matrix = new FormatMatrix('writer', WRITERS, ROWS);
    const wrong: string[] = [];
    for (const one of judged) {
      const { writer, row, file, made, cut, refused } = one;
      if (refused !== undefined) {
        const short = /^(?:column-type|parquet-encoding)-unsupported$/.test(refused.code);
        const named = /^column \w+ /.test(refused.message);
        if (!short || !named) wrong.push(`${writer}, ${row}: ${refused.code} ${refused.message}`);
        matrix.set(row, writer, refused.code === 'column-type-unsupported' ? 'type' : 'encoding');
        continue;
      }
      const from = sources[file]?.columns ?? askedFor(row) ?? {};
      const to = outcomes[made ?? '']?.columns ?? {};
      const names = Object.keys(from);
      if (names.length === 0 || names.length !== Object.keys(to).length) {
        const said = outcomes[made ?? '']?.error ?? sources[file]?.error;
        wrong.push(`${writer}, ${row}: cannot be compared: ${said}`);
      }
      for (const name of names) {
        const values = from[name] as Values;
        const other = difference(cut ? cutDown(values) : values, to[name]);
        if (other !== undefined) wrong.push(`${writer}, ${row}, ${name}: ${other}`);
      }
      matrix.set(row, writer, cut ? 'cut' : sources[file]?.columns ? 'yes' : 'yes (1)');
    }
    expect(wrong).toEqual([]);
    held(matrix.markdown());
  });
});

/** Prints a table and compares it with README's, which begins with the same words. */
function held(table: string): void {
  process.stdout.write(`\n${table}\n`);
  const paper = readFileSync(README, 'utf8');
  const from = paper.indexOf(`\n${table.slice(0, table.indexOf('|', 2))}`) + 1;
  expect(paper.slice(from, paper.indexOf('\n\n', from) + 1)).toBe(table);
}

/** The version of the first column's data pages: field 1 of a page header is its type. */
async function pagesOf(bytes: Awaited<ReturnType<typeof fileSource>>): Promise<string> {
  const DICTIONARY_PAGE = 4;
  const head = await bytes.read(0, Math.min(bytes.size, 400_000));
  if (head[4] !== 0x15) return 'none';
  if (head[5] !== DICTIONARY_PAGE) return head[5] === 6 ? 'V2' : 'V1';
  // Behind a dictionary: the next header of a data page that is told by its first three fields.
  for (let at = 6; at < head.length - 2; at += 1) {
    if (head[at] !== 0x15 || head[at + 2] !== 0x15) continue;
    if (head[at + 1] === 0 || head[at + 1] === 6) return head[at + 1] === 6 ? 'V2' : 'V1';
  }
  return 'none';
}

describe.skipIf(!existsSync(vectors))('parquet-testing [skip: shared]', () => {
  it('comes through as pyarrow finds it; what pyarrow cannot read is refused', async () => {
    const taken: Judged[] = [];
    for (const name of ['data/', 'bad_data/']) {
      const folder = new URL(name, vectors).pathname;
      for (const file of await readdir(folder)) {
        if (!file.endsWith('.parquet')) continue;
        const one = await judge('parquet-testing', file, join(folder, file));
        if (one.refused === undefined) taken.push(one);
      }
    }
    const from = await peer('pyarrow').read(taken.map(({ file }) => file));
    const to = await peer('pyarrow').read(taken.map(({ made }) => made ?? ''));
    const wrong: string[] = [];
    for (const { row, file, made = '', cut } of taken) {
      const { columns = {}, error } = from[file] as Found;
      if (error !== undefined) wrong.push(`${row}: ${error}`);
      for (const [name, values] of Object.entries(columns)) {
        const other = difference(cut ? cutDown(values) : values, to[made]?.columns?.[name]);
        if (other !== undefined) wrong.push(`${row}, ${name}: ${other}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(taken.length).toBeGreaterThan(35);
  });
});

describe('what a gateway writes', () => {
  /** Two files of a type: what was made of a file, and what a task's result is. */
  interface Outcome {
    readonly made?: string;
    readonly result?: string;
    readonly wanted: Record<string, Values>;
  }

  interface Made extends Outcome {
    readonly made: string;
    readonly types: readonly string[];
  }

  /** Of each type of a column the first file that was made of one. */
  function ofEachType(): Map<string, Made> {
    const files = new Map<string, Made>();
    for (const { row, file, made, types, cut } of judged) {
      const wanted = sources[file]?.columns;
      const [name, ...more] = row === 'codec ZSTD, pages V1' ? [MANY] : types;
      if (made === undefined || wanted === undefined || cut || name === undefined) continue;
      const full = row.startsWith('type ') && row !== 'type null' && more.length === 0;
      if ((full || name === MANY) && !files.has(name)) files.set(name, { made, types, wanted });
    }
    return files;
  }

  const MANY = '3,000 rows of several';
  /** Types that no file brings: what a task makes them of. */
  const CASTS = { TIMESTAMP_S: 'DATE', TIMESTAMP_MS: 'TIMESTAMP' } as const;

  async function withResults(): Promise<Map<string, Outcome>> {
    const files = ofEachType();
    const tables = [...files].map(([, { made, types, wanted }], i) => {
      const names = Object.keys(wanted);
      const columns = names.map((name, at) => ({ id: at + 1, name, type: types[at] ?? '' }));
      return { name: `t${i}`, columns, granted: columns.map(({ id }) => id), files: [made] };
    });
    const selects = [...files].map(([type, { wanted }], i) => ({
      ...{ type, wanted, code: `SELECT * FROM t${i}` },
    }));
    for (const [type, from] of Object.entries(CASTS)) {
      const at = [...files.keys()].indexOf(from);
      const days = files.get(from)?.wanted['x']?.values ?? [];
      const values = days.map((text) => text && `${BigInt(text) * 86_400_000_000_000n}`);
      const x = type === 'TIMESTAMP_S' ? { kind: 'timestamp', values } : TYPES['timestamp_ms'];
      const code = `SELECT CAST(x AS ${type}) AS x FROM t${at}`;
      selects.push({ type, wanted: { x: x as Values }, code });
    }
    const [planner, runner] = [createDuckdbPlanner(), createDuckdbRunner()];
    const plan = await planner.plan({ code: selects.map(({ code }) => code).join('; '), tables });
    const resultFiles = selects.map((_, i) => join(root, `result-${i}.parquet`));
    const take = ({ statement, file }: ResultPart) => {
      return copyFile(file, resultFiles[statement] ?? '', constants.COPYFILE_EXCL);
    };
    const limits = { memoryBytes: 2 ** 28, threads: 1, timeMs: 60_000 };
    const most = { outputRows: 100_000, outputBytes: 2 ** 26, partBytes: 2 ** 26 };
    await runner.run({ plan, tables, limits: { ...limits, ...most }, folder: root, take });
    await Promise.all([planner.close(), runner.close()]);
    const all = new Map<string, Outcome>(files);
    for (const [i, { type, wanted }] of selects.entries()) {
      all.set(type, { ...files.get(type), wanted, result: resultFiles[i] ?? '' });
    }
    return all;
  }

  /** In a word or two; `yes` where all values are there. */
  function fared(found: Found | undefined, wanted: Record<string, Values>): string {
    if (found?.columns === undefined) return 'no';
    for (const [name, values] of Object.entries(wanted)) {
      const other = difference(values, found.columns[name]);
      if (other === undefined) continue;
      const kind = found.columns[name]?.kind ?? 'nothing';
      return other.startsWith('row ') ? 'other values' : `as ${kind.replace(/\W.*/, '')}`;
    }
    return 'yes';
  }

  it('is read by other libraries with equal values: datasets, and results as Parquet', async () => {
    const files = await withResults();
    const types = [...files.keys()].filter((type) => type !== MANY);
    expect(types).toEqual(expect.arrayContaining([...COLUMN_TYPES]));
    /** fastparquet has not the encodings of datasets, and ends at some of them. */
    const both = ({ made = '', result = '' }: Outcome, name: string) =>
      [name === 'fastparquet' ? '' : made, result].filter((file) => file !== '');
    const all = (name: string) => [...files.values()].flatMap((one) => both(one, name));
    const matrix = new FormatMatrix(
      'reader',
      READERS,
      [...types, MANY].map((row) => `type ${row}`),
    );
    const wrong: string[] = [];
    const answers = READERS.map(async (name) => [name, await peer(name).read(all(name))] as const);
    for (const [name, found] of await Promise.all(answers)) {
      for (const [type, outcome] of files) {
        const { made, result, wanted } = outcome;
        const cells = both(outcome, name).map((file) => fared(found[file], wanted));
        const cell = [...new Set(cells)].join(', results ');
        matrix.set(`type ${type}`, name, cell);
        const must = !['Spark', 'fastparquet'].includes(name);
        const said = found[made ?? '']?.error ?? found[result ?? '']?.error ?? '';
        if (must && cell !== 'yes') wrong.push(`${name}, ${type}: ${cell} ${said}`);
      }
    }
    expect(wrong).toEqual([]);
    held(matrix.markdown());
  });
});
