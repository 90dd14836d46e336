// SPDX-License-Identifier: Apache-2.0
// The mutants of a source: every place where it refuses, each with what is put around it so that
// the refusal can be switched off while everything behind it goes on. Found in the syntax tree, so
// a new refusal is a mutant by itself. Kinds:
//
//   exit       a `throw`, or a `return` or `continue` that refuses: its condition reads false, or,
//              where it stands behind `if (fine) return ...`, that one reads true; without a
//              condition the statement is passed over
//   part       one of the alternatives of such a condition, or one of the terms of `fine`
//   predicate  what a function of type boolean, or a comparison passed as a function, answers: true
//   call       a statement that only calls: passed over
//   line       one line of a policy of evidence: 'any'
//
// Names are file, function and code, then what else tells two apart. Only insertions are made, none
// of them with a line break, so lines stay where they are. Nothing in a guarded file knows of this.
import { parseAst } from 'vitest/node';
import { calleeOf, callOf, functionName, isCall, isFunction, nameOf, walk } from './syntax.js';

/** @typedef {'exit' | 'part' | 'predicate' | 'call' | 'line'} Kind */
/**
 * @typedef {object} Mutant
 * @property {string} id what a person calls it, unique in the repository
 * @property {Kind} kind
 * @property {number} line
 * @property {number} exit the line of the statement that leaves, for those that have one
 * @property {number} start offset of what is switched
 * @property {number} end
 * @property {string} before what the switch puts before it, `OFF` standing for the question
 * @property {string} after
 */
/** @typedef {import('./syntax.js').Node} Node */
/** @typedef {import('./syntax.js').Step} Step */

/** The global function that a guarded source asks whether a mutant is off. */
export const ASK = '__cloisterGuardOff';

const REFUSES = /^#?(refused?|voided|alarm|mismatch)/i;
const SIGNED = new Set(['sign', 'signed']);
const COMPARES = new Set(['===', '!==', '==', '!=', '<', '<=', '>', '>=']);
const ASKS = new Set(['equal', 'includes', 'has', 'some', 'every', 'startsWith', 'test']);
const CODE = /^[a-z0-9]+(-[a-z0-9]+)+$/;
const LEAST_PARTS = 2;
const WORDS_MAX = 60;

/**
 * The mutants of one source, in its order.
 * @param {string} path from the repository's root @param {string} text @returns {Mutant[]}
 */
export function mutantsOf(path, text) {
  const lineOf = (/** @type {number} */ at) => text.slice(0, at).split('\n').length;
  /** @type {(Omit<Mutant, 'id'> & { name: string })[]} */
  const found = [];
  /** @type {Add} */
  const add = (node, kind, name, [before, after], exit = node) => {
    const { start, end } = node;
    const [line, leaves] = [lineOf(start), lineOf(exit.start)];
    found.push({ kind, name, line, exit: leaves, start, end, before, after });
  };
  walk(parseAst(text, { lang: 'ts' }), [], (node, way) => {
    const where = functionName(way);
    if (isExit(node, way)) exits(text, node, way, where, add);
    predicates(text, node, way, where, add);
    if (node.type === 'ExpressionStatement' && isCall(node.expression)) {
      add(node, 'call', `${where} ${words(text, calleeOf(node.expression))}()`, SKIP);
    }
    if (node.type === 'ReturnStatement' && isPolicy(node, way)) lines(node, where, add);
  });
  found.sort((a, b) => a.start - b.start || b.end - a.end);
  return numbered(shortened(path), found);
}

/**
 * The source with every mutant behind a question, which answers false unless that one is off.
 * @param {string} path @param {string} text @returns {string}
 */
