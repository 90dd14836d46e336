// SPDX-License-Identifier: Apache-2.0
// Lineage: from a checked plan to uses. Two shapes are followed exactly, one SELECT block with or
// without aggregates; anything else is `nested`, where every column that any scan binds counts as
// flowing into every output. So a shape that is misjudged can only make a task refused, never
// allowed. protocol.md, "Uses and SQL".
import { ROWS, type Use } from '@cloister/contract/policy';
import { EXPRESSIONS_MAX, tooComplex, USES_MAX } from './bounds.ts';
import { engineError } from './errors.ts';
import { arrayOf, type Json, type JsonObject, objectOf, visit } from './json.ts';
import { type Inputs, scanOf } from './plan-check.ts';
import { aggregateOf, bare, columnsOf, leaves, print, type Term, termOf } from './term.ts';

/** A use by one statement: which one it is, and what was put out before, is for the planner. */
export type StatementUse = Omit<Use, 'statement'>;

/** What a plan does. */
export interface Lineage {
  readonly shape: 'grouped' | 'row-by-row' | 'nested';
  readonly uses: readonly StatementUse[];
  /** Printed with absolute columns (`@0#1`): the conditions on groups, and the groups. */
  readonly having: readonly string[];
  readonly groups: readonly Term[];
  /** Number of output columns, where known. */
  readonly width: number | undefined;
  /** The conditions on groups as terms, for what suppression must forbid in them. */
  readonly havingTerms: readonly Term[];
}

/** Thrown inside to give up exactness; never leaves this file. */
class Nested {
  readonly reason: string;
  constructor(reason: string) {
    this.reason = reason;
  }
}

interface State {
  readonly inputs: Inputs;
  readonly uses: StatementUse[];
  /** Of all expressions of the uses. */
  characters: number;
  readonly from: number[];
  readonly having: Term[];
  readonly order: Term[];
  groups: Term[];
  aggregated: boolean;
}

/** Rows on their way up: terms by position, and what has happened to them. */
interface Rows {
  readonly columns: readonly Term[];
  readonly stage: 'from' | 'grouped' | 'projected';
}

/** Follows a plan; `reason` set says that the parse tree already shows more than one block. */
export function lineageOf(plan: JsonObject, inputs: Inputs, reason?: string): Lineage {
  const state: State = {
    inputs,
    uses: [],
    characters: 0,
    from: [],
    having: [],
    order: [],
    groups: [],
    aggregated: false,
  };
  try {
    if (reason !== undefined) throw new Nested(reason);
    const rows = follow(plan, state);
    return exact(rows, state);
  } catch (error) {
    if (error instanceof Nested) return nested(plan, inputs, error.reason);
    throw error;
  }
}

function follow(node: JsonObject, state: State): Rows {
  const children = arrayOf(node['children']).map((child) => objectOf(child) ?? {});
  const [first] = children;
  switch (node['type']) {
    case 'LOGICAL_GET':
      return scan(node, state);
    case 'LOGICAL_FILTER':
      return filter(node, follow(first ?? {}, state), state);
    case 'LOGICAL_CROSS_PRODUCT':
    case 'LOGICAL_COMPARISON_JOIN':
    case 'LOGICAL_ANY_JOIN':
      return join(node, children, state);
    case 'LOGICAL_AGGREGATE_AND_GROUP_BY':
      return aggregate(node, follow(first ?? {}, state), state);
    case 'LOGICAL_PROJECTION': {
      const below = follow(first ?? {}, state);
      const columns = arrayOf(node['expressions']).map((one) => termOf(one, below.columns));
      return { columns, stage: 'projected' };
    }
    case 'LOGICAL_ORDER_BY': {
      const below = follow(first ?? {}, state);
      if (arrayOf(node['projections']).length > 0) throw new Nested('order');
      for (const order of arrayOf(node['orders'])) {
        state.order.push(termOf(objectOf(order)?.['expression'], below.columns));
      }
      return below;
    }
    case 'LOGICAL_LIMIT': {
      for (const key of ['limit_val', 'offset_val']) {
        const type = objectOf(node[key])?.['type'];
        if (type !== 'CONSTANT_VALUE' && type !== 'UNSET') throw new Nested('computed limit');
      }
      return { ...follow(first ?? {}, state), stage: 'projected' };
    }
    default:
      throw new Nested(REASONS[String(node['type'])] ?? String(node['type']));
  }
}

