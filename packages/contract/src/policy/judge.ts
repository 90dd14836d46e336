// SPDX-License-Identifier: Apache-2.0
// The judge: may this task make these uses of these columns under these policies? Pure, total,
// synchronous; keepers, gateways and the worker call exactly this. It never parses SQL: the engine
// read the uses off a bound plan, the policies carry their groupings in the same bound form, and
// forms are compared as text. design.md, "Field policies"; protocol.md, "Uses and SQL".
//
// Invariants: a use that no branch allows is refused; a task is judged by its plan, never by data;
// every input whose policy has a k, or whose subject is joined on, gets a suppression or a finding.
// Each statement of a code is judged by itself, for everyone who receives anything of the task.

import {
  type Effective,
  effectiveRule,
  minimumOf,
  subjectsOf,
  type TaskFacts,
} from './effective.ts';
import type { Finding, FindingCode, Grant } from './finding.ts';
import type { Policy } from './policy.ts';
import { ROWS, type Use } from './use.ts';

/** Small groups of this input must be dropped: fewer than k rows, or than k distinct subjects. */
export interface Suppression {
  /** Position of the statement in the code, from 0. */
  readonly statement: number;
  readonly input: number;
  readonly k: number;
  /** The subject columns, each of which must have k distinct values in a group. */
  readonly subjects: readonly number[];
}

/** What the judge answers. The engine must apply every suppression. */
export interface Judgement {
  readonly ok: boolean;
  readonly findings: readonly Finding[];
  readonly suppression: readonly Suppression[];
}

/** Judged together: the uses of a code, the inputs' policies by position, the task. */
export interface JudgeInput {
  readonly uses: readonly Use[];
  readonly policies: readonly Policy[];
  readonly task: TaskFacts;
}

/** What is known of one statement as a whole while its uses are judged. */
interface Case extends JudgeInput {
  readonly statement: number;
  readonly shape: string;
  /** Why the shape is `nested`. */
  readonly reason: string;
  /** Inputs in FROM. */
  readonly from: readonly number[];
  /** k by input, for the inputs in FROM that have one. */
  readonly minimums: ReadonlyMap<number, number>;
}

/** Judges a task's uses, statement by statement. Never throws on any list of uses. */
export function judge(input: JudgeInput): Judgement {
  const statements = new Map<number, Use[]>();
  for (const use of input.uses) {
    const own = statements.get(use.statement);
    if (own === undefined) statements.set(use.statement, [use]);
    else own.push(use);
  }
  const judged = [...statements]
    .sort(([a], [b]) => a - b)
    .map(([statement, uses]) => judgeStatement(statement, { ...input, uses }));
  return {
    ok: judged.every(({ ok }) => ok),
    findings: judged.flatMap(({ findings }) => findings),
    suppression: judged.flatMap(({ suppression }) => suppression),
  };
}

function judgeStatement(statement: number, input: JudgeInput): Judgement {
  const { uses, policies, task } = input;
  const findings: Finding[] = [];
  const rows = uses.filter((use) => use.column === 0 && use.role !== 'aggregate');
  const from = [...new Set(rows.map((use) => use.input))].sort((a, b) => a - b);
  for (const at of new Set(uses.map((use) => use.input))) {
    if (policies[at] === undefined) findings.push(plain(statement, at, 'input-unknown'));
    else if (!from.includes(at)) findings.push(plain(statement, at, 'uses-incomplete'));
  }
  const known = from.filter((at) => policies[at] !== undefined);
  const minimums = new Map<number, number>();
  for (const at of known) {
    const k = minimumOf(policies[at] as Policy, task);
    if (k !== undefined) minimums.set(at, k);
  }
  const shape = shapeOf(rows);
  const reason = rows.find((use) => use.function === ROWS.nested)?.expression ?? '';
  const theCase: Case = { ...input, statement, shape, reason, from: known, minimums };
  for (const use of uses) {
    if (policies[use.input] === undefined) continue;
    findings.push(...(use.column === 0 ? judgeRows(use, theCase) : judgeUse(use, theCase)));
  }
  const { suppression, missing } = suppressions(theCase);
  findings.push(...missing, ...unconnected(theCase));
  return { ok: findings.length === 0, findings: unique(findings), suppression };
}

/** The shape that all rows uses agree on; anything mixed or unknown counts as nested. */
function shapeOf(rows: readonly Use[]): string {
  const shapes = new Set(rows.map((use) => use.function));
  const [only] = shapes;
  return shapes.size === 1 && only !== undefined ? only : ROWS.nested;
}

function judgeRows(use: Use, theCase: Case): Finding[] {
  const { statement } = theCase;
  if (!isOpen(theCase, use.input, use.output)) return [plain(statement, use.input, 'rows-hidden')];
  if (use.role === 'aggregate' && use.function !== 'count_star') {
    return [plain(statement, use.input, 'uses-incomplete')];
  }
  return [];
}

/** True when at least one column of the input is not hidden. */
function isOpen({ policies, task }: Case, input: number, output: number): boolean {
  const policy = policies[input] as Policy;
  return policy.columns.some(({ id }) => {
    return effectiveRule(policy, id, task, output).rule !== 'hidden';
  });
}

