// SPDX-License-Identifier: Apache-2.0
// Policy documents and their compiled form: one valid specimen, every kind of wrong field with its
// code, and an encoding that does not depend on how the document was written down.
import { CodedError } from '@cloister/core';
import { describe, expect, test } from 'vitest';
import { parsePolicyDocument } from './document.ts';
import { compilePolicy, decodePolicy, encodePolicy } from './policy.ts';

const specimen = {
  for: 'any',
  purpose: ['credit-risk'],
  code: 'any',
  k: 20,
  approvals: 1,
  limits: { runs: 2, days: 'none' },
  columns: {
    ID: { rule: 'subject' },
    AGE: { rule: 'aggregate', functions: ['SUM', 'AVG'], groupings: ['AGE // 10', 'AGE'] },
    SEX: [
      { rule: 'reveal', for: ['bureau', 'bank'] },
      { rule: 'hidden', for: ['insurer'], purpose: 'any' },
    ],
  },
};
const columns = [
  { id: 1, name: 'ID' },
  { id: 2, name: 'SEX' },
  { id: 3, name: 'AGE' },
  { id: 4, name: 'name.with.dots' },
];
const bind = async (sql: string) => ({ bound: sql.replace('AGE', '#3'), columns: [3] });
const compile = (document: unknown) =>
  compilePolicy({ document: parsePolicyDocument(document), columns, bind });

async function codeOf(work: () => unknown): Promise<string> {
  try {
    await work();
    return 'ok';
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    throw error;
  }
}

/** The specimen with one path set (undefined: removed). */
function changed(path: readonly string[], value: unknown): unknown {
  const copy = structuredClone(specimen) as Record<string, unknown>;
  let at = copy;
  for (const key of path.slice(0, -1)) at = at[key] as Record<string, unknown>;
  const last = path.at(-1) ?? '';
  if (value === undefined) delete at[last];
  else at[last] = value;
  return copy;
}

describe('the document', () => {
  test('the specimen is valid, as a value and as text', async () => {
    expect(parsePolicyDocument(JSON.stringify(specimen))).toEqual(parsePolicyDocument(specimen));
    expect(await codeOf(() => compile(specimen))).toBe('ok');
  });

  const bad: readonly (readonly [readonly string[], unknown])[] = [
    [['for'], undefined],
    [['for'], []],
    [['purpose'], 'credit-risk'],
    [['code'], ['not hex']],
    [['code'], ['AB'.repeat(32)]],
    [['k'], undefined],
    [['k'], 1],
    [['k'], 2.5],
    [['k'], '20'],
    [['approvals'], 0],
    [['limits'], undefined],
    [['limits', 'runs'], undefined],
    [['limits', 'runs'], -1],
    [['limits', 'hours'], 1],
    [['price'], 3],
    [['columns'], undefined],
    [['columns', 'AGE', 'rule'], 'aggregates'],
    [['columns', 'AGE', 'functions'], undefined],
    [['columns', 'AGE', 'functions'], ['MIN']],
    [['columns', 'AGE', 'groupings'], ['']],
    [['columns', 'AGE', 'k'], 1],
    [['columns', 'AGE', 'colour'], 'red'],
    [['columns', 'ID', 'functions'], ['SUM']],
    [['columns', 'SEX'], []],
    [['columns', ''], { rule: 'reveal' }],
  ];
  test.each(bad)('%j as %j is refused', async (path, value) => {
    expect(await codeOf(() => parsePolicyDocument(changed(path, value)))).toBe('policy-malformed');
  });

  test('what is not an object, or not JSON, is refused', async () => {
    for (const input of ['', '{', 'null', '[]', '"x"', null, undefined, 7, []]) {
      expect(await codeOf(() => parsePolicyDocument(input))).toBe('policy-malformed');
    }
  });

  test('a refusal says where', () => {
    const wrong = changed(['columns', 'AGE', 'functions'], ['MIN']);
    expect(() => parsePolicyDocument(wrong)).toThrow(/columns \/ AGE \/ 0 \/ functions \/ 0/);
  });

  const { purpose: _, ...unpurposed } = specimen;
  test.each<[unknown, string]>([
    [
      { ...unpurposed, purposes: ['x'] },
      'at the top: there is no purposes (did you mean purpose?)',
    ],
    [{ ...specimen, price: 3 }, 'at the top: there is no price'],
    [changed(['limits', 'run'], 1), 'at limits: there is no run (did you mean runs?)'],
    [
      changed(['columns', 'AGE', 'grouping'], []),
      'at columns / AGE / 0: there is no grouping (did you mean groupings?)',
    ],
    [
      changed(['columns', 'ID', 'rule'], 'subjct'),
      'wanted hidden or subject or aggregate or reveal, got subjct (did you mean subject?)',
    ],
    [
      changed(['columns', 'AGE', 'functions'], ['SUMM']),
      'functions / 0: wanted COUNT or SUM or AVG, got SUMM (did you mean SUM?)',
    ],
  ])('a slip is told with what was meant (%#)', (document, says) => {
    expect(() => parsePolicyDocument(document)).toThrow(says);
  });
});