const REASONS: Readonly<Record<string, string>> = {
  LOGICAL_WINDOW: 'window',
  LOGICAL_UNION: 'set operation',
  LOGICAL_EXCEPT: 'set operation',
  LOGICAL_INTERSECT: 'set operation',
  LOGICAL_DISTINCT: 'distinct',
  LOGICAL_DELIM_JOIN: 'subquery',
  LOGICAL_MATERIALIZED_CTE: 'common table expression',
  LOGICAL_CTE_REF: 'common table expression',
  LOGICAL_DUMMY_SCAN: 'no input',
  LOGICAL_EXPRESSION_GET: 'literal rows',
};

function scan(node: JsonObject, state: State): Rows {
  const { input, columns } = scanOf(node, state.inputs);
  if (state.from.includes(input)) throw new Nested('an input twice');
  state.from.push(input);
  return {
    columns: columns.map(({ id, type }) =>
      id === undefined ? { kind: 'unnamed' } : { kind: 'column', input, column: id, type },
    ),
    stage: 'from',
  };
}

function filter(node: JsonObject, below: Rows, state: State): Rows {
  if (arrayOf(node['projection_map']).length > 0) throw new Nested('filter');
  if (below.stage === 'projected') throw new Nested('a filter above a projection');
  for (const one of arrayOf(node['expressions'])) {
    const term = termOf(one, below.columns);
    if (below.stage === 'grouped') state.having.push(term);
    else condition(term, state);
  }
  return below;
}

/** A condition on rows: an equality of two inputs' columns is a join, anything else a filter. */
function condition(term: Term, state: State): void {
  if (term.kind === 'call' && term.head === 'and') {
    for (const arg of term.args) condition(arg, state);
    return;
  }
  const [a, b] = term.kind === 'call' && term.head === 'equal' ? term.args.map(bare) : [];
  if (a?.kind === 'column' && b?.kind === 'column' && a.input !== b.input) {
    for (const [own, other] of [
      [a, b],
      [b, a],
    ] as const) {
      const expression = print(other, own.input);
      uses(state, use(own, 'join', 'equal', expression, 0));
    }
    return;
  }
  for (const column of columnsOf(term)) {
    uses(state, use(column, 'filter', 'where', print(term, column.input), 0));
  }
}

function join(node: JsonObject, children: JsonObject[], state: State): Rows {
  const inner = node['type'] === 'LOGICAL_CROSS_PRODUCT' || node['join_type'] === 'INNER';
  if (!inner) throw new Nested(`${String(node['join_type']).toLowerCase()} join`);
  const maps = ['left_projection_map', 'right_projection_map', 'duplicate_eliminated_columns'];
  if (maps.some((key) => arrayOf(node[key]).length > 0)) throw new Nested('join');
  const [left, right] = children.map((child) => follow(child, state));
  if (left?.stage !== 'from' || right?.stage !== 'from') throw new Nested('subquery');
  const columns = [...left.columns, ...right.columns];
  for (const one of arrayOf(node['conditions']).map((entry) => objectOf(entry) ?? {})) {
    const head = String(one['comparison'])
      .replace(/^COMPARE_/, '')
      .toLowerCase();
    const args = [termOf(one['left'], left.columns), termOf(one['right'], right.columns)];
    condition({ kind: 'call', head, args }, state);
  }
  for (const key of ['condition', 'predicate']) {
    if (node[key] !== undefined && node[key] !== null) condition(termOf(node[key], columns), state);
  }
  return { columns, stage: 'from' };
}

function aggregate(node: JsonObject, below: Rows, state: State): Rows {
  if (below.stage !== 'from' || state.order.length > 0) throw new Nested('subquery');
  if (arrayOf(node['grouping_sets']).length > 1) throw new Nested('grouping sets');
  if (arrayOf(node['grouping_functions']).length > 0) throw new Nested('grouping sets');
  state.aggregated = true;
  const groups = arrayOf(node['groups']).map((one) => termOf(one, below.columns));
  const aggregates = arrayOf(node['expressions']).map((one) => {
    const { term, special } = aggregateOf(one, below.columns);
    if (special !== undefined) throw new Nested(special);
    return term;
  });
  state.groups = groups;
  const keys = groups.map((of): Term => ({ kind: 'group', of }));
  return { columns: [...keys, ...aggregates], stage: 'grouped' };
}

