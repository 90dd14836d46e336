// SPDX-License-Identifier: Apache-2.0
// The document that a policy in force could have come from, for who wants to read it, change it, or
// compile it over another schema: compiled over the same columns it gives the same policy.
import type { PolicyDocument, RuleDocument } from './document.ts';
import type { Policy, Rule } from './policy.ts';

const CONDITIONS = ['for', 'purpose', 'code'] as const;
type Conditions = Pick<Rule, (typeof CONDITIONS)[number]>;

/** Conditions that all rules share stand at the top; hidden columns are not named. */
export function documentOf(policy: Policy): PolicyDocument {
  const { k, approvals, limits } = policy;
  const rules = policy.columns.flatMap((column) => column.rules);
  const shared = Object.fromEntries(
    CONDITIONS.map((name) => {
      const first = rules[0]?.[name] ?? 'any';
      return [name, rules.every((rule) => same(rule[name], first)) ? first : 'any'];
    }),
  ) as Conditions;
  const columns = policy.columns
    .filter((column) => column.rules.length > 0)
    .map((column): [string, RuleDocument[]] => [
      column.name,
      column.rules.map((rule) => ruleOf(rule, shared, k)),
    ]);
  return { ...shared, k, approvals, limits, columns: Object.fromEntries(columns) };
}

function ruleOf(rule: Rule, shared: Conditions, k: Policy['k']): RuleDocument {
  const own = CONDITIONS.filter((name) => !same(rule[name], shared[name]));
  const narrowed = Object.fromEntries(own.map((name) => [name, rule[name]]));
  if (rule.rule !== 'aggregate') return { rule: rule.rule, ...narrowed };
  const least = rule.k === k ? {} : { k: rule.k };
  const groupings = rule.groupings.map(({ sql }) => sql);
  return { rule: 'aggregate', functions: [...rule.functions], groupings, ...least, ...narrowed };
}

function same(a: Rule['for'], b: Rule['for']): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
