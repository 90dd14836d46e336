// SPDX-License-Identifier: Apache-2.0
// 0 and -0 stay two values, however few a column has, in every format; dictionaries, which would
// make them one, are left out where they would, and only there.
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Desk } from '../../testing/ingest.ts';
import { compareParquet } from './compare/compare-parquet.ts';
import { compareText } from './compare/compare-text.ts';
import { convertToParquet } from './convert.ts';

let desk: Desk;
beforeAll(async () => {
  desk = await Desk.open();
});
afterAll(() => desk.close());

const ROWS = 300;
/** The engine would write one of the two here, too. */
const WITHOUT = 'DICTIONARY_SIZE_LIMIT 0';

/** What is made of a file, compared with it: how often each value occurs, and all encodings. */
async function madeOf(source: string): Promise<{ counts: unknown[]; encodings: string }> {
  const parquet = join(await desk.folder(), 'made.parquet');
  const { columns, reading, traces } = await convertToParquet(source, parquet);
  const request = { source, parquet, columns };
  if (reading === undefined) await compareParquet(request);
  else await compareText({ ...request, reading, traces });
  const counts = await desk.query(
    `SELECT x::VARCHAR AS x, count(*)::INTEGER FROM '${parquet}' GROUP BY ALL ORDER BY x`,
  );
  const meta = await desk.query(`SELECT encodings FROM parquet_metadata('${parquet}')`);
  return { counts, encodings: JSON.stringify(meta) };
}

const VALUES = ['-0.0', '0.0', '1.5'];
const CSV = Array.from({ length: ROWS }, (_, i) => VALUES[(i + 1) % 3]);

describe('0 and -0 in a column of few values', () => {
  const wanted = VALUES.map((value) => [value, ROWS / 3]);

  it.each<readonly [string, () => Promise<string>]>([
    ['CSV', () => desk.given('t.csv', `x,t\n${CSV.map((x) => `${x},text`).join('\n')}\n`)],
    ['JSON lines', () => desk.given('t.jsonl', CSV.map((x) => `{"x":${x},"t":"text"}\n`).join(''))],
    ...['DOUBLE', 'FLOAT'].map(
      (type) =>
        [
          `Parquet of ${type}`,
          () =>
            desk.parquet(
              `SELECT (['0.0', '1.5', '-0.0'])[1 + range % 3]::${type} AS x, 'text' AS t ` +
                `FROM range(${ROWS})`,
              WITHOUT,
            ),
        ] as const,
    ),
  ])('stay two in %s', async (_, file) => {
    const { counts, encodings } = await madeOf(await file());
    expect(counts).toEqual(wanted);
    expect(encodings).not.toContain('DICTIONARY');
  });

  it('stay two where integers lie far apart, too', async () => {
    const apart = 'CASE range WHEN 7 THEN 2147483647 WHEN 8 THEN -2147483648 ELSE 0 END::INTEGER';
    const zeros = "(['0.0', '1.5', '-0.0'])[1 + range % 3]::DOUBLE";
    const sql = `SELECT ${zeros} AS x, ${apart} AS n FROM range(${ROWS})`;
    const { counts, encodings } = await madeOf(await desk.parquet(sql, WITHOUT));
    expect(counts).toEqual(wanted);
    expect(encodings).not.toMatch(/DICTIONARY|DELTA_BINARY/);
  });
});

it('a column without -0 keeps its dictionary', async () => {
  const sql = `SELECT (range % 2)::DOUBLE - 0.0 AS x FROM range(${ROWS})`;
  const { counts, encodings } = await madeOf(await desk.parquet(sql));
  expect(counts).toEqual([
    ['0.0', ROWS / 2],
    ['1.0', ROWS / 2],
  ]);
  expect(encodings).toContain('DICTIONARY');
});
