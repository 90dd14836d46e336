// SPDX-License-Identifier: Apache-2.0
// Planning: code over empty tables to uses, outputs and the statements to run. Reads as the steps
// that it takes for each statement of the code: one SELECT, parameters in, bound plan, allow-list,
// lineage, suppression, the same again over the edited statement, and a comparison that lets
// nothing but the added conditions differ.
import {
  canonicalUses,
  type EngineOutput,
  type EnginePlan,
  type EngineTable,
  encodeUses,
  isColumnType,
  type PlanRequest,
  type Suppression,
  type Use,
} from '@cloister/contract/policy';
import { equal } from '@cloister/core';
import { CODE_CHARACTERS_MAX, checkSize, PLANNING_LIMITS, tooComplex } from './bounds.ts';
import type { Answer, EngineChild } from './child-process.ts';
import { engineError } from './errors.ts';
import { type Json, type JsonObject, objectOf, parseLossless, printLossless } from './json.ts';
import { type Lineage, lineageOf, onlyPlan, type StatementUse } from './lineage.ts';
import { checkParsed } from './parse-check.ts';
import { placeIn, positionInCode, positionOf } from './place.ts';
import { checkPlan, type Inputs } from './plan-check.ts';
import {
  aliasesOf,
  constantSql,
  fold,
  moreThanOneBlock,
  onlySelect,
  selectExpression,
  selects,
  suppressionSql,
  suppressionTexts,
  withoutIdleStars,
  withParams,
  withSuppression,
} from './statement.ts';
import { bare, leaves, type Term } from './term.ts';

/** A statement, bound by itself: what it does and what it puts out, outputs counted from 1. */
export interface Bound {
  readonly lineage: Lineage;
  readonly outputs: readonly Omit<EngineOutput, 'statement'>[];
}

/** A statement on its way into a plan. */
interface Planned extends Bound {
  /** What is run: the code's own statement, or that with the suppressions. */
  readonly sql: string;
}

/** Asks a child, and turns silence into a code. */
export type Ask = (request: Record<string, unknown>) => Promise<Record<string, unknown>>;

/** Sends a request to a child; undefined where it has died or has not answered in time. */
export type AskChild = (request: Record<string, unknown>) => Promise<Answer | undefined>;

/** The asking of one planning session, within one deadline from now on. */
export function askWithin(child: EngineChild, timeMs: number): AskChild {
  const until = performance.now() + timeMs;
  return async (request) => {
    const left = until - performance.now();
    if (left > 0) return child.ask(request, left);
    await child.kill();
    return undefined;
  };
}

/** Turns silence and failures into codes. */
export function planningAsk(child: AskChild): Ask {
  return async (request) => {
    const answer = await child(request);
    if (answer === undefined) throw planTimeout();
    if ('failed' in answer) throw bindFailed(answer.failed);
    return answer.ok;
  };
}

/** Of what the engine says; its memory and its time are bounds like the others. */
function bindFailed(says: string, place = '') {
  if (/^INTERRUPT/i.test(says)) return planTimeout();
  if (/^Out of Memory/i.test(says)) {
    const { memoryBytes: most } = PLANNING_LIMITS;
    const message = `planning needs more than ${most} bytes of memory: divide the statement`;
    return engineError('engine-too-complex', message, { details: { most } });
  }
  const message = `the engine cannot bind the statement: ${place}${says}`;
  return engineError('engine-bind-failed', message);
}

/** Of planning that was ended. */
export function planTimeout() {
  const message = 'planning the code took longer than it may, or more memory: divide the statement';
  return engineError('engine-plan-timeout', message);
}

/** Checks a schema and answers scan names by input position. @throws `engine-schema-invalid` */
export function checkTables(tables: readonly EngineTable[]): Inputs {
  const inputs = new Map<string, number>();
  const wrong = (message: string) => engineError('engine-schema-invalid', message);
  const seen = new Set<string>();
  for (const [at, table] of tables.entries()) {
    const { name, columns } = table;
    if (!isName(name) || fold(name).startsWith('cloister_') || seen.has(fold(name))) {
      throw wrong(`table name ${JSON.stringify(name)} is empty, reserved or used twice`);
    }
    seen.add(fold(name));
    inputs.set(name, at);
    const names = new Set<string>();
    if (columns.length === 0) throw wrong(`table ${name} has no columns`);
    for (const [index, column] of columns.entries()) {
      if (column.id !== index + 1) throw wrong(`table ${name}: column ids must be 1, 2, 3...`);
      if (!isName(column.name) || names.has(fold(column.name))) {
        throw wrong(`table ${name}: column name ${JSON.stringify(column.name)} is used twice`);
      }
      names.add(fold(column.name));
      if (!isColumnType(column.type)) throw wrong(`${column.name}: no such type: ${column.type}`);
    }
  }
  return inputs;
}

