// SPDX-License-Identifier: Apache-2.0
// Which rule of a column holds for a task: those whose conditions fit, the strictest of them for
// each recipient, then the strictest over the recipients. Absent means hidden. Two aggregate rules
// combine to what both allow: common functions and groupings, the larger k. design.md, "Field
// policies".
import type { Policy, Rule } from './policy.ts';

/** What the judge knows of a task, beside its uses. */
export interface TaskFacts {
  readonly purpose: string;
  /** SHA-256 of the code, hex. */
  readonly codeDigest: string;
  /** Output ids (from 1) and the members who receive each. */
  readonly outputs: readonly { readonly id: number; readonly recipients: readonly string[] }[];
}

/** The rule that holds, conditions resolved. */
export type Effective =
  | { readonly rule: 'hidden' | 'subject' | 'reveal' }
  | {
      readonly rule: 'aggregate';
      readonly functions: readonly string[];
      readonly groupings: readonly { readonly sql: string; readonly bound: string }[];
      readonly k: number;
    };

const HIDDEN: Effective = { rule: 'hidden' };
const STRICTNESS = { hidden: 0, subject: 1, aggregate: 2, reveal: 3 } as const;

/** Everyone who receives `output`; for output 0, everyone who receives anything. */
export function recipientsOf(task: TaskFacts, output: number): readonly string[] {
  const fitting = task.outputs.filter((out) => output === 0 || out.id === output);
  return [...new Set(fitting.flatMap((out) => out.recipients))].sort();
}

/** The rule of `column` for what flows into `output`; hidden when nobody is known to receive it. */
export function effectiveRule(
  policy: Policy,
  column: number,
  task: TaskFacts,
  output: number,
): Effective {
  const rules = policy.columns.find(({ id }) => id === column)?.rules ?? [];
  const recipients = recipientsOf(task, output);
  if (recipients.length === 0) return HIDDEN;
  return recipients
    .map((recipient) => {
      const applying = rules.filter((rule) => applies(rule, recipient, task));
      return applying.length === 0 ? HIDDEN : applying.map(resolved).reduce(strictest);
    })
    .reduce(strictest);
}

function applies(rule: Rule, recipient: string, task: TaskFacts): boolean {
  const fits = (choice: 'any' | readonly string[], value: string) =>
    choice === 'any' || choice.includes(value);
  return (
    fits(rule.for, recipient) &&
    fits(rule.purpose, task.purpose) &&
    fits(rule.code, task.codeDigest)
  );
}

function resolved(rule: Rule): Effective {
  if (rule.rule !== 'aggregate') return { rule: rule.rule };
  const { functions, groupings, k } = rule;
  return { rule: 'aggregate', functions, groupings, k };
}

function strictest(a: Effective, b: Effective): Effective {
  if (a.rule === 'aggregate' && b.rule === 'aggregate') {
    return {
      rule: 'aggregate',
      functions: a.functions.filter((name) => b.functions.includes(name)),
      groupings: a.groupings.filter(({ bound }) => b.groupings.some((g) => g.bound === bound)),
      k: Math.max(a.k, b.k),
    };
  }
  return STRICTNESS[a.rule] <= STRICTNESS[b.rule] ? a : b;
}

/** k of an input for a task: the largest that any fitting rule, or the policy itself, asks for. */
export function minimumOf(policy: Policy, task: TaskFacts): number | undefined {
  const recipients = recipientsOf(task, 0);
  const asked = policy.columns
    .flatMap(({ rules }) => rules)
    .filter((rule) => recipients.some((recipient) => applies(rule, recipient, task)))
    .flatMap((rule) => (rule.rule === 'aggregate' ? [rule.k] : []));
  if (policy.k !== 'none') asked.push(policy.k);
  return asked.length === 0 ? undefined : Math.max(...asked);
}

/** The columns that say whom a row of this dataset is about, for a task. */
export function subjectsOf(policy: Policy, task: TaskFacts): number[] {
  return policy.columns
    .filter(({ id }) => effectiveRule(policy, id, task, 0).rule === 'subject')
    .map(({ id }) => id);
}
