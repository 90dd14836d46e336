// SPDX-License-Identifier: Apache-2.0
// Which files a module names: static imports and exports, dynamic imports and `require` of a
// literal, and `new URL(literal, import.meta.url)`, by which threads, child processes and data are
// found.
//
// Invariants: what would be found only by running the module is said, not passed over (it imports
// what it computes, uses import.meta or `require` in another way). The scan need not be a parser:
// what it overlooks is missing from what is started (image.ts), and so fails there.

export interface Reference {
  /** How the module names it: by loading it, or as a file beside it. */
  readonly how: 'import' | 'require' | 'url';
  readonly to: string;
}

export interface References {
  readonly named: readonly Reference[];
  /** Why not all that it loads can be told; absent when it can. */
  readonly untold?: string;
}

interface Token {
  readonly kind: 'word' | 'number' | 'string' | 'template' | 'regex' | 'mark';
  readonly text: string;
}

/** Space and comments; words (also private names); numbers; strings; whatever else, one by one. */
const TOKEN = new RegExp(
  [
    String.raw`((?:\s+|//[^\n]*|/\*[^]*?\*/)+)`,
    String.raw`([A-Za-z_$#\u0080-\uffff][\w$\u0080-\uffff]*)`,
    String.raw`(\.?\d[\w.]*)`,
    String.raw`('(?:[^'\\\n]|\\[^])*'|"(?:[^"\\\n]|\\[^])*")`,
    '([^])',
  ].join('|'),
  'y',
);
/** From the opening back quote, or from the brace that ends a substitution, to the next such. */
const TEMPLATE = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(?:`|\$\{)/y;
const REGEX = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y;
/** Words after which a slash begins a regular expression. */
const BEFORE_VALUE =
  /^(?:return|typeof|case|do|else|in|instanceof|new|void|delete|throw|await|yield|of|default)$/;

/** Words without which nothing is loaded. */
const LOADS = /\b(?:import|require|createRequire|dlopen|__dirname|__filename)\b|\bexport\s*[*{]/g;

/** What a module names, in its order. */
export function referencesIn(text: string): References {
  const named: Reference[] = [];
  try {
    const tokens = tokensOf(text);
    for (let at = 0; at < tokens.length; at++) named.push(...namedAt(tokens, at));
    return { named };
  } catch (error) {
    if (error instanceof Untold) return { named, untold: error.message };
    throw error;
  }
}

class Untold extends Error {}

function namedAt(tokens: readonly Token[], at: number): Reference[] {
  const { kind, text: word } = tokens[at] as Token;
  const [before, after] = [tokens[at - 1]?.text, tokens[at + 1]?.text];
  if (kind !== 'word' || after === ':') return [];
  if (word === 'require' || word === 'createRequire' || word === 'dlopen') {
    return requiredAt(tokens, at);
  }
  if (before === '.') return [];
  if (word === 'import') return importedAt(tokens, at);
  if (word === 'export' && (after === '*' || after === '{')) return exportedAt(tokens, at);
  if (/^__(?:dirname|filename)$/.test(word)) throw new Untold(`it uses ${word}`);
  return [];
}

function requiredAt(tokens: readonly Token[], at: number): Reference[] {
  const word = (tokens[at] as Token).text;
  const [before, owner] = [tokens[at - 1]?.text, tokens[at - 2]?.text];
  if (before === 'typeof') return [];
  if (word === 'require' && before === '.' && owner !== 'module') return [];
  const [open, named, close] = tokens.slice(at + 1, at + 4);
  const plain = word === 'require' && open?.text === '(' && before !== '.';
  if (plain && named?.kind === 'string' && close?.text === ')') {
    return [{ how: 'require', to: unquoted(named) }];
  }
  throw new Untold(`it uses ${word} otherwise than on a literal`);
}

function importedAt(tokens: readonly Token[], at: number): Reference[] {
  const next = tokens[at + 1];
  if (next?.text === '.') return urlAt(tokens, at);
  if (next?.text === '(') {
    const closed = /^[,)]$/.test(tokens[at + 3]?.text ?? '');
    if (tokens[at + 2]?.kind !== 'string' || !closed) {
      throw new Untold('it imports what it computes, wanted a literal');
    }
    return [imported(tokens[at + 2])];
  }
  if (next?.kind === 'string') return [imported(next)];
  const from = tokens.findIndex((token, i) => i > at && isFrom(tokens, i, token));
  if (from < 0) throw new Untold('an import of it does not end');
  return [imported(tokens[from + 1])];
}

/** `new URL(literal, import.meta.url)`, told by its end. */
function urlAt(tokens: readonly Token[], at: number): Reference[] {
  const words = (first: number, count: number) =>
    tokens.slice(Math.max(first, 0), first + count).map(({ text }) => text);
  const named = tokens[at - 2];
  const before = words(at - 5, 3).join(' ') === 'new URL (' && tokens[at - 1]?.text === ',';
  const whole = before && words(at, 6).join('') === 'import.meta.url)';
  if (!whole || named?.kind !== 'string') {
    throw new Untold('it uses import.meta otherwise than in new URL(literal, import.meta.url)');
  }
  return [{ how: 'url', to: unquoted(named) }];
}

function exportedAt(tokens: readonly Token[], at: number): Reference[] {
  const braces = tokens[at + 1]?.text === '{';
  const end = braces
    ? tokens.findIndex(({ kind, text }, i) => i > at && isMark(kind, text, '}'))
    : at + 1;
  if (end < 0) throw new Untold('an export of it does not end');
  const last = braces || tokens[end + 1]?.text !== 'as' ? end + 1 : end + 3;
  const from = tokens[last];
  return from !== undefined && isFrom(tokens, last, from) ? [imported(tokens[last + 1])] : [];
}

function isFrom(tokens: readonly Token[], at: number, { kind, text }: Token): boolean {
  return kind === 'word' && text === 'from' && tokens[at + 1]?.kind === 'string';
}

function isMark(kind: Token['kind'], text: string, mark: string): boolean {
  return kind === 'mark' && text === mark;
}

function imported(token: Token | undefined): Reference {
  return { how: 'import', to: unquoted(token as Token) };
}

function unquoted({ text }: Token): string {
  if (text.includes('\\')) throw new Untold('it names a file with an escape, wanted it plain');
  return text.slice(1, -1);
}

function tokensOf(text: string): Token[] {
  const found: Token[] = [];
  /** Open braces; true where one ends in a template. */
  const braces: boolean[] = [];
  const last = [...text.matchAll(LOADS)].at(-1)?.index;
  if (last === undefined) return found;
  let at = text.startsWith('#!') ? text.indexOf('\n') : 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const taken = pattern.exec(text);
    at += taken?.[0].length ?? 0;
    return taken;
  };
  // Behind the statement that has the last of these words nothing can be named.
  while (at >= 0 && at < text.length && (at <= last || found.at(-1)?.text !== ';')) {
    const regex = text[at] === '/' && /[^/*]/.test(text[at + 1] ?? '') && beginsValue(found);
    const value = regex ? take(REGEX) : null;
    if (value !== null) {
      found.push({ kind: 'regex', text: value[0] });
      continue;
    }
    const [, space, word, number, string, mark] = take(TOKEN) ?? [];
    if (space !== undefined) continue;
    if (word !== undefined) found.push({ kind: 'word', text: word });
    else if (number !== undefined) found.push({ kind: 'number', text: number });
    else if (string !== undefined) found.push({ kind: 'string', text: string });
    else if (mark === "'" || mark === '"') throw new Untold('a string of it does not end');
    else if (mark === '`' || (mark === '}' && braces.pop() === true)) {
      const piece = take(TEMPLATE)?.[0];
      if (piece === undefined) throw new Untold('a template of it does not end');
      const open = piece.endsWith('${');
      if (open) braces.push(true);
      found.push({ kind: open ? 'mark' : 'template', text: piece });
    } else if (mark !== undefined) {
      if (mark === '{') braces.push(false);
      found.push({ kind: 'mark', text: mark });
    }
  }
  return found;
}

/** Whether a value may begin here, so that a slash begins a regular expression. */
function beginsValue(found: readonly Token[]): boolean {
  const last = found.at(-1);
  if (last === undefined) return true;
  if (last.kind === 'word') return BEFORE_VALUE.test(last.text);
  if (last.kind !== 'mark') return false;
  const twice = found.at(-2)?.text === last.text;
  return !/^[)\]}]$/.test(last.text) && !(twice && /^[+-]$/.test(last.text));
}