/** Uses of one block, with or without aggregates. */
function exact(rows: Rows, state: State): Lineage {
  const { from, having, order, groups, aggregated: isGrouped } = state;
  const shape = isGrouped ? ROWS.grouped : ROWS.rowByRow;
  for (const input of from) {
    const role = isGrouped ? 'group' : 'output';
    uses(state, { input, column: 0, role, function: shape, expression: '', output: 0 });
  }
  for (const group of groups) {
    for (const column of columnsOf(group)) {
      uses(state, use(column, 'group', '', print(group, column.input), 0));
    }
  }
  for (const [at, term] of rows.columns.entries()) shown(term, state, ['output', '', at + 1]);
  for (const term of order) shown(term, state, ['output', 'order', 0]);
  for (const term of having) shown(term, state, ['filter', 'having', 0]);
  return {
    shape,
    uses: state.uses,
    having: having.map((term) => print(term, -1)),
    groups,
    width: rows.columns.length,
    havingTerms: having,
  };
}

/** Uses of a term above the grouping: its aggregates, and its group keys in the whole's form. */
function shown(
  term: Term,
  state: State,
  [role, name, output]: readonly [Use['role'], string, number],
): void {
  for (const leaf of leaves(term)) {
    if (leaf.kind === 'aggregate') aggregated(leaf, state, output);
    else {
      for (const column of columnsOf(leaf)) {
        uses(state, use(column, role, name, print(term, column.input), output));
      }
    }
  }
}

function aggregated(
  term: Extract<Term, { kind: 'aggregate' }>,
  state: State,
  output: number,
): void {
  const columns = columnsOf(term);
  if (columns.length === 0) {
    // COUNT(*), or an aggregate over constants: a count of rows either way.
    for (const input of state.from) {
      const [role, name] = ['aggregate', 'count_star'] as const;
      uses(state, { input, column: 0, role, function: name, expression: '', output });
    }
  }
  for (const column of columns) {
    const expression = term.args.map((arg) => print(arg, column.input)).join(',');
    uses(state, use(column, 'aggregate', term.name, expression, output));
  }
}

/** @throws CodedError `engine-too-complex` */
function uses(state: State, one: StatementUse): void {
  state.uses.push(one);
  state.characters += one.expression.length;
  if (state.uses.length > USES_MAX) {
    throw tooComplex('uses of columns', state.uses.length, USES_MAX);
  }
  if (state.characters > EXPRESSIONS_MAX) {
    throw tooComplex('characters of expressions', state.characters, EXPRESSIONS_MAX);
  }
}

function use(
  column: { input: number; column: number },
  role: Use['role'],
  name: string,
  expression: string,
  output: number,
): StatementUse {
  const { input, column: id } = column;
  return { input, column: id, role, function: name, expression, output };
}

/** The fallback: every column that any scan binds may reach every output. */
function nested(plan: Json, inputs: Inputs, reason: string): Lineage {
  const found: StatementUse[] = [];
  visit(plan, (node) => {
    if (node['type'] !== 'LOGICAL_GET') return;
    const { input, columns } = scanOf(node, inputs);
    for (const column of [0, ...columns.flatMap(({ id }) => id ?? [])]) {
      found.push(use({ input, column }, 'output', ROWS.nested, reason, 0));
    }
  });
  return {
    shape: ROWS.nested,
    uses: found,
    having: [],
    groups: [],
    width: undefined,
    havingTerms: [],
  };
}

/** A plan's only tree. @throws CodedError `engine-not-one-statement` */
export function onlyPlan(answer: Json): JsonObject {
  const plans = arrayOf(objectOf(answer)?.['plans']);
  const plan = objectOf(plans[0]);
  if (plans.length !== 1 || plan === undefined) {
    const message = 'a task is exactly one SELECT statement';
    throw engineError('engine-not-one-statement', message);
  }
  return plan;
}