export function switchable(path, text) {
  /** @type {{ at: number, order: number, put: string }[]} */
  const edits = [];
  mutantsOf(path, text).forEach(({ id, start, end, before, after }) => {
    const ask = `${ASK}(${JSON.stringify(id)})`;
    // Around the same place the longer one stands outside.
    edits.push({ at: start, order: -end, put: before.replace('OFF', ask) });
    edits.push({ at: end, order: -start - 1e9, put: after });
  });
  edits.sort((a, b) => a.at - b.at || a.order - b.order);
  let out = '';
  let from = 0;
  for (const { at, put } of edits) {
    out += text.slice(from, at) + put;
    from = at;
  }
  const ask = `const ${ASK} = globalThis.${ASK} ?? (() => false); `;
  return ask + out + text.slice(from);
}

/** @type {[string, string]} */
const SKIP = ['{ if (!OFF) ', ' }'];
/** @type {(value: string) => [string, string]} */
const reads = (value) => [`(OFF ? ${value} : (`, '))'];

/**
 * @callback Add
 * @param {Node} node what is switched @param {Kind} kind @param {string} name
 * @param {[string, string]} by @param {Node} [exit] the statement that leaves
 * @returns {void}
 */

/** @param {string} text @param {Node} exit @param {Step[]} way @param {string} where
 * @param {Add} add */
function exits(text, exit, way, where, add) {
  const name = `${where} ${codeOf(text, exit)}`;
  const { test, value } = conditionOf(exit, way);
  for (const pass of passesBefore(exit, way).filter((each) => each !== test)) {
    add(pass, 'part', `${name} without ${words(text, pass)}`, reads('true'), exit);
  }
  if (test === undefined) {
    add(exit, 'exit', name, SKIP);
    return;
  }
  add(test, 'exit', name, reads(value), exit);
  const meant = meaning(test, way);
  const parts = value === 'false' ? alternatives(meant) : terms(meant, way);
  eachPart(text, parts, name, value, add);
}

/** @param {string} text @param {Node[]} parts @param {string} name @param {string} value
 * @param {Add} add */
function eachPart(text, parts, name, value, add) {
  if (parts.length < LEAST_PARTS) return;
  for (const part of parts) {
    add(part, 'part', `${name} without ${words(text, part)}`, reads(value));
  }
}

/** What a constant stands for, where that is several things. @param {Node} node @param {Step[]} way
 * @returns {Node} */
function meaning(node, way) {
  if (node.type !== 'Identifier') return node;
  const made = way
    .flatMap(({ list }) => list ?? [])
    .flatMap((near) => (near.type === 'VariableDeclaration' ? near.declarations : []))
    .find(({ id }) => id.name === node.name);
  return made?.init?.type === 'LogicalExpression' ? made.init : node;
}

/**
 * The condition that leads to an exit, and what it reads when the exit is off.
 * @param {Node} exit @param {Step[]} way @returns {{ test: Node | undefined, value: string }}
 */
function conditionOf(exit, way) {
  const none = { test: undefined, value: '' };
  const last = /** @type {Step} */ (way.at(-1));
  const siblings = last.list;
  let holder = last;
  let block = exit;
  if (last.node.type === 'BlockStatement' && siblings?.at(-1) === exit) {
    block = last.node;
    holder = /** @type {Step} */ (way.at(-2));
  }
  if (holder.node.type === 'IfStatement') {
    if (holder.node.consequent === block) return { test: holder.node.test, value: 'false' };
    if (holder.node.alternate === block) return { test: holder.node.test, value: 'true' };
  }
  const before = siblings?.slice(0, siblings.indexOf(exit)).reverse();
  const nearest = before?.find((node) => node.type !== 'VariableDeclaration');
  const passes = passesBefore(exit, way).includes(nearest?.test);
  return passes ? { test: nearest.test, value: 'true' } : none;
}

/** The questions after which what comes before the last exit of a list leaves it well.
 * @param {Node} exit @param {Step[]} way @returns {Node[]} */
function passesBefore(exit, way) {
  const { node, list } = /** @type {Step} */ (way.at(-1));
  const governed = node.type === 'IfStatement' || way.at(-2)?.node.type === 'IfStatement';
  return governed || list === undefined || list.at(-1) !== exit ? [] : passesIn(list);
}

