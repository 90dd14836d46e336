// SPDX-License-Identifier: Apache-2.0
// What a policy says, and what another one says instead, in words: for people who decide, never for
// a judge. Every difference of two policies has a line; equal ones have none.
import type { Policy, Rule } from './policy.ts';

/** What the rules of a column allow, in words. */
export function rulesInWords(rules: readonly Rule[]): string {
  return rules.length === 0 ? 'hidden' : rules.map(ruleInWords).join(', or ');
}

/** What is other in `after`, a line for each difference, in the order of a document. */
export function policyChanges(before: Policy, after: Policy): string[] {
  const facts: [string, string, string][] = [
    ['smallest group', `${before.k}`, `${after.k}`],
    ['persons who approve', `${before.approvals}`, `${after.approvals}`],
    ['runs of one approval', limit(before.limits.runs), limit(after.limits.runs)],
    ['days of one approval', limit(before.limits.days), limit(after.limits.days)],
  ];
  const ids = [...new Set([...before.columns, ...after.columns].map(({ id }) => id))];
  for (const id of ids.sort((a, b) => a - b)) {
    const [was, is] = [before, after].map(({ columns }) => columns.find((c) => c.id === id));
    const said = (column: typeof was) =>
      column === undefined ? 'not there' : rulesInWords(column.rules);
    facts.push([is?.name ?? was?.name ?? `#${id}`, said(was), said(is)]);
  }
  return facts
    .filter(([, was, is]) => was !== is)
    .map(([what, was, is]) => `${what}: ${was} before, ${is} now`);
}

function ruleInWords(rule: Rule): string {
  const { purpose, code } = rule;
  const when = `${choice(' for', purpose)}${choice(' by code', code)}`;
  return `${whatInWords(rule)}${choice(' to', rule.for)}${when}`;
}

function whatInWords(rule: Rule): string {
  switch (rule.rule) {
    case 'hidden':
      return 'hidden';
    case 'subject':
      return 'the subject of a row';
    case 'reveal':
      return 'revealed';
    default: {
      const { functions, groupings, k } = rule;
      const of = functions.length === 0 ? 'no function' : functions.join(', ');
      // Two policies whose groupings are bound to different forms are two, whatever people read.
      const forms = groupings.map(({ sql, bound }) => (sql === bound ? sql : `${sql} [${bound}]`));
      const by = forms.length === 0 ? '' : ` by ${forms.join(' or ')}`;
      return `${of}${by} of groups of ${k} or more`;
    }
  }
}

function choice(word: string, of: 'any' | readonly string[]): string {
  return of === 'any' ? '' : `${word} ${of.join(' or ')}`;
}

function limit(of: number | 'none'): string {
  return of === 'none' ? 'no limit' : `${of}`;
}