function judgeUse(use: Use, theCase: Case): Finding[] {
  const policy = theCase.policies[use.input] as Policy;
  if (!policy.columns.some(({ id }) => id === use.column)) {
    return [{ ...plain(theCase.statement, use.input, 'column-unknown'), column: use.column }];
  }
  const effective = effectiveRule(policy, use.column, theCase.task, use.output);
  switch (effective.rule) {
    case 'hidden':
      return [finding(use, theCase, 'hidden', 'column-hidden', wanted(use, theCase))];
    case 'subject':
      return judgeSubject(use, theCase);
    case 'aggregate':
      return judgeAggregate(use, effective, theCase);
    case 'reveal':
      return judgeReveal(use, theCase);
  }
}

function judgeSubject(use: Use, theCase: Case): Finding[] {
  const reveal = grant(use, theCase, 'reveal');
  if (use.role !== 'join') return [finding(use, theCase, 'subject', 'subject-shown', reveal)];
  if (!joinsSubjects(use, theCase)) {
    return [finding(use, theCase, 'subject', 'join-not-subject', undefined)];
  }
  if (theCase.shape !== ROWS.grouped) {
    return [finding(use, theCase, 'subject', 'join-row-by-row', reveal)];
  }
  if (!theCase.minimums.has(use.input)) {
    return [finding(use, theCase, 'subject', 'join-without-minimum', { k: 'needed' })];
  }
  return [];
}

function judgeAggregate(
  use: Use,
  rule: Extract<Effective, { rule: 'aggregate' }>,
  theCase: Case,
): Finding[] {
  const no = (code: FindingCode, unblock?: Grant) => [
    finding(use, theCase, 'aggregate', code, unblock),
  ];
  const reveal = grant(use, theCase, 'reveal');
  if (theCase.shape === ROWS.rowByRow) {
    if (use.role === 'filter') return no('filter-not-revealed', reveal);
    return no(use.role === 'join' ? 'join-not-subject' : 'aggregate-row-by-row', reveal);
  }
  if (theCase.shape !== ROWS.grouped) return no('aggregate-nested');
  switch (use.role) {
    case 'aggregate':
      if (use.expression !== `#${use.column}`) return no('aggregate-not-bare');
      if (rule.functions.includes(use.function.toUpperCase())) return [];
      return no('aggregate-function', wanted(use, theCase));
    case 'group':
    case 'output':
      if (rule.groupings.some(({ bound }) => bound === use.expression)) return [];
      return no('grouping-not-listed', wanted(use, theCase));
    case 'filter':
      // HAVING and ORDER BY speak of whole groups, so they may name a listed grouping.
      if (use.function === 'having' && rule.groupings.some((g) => g.bound === use.expression)) {
        return [];
      }
      return no('filter-not-revealed', reveal);
    case 'join':
      return no('join-not-subject', grant(use, theCase, 'subject'));
  }
}

/** Revealed values are free, except where another owner's k has to mean something. */
function judgeReveal(use: Use, theCase: Case): Finding[] {
  const guarded = theCase.minimums.size > 0;
  if (!guarded || theCase.from.length < 2) return [];
  if (theCase.shape !== ROWS.grouped) return [];
  if (use.role === 'join' && !joinsSubjects(use, theCase)) {
    return [finding(use, theCase, 'k', 'join-not-subject', grant(use, theCase, 'subject'))];
  }
  if (use.role === 'aggregate') {
    if (!['count', 'sum', 'avg'].includes(use.function)) {
      return [finding(use, theCase, 'k', 'aggregate-function', undefined)];
    }
    if (use.expression !== `#${use.column}`) {
      return [finding(use, theCase, 'k', 'aggregate-not-bare', undefined)];
    }
  }
  return [];
}

/** True for an equality of two inputs' subject columns, both ends of which their policies know. */
function joinsSubjects(use: Use, { policies, task }: Case): boolean {
  const partner = /^@(\d{1,6})#(\d{1,6})$/.exec(use.expression);
  if (use.function !== 'equal' || partner === null) return false;
  const [other, column] = [Number(partner[1]), Number(partner[2])];
  const [mine, policy] = [policies[use.input], policies[other]];
  if (mine === undefined || policy === undefined || other === use.input) return false;
  const own = effectiveRule(mine, use.column, task, 0);
  return own.rule === 'subject' && effectiveRule(policy, column, task, 0).rule === 'subject';
}

/** Suppressions of a grouped statement, and findings where k cannot be kept. */
function suppressions(theCase: Case): { suppression: Suppression[]; missing: Finding[] } {
  const suppression: Suppression[] = [];
  const missing: Finding[] = [];
  const { statement } = theCase;
  for (const [input, k] of theCase.minimums) {
    if (theCase.shape === ROWS.grouped) {
      const subjects = subjectsOf(theCase.policies[input] as Policy, theCase.task);
      if (subjects.length === 0 && isOpen(theCase, input, 0)) {
        missing.push(plain(statement, input, 'no-subject'));
      }
      suppression.push({ statement, input, k, subjects });
    } else if (theCase.from.length > 1) {
      missing.push({ ...plain(statement, input, 'join-row-by-row'), rule: 'k' });
    }
  }
  return { suppression, missing };
}

