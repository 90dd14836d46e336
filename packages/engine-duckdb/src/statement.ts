// SPDX-License-Identifier: Apache-2.0
// The parse tree of a statement: parameters become constants, and small groups are suppressed by
// conditions added to HAVING. Trees are edited, never text; whoever edits plans the result again
// and checks that nothing else changed. protocol.md, "Uses and SQL".
import {
  type EngineParams,
  type EngineTable,
  STATEMENTS_MAX,
  type Suppression,
} from '@cloister/contract/policy';
import { engineError } from './errors.ts';
import { arrayOf, type Json, type JsonObject, objectOf, visit } from './json.ts';
import { placeIn, positionOf } from './place.ts';

/**
 * The SELECTs of a serialised code, each a list of its own.
 * @throws `engine-syntax`, `engine-not-select`, `engine-statement-count`
 */
export function selects(answer: Json, code: string): JsonObject[] {
  const { statements, ...rest } = rootOf(answer, code);
  const all = arrayOf(statements);
  if (all.length === 0 || all.length > STATEMENTS_MAX) {
    const message = `a task is 1 to ${STATEMENTS_MAX} SELECT statements, not ${all.length}`;
    throw engineError('engine-statement-count', message);
  }
  return all.map((one) => ({ ...rest, statements: [one] }));
}

/** The one SELECT of a serialised statement list. @throws `engine-syntax`, `engine-not-select` */
export function onlySelect(answer: Json): JsonObject {
  const root = rootOf(answer);
  const statements = arrayOf(root['statements']);
  if (statements.length !== 1 || objectOf(statements[0]) === undefined) {
    const message = `exactly one SELECT statement is wanted, not ${statements.length}`;
    throw engineError('engine-not-one-statement', message);
  }
  return root;
}

/** `code` is what was parsed, where somebody wrote it. */
function rootOf(answer: Json, code?: string): JsonObject {
  const root = objectOf(answer);
  if (root?.['error'] === true) {
    const select = root['error_type'] === 'not implemented';
    const engine = String(root['error_message']).slice(0, 300);
    if (select && engine.startsWith('Only SELECT')) {
      throw engineError('engine-not-select', 'a task is SELECT statements only');
    }
    const place = code === undefined ? '' : placeIn(code, positionOf(root['position']));
    throw engineError('engine-syntax', `the statement does not parse: ${place}${engine}`);
  }
  return root ?? {};
}

function statementOf(root: JsonObject): JsonObject {
  return objectOf(arrayOf(root['statements'])[0]) ?? {};
}

const QUERY_NODES = new Set([
  'SELECT_NODE',
  'SET_OPERATION_NODE',
  'RECURSIVE_CTE_NODE',
  'CTE_NODE',
]);

/** Why a tree is more than one SELECT block over plain tables; undefined when it is just that. */
export function moreThanOneBlock(root: JsonObject): string | undefined {
  let blocks = 0;
  let other: string | undefined;
  const node = objectOf(statementOf(root)['node']);
  visit(statementOf(root), (inside) => {
    const type = String(inside['type']);
    if (QUERY_NODES.has(type)) blocks += 1;
    if (inside['class'] === 'SUBQUERY') other ??= 'subquery';
    if (inside['class'] === 'WINDOW') other ??= 'window';
  });
  if (node?.['type'] === 'SET_OPERATION_NODE') return 'set operation';
  if (arrayOf(objectOf(node?.['cte_map'])?.['map']).length > 0) return 'common table expression';
  return other ?? (node?.['type'] !== 'SELECT_NODE' || blocks !== 1 ? 'subquery' : undefined);
}

/** Replaces parameters by constants, each of which is wanted by one of the statements at least. */
export function withParams(
  roots: readonly JsonObject[],
  constants: ReadonlyMap<string, JsonObject>,
): void {
  const used = new Set(roots.flatMap((root) => [...replaceParams(root, constants)]));
  const extra = [...constants.keys()].find((name) => !used.has(name));
  if (extra !== undefined) throw paramsError(`the code has no parameter $${extra}`);
}

/** `constants` are parsed expressions by parameter name; answers the names that were met. */
function replaceParams(
  root: JsonObject,
  constants: ReadonlyMap<string, JsonObject>,
): ReadonlySet<string> {
  const used = new Set<string>();
  visit(root, (node) => {
    if (node['class'] !== 'PARAMETER') return;
    const name = String(node['identifier']);
    const constant = constants.get(name);
    if (constant === undefined)
      throw paramsError(`the code has a parameter $${name} without value`);
    used.add(name);
    for (const key of Object.keys(node)) if (key !== 'alias') delete node[key];
    for (const [key, value] of Object.entries(structuredClone(constant))) {
      if (key !== 'alias') node[key] = value;
    }
  });
  const statement = statementOf(root);
  if ('named_param_map' in statement) statement['named_param_map'] = [];
  return used;
}

/**
 * `EXISTS (SELECT * ...)` asks for rows and reads no column, but the engine binds them all: the
 * star becomes the constant `one`, so that a run is not granted, and does not read, what nobody
 * looks at. Only where nothing else in the subquery could speak of its columns.
 */
