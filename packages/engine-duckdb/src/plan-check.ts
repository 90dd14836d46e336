// SPDX-License-Identifier: Apache-2.0
// The second gate, that every plan passes, whatever its shape: each operator, expression class,
// function and type in the tree is on the allow-list, and every scan reads an input of the task,
// plainly. Walks the whole serialised plan, so that nothing hides in a corner that lineage does not
// visit.
import { AGGREGATES, FUNCTIONS, OPERATOR_TYPES, OPERATORS, WINDOWS } from './allow-list.ts';
import { engineError } from './errors.ts';
import { arrayOf, isLong, type Json, type JsonObject, objectOf, visit } from './json.ts';
import { isBuiltIn, typeText } from './term.ts';

/** The tables of a task: scan name to input position. */
export type Inputs = ReadonlyMap<string, number>;

/** One scan of an input: which columns are bound, in order; undefined is a row-number stand-in. */
export interface Scan {
  readonly input: number;
  readonly columns: readonly { readonly id: number | undefined; readonly type: string }[];
}

const CLASSES = new Set([
  'BOUND_REF',
  'BOUND_CONSTANT',
  'BOUND_CAST',
  'BOUND_COMPARISON',
  'BOUND_CONJUNCTION',
  'BOUND_FUNCTION',
  'BOUND_AGGREGATE',
  'BOUND_CASE',
  'BOUND_OPERATOR',
  'BOUND_BETWEEN',
  'BOUND_WINDOW',
]);

/** Refuses a plan that holds anything unknown. @throws CodedError `engine-...-refused` */
export function checkPlan(plan: Json, inputs: Inputs): void {
  visit(plan, (node) => {
    if (typeof node['expression_class'] === 'string') checkExpression(node);
    else if (typeof node['type'] === 'string' && 'children' in node) checkOperator(node, inputs);
  });
}

function checkOperator(node: JsonObject, inputs: Inputs): void {
  const type = String(node['type']);
  if (!OPERATORS.has(type)) {
    const message = `the statement needs ${type}, which a task may not use`;
    throw engineError('engine-operator-refused', message, { details: { operator: type } });
  }
  if (type === 'LOGICAL_GET') scanOf(node, inputs);
}

function checkExpression(node: JsonObject): void {
  const kind = String(node['expression_class']);
  if (!CLASSES.has(kind)) {
    const message = `the statement contains ${kind}, whose effect is not accounted for`;
    throw engineError('engine-expression-refused', message, { details: { what: kind } });
  }
  if (node['return_type'] !== undefined && node['return_type'] !== null) {
    typeText(node['return_type']);
  }
  if (kind === 'BOUND_FUNCTION') checkName(node, FUNCTIONS);
  if (kind === 'BOUND_AGGREGATE') checkName(node, AGGREGATES);
  if (kind === 'BOUND_WINDOW') checkWindow(node);
  if (kind === 'BOUND_OPERATOR' && !OPERATOR_TYPES.has(String(node['type']))) {
    const message = `the statement contains ${String(node['type'])}, which is not accounted for`;
    throw engineError('engine-expression-refused', message, { details: { what: kind } });
  }
}

function checkName(node: JsonObject, allowed: ReadonlySet<string>): void {
  const name = String(node['name']);
  const system = isBuiltIn(node);
  if (!system || !allowed.has(name)) throw functionRefused(name);
}

/** A window is a built-in rank or offset, or an aggregate, which carries a name of its own. */
function checkWindow(node: JsonObject): void {
  const type = String(node['type'])
    .replace(/^WINDOW_/, '')
    .toLowerCase();
  const name = String(node['name'] ?? '');
  if (type === 'aggregate' ? !AGGREGATES.has(name) : !WINDOWS.has(type)) {
    throw functionRefused(type === 'aggregate' ? name : type);
  }
}

export function functionRefused(name: string, place = '', meant = '') {
  const what = 'is not on the list of functions a task may use';
  const message = `${place}the function ${name} ${what}${meant}`;
  return engineError('engine-function-refused', message, { details: { function: name } });
}

/** Reads a scan; refuses any that is not a plain scan of an input. */
export function scanOf(node: JsonObject, inputs: Inputs): Scan {
  const data = objectOf(node['function_data']);
  const input = inputs.get(String(data?.['table']));
  const filters = arrayOf(objectOf(node['table_filters'])?.['filters']);
  const sampled = objectOf(node['extra_info'])?.['sample_options'] ?? null;
  const home = data?.['catalog'] === 'memory' && data['schema'] === 'main';
  const plain =
    node['name'] === 'seq_scan' &&
    home &&
    filters.length === 0 &&
    sampled === null &&
    data['is_index_scan'] === false &&
    data['is_create_index'] === false &&
    arrayOf(node['projection_ids']).length === 0 &&
    arrayOf(node['projected_input']).length === 0 &&
    arrayOf(node['children']).length === 0;
  if (!plain || input === undefined) {
    const what = String(node['name']);
    const message = `the statement reads ${what}, which is not an input of the task`;
    throw engineError('engine-input-refused', message, { details: { what } });
  }
  const types = arrayOf(node['returned_types']);
  const columns = arrayOf(node['column_indexes']).map((entry) => {
    const column = objectOf(entry);
    const whole = column?.['index_type'] === 'FULL_READ' && column['field'] === '';
    if (!whole || arrayOf(column['child_indexes']).length > 0) {
      const message = 'the statement reads a part of a column, which is not supported';
      throw engineError('engine-expression-refused', message, { details: { what: 'field' } });
    }
    const index = column['index'];
    // COUNT(*) binds the row number (all ones) as a stand-in; nothing may refer to it.
    if (isLong(index)) return { id: undefined, type: 'BIGINT' };
    const type = typeof index === 'number' ? types[index] : undefined;
    if (typeof index !== 'number' || type === undefined) {
      const message = 'the statement reads a column that the schema does not have';
      throw engineError('engine-input-refused', message);
    }
    return { id: index + 1, type: typeText(type) };
  });
  return { input, columns };
}
