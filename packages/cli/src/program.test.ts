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

/** Options that are wanted only with or without others. */
const SOMETIMES: readonly (readonly [command: string, option: string, says: string])[] = [
  ['org rotate', '--identity', 'this or --witness is required without --take'],
  ['org rotate', '--out', 'required without --take'],
  ['hardware create', '--ek-ca', 'required with --device'],
  ['hardware collateral', '--out', 'required without --publish'],
  ['charter sign', '--out', 'required with --offline'],
  ['parquet decrypt', '--keys', 'required without --kms'],
];

describe('help', () => {
  const everyLeaf = buildProgram().commands.flatMap((command) =>
    command.commands.length === 0 ? [command] : command.commands,
  );
  const said = (command: Command, option: string) => {
    const lines = helpOf(command).replace(/\n {10,}/g, ' ');
    return new RegExp(`^ +(?:-\\w, )?${option}\\b.*$`, 'm').exec(lines)?.[0] ?? '';
  };

  it('marks every option that a command does nothing without, and no other', () => {
    let marked = 0;
    for (const command of everyLeaf) {
      for (const { long, mandatory } of command.options) {
        const line = said(command, long ?? '');
        expect(line.endsWith('(required)'), `${pathOf(command)} ${long}: ${line}`).toBe(mandatory);
        if (mandatory) marked += 1;
      }
    }
    expect(marked).toBeGreaterThan(50);
  });

  it.each(SOMETIMES)('%s says when %s is wanted', (path, option, says) => {
    const command = everyLeaf.find((one) => pathOf(one) === `cloister ${path}`);
    expect(said(command as Command, option)).toContain(says);
  });
});

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