/** With a k in FROM, subject equalities must connect all inputs: no cross product inflates. */
function unconnected(theCase: Case): Finding[] {
  if (theCase.shape !== ROWS.grouped || theCase.minimums.size === 0) return [];
  const reached = new Set(theCase.from.slice(0, 1));
  const edges = theCase.uses.filter((use) => use.role === 'join' && joinsSubjects(use, theCase));
  for (let grown = true; grown; ) {
    const before = reached.size;
    for (const edge of edges) {
      const other = Number(/^@(\d+)/.exec(edge.expression)?.[1]);
      if (reached.has(edge.input)) reached.add(other);
      else if (reached.has(other)) reached.add(edge.input);
    }
    grown = reached.size > before;
  }
  const loose = theCase.from.filter((input) => !reached.has(input));
  const { statement } = theCase;
  return loose.map((input) => ({ ...plain(statement, input, 'join-not-subject'), rule: 'k' }));
}

function grant(use: Use, theCase: Case, rule: 'subject' | 'reveal'): Grant {
  return { column: nameOf(use, theCase), rule };
}

/** The smallest rule that would allow this use. */
function wanted(use: Use, theCase: Case): Grant | undefined {
  const column = nameOf(use, theCase);
  if (use.role === 'join') return { column, rule: 'subject' };
  if (theCase.shape !== ROWS.grouped || use.role === 'filter') return { column, rule: 'reveal' };
  if (use.role === 'aggregate') {
    const name = use.function.toUpperCase();
    const fits = ['COUNT', 'SUM', 'AVG'].includes(name) && use.expression === `#${use.column}`;
    if (!fits) return { column, rule: 'reveal' };
    return { column, rule: 'aggregate', functions: [name], groupings: [] };
  }
  return { column, rule: 'aggregate', functions: [], groupings: [use.expression] };
}

function nameOf(use: Use, { policies }: Case): string {
  const column = policies[use.input]?.columns.find(({ id }) => id === use.column);
  return column?.name ?? `column ${use.column}`;
}

function plain(statement: number, input: number, code: FindingCode): Finding {
  const sentence = SENTENCES[code]({ name: 'the rows', reason: '', by: '' });
  return { statement, input, column: 0, rule: 'hidden', code, sentence };
}

function finding(
  use: Use,
  theCase: Case,
  rule: Finding['rule'],
  code: FindingCode,
  unblock: Grant | undefined,
): Finding {
  const by = use.function === '' ? use.role : use.function.toUpperCase();
  const sentence = SENTENCES[code]({ name: nameOf(use, theCase), reason: theCase.reason, by });
  const { statement, input, column } = use;
  const found = { statement, input, column, rule, code, sentence };
  return unblock === undefined ? found : { ...found, unblock };
}

const SENTENCES: Record<FindingCode, (on: { name: string; reason: string; by: string }) => string> =
  {
    'column-hidden': ({ name }) => `${name} is hidden from this task; its owner must grant a rule.`,
    'rows-hidden': () => 'Every column of this dataset is hidden from this task.',
    'subject-shown': ({ name }) =>
      `${name} says whom a row is about: it may be joined on, not shown, filtered or computed.`,
    'join-not-subject': ({ name }) =>
      `${name} may only meet another dataset's subject column, by equality, in an inner join.`,
    'join-without-minimum': ({ name }) =>
      `${name} may be joined on only if its policy names k, the smallest group to show.`,
    'join-row-by-row': ({ name }) =>
      `Joining on ${name} must end in groups (GROUP BY): row by row it shows who is in both.`,
    'aggregate-row-by-row': ({ name }) =>
      `${name} may leave only as COUNT, SUM or AVG of a group; here it is shown row by row.`,
    'aggregate-nested': ({ name, reason }) =>
      `${name} needs one plain SELECT with GROUP BY; this statement has more (${reason}).`,
    'aggregate-function': ({ name, by }) => `${by} over ${name} is not granted.`,
    'aggregate-not-bare': ({ name }) =>
      `${name} may only be aggregated as it is, not inside an expression.`,
    'grouping-not-listed': ({ name }) =>
      `${name} is grouped or shown in a form that its owner does not list.`,
    'filter-not-revealed': ({ name }) => `${name} is not revealed, so rows cannot be chosen by it.`,
    'no-subject': () =>
      'k counts distinct subjects, and no subject column is granted to this task.',
    'column-unknown': () => 'The uses name a column that the policy does not know.',
    'input-unknown': () => 'The uses name an input that the task does not have.',
    'uses-incomplete': () => 'The uses do not say how the rows of this input are treated.',
  };

function unique(findings: readonly Finding[]): Finding[] {
  const seen = new Map(findings.map((one) => [JSON.stringify(one), one]));
  return [...seen.values()];
}
