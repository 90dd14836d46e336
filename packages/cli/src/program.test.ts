// SPDX-License-Identifier: Apache-2.0
// The command tree: every command says what it does and shows an example that its options allow.
import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { buildProgram } from './program.ts';

const ours = [
  ...['demo', 'org', 'hardware', 'charter', 'ledger', 'gateway', 'keeper', 'worker'],
  ...['dataset', 'task', 'results', 'bill'],
];
const leaves = buildProgram()
  .commands.filter((command) => ours.includes(command.name()))
  .flatMap((command) => (command.commands.length === 0 ? [command] : command.commands));

function pathOf(command: Command): string {
  const { parent } = command;
  return parent === null ? command.name() : `${pathOf(parent)} ${command.name()}`;
}

function helpOf(command: Command): string {
  let text = '';
  command.configureOutput({
    writeOut: (piece) => {
      text += piece;
    },
  });
  command.outputHelp();
  return text;
}

describe('the command tree', () => {
  it('has every group of commands', () => {
    const groups = new Set(leaves.map((leaf) => pathOf(leaf).split(' ')[1]));
    expect([...groups].sort()).toEqual([...ours].sort());
  });

  it.each(leaves.map((leaf) => [pathOf(leaf), leaf] as const))('%s', (path, leaf) => {
    expect(leaf.description().length).toBeGreaterThan(10);
    const example = /\nExample:\n {2}([\s\S]+)$/.exec(helpOf(leaf))?.[1] ?? '';
    expect(example.startsWith(path)).toBe(true);
    const known = new Set(leaf.options.map((option) => option.long));
    for (const [, option] of example.matchAll(/ (--[a-z-]+)/g)) expect(known).toContain(option);
    const mandatory = leaf.options.filter((option) => option.mandatory).map((o) => o.long);
    for (const option of mandatory) expect(example).toContain(option);
  });
});
