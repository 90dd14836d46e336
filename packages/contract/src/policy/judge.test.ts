// SPDX-License-Identifier: Apache-2.0
// The judge alone, on uses written by hand: which rule holds for whom, what each code means, the
// grants that would unblock, and that it is total. Whole queries are judged in engine-duckdb.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { TaskFacts } from './effective.ts';
import { judge } from './judge.ts';
import type { Policy, Rule } from './policy.ts';
import { ROWS, type Use, type UseRole } from './use.ts';

const any = { for: 'any', purpose: 'any', code: 'any' } as const;
const subject: Rule = { rule: 'subject', ...any };
const reveal: Rule = { rule: 'reveal', ...any };
const hidden: Rule = { rule: 'hidden', ...any };
const band = { sql: 'AGE // 10', bound: '//(#2,10)' };
const aggregate = (k = 20): Extract<Rule, { rule: 'aggregate' }> => ({
  rule: 'aggregate',
  ...any,
  functions: ['AVG', 'COUNT'],
  groupings: [band],
  k,
});

/** Columns: 1 ID, 2 AGE, 3 SEX, 4 NOTE (no rule). */
function policy(rules: { age?: Rule[]; sex?: Rule[]; id?: Rule[]; k?: number } = {}): Policy {
  return {
    version: 1,
    k: rules.k ?? 'none',
    approvals: 1,
    limits: { runs: 'none', days: 'none' },
    columns: [
      { id: 1, name: 'ID', rules: rules.id ?? [subject] },
      { id: 2, name: 'AGE', rules: rules.age ?? [aggregate()] },
      { id: 3, name: 'SEX', rules: rules.sex ?? [reveal] },
      { id: 4, name: 'NOTE', rules: [] },
    ],
  };
}

const task = (over: Partial<TaskFacts> = {}): TaskFacts => ({
  purpose: 'credit-risk',
  codeDigest: 'aa'.repeat(32),
  outputs: [
    { id: 1, recipients: ['bank'] },
    { id: 2, recipients: ['bank', 'bureau'] },
  ],
  ...over,
});

function use(column: number, role: UseRole, over: Partial<Use> = {}): Use {
  const of = { statement: 0, input: 0, column, role };
  return { ...of, function: '', expression: `#${column}`, output: 0, ...over };
}
const rows = (shape: string, input = 0): Use =>
  use(0, shape === ROWS.grouped ? 'group' : 'output', { input, function: shape, expression: '' });
const avg = (over: Partial<Use> = {}) =>
  use(2, 'aggregate', { function: 'avg', output: 1, ...over });
const join = (input: number, other: number, over: Partial<Use> = {}): Use =>
  use(1, 'join', { input, function: 'equal', expression: `@${other}#1`, ...over });
const grouped = rows(ROWS.grouped);
const single = rows(ROWS.rowByRow);

const codes = (uses: Use[], policies: Policy[] = [policy()], facts = task()) =>
  [...new Set(judge({ uses, policies, task: facts }).findings.map((one) => one.code))].sort();