function isName(name: string): boolean {
  return name.length > 0 && name.length <= 200 && !name.includes('\u0000');
}

/** Plans a request. @throws CodedError, see `errors.ts` */
export async function planWith(ask: Ask, request: PlanRequest): Promise<EnginePlan> {
  const { tables, suppress = [] } = request;
  const inputs = checkTables(tables);
  const { length } = request.code;
  if (length > CODE_CHARACTERS_MAX) {
    throw tooComplex('characters of code', length, CODE_CHARACTERS_MAX);
  }
  if (request.code.includes('\u0000')) throw engineError('engine-syntax', 'the code holds a NUL');
  await ask({ op: 'tables', tables, ...PLANNING_LIMITS });
  const roots = selects(await parse(ask, request.code), request.code);
  const constants = new Map<string, JsonObject>();
  for (const [name, value] of Object.entries(request.params ?? {})) {
    const parsed = onlySelect(await parse(ask, constantSql(value)));
    constants.set(name, selectExpression(parsed));
  }
  withParams(roots, constants);
  const one = selectExpression(onlySelect(await parse(ask, constantSql(1))));
  for (const root of roots) withoutIdleStars(root, one);
  const planned: Planned[] = [];
  for (const [statement, root] of roots.entries()) {
    const own = suppress.filter((one) => one.statement === statement);
    const by = { tables, inputs, suppress: own, code: request.code };
    planned.push(await planStatement(ask, root, by));
  }
  const { uses, outputs } = inOnePlan(planned);
  const suppression = suppress.toSorted((a, b) => a.statement - b.statement || a.input - b.input);
  if (suppression.some(({ statement }) => roots[statement] === undefined)) {
    const message = 'a suppression is of a statement that the code does not have';
    throw engineError('engine-suppression-failed', message);
  }
  const steps = planned.map(({ sql }) => sql);
  return { uses: canonicalUses(uses), outputs, suppression, steps };
}

/** Plans one statement; with suppressions the bound form is still that of the code's own. */
async function planStatement(
  ask: Ask,
  root: JsonObject,
  by: {
    tables: readonly EngineTable[];
    inputs: Inputs;
    suppress: readonly Suppression[];
    code: string;
  },
): Promise<Planned> {
  const { tables, inputs, suppress, code } = by;
  const plain = await toSql(ask, root);
  const bound = await bindStatement(ask, plain, inputs, { root, text: code });
  if (suppress.length === 0) return { ...bound, sql: plain };
  const aliases = aliasesOf(root, tables);
  const added = onlySelect(await parse(ask, suppressionSql(suppress, tables, aliases)));
  withSuppression(root, added);
  const sql = await toSql(ask, root);
  const again = await bindStatement(ask, sql, inputs);
  checkSuppressed(bound, again, suppress);
  return { ...bound, sql };
}

/** Statements in order as one plan: their outputs are counted through. */
export function inOnePlan(bound: readonly Bound[]): { uses: Use[]; outputs: EngineOutput[] } {
  const uses: Use[] = [];
  const outputs: EngineOutput[] = [];
  for (const [statement, { lineage, outputs: own }] of bound.entries()) {
    const before = outputs.length;
    for (const use of lineage.uses) {
      const output = use.output === 0 ? 0 : before + use.output;
      uses.push({ ...use, statement, output });
    }
    outputs.push(...own.map(({ id, ...rest }) => ({ id: before + id, statement, ...rest })));
  }
  return { uses, outputs };
}

async function parse(ask: Ask, sql: string): Promise<Json> {
  const tree = parseLossless(String((await ask({ op: 'parse', sql }))['json']));
  checkSize(tree);
  return tree;
}

async function toSql(ask: Ask, root: JsonObject): Promise<string> {
  const { sql } = await ask({ op: 'print', json: printLossless(root) });
  return String(sql);
}

/**
 * Binds one statement: allow-list, lineage and outputs. `code` is what somebody wrote, with the
 * parse tree that `sql` was printed from: where something in it is wrong is told.
 */
export async function bindStatement(
  ask: Ask,
  sql: string,
  inputs: Inputs,
  code?: { readonly root: JsonObject; readonly text: string },
): Promise<Bound> {
  const root = onlySelect(await parse(ask, sql));
  const place = (position: unknown): string => {
    const at = positionOf(position as Json);
    if (code === undefined || at === undefined) return '';
    return placeIn(code.text, positionInCode({ printed: root, code: code.root }, at));
  };
  checkParsed(root, inputs, place);
  const plans = parseLossless(String((await ask({ op: 'bind', sql }))['json']));
  if (objectOf(plans)?.['error'] === true) {
    const engine = String(objectOf(plans)?.['error_message']).slice(0, 300).replace(/\s+/g, ' ');
    throw bindFailed(engine, place(objectOf(plans)?.['position']));
  }
  checkSize(plans);
  const plan = onlyPlan(plans);
  checkPlan(plan, inputs);
  const answer = await ask({ op: 'outputs', sql });
  if (answer['parameters'] !== 0) {
    throw engineError('engine-params-invalid', 'the code has parameters without values');
  }
  const lineage = lineageOf(plan, inputs, moreThanOneBlock(root));
  const outputs = outputsOf(answer['outputs'], lineage.width);
  return { lineage, outputs };
}