/** @param {Node[]} list @returns {Node[]} */
function passesIn(list) {
  return list.flatMap(({ type, test, consequent, alternate }) => {
    if (type !== 'IfStatement' || alternate !== null) return [];
    const body = consequent.type === 'BlockStatement' ? consequent.body : [consequent];
    const leave = body.at(-1);
    const passes = leave?.type === 'ReturnStatement' && !refuses(leave, test);
    return passes ? [test] : passesIn(body);
  });
}

/** @param {Node} node @param {Step[]} way */
function isExit(node, way) {
  if (node.type === 'ThrowStatement') return true;
  const parent = way.at(-1);
  const block = parent?.node.type === 'BlockStatement' ? way.at(-2) : parent;
  if (node.type === 'ContinueStatement') return block?.node.type === 'IfStatement';
  if (node.type !== 'ReturnStatement') return false;
  return refuses(node, block?.node.type === 'IfStatement' ? block.node.test : undefined);
}

/** Whether a return refuses: by what it answers, or by what was asked before. @param {Node} node
 * @param {Node | undefined} test */
function refuses({ argument }, test) {
  if (argument === null) return false;
  if (isCall(argument)) return REFUSES.test(nameOf(calleeOf(argument)));
  if (argument.type === 'ArrayExpression')
    return argument.elements.length === 0 && test !== undefined;
  if (argument.type === 'Literal') return argument.value === false && test !== undefined;
  if (argument.type === 'ObjectExpression') return argument.properties.some(isRefusing);
  return test !== undefined && argument.type === 'Identifier' && saysNo(test, argument.name);
}

/** @param {Node} property */
function isRefusing({ key, value }) {
  if (key?.name === 'ok') return value.value === false;
  if (key?.name === 'verdict') return typeof value.value === 'string' && !SIGNED.has(value.value);
  return value?.type === 'ArrayExpression' && value.elements.length === 0;
}

/** `!x.ok`, `x.verdict !== ...`, `x !== undefined` before `return x`. @param {Node} test
 * @param {string} name */
function saysNo(test, name) {
  if (test.type === 'UnaryExpression') return isField(test.argument, name, 'ok');
  if (test.type !== 'BinaryExpression') return false;
  const undefinedness = test.left.name === name && test.right.name === 'undefined';
  return isField(test.left, name, 'verdict') || (test.operator === '!==' && undefinedness);
}

/** @param {Node} node @param {string} object @param {string} property */
function isField(node, object, property) {
  return (
    node.type === 'MemberExpression' && node.object.name === object && nameOf(node) === property
  );
}

/** @param {string} text @param {Node} node @param {Step[]} way @param {string} where
 * @param {Add} add */
function predicates(text, node, way, where, add) {
  const answer = answered(node, way);
  if (answer === undefined) return;
  const name = `${where} ${words(text, answer)}`;
  add(answer, 'predicate', name, reads('true'));
  eachPart(text, terms(answer, way), name, 'true', add);
}

/** What a function that says yes or no answers, if `node` answers. @param {Node} node
 * @param {Step[]} way @returns {Node | undefined} */
function answered(node, way) {
  if (node.type === 'ArrowFunctionExpression') return isQuestion(node.body) ? node.body : undefined;
  if (node.type !== 'ReturnStatement' || node.argument === null) return undefined;
  const owner = way.findLast(({ node: at }) => isFunction(at))?.node;
  if (owner?.returnType?.typeAnnotation?.type === 'TSBooleanKeyword') {
    return node.argument.type === 'Literal' ? undefined : node.argument;
  }
  const arrow = owner?.type === 'ArrowFunctionExpression';
  return arrow && isQuestion(node.argument) ? node.argument : undefined;
}

