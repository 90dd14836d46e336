// SPDX-License-Identifier: Apache-2.0
// What people are told to type is there: every option and every command that a message or a paper
// names. And what a schema refuses is told in our words: its library's reach nobody.
import { describe, expect, it } from 'vitest';
import { buildProgram } from '../packages/cli/src/program.ts';
import { running } from './error-codes.ts';
import { files } from './house.ts';
import { commandOf, commandsIn, optionsIn, optionsOf, shellLines, textsOf } from './messages.ts';

/** Whose options are those of other programs, which it starts. */
const OTHERS = [
  'packages/attester/src/measure/start.ts',
  'packages/attester/src/tpm/software.ts',
  'packages/cage/src/program-files.ts',
  'packages/cage/src/ways.ts',
  'packages/core/src/many-buffers.ts',
  'packages/engine-duckdb/src/child-limits.ts',
];
/** What follows the name of the program in a sentence, and is no command. */
const PROSE = ['command', 'itself', 'development', 'freshness'];
const ALWAYS = ['--help', '--version'];

const program = buildProgram();
const known = new Set([...optionsOf(program), ...ALWAYS]);
const everywhere = new Set([...program.options.flatMap(({ long }) => long ?? []), ...ALWAYS]);
const sources = running().filter(({ path }) => !OTHERS.includes(path));
const texts = sources.flatMap(textsOf);

describe('what messages tell people to type', () => {
  it('are options that there are', () => {
    const wrong: string[] = [];
    let named = 0;
    for (const { at, text } of texts) {
      for (const option of optionsIn(text)) {
        named += 1;
        if (!known.has(option)) wrong.push(`${at} names ${option}`);
      }
    }
    expect(named).toBeGreaterThan(50);
    expect(wrong).toEqual([]);
  });

  it('are no parts of a file where options are meant', () => {
    const parts = /\b(?:header|strict|quote|force|dryRun|newSchema): (?:true|false|null)\b/;
    expect(texts.filter(({ text }) => parts.test(text)).map(({ at }) => at)).toEqual([]);
  });

  it('are commands that there are', () => {
    const wrong: string[] = [];
    let named = 0;
    for (const { at, text } of texts) {
      for (const [group, name] of commandsIn(text)) {
        if (PROSE.includes(group)) continue;
        named += 1;
        const found = commandOf(program, name === undefined ? [group] : [group, name]);
        if (found === undefined) wrong.push(`${at} names cloister ${group} ${name ?? ''}`);
      }
    }
    expect(named).toBeGreaterThan(30);
    expect(wrong).toEqual([]);
  });
});

describe('what papers tell people to type', () => {
  const lines = files('.md')
    .filter(({ path }) => path !== 'CHANGELOG.md')
    .flatMap(({ path, text }) => shellLines(text).map((line) => [path, line] as const));

  it('are commands that there are, with options of theirs', () => {
    expect(lines.length).toBeGreaterThan(70);
    const wrong: string[] = [];
    for (const [path, line] of lines) {
      for (const part of line.split(/[|;&]|\$\(/)) {
        const plain = part.replace(/cloister(?: --(?:quiet|json))+/, 'cloister');
        const [first] = commandsIn(plain);
        if (first === undefined || PROSE.includes(first[0])) continue;
        const [group, name] = first;
        const found = commandOf(program, name === undefined ? [group] : [group, name]);
        if (found === undefined) wrong.push(`${path}: ${part.trim()}`);
        const allowed = new Set([...(found === undefined ? [] : optionsOf(found)), ...everywhere]);
        for (const option of optionsIn(part)) {
          if (!allowed.has(option)) wrong.push(`${path}: ${option} in ${part.trim()}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe('what a schema refuses', () => {
  const TELLS = 'packages/core/src/issue-sentence.ts';
  const RAW = /prettifyError|treeifyError|formatError\(|\bissues?(?:\[0\]|\.at\(0\))?\??\.message/;

  it('is told in our words, by one place', () => {
    const raw = sources.filter(({ path, text }) => path !== TELLS && RAW.test(text));
    expect(raw.map(({ path }) => path)).toEqual([]);
  });
});
