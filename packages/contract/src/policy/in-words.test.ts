// SPDX-License-Identifier: Apache-2.0
// Policies in words: every difference has a line, and a document read back is the same policy.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePolicyDocument } from './document.ts';
import { documentOf } from './document-of.ts';
import { policyChanges, rulesInWords } from './in-words.ts';
import { compilePolicy, encodePolicy, type Policy, type Rule } from './policy.ts';

const COLUMNS = ['ID', 'AGE', 'SEX', 'INCOME'].map((name, i) => ({ id: i + 1, name }));
const bind = async (sql: string) => ({ bound: `bound ${sql}`, columns: [2] });

const subset = (...of: string[]) => fc.oneof(fc.constant('any'), fc.subarray(of, { minLength: 1 }));
const CONDITIONS = {
  for: subset('bank', 'clinic'),
  purpose: subset('care', 'credit'),
  code: subset('ab'.repeat(32), 'cd'.repeat(32)),
};
const narrowed = fc.record(CONDITIONS, { requiredKeys: [] });
const rule = fc.oneof(
  narrowed.map((own) => ({ rule: 'hidden', ...own })),
  narrowed.map((own) => ({ rule: 'reveal', ...own })),
  fc
    .tuple(narrowed, fc.subarray(['COUNT', 'SUM', 'AVG']), fc.subarray(['AGE', 'AGE // 10']))
    .chain(([own, functions, groupings]) =>
      fc.constantFrom({}, { k: 7 }, { k: 20 }).map((k) => ({
        ...{ rule: 'aggregate', functions, groupings, ...k, ...own },
      })),
    ),
);
const limit = fc.oneof(fc.constant('none'), fc.integer({ min: 1, max: 3 }));
const document = fc.record({
  ...CONDITIONS,
  k: fc.constantFrom(20, 30),
  approvals: fc.integer({ min: 1, max: 3 }),
  limits: fc.record({ runs: limit, days: limit }),
  columns: fc
    .record(
      { AGE: fc.array(rule, { minLength: 1, maxLength: 3 }), SEX: rule, INCOME: rule },
      { requiredKeys: [] },
    )
    .map((columns) => ({ ID: { rule: 'subject' }, ...columns })),
});

const compile = (from: unknown): Promise<Policy> =>
  compilePolicy({ document: parsePolicyDocument(from), columns: COLUMNS, bind });

describe('a policy in force', () => {
  it('gives a document that compiles to it', async () => {
    await fc.assert(
      fc.asyncProperty(document, async (from) => {
        const policy = await compile(from);
        const again = await compile(JSON.parse(JSON.stringify(documentOf(policy))));
        expect(encodePolicy(again)).toEqual(encodePolicy(policy));
        expect(policyChanges(policy, again)).toEqual([]);
      }),
    );
  });

  it('differs from another one by a line for each thing that is other', async () => {
    await fc.assert(
      fc.asyncProperty(document, document, async (one, other) => {
        const [before, after] = [await compile(one), await compile(other)];
        const equal = JSON.stringify(before) === JSON.stringify(after);
        expect(policyChanges(before, after).length === 0).toBe(equal);
      }),
    );
  });
});

it('says rules in words', () => {
  const any = { for: 'any', purpose: 'any', code: 'any' } as const;
  const aggregate: Rule = {
    ...{ rule: 'aggregate', functions: ['AVG', 'COUNT'], k: 20, ...any, for: ['bank', 'clinic'] },
    groupings: [{ sql: 'AGE // 10', bound: '(#2 // 10)' }],
  };
  expect(rulesInWords([])).toBe('hidden');
  expect(rulesInWords([aggregate])).toBe(
    'AVG, COUNT by AGE // 10 [(#2 // 10)] of groups of 20 or more to bank or clinic',
  );
  const both: Rule[] = [
    { rule: 'reveal', ...any, purpose: ['care'] },
    { rule: 'hidden', ...any, code: ['ab'] },
  ];
  expect(rulesInWords(both)).toBe('revealed for care, or hidden by code ab');
});