describe('several statements', () => {
  const nth = (statement: number, ...uses: Use[]) => uses.map((one) => ({ ...one, statement }));
  const bySex = nth(0, grouped, avg(), use(3, 'group'));
  const list = nth(1, single, use(3, 'output', { output: 2 }));

  test('are judged each by itself: what one may do is no excuse for another', () => {
    const both = judge({ uses: [...bySex, ...list], policies: [policy()], task: task() });
    expect(both.ok).toBe(true);
    // Row by row beside a grouping is no mixture of shapes, and has no groups to suppress.
    expect(both.suppression).toEqual([{ statement: 0, input: 0, k: 20, subjects: [1] }]);
    const shown = nth(1, single, use(2, 'output', { output: 2 }));
    const { findings } = judge({
      uses: [...bySex, ...shown],
      policies: [policy()],
      task: task(),
    });
    expect(findings.map(({ statement, code }) => [statement, code])).toEqual([
      [1, 'aggregate-row-by-row'],
    ]);
  });

  test('each must say how it treats the rows of each of its inputs', () => {
    const borrowed = [...bySex, ...nth(1, use(3, 'output', { output: 2 }))];
    const { findings } = judge({ uses: borrowed, policies: [policy()], task: task() });
    expect(findings.map(({ statement, code }) => [statement, code])).toEqual([
      [1, 'uses-incomplete'],
    ]);
  });

  test('each with a small group to hide gets its own suppression, in order', () => {
    const uses = [...nth(2, grouped, avg()), ...nth(0, grouped, avg())];
    const { suppression } = judge({ uses, policies: [policy({ k: 30 })], task: task() });
    expect(suppression.map(({ statement, k }) => [statement, k])).toEqual([
      [0, 30],
      [2, 30],
    ]);
  });

  test('what bears on all outputs is judged for everyone who receives anything of the task', () => {
    // The bureau receives output 2 only, which is of the other statement.
    const toBank: Rule = { ...reveal, for: ['bank'] };
    const filtered = nth(0, single, use(3, 'filter', { function: 'where' }));
    expect(codes([...filtered, ...nth(1, single)], [policy({ sex: [toBank] })])).toEqual([
      'column-hidden',
    ]);
  });
});

describe('which rule holds', () => {
  const shown = [single, use(3, 'output', { output: 1 })];
  const sex = (...list: Rule[]) => [policy({ sex: list })];

  test('absent means hidden, and so does a rule for others', () => {
    expect(codes(shown, sex(reveal))).toEqual([]);
    expect(codes(shown, sex())).toEqual(['column-hidden']);
    expect(codes(shown, sex({ ...reveal, for: ['insurer'] }))).toEqual(['column-hidden']);
    expect(codes(shown, sex({ ...reveal, purpose: ['marketing'] }))).toEqual(['column-hidden']);
    expect(codes(shown, sex({ ...reveal, code: ['bb'.repeat(32)] }))).toEqual(['column-hidden']);
    const fitting = { for: ['bank'], purpose: ['credit-risk'], code: ['aa'.repeat(32)] };
    expect(codes(shown, sex({ ...reveal, ...fitting }))).toEqual([]);
  });

  test('the strictest of several wins', () => {
    expect(codes(shown, sex(reveal, hidden))).toEqual(['column-hidden']);
    expect(codes(shown, sex(hidden, reveal))).toEqual(['column-hidden']);
    expect(codes(shown, sex(reveal, subject))).toEqual(['subject-shown']);
    expect(codes(shown, sex(reveal, aggregate()))).toEqual(['aggregate-row-by-row']);
    expect(codes(shown, sex(reveal, { ...hidden, for: ['insurer'] }))).toEqual([]);
  });

  test('every recipient of the output counts, and of no other', () => {
    const toBank: Rule = { ...reveal, for: ['bank'] };
    const second = [single, use(3, 'output', { output: 2 })];
    expect(codes(shown, sex(toBank))).toEqual([]);
    expect(codes(second, sex(toBank))).toEqual(['column-hidden']);
    expect(codes([single, use(3, 'filter', { function: 'where' })], sex(toBank))).toEqual([
      'column-hidden',
    ]);
  });

  test('two aggregate rules allow what both allow, with the larger k', () => {
    const narrow: Rule = { ...aggregate(50), functions: ['AVG'], groupings: [] };
    const policies = [policy({ age: [aggregate(), narrow] })];
    const result = judge({ uses: [grouped, avg()], policies, task: task() });
    expect(result).toEqual({
      ok: true,
      findings: [],
      suppression: [{ statement: 0, input: 0, k: 50, subjects: [1] }],
    });
    expect(codes([grouped, avg({ function: 'count' })], policies)).toEqual(['aggregate-function']);
    expect(codes([grouped, use(2, 'group', { expression: band.bound })], policies)).toEqual([
      'grouping-not-listed',
    ]);
  });

  test('nobody receives it: hidden', () => {
    const facts = task({ outputs: [] });
    expect(codes(shown, sex(reveal), facts)).toEqual(['column-hidden', 'rows-hidden']);
  });
});