export function withoutIdleStars(root: JsonObject, one: JsonObject): void {
  visit(root, (node) => {
    if (node['class'] !== 'SUBQUERY' || node['subquery_type'] !== 'EXISTS') return;
    const select = objectOf(objectOf(node['subquery'])?.['node']);
    if (select?.['type'] !== 'SELECT_NODE' || !isPlainSelect(select)) return;
    const list = arrayOf(select['select_list']);
    const stars = list.every((item) => isBareStar(objectOf(item)));
    if (list.length > 0 && stars) select['select_list'] = [structuredClone(one)];
  });
}

function isPlainSelect(select: JsonObject): boolean {
  const empty = ['modifiers', 'group_expressions', 'group_sets'];
  const absent = ['having', 'qualify', 'sample'];
  return (
    empty.every((key) => arrayOf(select[key]).length === 0) &&
    absent.every((key) => (select[key] ?? null) === null) &&
    select['aggregate_handling'] === 'STANDARD_HANDLING'
  );
}

function isBareStar(item: JsonObject | undefined): boolean {
  if (item?.['class'] !== 'STAR' || item['columns'] !== false) return false;
  const lists = ['exclude_list', 'replace_list', 'qualified_exclude_list', 'rename_list'];
  return (item['expr'] ?? null) === null && lists.every((key) => arrayOf(item[key]).length === 0);
}

function paramsError(message: string) {
  return engineError('engine-params-invalid', message);
}

/** A statement whose only select expression is the parameter's constant. */
export function constantSql(value: EngineParams[string]): string {
  if (value === null) return 'SELECT NULL';
  if (typeof value === 'boolean') return `SELECT ${value}`;
  if (typeof value === 'string') {
    if (value.includes('\u0000')) throw paramsError('a parameter holds a NUL character');
    return `SELECT ${quoteText(value)}`;
  }
  if (!Number.isFinite(value)) throw paramsError('a numeric parameter must be finite');
  if (Number.isSafeInteger(value)) return `SELECT ${value}`;
  return `SELECT CAST(${quoteText(String(value))} AS DOUBLE)`;
}

/** The first select expression of a parsed statement. */
export function selectExpression(root: JsonObject): JsonObject {
  const node = objectOf(statementOf(root)['node']);
  return objectOf(arrayOf(node?.['select_list'])[0]) ?? {};
}

/** The names by which FROM knows each input. @throws `engine-suppression-failed` */
export function aliasesOf(root: JsonObject, tables: readonly EngineTable[]): Map<number, string> {
  const aliases = new Map<number, string>();
  const pending = [objectOf(objectOf(statementOf(root)['node'])?.['from_table'])];
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    if (next['type'] === 'JOIN') {
      pending.push(objectOf(next['left']), objectOf(next['right']));
      continue;
    }
    const name = String(next['table_name']);
    const input = tables.findIndex((table) => fold(table.name) === fold(name));
    const renamed = arrayOf(next['column_name_alias']).length > 0;
    if (next['type'] !== 'BASE_TABLE' || input < 0 || aliases.has(input) || renamed) {
      const message = 'small groups can only be suppressed over plain tables, each named once';
      throw engineError('engine-suppression-failed', message);
    }
    aliases.set(input, String(next['alias'] || name));
  }
  return aliases;
}

/** DuckDB compares names without regard to ASCII case. */
export function fold(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

/** A statement whose HAVING is TRUE and the suppression's conditions, to take the tree from. */
export function suppressionSql(
  suppress: readonly Suppression[],
  tables: readonly EngineTable[],
  aliases: ReadonlyMap<number, string>,
): string {
  const conditions = suppress.flatMap(({ input, k, subjects }) => [
    `count(*) >= ${k}`,
    ...subjects.map((id) => {
      const column = tables[input]?.columns.find((one) => one.id === id);
      const alias = aliases.get(input);
      if (column === undefined || alias === undefined) {
        const message = `there is no column ${id} of input ${input} to count subjects by`;
        throw engineError('engine-suppression-failed', message);
      }
      return `count(DISTINCT ${quoteName(alias)}.${quoteName(column.name)}) >= ${k}`;
    }),
  ]);
  return `SELECT 1 HAVING TRUE AND ${conditions.join(' AND ')}`;
}

/** The same conditions as lineage prints them. */
export function suppressionTexts(suppress: readonly Suppression[]): string[] {
  return suppress.flatMap(({ input, k, subjects }) => {
    const atLeast = (count: string) =>
      `greaterthanorequalto(${count},cast:BIGINT(const:INTEGER:${k}))`;
    return [
      atLeast('count_star()'),
      ...subjects.map((id) => atLeast(`count_distinct(@${input}#${id})`)),
    ];
  });
}

/** Puts the conditions of `added` (from `suppressionSql`) into the statement's HAVING. */
export function withSuppression(root: JsonObject, added: JsonObject): void {
  const node = objectOf(statementOf(root)['node']);
  const having = objectOf(objectOf(statementOf(added)['node'])?.['having']);
  if (node === undefined || having === undefined) {
    throw engineError('engine-suppression-failed', 'there is nothing to add to');
  }
  const [, ...conditions] = arrayOf(having['children']);
  const own = objectOf(node['having']);
  having['children'] = own === undefined ? conditions : [own, ...conditions];
  node['having'] = having;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