/** @param {Node} node @returns {boolean} */
function isQuestion(node) {
  if (node.type === 'BinaryExpression') return COMPARES.has(node.operator);
  if (node.type === 'LogicalExpression') return isQuestion(node.right);
  if (node.type === 'UnaryExpression') return node.operator === '!';
  return isCall(node) && ASKS.has(nameOf(calleeOf(node)));
}

/** @param {Node} node @param {Step[]} way */
function isPolicy(node, way) {
  const owner = way.findLast(({ node: at }) => isFunction(at))?.node;
  const type = owner?.returnType?.typeAnnotation;
  return type?.typeName?.name === 'Policy' && node.argument?.type === 'ObjectExpression';
}

/** @param {Node} node @param {string} where @param {Add} add */
function lines(node, where, add) {
  for (const { key, value, shorthand } of node.argument.properties) {
    if (value.value === 'any') continue;
    const [before, after] = reads("'any'");
    const named = shorthand ? `${key.name}: ${before}` : before;
    add(value, 'line', `${where} ${key.name}`, [named, after]);
  }
}

/** What leads to a refusal by itself. @param {Node} test @returns {Node[]} */
function alternatives(test) {
  const { type, operator } = test;
  if (type === 'LogicalExpression' && operator === '||') {
    return [...alternatives(test.left), ...alternatives(test.right)];
  }
  if (type === 'LogicalExpression' && operator === '&&') {
    const both = [test.left, test.right].map(alternatives).filter((list) => list.length > 1);
    return both.length === 0 ? [test] : both.flat();
  }
  return [test];
}

/** What must all hold. @param {Node} test @param {Step[]} way @returns {Node[]} */
function terms(test, way) {
  const meant = meaning(test, way);
  if (meant.type !== 'LogicalExpression' || meant.operator !== '&&') return [test];
  return [...terms(meant.left, way), ...terms(meant.right, way)];
}

/** The code of a refusal, or what tells it from others. @param {string} text @param {Node} exit */
function codeOf(text, exit) {
  const { argument } = exit;
  if (exit.type === 'ContinueStatement') return 'passed over';
  if (argument.type === 'ObjectExpression') return answer(text, argument);
  const plain = `${exit.type === 'ThrowStatement' ? 'throw' : 'return'} ${words(text, argument)}`;
  if (!isCall(argument)) return cut(plain);
  const by = nameOf(calleeOf(argument));
  const [given] = callOf(argument).arguments;
  const first = given?.type === 'TSAsExpression' ? given.expression : given;
  const said = first?.type === 'Literal' ? String(first.value) : undefined;
  if (said !== undefined && CODE.test(said)) return said;
  if (/code$/.test(nameOf(first ?? {}))) return words(text, first);
  const quoted = first?.type === 'TemplateLiteral' ? words(text, first).slice(1, -1) : said;
  return cut(quoted === undefined ? by : `${by}: ${quoted}`);
}

/** @param {string} text @param {Node} object */
function answer(text, object) {
  const named = object.properties.find((/** @type {Node} */ p) => p.key?.name === 'verdict');
  if (named !== undefined) return cut(String(named.value.value));
  return cut(words(text, object));
}

/** @param {string} text @param {Node} node */
function words(text, node) {
  return cut(text.slice(node.start, node.end).replace(/\s+/g, ' '));
}

/** @param {string} text */
function cut(text) {
  return text.length > WORDS_MAX ? `${text.slice(0, WORDS_MAX - 3)}...` : text;
}

/** @param {string} path */
function shortened(path) {
  return path.replace(/^packages\//, '').replace('/src/', '/');
}

/**
 * @param {string} file @param {(Omit<Mutant, 'id'> & { name: string })[]} found
 * @returns {Mutant[]}
 */
function numbered(file, found) {
  /** @type {Map<string, number>} */
  const seen = new Map();
  return found.map(({ name, ...rest }) => {
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return { id: `${file} ${name}${count === 1 ? '' : ` #${count}`}`, ...rest };
  });
}
