// SPDX-License-Identifier: Apache-2.0
// What messages and papers tell people to type, found in the texts of what runs and in the blocks
// of papers, to be judged by the command tree.
import type { Command } from 'commander';
import { parseAst } from 'vitest/node';
import type { Source } from './house.ts';

/** A text of a source, and its line. */
export interface Text {
  readonly at: string;
  readonly text: string;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly [field: string]: unknown;
}

/** Every text between quotes; of a template, the parts between its values. */
export function textsOf({ path, text }: Source): Text[] {
  const found: Text[] = [];
  const visit = (node: Node): void => {
    if (node.type === 'ImportDeclaration') return;
    const cooked = (node['value'] as { cooked?: string } | undefined)?.cooked;
    const value = node.type === 'TemplateElement' ? cooked : node['value'];
    if (/^(Literal|TemplateElement)$/.test(node.type) && typeof value === 'string') {
      const line = text.slice(0, node.start).split('\n').length;
      found.push({ at: `${path}:${line}`, text: value });
    }
    for (const child of Object.values(node).flat()) {
      if (typeof (child as Node | null)?.type === 'string') visit(child as Node);
    }
  };
  visit(parseAst(text, { lang: 'ts' }) as unknown as Node);
  return found;
}

/** Options that a text names. */
export function optionsIn(text: string): string[] {
  return [...text.matchAll(/(?<![\w-])--[a-z][a-z0-9-]*/g)].map(([option]) => option);
}

/** Commands that a text names: a group, and what follows it where that may be a command. */
export function commandsIn(text: string): (readonly [group: string, name: string | undefined])[] {
  const named = /(?<![\w/@.-])cloister ([a-z]+)(?: ([a-z]+(?:-[a-z]+)*))?/g;
  return [...text.matchAll(named)].map(([, group = '', name]) => [group, name]);
}

/** The lines of a paper's shell blocks, and its words in backticks, that run the command. */
export function shellLines(paper: string): string[] {
  const fenced = /^```(?:sh|bash)?\n([\s\S]*?)^```/gm;
  const blocks = [...paper.matchAll(fenced)].map(([, block = '']) => block);
  const inline = [...paper.replace(/^```[\s\S]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)];
  const lines = blocks.flatMap((block) => block.replace(/\\\n\s*/g, ' ').split('\n'));
  return [...lines, ...inline.map(([, words = '']) => words)].filter((line) =>
    /(?:^|[\s;|&$("])(?:npx )?cloister (?:--\S+ )*[a-z]/.test(line),
  );
}

/** The command that words lead to from `from`, and whether the first of them is one. */
export function commandOf(
  from: Command,
  words: readonly (string | undefined)[],
): Command | undefined {
  const [word, ...rest] = words;
  const found = from.commands.find((one) => one.name() === word);
  if (found === undefined || rest.length === 0) return found;
  return commandOf(found, rest) ?? (found.commands.length === 0 ? found : undefined);
}

/** Every option of a command and those below it. */
export function optionsOf(command: Command): string[] {
  const own = command.options.flatMap(({ long }) => long ?? []);
  return [...own, ...command.commands.flatMap(optionsOf)];
}
