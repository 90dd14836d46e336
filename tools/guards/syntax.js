// SPDX-License-Identifier: Apache-2.0
// A syntax tree, walked and named, as far as finding refusals needs it.

/** @typedef {any} Node a node of the ESTree with TypeScript, as oxc writes it */
/** @typedef {{ node: Node, key: string, list: Node[] | undefined }} Step how a node is reached */

/** @param {Node} node */
export function isCall(node) {
  return callOf(node) !== undefined;
}

/** The call in `f()`, `await f()` and `a?.f()`. @param {Node} node @returns {Node} */
export function callOf(node) {
  if (node.type === 'AwaitExpression') return callOf(node.argument);
  if (node.type === 'ChainExpression') return callOf(node.expression);
  return node.type === 'CallExpression' || node.type === 'NewExpression' ? node : undefined;
}

/** @param {Node} node */
export function calleeOf(node) {
  return callOf(node).callee;
}

/** @param {Node} node @returns {string} */
export function nameOf(node) {
  if (node.type === 'MemberExpression') return nameOf(node.property);
  return node.type === 'PrivateIdentifier' ? `#${node.name}` : (node.name ?? '');
}

/** @param {Node} node */
export function isFunction(node) {
  return /^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type);
}

/** Class and function around a node, as far as they have names. @param {Step[]} way */
export function functionName(way) {
  const names = way.flatMap(({ node }) => {
    if (node.type === 'ClassDeclaration' || node.type === 'FunctionDeclaration')
      return [node.id.name];
    if (node.type === 'MethodDefinition') return [nameOf(node.key)];
    const made = node.type === 'VariableDeclarator' && isFunction(node.init ?? { type: '' });
    return made ? [nameOf(node.id)] : [];
  });
  return names.join('.') || 'module';
}

/**
 * Every node with the way to it. @param {Node} node @param {Step[]} way
 * @param {(node: Node, way: Step[]) => void} visit
 */
export function walk(node, way, visit) {
  if (way.length > 0) visit(node, way);
  for (const [key, value] of Object.entries(node)) {
    const list = Array.isArray(value) ? value : undefined;
    for (const child of list ?? [value]) {
      if (typeof child?.type !== 'string') continue;
      walk(child, [...way, { node, key, list }], visit);
    }
  }
}
