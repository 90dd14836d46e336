// SPDX-License-Identifier: Apache-2.0
// Terms: bound expressions with every column reference followed down to a base column, so that
// aliases, projections and views cannot launder a name. A term prints to one normal form, the text
// that uses carry and groupings are compared by. Whatever is not understood is refused.
import { AGGREGATES, FUNCTIONS, isWidening, OPERATOR_TYPES, TYPES } from './allow-list.ts';
import { EXPRESSIONS_MAX, tooComplex } from './bounds.ts';
import { engineError } from './errors.ts';
import { arrayOf, type Json, type JsonObject, objectOf } from './json.ts';

export type Term =
  | { readonly kind: 'column'; readonly input: number; readonly column: number; type: string }
  | { readonly kind: 'call'; readonly head: string; readonly args: readonly Term[] }
  | { readonly kind: 'cast'; readonly from: string; readonly to: string; readonly arg: Term }
  | { readonly kind: 'group'; readonly of: Term }
  | { readonly kind: 'aggregate'; readonly name: string; readonly args: readonly Term[] }
  | { readonly kind: 'unnamed' };

/** What is known of a term, worked out once however often the term occurs in others. */
interface Known {
  /** By whose columns go without the input's number. */
  readonly texts: Map<number, string>;
  /** Characters of its longest text. */
  length?: number;
  columns?: readonly BaseColumn[];
  leaves?: readonly Term[];
}
interface BaseColumn {
  readonly input: number;
  readonly column: number;
}
const known = new WeakMap<Term, Known>();

function knownOf(term: Term): Known {
  const found = known.get(term) ?? { texts: new Map() };
  known.set(term, found);
  return found;
}

/**
 * Prints a term; columns of `own` as `#3`, of input 1 as `@1#3`.
 * @throws CodedError `engine-too-complex` before a text is made that is too long
 */
export function print(term: Term, own: number): string {
  const length = lengthOf(term);
  if (length > EXPRESSIONS_MAX) {
    throw tooComplex('characters of an expression', length, EXPRESSIONS_MAX);
  }
  return textOf(term, own);
}

function textOf(term: Term, own: number): string {
  const { texts } = knownOf(term);
  const text = texts.get(own) ?? newText(term, own);
  texts.set(own, text);
  return text;
}

function newText(term: Term, own: number): string {
  const list = (args: readonly Term[]) => args.map((arg) => textOf(arg, own)).join(',');
  switch (term.kind) {
    case 'column':
      return term.input === own ? `#${term.column}` : `@${term.input}#${term.column}`;
    case 'call':
      return term.args.length === 0 ? term.head : `${term.head}(${list(term.args)})`;
    case 'cast':
      return `cast:${term.to}(${textOf(term.arg, own)})`;
    case 'group':
      return textOf(term.of, own);
    case 'aggregate':
      return `${term.name}(${list(term.args)})`;
    case 'unnamed':
      throw refused('a row number or another value that is no column of the input');
  }
}

/** How long a term's text is at most: it can be exponential in what the engine has written. */
function lengthOf(term: Term): number {
  const of = knownOf(term);
  of.length ??= newLength(term);
  return of.length;
}

function newLength(term: Term): number {
  const all = (args: readonly Term[]) => args.reduce((sum, arg) => sum + lengthOf(arg) + 1, 2);
  switch (term.kind) {
    case 'column':
      return `@${term.input}#${term.column}`.length;
    case 'call':
      return term.head.length + all(term.args);
    case 'cast':
      return term.to.length + 7 + lengthOf(term.arg);
    case 'group':
      return lengthOf(term.of);
    case 'aggregate':
      return term.name.length + all(term.args);
    case 'unnamed':
      return 0;
  }
}

/** The leaves that carry data, each once: columns, group keys and aggregates. */
export function leaves(term: Term): readonly Term[] {
  const of = knownOf(term);
  of.leaves ??= [...new Set(newLeaves(term))];
  return of.leaves;
}

function newLeaves(term: Term): readonly Term[] {
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

/** Every base column anywhere inside a term, once. */
export function columnsOf(term: Term): readonly BaseColumn[] {
  const of = knownOf(term);
  of.columns ??= newColumns(term);
  return of.columns;
}

function newColumns(term: Term): readonly BaseColumn[] {
  if (term.kind === 'column') return [{ input: term.input, column: term.column }];
  const found = new Map(
    insideOf(term)
      .flatMap(columnsOf)
      .map((one) => [`${one.input}#${one.column}`, one]),
  );
  return [...found.values()];
}

function insideOf(term: Term): readonly Term[] {
  if (term.kind === 'group') return [term.of];
  if (term.kind === 'cast') return [term.arg];
  return term.kind === 'call' || term.kind === 'aggregate' ? term.args : [];
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

/** Of something whose effect is not accounted for. */
export function refused(what: string) {
  const message = `the statement contains something whose effect is not accounted for: ${what}`;
  return engineError('engine-expression-refused', message, { details: { what } });
}

function reject(what: string): never {
  throw refused(what);
}