describe('compiling', () => {
  test('names every column that is none, with the one that was meant', async () => {
    const { AGE, ...others } = specimen.columns;
    const document = { ...specimen, columns: { ...others, Aeg: AGE, NOPE: { rule: 'reveal' } } };
    await expect(compile(document)).rejects.toThrow(
      /no column of the dataset: Aeg \(did you mean AGE\?\), NOPE$/,
    );
  });

  test('spells everything out, for every schema column', async () => {
    const policy = await compile(specimen);
    expect(policy.columns.map(({ name, rules }) => [name, rules.length])).toEqual([
      ['ID', 1],
      ['SEX', 2],
      ['AGE', 1],
      ['name.with.dots', 0],
    ]);
    expect(policy.columns[2]?.rules[0]).toEqual({
      rule: 'aggregate',
      for: 'any',
      purpose: ['credit-risk'],
      code: 'any',
      functions: ['AVG', 'SUM'],
      groupings: [
        { sql: 'AGE', bound: '#3' },
        { sql: 'AGE // 10', bound: '#3 // 10' },
      ],
      k: 20,
    });
    expect(policy.columns[1]?.rules[0]).toMatchObject({ for: ['bank', 'bureau'] });
    expect(policy.columns[1]?.rules[1]).toMatchObject({ purpose: 'any' });
  });

  const wrong: readonly (readonly [readonly string[], unknown, string])[] = [
    [['columns', 'NOPE'], { rule: 'reveal' }, 'policy-unknown-column'],
    [['columns', 'constructor'], { rule: 'reveal' }, 'policy-unknown-column'],
    [['columns', 'ID'], { rule: 'hidden' }, 'policy-no-subject'],
    [['columns', 'AGE', 'largest'], 20, 'policy-largest-unsupported'],
    [['k'], 'none', 'policy-no-minimum'],
  ];
  test.each(wrong)('%j as %j is %s', async (path, value, code) => {
    expect(await codeOf(() => compile(changed(path, value)))).toBe(code);
  });

  test('a column named like an object member is a column', async () => {
    const own = [...columns, { id: 5, name: 'constructor' }];
    const document = parsePolicyDocument(specimen);
    const policy = await compilePolicy({ document, columns: own, bind });
    expect(policy.columns[4]).toEqual({ id: 5, name: 'constructor', rules: [] });
  });
});

describe('the encoding', () => {
  test('is one, however the document is ordered', async () => {
    const { columns: list, ...rest } = specimen;
    const reversed = Object.fromEntries(Object.entries(list).reverse());
    const other = { columns: reversed, ...Object.fromEntries(Object.entries(rest).reverse()) };
    const again = changed(['columns', 'AGE', 'groupings'], ['AGE', 'AGE // 10']);
    const bytes = encodePolicy(await compile(specimen));
    expect(encodePolicy(await compile(other))).toEqual(bytes);
    expect(encodePolicy(await compile(again))).toEqual(bytes);
    expect(decodePolicy(bytes)).toEqual(await compile(specimen));
  });

  test('any cut or flipped byte is a coded error or another policy', async () => {
    const bytes = encodePolicy(await compile(specimen));
    for (let at = 0; at < bytes.length; at += 1) {
      expect(await codeOf(() => decodePolicy(bytes.subarray(0, at)))).toBe('policy-malformed');
      const flipped = bytes.slice();
      flipped[at] = (flipped[at] ?? 0) ^ 0x21;
      const code = await codeOf(() => decodePolicy(flipped));
      expect(['ok', 'policy-malformed']).toContain(code);
    }
  });

  test('columns in another order, or twice, are refused', async () => {
    const policy = await compile(specimen);
    const reversed = { ...policy, columns: policy.columns.toReversed() };
    expect(await codeOf(() => decodePolicy(encodePolicy(reversed)))).toBe('policy-malformed');
    const twice = { ...policy, columns: [...policy.columns, ...policy.columns.slice(-1)] };
    expect(await codeOf(() => decodePolicy(encodePolicy(twice)))).toBe('policy-malformed');
  });
});
