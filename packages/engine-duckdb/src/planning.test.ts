// SPDX-License-Identifier: Apache-2.0
// Planning under bounds: code that is made to be expensive costs its own planning and nothing else.
// What asked goes on meanwhile, the answer is a code within one deadline, and the next code is
// planned as if nothing had been.
import type { EngineTable, Planner } from '@cloister/contract/policy';
import { isCoded } from '@cloister/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PLANNING_LIMITS } from './bounds.ts';
import { EngineChild } from './child-process.ts';
import { createDuckdbPlanner } from './duckdb-planner.ts';
import { askWithin, planningAsk, planWith } from './planner.ts';
import { columnsOf, leaves, print, type Term } from './term.ts';

const tables: EngineTable[] = [
  {
    name: 't',
    columns: [
      { id: 1, name: 'w', type: 'BIGINT' },
      { id: 2, name: 's', type: 'VARCHAR' },
    ],
  },
];
const LIMIT_MS = 1_000;
const planner: Planner = createDuckdbPlanner({ planTimeMs: LIMIT_MS });
afterAll(() => planner.close());

const patient: Planner = createDuckdbPlanner();
afterAll(() => patient.close());

async function codeOf(code: string, by = planner): Promise<string> {
  try {
    await by.plan({ code, tables });
    return 'planned';
  } catch (error) {
    return isCoded(error) ? error.code : `not coded: ${String(error)}`;
  }
}

const times = (count: number, of: (i: number) => string, between = ', ') =>
  Array.from({ length: count }, (_, i) => of(i)).join(between);
/** Each alias is twice the one before: the engine writes 2^n columns. */
const doubling = (n: number) =>
  `SELECT w AS a0, ${times(n, (i) => `a${i} + a${i} AS a${i + 1}`)} FROM t`;
function inside(n: number, of: (inner: string) => string, inner: string): string {
  return Array.from({ length: n }).reduce<string>((text) => of(text), inner);
}

const BOUNDED = ['engine-too-complex', 'engine-plan-timeout', 'engine-syntax'];
const EXPENSIVE: readonly (readonly [string, string])[] = [
  ['aliases that double, 14 times', doubling(14)],
  ['aliases that double, 40 times', doubling(40)],
  ['32 statements, each of them long to plan', times(32, () => doubling(10), ';')],
  [
    'a constant that grows at each step',
    `SELECT ${inside(40, (x) => `replace(${x}, 'a', 'aaaaaaaa')`, "'aa'")} AS x`,
  ],
  ['signs in one another', `SELECT ${inside(900, (x) => `(-${x})`, 'w')} AS x FROM t`],
  ['a list of 60,000 values', `SELECT w IN (${times(60_000, String)}) AS x FROM t`],
  ['a sum of 20,000', `SELECT ${times(20_000, () => 'w', '+')} AS x FROM t`],
  ['more code than is read', `SELECT '${'x'.repeat(1_000_000)}' AS x FROM t`],
  [
    'as many groupings as 20 columns have',
    `SELECT 1 AS x FROM t GROUP BY CUBE (${times(20, (i) => `w + ${i}`)})`,
  ],
];

describe('expensive code', () => {
  it.each(EXPENSIVE)('%s', async (_, code) => {
    let turns = 0;
    const ticking = setInterval(() => {
      turns += 1;
    }, 5);
    const asked = performance.now();
    const got = await codeOf(code);
    const took = performance.now() - asked;
    clearInterval(ticking);
    expect(BOUNDED).toContain(got);
    // Whoever asked has had its turns, but where the answer came at once.
    if (took > 200) expect(turns).toBeGreaterThan(4);
    expect(await codeOf('SELECT sum(w) AS x FROM t')).toBe('planned');
  });

  it.each([
    ['of 1,300 columns', `SELECT ${times(1_300, (i) => `w + ${i} AS c${i}`)} FROM t`],
    ['100 deep', inside(100, (x) => `SELECT a + a AS a FROM (${x})`, 'SELECT w AS a FROM t')],
  ])('is not what is only long: %s', async (_, code) => {
    expect(await codeOf(code, patient)).toBe('planned');
  });
});

describe('what is not listed', () => {
  let child: EngineChild;
  beforeAll(async () => {
    child = await EngineChild.start({ ...PLANNING_LIMITS, fileBytes: 0 });
  });
  afterAll(() => child.kill());

  it.each([
    ['a function', "SELECT getenv('HOME') AS x"],
    [
      'a function inside the argument of one that is listed',
      "SELECT strftime(s::DATE, getenv('HOME')) AS x FROM t",
    ],
    ['a function of tables', "SELECT * FROM read_text('/etc/hostname')"],
    ['a function by its schema', 'SELECT pg_catalog.upper(s) AS x FROM t'],
    ['a lambda', 'SELECT COLUMNS(c -> c > s) FROM t'],
    ['a collation', 'SELECT s COLLATE nocase AS x FROM t'],
    ['a type', 'SELECT s::JSON[] AS x FROM t'],
    ['a table', 'SELECT * FROM duckdb_tables'],
    ['a schema', 'SELECT * FROM information_schema.tables'],
    ['a place in a list', 'SELECT s[1] AS x FROM t'],
    ['in HAVING', 'SELECT sum(w) AS x FROM t HAVING getenv(min(s)) IS NULL'],
    ['in a table expression', 'WITH x AS (SELECT random() AS r) SELECT r FROM x'],
    ['in ORDER BY', 'SELECT w FROM t ORDER BY random()'],
    ['in LIMIT', 'SELECT w FROM t LIMIT (SELECT random())'],
  ])('is never bound: %s', async (_, code) => {
    const asked: string[] = [];
    const ask = askWithin(child, 20_000);
    const listen = planningAsk((request) => {
      asked.push(String(request['op']));
      return ask(request);
    });
    await expect(planWith(listen, { code, tables })).rejects.toSatisfy((error) => isCoded(error));
    expect(asked).toContain('parse');
    expect(asked).not.toContain('bind');
    expect(asked).not.toContain('outputs');
  });
});

describe('a term that is in itself many times', () => {
  const column: Term = { kind: 'column', input: 0, column: 3, type: 'BIGINT' };
  const doubled = (n: number): Term => {
    let term: Term = column;
    for (let i = 0; i < n; i++) term = { kind: 'call', head: '+', args: [term, term] };
    return term;
  };

  it('is looked at once', () => {
    expect(columnsOf(doubled(60))).toEqual([{ input: 0, column: 3 }]);
    expect(leaves(doubled(60))).toEqual([column]);
    expect(print(doubled(2), 0)).toBe('+(+(#3,#3),+(#3,#3))');
    expect(print(doubled(1), 1)).toBe('+(@0#3,@0#3)');
  });

  it('is not printed where that is too long', () => {
    expect(() => print(doubled(60), 0)).toThrow(
      expect.objectContaining({ code: 'engine-too-complex' }),
    );
  });
});