describe('aggregate columns', () => {
  test('granted functions and groupings pass, in exactly their form', () => {
    const listed = { expression: band.bound };
    const uses = [
      grouped,
      avg(),
      use(2, 'group', listed),
      use(2, 'output', { ...listed, output: 2 }),
    ];
    expect(codes(uses)).toEqual([]);
    expect(codes([grouped, use(2, 'filter', { ...listed, function: 'having' })])).toEqual([]);
    expect(codes([grouped, use(2, 'group', { expression: '//(#2,5)' })])).toEqual([
      'grouping-not-listed',
    ]);
    expect(codes([grouped, use(2, 'group')])).toEqual(['grouping-not-listed']);
    expect(codes([grouped, use(2, 'filter', { ...listed, function: 'where' })])).toEqual([
      'filter-not-revealed',
    ]);
  });

  test('what is refused says what would unblock it', () => {
    const find = (one: Use) => judge({ uses: [grouped, one], policies: [policy()], task: task() });
    expect(find(avg({ function: 'sum' })).findings).toMatchObject([
      {
        code: 'aggregate-function',
        rule: 'aggregate',
        input: 0,
        column: 2,
        unblock: { column: 'AGE', rule: 'aggregate', functions: ['SUM'], groupings: [] },
      },
    ]);
    expect(find(avg({ function: 'min' })).findings[0]?.unblock).toEqual({
      column: 'AGE',
      rule: 'reveal',
    });
    expect(find(avg({ expression: '+(#2,1)' })).findings[0]?.unblock).toBeUndefined();
    const hiddenAvg = find(avg({ column: 4, expression: '#4' })).findings[0];
    expect(hiddenAvg?.code).toBe('column-hidden');
    expect(hiddenAvg?.unblock).toMatchObject({ column: 'NOTE', functions: ['AVG'] });
    expect(hiddenAvg?.sentence).toMatch(/NOTE/);
  });

  test('one block only', () => {
    expect(codes([rows(ROWS.nested), avg()])).toEqual(['aggregate-nested']);
    expect(codes([single, avg()])).toEqual(['aggregate-row-by-row']);
    expect(codes([grouped, single, avg()])).toEqual(['aggregate-nested']);
    expect(codes([rows('something new'), avg()])).toEqual(['aggregate-nested']);
  });
});

describe('joins', () => {
  const both = [policy({ age: [aggregate(20)] }), policy({ age: [aggregate(30)] })];
  const from = [grouped, rows(ROWS.grouped, 1)];

  test('subject to subject, k for each owner', () => {
    const uses = [...from, join(0, 1), join(1, 0), avg(), avg({ input: 1 })];
    const result = judge({ uses, policies: both, task: task() });
    expect(result.ok).toBe(true);
    expect(result.suppression).toEqual([
      { statement: 0, input: 0, k: 20, subjects: [1] },
      { statement: 0, input: 1, k: 30, subjects: [1] },
    ]);
  });

  test('unjoined, half joined or wrongly joined inputs are refused', () => {
    expect(codes([...from, avg()], both)).toEqual(['join-not-subject']);
    const third = [...both, policy({ id: [reveal], age: [reveal] })];
    const uses = [...from, rows(ROWS.grouped, 2), join(0, 1), join(1, 0), avg()];
    expect(codes(uses, third)).toEqual(['join-not-subject']);
    expect(codes([...from, join(0, 1, { function: 'lessthan' }), join(1, 0)], both)).toEqual([
      'join-not-subject',
    ]);
    expect(codes([...from, join(0, 1, { expression: '@1#2' }), join(1, 0)], both)).toEqual([
      'join-not-subject',
    ]);
    expect(codes([...from, join(0, 9), join(1, 0)], both)).toEqual(['join-not-subject']);
    expect(codes([...from, join(0, 0), join(1, 0)], both)).toEqual(['join-not-subject']);
  });

  test('a subject without any k is not joined on', () => {
    const open = policy({ age: [reveal] });
    const uses = [...from, join(0, 1), join(1, 0), avg({ input: 1 })];
    const result = judge({ uses, policies: [open, both[1] as Policy], task: task() });
    expect(result.findings).toMatchObject([
      { input: 0, code: 'join-without-minimum', unblock: { k: 'needed' } },
    ]);
    const withK = [policy({ age: [reveal], k: 10 }), both[1] as Policy];
    expect(codes(uses, withK)).toEqual([]);
  });

  test('row by row, a join shows who is in both', () => {
    const uses = [single, rows(ROWS.rowByRow, 1), join(0, 1), join(1, 0), use(3, 'output')];
    expect(codes(uses, both)).toEqual(['join-row-by-row']);
  });

  test('revealed values beside a protected owner: only COUNT, SUM, AVG as they are', () => {
    const uses = (one: Use) => [...from, join(0, 1), join(1, 0), one];
    const sum = use(3, 'aggregate', { function: 'sum', output: 1 });
    expect(codes(uses(sum), both)).toEqual([]);
    expect(codes(uses({ ...sum, function: 'max' }), both)).toEqual(['aggregate-function']);
    expect(codes(uses({ ...sum, expression: 'case(#3)' }), both)).toEqual(['aggregate-not-bare']);
    expect(codes([grouped, { ...sum, function: 'max' }])).toEqual([]);
  });
});

