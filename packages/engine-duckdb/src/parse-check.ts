// SPDX-License-Identifier: Apache-2.0
// The first gate, on the parse tree: what is not listed is never bound. Binding and preparing a
// statement can evaluate what is in it, so a function that a task may not use must not get so far.
// The second gate (plan-check.ts) is on the plan: here a name is what somebody wrote, there it is
// what the engine has made of it.
import { meant } from '@cloister/core';
import { AGGREGATES, FUNCTIONS, OPERATOR_TYPES, WINDOWS } from './allow-list.ts';
import { engineError } from './errors.ts';
import { arrayOf, type JsonObject, objectOf, visit } from './json.ts';
import { functionRefused, type Inputs } from './plan-check.ts';
import { fold } from './statement.ts';
import { refused, typeText } from './term.ts';

/** Expressions whose parts are looked at like any other's. */
const CLASSES: ReadonlySet<string> = new Set([
  'BETWEEN',
  'CASE',
  'CAST',
  'COLUMN_REF',
  'COMPARISON',
  'CONJUNCTION',
  'CONSTANT',
  'FUNCTION',
  'OPERATOR',
  'PARAMETER',
  'POSITIONAL_REFERENCE',
  'STAR',
  'SUBQUERY',
  'WINDOW',
]);
const TABLES: ReadonlySet<string> = new Set([
  'BASE_TABLE',
  'EMPTY',
  'EXPRESSION_LIST',
  'JOIN',
  'SUBQUERY',
]);
const HOME: ReadonlySet<string> = new Set(['', 'main', 'memory', 'system']);

/** Where a byte of the statement is in the code that somebody wrote, in words, or ''. */
type Place = (position: unknown) => string;

/**
 * @throws CodedError `engine-...-refused`, `engine-bind-failed`
 */
export function checkParsed(root: JsonObject, inputs: Inputs, place: Place): void {
  const tables = tablesOf(root, inputs);
  visit(root, (node) => {
    if (typeof node['class'] === 'string') checkExpression(node, place);
    else if ('sample' in node && 'alias' in node) checkTable(node, tables, place);
  });
}

/** Names that FROM may have: those of inputs, and of the statement's own table expressions. */
function tablesOf(root: JsonObject, inputs: Inputs): ReadonlySet<string> {
  const names = new Set([...inputs.keys()].map(fold));
  visit(root, (node) => {
    for (const entry of arrayOf(objectOf(node['cte_map'])?.['map'])) {
      names.add(fold(String(objectOf(entry)?.['key'])));
    }
  });
  return names;
}

function checkExpression(node: JsonObject, place: Place): void {
  const kind = String(node['class']);
  if (!CLASSES.has(kind)) throw refused(kind);
  if (kind === 'FUNCTION') {
    checkName(node, [FUNCTIONS, AGGREGATES], place);
  } else if (kind === 'WINDOW') {
    checkName(node, [WINDOWS, AGGREGATES], place);
  } else if (kind === 'OPERATOR') {
    const type = String(node['type']);
    if (!OPERATOR_TYPES.has(type) && type !== 'GROUPING_FUNCTION') throw refused(type);
  } else if (kind === 'CAST') checkType(node['cast_type']);
  else if (kind === 'CONSTANT') checkType(objectOf(node['value'])?.['type']);
}

function checkName(node: JsonObject, allowed: readonly ReadonlySet<string>[], place: Place): void {
  const name = fold(String(node['function_name']));
  if (isHome(node, 'schema', 'catalog') && allowed.some((names) => names.has(name))) return;
  const known = allowed.flatMap((names) => [...names]);
  throw functionRefused(name, place(node['query_location']), meant(name, known));
}

/** Whether it is looked for in the task's own database, or among what the engine brings. */
function isHome(node: JsonObject, ...keys: readonly string[]): boolean {
  return keys.every((key) => HOME.has(String(node[key] ?? '')));
}

/** A decimal without digits is one whose digits the engine chooses. */
function checkType(type: JsonObject[string] | undefined): void {
  const { id, type_info: info = null } = objectOf(type) ?? {};
  if (id === 'DECIMAL' && info === null) return;
  typeText(type);
}

function checkTable(node: JsonObject, tables: ReadonlySet<string>, place: Place): void {
  const type = String(node['type']);
  const name = String(node['table_name'] ?? '');
  const where = place(node['query_location']);
  if (
    !TABLES.has(type) ||
    (type === 'BASE_TABLE' && !isHome(node, 'schema_name', 'catalog_name'))
  ) {
    const what = name === '' ? type : name;
    const message = `${where}the statement reads ${what}, which is not an input of the task`;
    throw engineError('engine-input-refused', message, { details: { what } });
  }
  if (type !== 'BASE_TABLE' || tables.has(fold(name))) return;
  const message = `${where}there is no table ${name} in the task${meant(name, tables)}`;
  throw engineError('engine-bind-failed', message);
}
