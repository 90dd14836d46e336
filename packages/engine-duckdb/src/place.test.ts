// SPDX-License-Identifier: Apache-2.0
// A slip in a statement is the writer's: it is told as wrong input, with the line and the column of
// the code as it was written, whatever stands before it and however it is printed for the engine.
import { afterAll, describe, expect, it } from 'vitest';
import { duckdb } from '../testing/duckdb.ts';
import { engineError } from './errors.ts';
import { placeIn } from './place.ts';

const engine = duckdb();
afterAll(() => engine.close());

const tables = [
  {
    name: 'people',
    columns: [
      { id: 1, name: 'age', type: 'INTEGER' },
      { id: 2, name: 'client', type: 'BIGINT' },
    ],
  },
];
const planned = (code: string, params = {}) => engine.plan({ tables, code, params });

it('a function that is not listed is told where it is, with what was meant', async () => {
  const code = "-- what é\nSELECT 'é', age,\n  summ(age) AS s FROM people";
  await expect(planned(code)).rejects.toMatchObject({
    code: 'engine-function-refused',
    message: expect.stringMatching(
      /^line 3, column 3: the function summ .*\(did you mean sum\?\)$/,
    ),
  });
});

describe('a slip', () => {
  it.each([
    ['SELECT agee\nFROM people', 'line 1, column 8: Referenced column "agee"'],
    [
      'SELECT age\n  FROM peopl',
      'line 2, column 8: there is no table peopl in the task (did you mean people?)',
    ],
    ["-- what é\nSELECT 'é', age,\n  sum(agee) AS s FROM people", 'line 3, column 7: Referenced'],
    ['SELECT 1 AS a;\n\nSELECT p.agee FROM people p', 'line 3, column 8: Table "p" does not'],
    ['SELECT age\n  FROM people\n WHERE client = $x AND agee > 1', 'line 3, column 24: '],
    ['SELECT age FROM people WHERE EXISTS (SELECT * FROM people q WHERE q.ag = 1)', 'column 67: '],
  ])('%j is told where it is', async (code, says) => {
    const params = code.includes('$x') ? { x: 'a longer text than the name' } : {};
    await expect(planned(code, params)).rejects.toMatchObject({
      code: 'engine-bind-failed',
      kind: 'malformed',
      message: expect.stringContaining(says),
    });
  });

  it.each([
    ['SELECT age\nFRM people', 'line 2, column 5: syntax error'],
    ['SELECT age,\n  FROM people WHERE', 'line 2, column 20: syntax error at end'],
  ])('%j does not parse, and is told where', async (code, says) => {
    await expect(planned(code)).rejects.toMatchObject({
      code: 'engine-syntax',
      message: expect.stringContaining(says),
    });
  });
});

it('a place that is not known is not made up', () => {
  expect(placeIn('SELECT 1', undefined)).toBe('');
  expect(engineError.rows['engine-bind-failed'].kind).toBe('malformed');
});
