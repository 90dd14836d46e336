// SPDX-License-Identifier: Apache-2.0
// Terms: bound expressions with every column reference followed down to a base column, so that
// aliases, projections and views cannot launder a name. A term prints to one normal form, the text
// that uses carry and groupings are compared by. Whatever is not understood is refused.
import { AGGREGATES, FUNCTIONS, isWidening, OPERATOR_TYPES, TYPES } from './allow-list.ts';
import { engineError } from './errors.ts';
import { arrayOf, type Json, type JsonObject, objectOf } from './json.ts';

export type Term =
  | { readonly kind: 'column'; readonly input: number; readonly column: number; type: string }
  | { readonly kind: 'call'; readonly head: string; readonly args: readonly Term[] }
  | { readonly kind: 'cast'; readonly from: string; readonly to: string; readonly arg: Term }
  | { readonly kind: 'group'; readonly of: Term }
  | { readonly kind: 'aggregate'; readonly name: string; readonly args: readonly Term[] }
  | { readonly kind: 'unnamed' };

/** Prints a term; columns of `own` as `#3`, of input 1 as `@1#3`. */
export function print(term: Term, own: number): string {
  switch (term.kind) {
    case 'column':
      return term.input === own ? `#${term.column}` : `@${term.input}#${term.column}`;
    case 'call':
      if (term.args.length === 0) return term.head;
      return `${term.head}(${term.args.map((arg) => print(arg, own)).join(',')})`;
    case 'cast':
      return `cast:${term.to}(${print(term.arg, own)})`;
    case 'group':
      return print(term.of, own);
    case 'aggregate':
      return `${term.name}(${term.args.map((arg) => print(arg, own)).join(',')})`;
    case 'unnamed':
      throw refused('a row number or another value that is no column of the input');
  }
}

/** Visits the leaves that carry data: columns, group keys and aggregates are not looked into. */
export function leaves(term: Term): Term[] {
  switch (term.kind) {
    case 'call':
      return term.args.flatMap(leaves);
    case 'cast':
      return leaves(term.arg);
    case 'unnamed':
      throw refused('a row number or another value that is no column of the input');
    default:
      return [term];
  }
}

/** Every base column anywhere inside a term. */
export function columnsOf(term: Term): { input: number; column: number }[] {
  if (term.kind === 'column') return [{ input: term.input, column: term.column }];
  if (term.kind === 'group') return columnsOf(term.of);
  if (term.kind === 'aggregate') return term.args.flatMap(columnsOf);
  if (term.kind === 'cast') return columnsOf(term.arg);
  return term.kind === 'call' ? term.args.flatMap(columnsOf) : [];
}

/** Takes off casts that lose nothing, which the binder adds by itself. */
export function bare(term: Term): Term {
  return term.kind === 'cast' && isWidening(term.from, term.to) ? bare(term.arg) : term;
}

/** A type's text; refuses types outside the allow-list. */
export function typeText(value: Json | undefined): string {
  const type = objectOf(value);
  const id = type?.['id'];
  const info = objectOf(type?.['type_info']);
  if (id === 'DECIMAL' && info !== undefined) {
    return `DECIMAL(${String(info['width'])},${String(info['scale'])})`;
  }
  if (typeof id !== 'string' || !TYPES.has(id) || info !== undefined) {
    const message = `the statement needs a value of type ${String(id)}, which is not supported`;
    throw engineError('engine-type-refused', message);
  }
  return id;
}

const COMMON = ['expression_class', 'type', 'alias', 'query_location', 'return_type'];
const CALLED = [
  'children',
  'name',
  'arguments',
  'original_arguments',
  'catalog_name',
  'schema_name',
  'has_serialize',
  'function_data',
];
/** Keys that are understood, a class; any other with a value is refused. */
const KEYS: Readonly<Record<string, ReadonlySet<string>>> = {
  BOUND_REF: new Set([...COMMON, 'index']),
  BOUND_CONSTANT: new Set([...COMMON, 'value']),
  BOUND_CAST: new Set([...COMMON, 'child', 'try_cast']),
  BOUND_COMPARISON: new Set([...COMMON, 'left', 'right']),
  BOUND_CONJUNCTION: new Set([...COMMON, 'children']),
  BOUND_FUNCTION: new Set([...COMMON, ...CALLED, 'is_operator']),
  BOUND_AGGREGATE: new Set([...COMMON, ...CALLED, 'aggregate_type', 'filter', 'order_bys']),
  BOUND_CASE: new Set([...COMMON, 'case_checks', 'else_expr']),
  BOUND_OPERATOR: new Set([...COMMON, 'children']),
  BOUND_BETWEEN: new Set([
    ...COMMON,
    'input',
    'lower',
    'upper',
    'lower_inclusive',
    'upper_inclusive',
  ]),
};