function outputsOf(value: unknown, width: number | undefined): Bound['outputs'] {
  const list = value as readonly { name: string; type: string }[];
  const wrong = (message: string) => engineError('engine-outputs-invalid', message);
  if (list.length === 0 || (width !== undefined && width !== list.length)) {
    throw wrong('the plan and the statement disagree on the number of outputs');
  }
  const names = new Set<string>();
  return list.map(({ name, type: engineType }, at) => {
    if (!isName(name) || names.has(fold(name))) {
      throw wrong(`output names must be unique; ${JSON.stringify(name)} is there twice: use AS`);
    }
    names.add(fold(name));
    // Parquet has no 128-bit integer: a sum of integers is written as an exact decimal.
    const type = engineType === 'HUGEINT' ? 'DECIMAL(38,0)' : engineType;
    if (!isColumnType(type))
      throw wrong(`output ${name} has type ${type}, which cannot be written`);
    return { id: at + 1, name, type };
  });
}

/** The uses that suppression adds to a statement, beside the code's own. */
export function suppressionUses(
  from: readonly number[],
  suppress: readonly Suppression[],
): StatementUse[] {
  const role = 'aggregate' as const;
  const rows = from.map((input): StatementUse => {
    return { input, column: 0, role, function: 'count_star', expression: '', output: 0 };
  });
  const subjects = suppress.flatMap(({ input, subjects: columns }) =>
    columns.map((column): StatementUse => {
      const expression = `#${column}`;
      return { input, column, role, function: 'count_distinct', expression, output: 0 };
    }),
  );
  return [...rows, ...subjects];
}

/** The edited statement must do what the code does, and suppress; nothing else may differ. */
function checkSuppressed(bound: Bound, again: Bound, suppress: readonly Suppression[]): void {
  const failed = (message: string) => engineError('engine-suppression-failed', message);
  if (bound.lineage.shape !== 'grouped' || again.lineage.shape !== 'grouped') {
    throw failed('small groups can be suppressed in one plain SELECT with groups only');
  }
  for (const term of bound.lineage.havingTerms) {
    if (!isTotal(term)) {
      const message =
        'HAVING meets groups that are suppressed too, so it may only compare: move conversions ' +
        'and arithmetic to the outputs';
      throw failed(message);
    }
  }
  const from = bound.lineage.uses.filter((use) => use.column === 0 && use.role === 'group');
  const inputs = [...new Set(from.map((use) => use.input))];
  const expected = [...bound.lineage.uses, ...suppressionUses(inputs, suppress)];
  if (!equal(encoded(expected), encoded(again.lineage.uses))) {
    throw failed('the added conditions changed what else the statement does');
  }
  const having = [...bound.lineage.having, ...suppressionTexts(suppress)].sort();
  if (having.join('\n') !== again.lineage.having.toSorted().join('\n')) {
    throw failed('the added conditions are not what they should be');
  }
  if (JSON.stringify(bound.outputs) !== JSON.stringify(again.outputs)) {
    throw failed('the added conditions changed the outputs');
  }
}

const TOTAL = new Set([
  ...['equal', 'notequal', 'lessthan', 'greaterthan', 'lessthanorequalto', 'greaterthanorequalto'],
  ...['distinct_from', 'not_distinct_from', 'and', 'or', 'not', 'is_null', 'is_not_null'],
  ...['in', 'not_in', 'case', 'coalesce', 'nullif', '/'],
]);

/**
 * True when evaluating the term cannot fail, whatever the data: a failure would tell of a group
 * that is not shown. `/` is on floats here and never fails.
 */
function isTotal(term: Term): boolean {
  if (term.kind === 'cast') {
    const constant = leaves(term.arg).length === 0;
    return (constant || bare(term) !== term || isSafeCast(term.from, term.to)) && isTotal(term.arg);
  }
  if (term.kind !== 'call') return true;
  const known = TOTAL.has(term.head) || /^(const|between):/.test(term.head);
  return (known || leaves(term).length === 0) && term.args.every(isTotal);
}

/** Beside widening, these conversions always succeed. */
function isSafeCast(from: string, to: string): boolean {
  if (to === 'VARCHAR' || from === 'NULL') return true;
  return to === 'DOUBLE' && /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|DECIMAL.*|FLOAT)$/.test(from);
}

function encoded(uses: readonly StatementUse[]): Uint8Array {
  return encodeUses(uses.map((use) => ({ ...use, statement: 0 })));
}
