// SPDX-License-Identifier: Apache-2.0
// What the rules of errors are judged on: every table of codes, and every place in what runs where
// a code is said. Found in the syntax trees, so a new package or table is judged by itself.
import { join } from 'node:path';
import { parseAst } from 'vitest/node';
import type { ErrorMaker, ErrorRow } from '../packages/core/src/errors.ts';
import { files, isTest, ROOT, type Source } from './house.ts';

/** One `errorTable`, by the name of the function that makes its errors. */
export interface Table {
  readonly name: string;
  readonly package: string;
  readonly path: string;
  readonly rows: Readonly<Record<string, ErrorRow>>;
}

/** A call of a table's function, or of one that makes errors without a table. */
export interface Making {
  readonly at: string;
  readonly name: string;
  /** Codes that the first argument may be, where it says them. */
  readonly codes: readonly string[];
  readonly cast: boolean;
  /** A second argument that is one word. */
  readonly word: string | undefined;
}

/** What a source says: errors that it makes, and codes that it names without comparing them. */
export interface Said {
  readonly makings: readonly Making[];
  readonly codes: ReadonlySet<string>;
  /** Codes put together from parts, as patterns. */
  readonly patterns: readonly RegExp[];
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly [field: string]: unknown;
}

const CODE = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
const MAKES_WITHOUT_TABLE = ['CodedError', 'toldError'];
/** What compares a code, or lists codes to compare with. */
const ASKS = new Set(['isCoded', 'hasCode', 'Set']);

/** Sources of what runs: no tests, no test kit. */
export function running(): Source[] {
  return files('.ts').filter(
    ({ path }) => /^packages\/(?!testkit\/)[^/]+\/(src|child)\//.test(path) && !isTest(path),
  );
}

export async function tablesOf(sources: readonly Source[]): Promise<Table[]> {
  const found: Table[] = [];
  for (const { path, text } of sources) {
    for (const [, name = ''] of text.matchAll(/^export const (\w+) = errorTable\b/gm)) {
      const module = (await import(join(ROOT, path))) as Record<string, ErrorMaker<string>>;
      const rows = module[name]?.rows ?? {};
      found.push({ name, package: path.split('/')[1] as string, path, rows });
    }
  }
  return found;
}

export function said({ path, text }: Source, makers: ReadonlySet<string>): Said {
  const makings: Making[] = [];
  const codes = new Set<string>();
  const patterns: RegExp[] = [];
  const visit = (node: Node): void => {
    if (node.type.startsWith('TS') && node['expression'] === undefined) return;
    if (node.type === 'ImportDeclaration' || calls(node, 'errorTable')) return;
    if (isComparison(node)) return;
    if (node.type === 'Literal' && isCode(node['value'])) codes.add(node['value']);
    if (node.type === 'TemplateLiteral') patterns.push(...patternOf(node));
    const name = calleeOf(node);
    if (name !== undefined && (makers.has(name) || MAKES_WITHOUT_TABLE.includes(name))) {
      makings.push({ at: `${path}:${lineOf(text, node.start)}`, name, ...argumentsOf(node) });
    }
    for (const child of childrenOf(node)) visit(child);
  };
  visit(parseAst(text, { lang: 'ts' }) as unknown as Node);
  return { makings, codes, patterns };
}

/** What tells errors apart, throws them on, or tells the world of them. */
const TELLS = [
  /\b(isCoded|isSystemError|isPassing|isRefusal|passing|codeOf|responseCodeOf|instanceof)\b/,
  /\b(toErrorResponse|errorFields|describeError|log|onWarning|onError|reject|#failure)\b/,
  /\bthrow (error|cause)\b|\.code [!=]==/,
];
/** Lines of a `try` whose `catch` may take everything: a call or two of others' code. */
const BARE_LINES_MAX = 3;

/** Places where whatever goes wrong in more than a few lines is taken for what was expected. */
export function broadCatches({ path, text }: Source): string[] {
  const found: string[] = [];
  const visit = (node: Node): void => {
    const handler = node['handler'] as Node | null | undefined;
    if (node.type === 'TryStatement' && handler != null) {
      const taken = text.slice(handler.start, handler['end'] as number);
      const block = node['block'] as Node;
      const lines = lineOf(text, block['end'] as number) - lineOf(text, block.start) - 1;
      const tells = TELLS.some((pattern) => pattern.test(taken));
      if (!tells && lines > BARE_LINES_MAX) {
        found.push(
          `${path}:${lineOf(text, handler.start)} takes all that ${lines} lines may throw`,
        );
      }
    }
    for (const child of childrenOf(node)) visit(child);
  };
  visit(parseAst(text, { lang: 'ts' }) as unknown as Node);
  return found;
}

function calls(node: Node, name: string): boolean {
  return calleeOf(node) === name;
}

function calleeOf(node: Node): string | undefined {
  if (node.type !== 'CallExpression' && node.type !== 'NewExpression') return undefined;
  const callee = node['callee'] as Node;
  return callee.type === 'Identifier' ? (callee['name'] as string) : undefined;
}

function isComparison(node: Node): boolean {
  const operator = node.type === 'BinaryExpression' && /^[!=]==?$/.test(String(node['operator']));
  return operator || ASKS.has(calleeOf(node) ?? '');
}

function isCode(value: unknown): value is string {
  return typeof value === 'string' && CODE.test(value);
}

function argumentsOf(node: Node): Pick<Making, 'codes' | 'cast' | 'word'> {
  const [first, second] = node['arguments'] as Node[];
  const word = second?.type === 'Literal' && isCode(second['value']) ? second['value'] : undefined;
  return { codes: first === undefined ? [] : leaves(first), cast: casts(first), word };
}

function leaves(node: Node): string[] {
  if (node.type === 'Literal') return [String(node['value'])];
  if (node.type !== 'ConditionalExpression') return [];
  return [...leaves(node['consequent'] as Node), ...leaves(node['alternate'] as Node)];
}

function casts(node: Node | undefined): boolean {
  if (node?.type === 'TSAsExpression' || node?.type === 'TSTypeAssertion') return true;
  return node !== undefined && childrenOf(node).some(casts);
}

/** `epoch-${rule}`: what stands around the gap must say enough. */
function patternOf(node: Node): RegExp[] {
  const parts = (node['quasis'] as Node[]).map(({ value }) => (value as { raw: string }).raw);
  const fixed = parts.join('');
  const fits = parts.length > 1 && fixed.length > 4 && /^[a-z0-9-]+$/.test(fixed);
  return fits ? [new RegExp(`^${parts.join('.+')}$`)] : [];
}

function childrenOf(node: Node): Node[] {
  return Object.entries(node).flatMap(([field, value]) => {
    const isKey = field === 'key' && node['computed'] !== true;
    if (isKey || (field === 'test' && node.type === 'SwitchCase')) return [];
    return (Array.isArray(value) ? value : [value]).filter(isNode);
  });
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value;
}

function lineOf(text: string, at: number): number {
  return text.slice(0, at).split('\n').length;
}