describe('rows and nonsense', () => {
  test('rows of a dataset that is hidden whole are not counted', () => {
    const closed = policy({ id: [], age: [], sex: [] });
    const count = use(0, 'aggregate', { function: 'count_star', expression: '', output: 1 });
    expect(codes([grouped, count], [closed])).toEqual(['rows-hidden']);
    expect(codes([grouped, count])).toEqual([]);
  });

  test('k without a subject for this task', () => {
    const policies = [policy({ id: [{ ...subject, for: ['insurer'] }] })];
    expect(codes([grouped, avg()], policies)).toEqual(['no-subject']);
  });

  test('inputs, columns and rows that are not there', () => {
    expect(codes([rows(ROWS.grouped, 7)])).toEqual(['input-unknown']);
    expect(codes([grouped, use(9, 'output')])).toEqual(['column-unknown']);
    expect(codes([avg()])).toContain('uses-incomplete');
    expect(codes([])).toEqual([]);
  });

  test('a join of an input that has no policy is refused', () => {
    const uses: Use[] = [
      use(1, 'join', { input: 2, function: 'equal', expression: '@1#1' }),
      rows(ROWS.grouped, 1),
    ];
    const result = judge({ uses, policies: [policy(), policy()], task: task() });
    expect(result.findings.map((finding) => finding.code)).toContain('input-unknown');
  });

  test('total, and a hidden column never passes', () => {
    const someUse: fc.Arbitrary<Use> = fc.record({
      statement: fc.nat(1),
      input: fc.nat(2),
      column: fc.nat(5),
      role: fc.constantFrom<UseRole>('join', 'filter', 'group', 'aggregate', 'output'),
      function: fc.constantFrom(
        '',
        'avg',
        'equal',
        'count_star',
        'grouped',
        'row-by-row',
        'nested',
      ),
      expression: fc.constantFrom('', '#2', '#4', '@1#1', '@0#1', band.bound, '@99#'),
      output: fc.nat(3),
    });
    fc.assert(
      fc.property(fc.array(someUse, { maxLength: 8 }), (uses) => {
        const result = judge({ uses, policies: [policy(), policy()], task: task() });
        expect(result.ok).toBe(result.findings.length === 0);
        const touched = uses.some((one) => one.column === 4 || one.input > 1 || one.column > 4);
        if (touched) expect(result.ok).toBe(false);
        const raw = uses.some((one) => one.column === 1 && one.role !== 'join');
        if (raw) expect(result.ok).toBe(false);
      }),
      { numRuns: 300 },
    );
  });
});