/** Builds the term of a bound expression over the columns of the operator below it. */
export function termOf(value: Json | undefined, below: readonly Term[]): Term {
  const node = objectOf(value);
  const known = KEYS[String(node?.['expression_class'])];
  if (node === undefined || known === undefined) {
    throw refused(String(node?.['expression_class'] ?? 'no expression'));
  }
  for (const [key, inside] of Object.entries(node)) {
    if (!known.has(key) && inside !== null) throw refused(`${node['expression_class']}.${key}`);
  }
  const under = (inside: Json | undefined) => termOf(inside, below);
  switch (node['expression_class']) {
    case 'BOUND_REF':
      return below[Number(node['index'])] ?? reject('a reference to nothing');
    case 'BOUND_CONSTANT':
      return { kind: 'call', head: constantText(node), args: [] };
    case 'BOUND_CAST':
      return castOf(node, under);
    case 'BOUND_COMPARISON':
      return call(operatorName(node), [under(node['left']), under(node['right'])]);
    case 'BOUND_CONJUNCTION':
      return call(operatorName(node), arrayOf(node['children']).map(under));
    case 'BOUND_FUNCTION':
      return call(functionName(node, FUNCTIONS), arrayOf(node['children']).map(under));
    case 'BOUND_OPERATOR':
      if (!OPERATOR_TYPES.has(String(node['type']))) throw refused(String(node['type']));
      return call(operatorName(node), arrayOf(node['children']).map(under));
    case 'BOUND_CASE': {
      const checks = arrayOf(node['case_checks']).flatMap((check) => [
        under(objectOf(check)?.['when_expr']),
        under(objectOf(check)?.['then_expr']),
      ]);
      return call('case', [...checks, under(node['else_expr'])]);
    }
    case 'BOUND_BETWEEN': {
      const ends = `${node['lower_inclusive']}-${node['upper_inclusive']}`;
      return call(
        `between:${ends}`,
        ['input', 'lower', 'upper'].map((key) => under(node[key])),
      );
    }
    default:
      throw refused(String(node['expression_class']));
  }
}

function call(head: string, args: readonly Term[]): Term {
  return { kind: 'call', head, args };
}

function castOf(node: JsonObject, under: (inside: Json | undefined) => Term): Term {
  const arg = under(node['child']);
  const to = typeText(node['return_type']);
  if (node['try_cast'] === true) return call(`try_cast:${to}`, [arg]);
  const child = objectOf(node['child']);
  const inner = child?.['return_type'] ?? objectOf(child?.['value'])?.['type'];
  // A comparison or a conjunction has no return type of its own: it is a BOOLEAN.
  return { kind: 'cast', from: inner === undefined ? 'BOOLEAN' : typeText(inner), to, arg };
}

function constantText(node: JsonObject): string {
  const value = objectOf(node['value']);
  const type = typeText(value?.['type']);
  const inside = value?.['is_null'] === true ? 'NULL' : JSON.stringify(value?.['value']);
  return `const:${type}:${inside}`;
}

function operatorName(node: JsonObject): string {
  return String(node['type'])
    .replace(/^(COMPARE|CONJUNCTION|OPERATOR)_/, '')
    .toLowerCase();
}

/** True for functions of the engine's own catalog, and for those that its binder makes itself. */
export function isBuiltIn(node: JsonObject): boolean {
  const [catalog, schema] = [node['catalog_name'], node['schema_name']];
  return (catalog === 'system' && schema === 'main') || (catalog === '' && schema === '');
}

/** A function's name with whatever its binding keeps aside; refuses what is not listed. */
function functionName(node: JsonObject, allowed: ReadonlySet<string>): string {
  const name = node['name'];
  const system = isBuiltIn(node);
  if (typeof name !== 'string' || !system || !allowed.has(name)) {
    const message = `the function ${String(name)} is not on the list of functions a task may use`;
    throw engineError('engine-function-refused', message, {
      details: {
        function: String(name),
      },
    });
  }
  const aside = node['function_data'];
  return aside === undefined || aside === null ? name : `${name}:${JSON.stringify(aside)}`;
}

/** A bound aggregate over the columns below: its term, and what makes it more than plain. */
export function aggregateOf(
  value: Json,
  below: readonly Term[],
): { term: Term; special: string | undefined } {
  const node = objectOf(value);
  if (node?.['expression_class'] !== 'BOUND_AGGREGATE') throw refused('no aggregate');
  for (const [key, inside] of Object.entries(node)) {
    if (!KEYS['BOUND_AGGREGATE']?.has(key) && inside !== null) throw refused(`aggregate.${key}`);
  }
  const name = functionName(node, AGGREGATES);
  const kind = node['aggregate_type'];
  if (kind !== 'DISTINCT' && kind !== 'NON_DISTINCT') throw refused(`aggregate ${String(kind)}`);
  const args = arrayOf(node['children']).map((child) => bare(termOf(child, below)));
  const ordered = arrayOf(objectOf(node['order_bys'])?.['orders']).length > 0;
  const special =
    node['filter'] !== null && node['filter'] !== undefined
      ? 'filter-clause'
      : ordered
        ? 'ordered-aggregate'
        : undefined;
  const full = kind === 'DISTINCT' ? `${name}_distinct` : name;
  return { term: { kind: 'aggregate', name: full, args }, special };
}

function refused(what: string) {
  const message = `the statement contains something whose effect is not accounted for: ${what}`;
  return engineError('engine-expression-refused', message, { details: { what } });
}

function reject(what: string): never {
  throw refused(what);
}
