// SPDX-License-Identifier: Apache-2.0
// docs/walkthrough.md is true: its shell blocks run as they stand, in order, in one shell, and give
// the output that the page states ("…" stands for anything). Only the ports are exchanged for free
// ones, and `cloister` is this build. Nothing that the page started is left when it ends.
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from './demo/stage.ts';

const PAGE = fileURLToPath(new URL('../../../docs/walkthrough.md', import.meta.url));
const COMMAND = fileURLToPath(new URL('../bin/cloister.js', import.meta.url));
const LIMIT_MS = 150_000;
const PORT = /\b76\d\d\b/g;

interface Block {
  readonly script: string;
  /** Lines of the page that the block's output must have, in this order. */
  readonly expected: readonly string[];
}

function readPage(): { blocks: Block[]; ports: string[] } {
  const text = readFileSync(PAGE, 'utf8');
  const blocks: { script: string; expected: string[] }[] = [];
  for (const [, kind, body = ''] of text.matchAll(/```(sh|text)\n([\s\S]*?)```/g)) {
    if (kind === 'sh') blocks.push({ script: body, expected: [] });
    else blocks.at(-1)?.expected.push(...body.trimEnd().split('\n'));
  }
  return { blocks, ports: [...new Set(text.match(PORT))].sort() };
}

const folder = mkdtempSync(join(tmpdir(), 'cloister-walk-'));
const page = readPage();
const moves = new Map<string, string>();
let group = 0;
let outputs: { exit: number; lines: string[] }[] = [];

beforeAll(async () => {
  const free = await freePorts(page.ports.length);
  page.ports.forEach((port, i) => {
    moves.set(port, String(free[i]));
  });
  const bin = join(folder, 'bin');
  const work = join(folder, 'walk');
  for (const path of [bin, work]) mkdirSync(path);
  const command = `#!/bin/sh\nexec "${process.execPath}" "${COMMAND}" "$@"\n`;
  writeFileSync(join(bin, 'cloister'), command);
  writeFileSync(join(bin, 'npx'), '#!/bin/sh\nexec "$@"\n');
  for (const name of ['cloister', 'npx']) chmodSync(join(bin, name), 0o755);
  const marked = page.blocks.map(({ script }) => `${moved(script)}\necho "@@block $?"\n`);
  const run = await runShell(`exec 2>&1\n${marked.join('')}`, work, bin);
  const pieces = run.split(/^@@block (\d+)\n/m);
  outputs = page.blocks.map((_, i) => ({
    exit: Number(pieces[2 * i + 1] ?? Number.NaN),
    lines: (pieces[2 * i] ?? '').split('\n'),
  }));
}, LIMIT_MS + 10_000);

afterAll(() => {
  if (alive()) process.kill(-group, 'SIGKILL');
  rmSync(folder, { recursive: true, force: true });
});

/** The text with the page's ports exchanged for free ones. */
function moved(text: string): string {
  return text.replace(PORT, (port) => moves.get(port) ?? port);
}

/** Runs a script in a process group of its own and answers what it printed. */
function runShell(script: string, cwd: string, bin: string): Promise<string> {
  const { CLOISTER_HOME: _, ...env } = process.env;
  const shell = spawn('bash', ['-c', script], {
    cwd,
    env: { ...env, PATH: `${bin}:${env['PATH'] ?? ''}` },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  group = shell.pid ?? 0;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => process.kill(-group, 'SIGKILL'), LIMIT_MS);
    let text = '';
    shell.stdout.on('data', (piece: Buffer) => {
      text += piece.toString();
    });
    shell.once('error', reject);
    shell.once('close', () => {
      clearTimeout(timer);
      resolve(text);
    });
  });
}

/** Whether any process of the page's group lives. */
function alive(): boolean {
  if (group === 0) return false;
  try {
    process.kill(-group, 0);
    return true;
  } catch {
    return false;
  }
}

function pattern(line: string): RegExp {
  const parts = moved(line)
    .split('…')
    .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`);
}

/** The expected lines that the output does not have in this order. */
function missing(expected: readonly string[], lines: readonly string[]): string[] {
  let at = 0;
  return expected.filter((line) => {
    const found = lines.findIndex((got, i) => i >= at && pattern(line).test(got));
    if (found >= 0) at = found + 1;
    return found < 0;
  });
}

describe('docs/walkthrough.md', () => {
  it('has blocks to run and says what they give', () => {
    expect(page.blocks.length).toBeGreaterThan(10);
    expect(page.blocks.filter((b) => b.expected.length > 0).length).toBeGreaterThan(9);
    expect(page.ports.length).toBe(7);
  });

  it.each(page.blocks.map((_, i) => [i + 1]))('block %i gives what the page states', (number) => {
    const { expected } = page.blocks[number - 1] as Block;
    const got = outputs[number - 1];
    const said = `block ${number} gave:\n${got?.lines.join('\n')}`;
    expect(missing(expected, got?.lines ?? []), said).toEqual([]);
    expect(got?.exit, said).toBe(0);
  });

  it('leaves no process behind', () => {
    expect(group).toBeGreaterThan(0);
    expect(alive()).toBe(false);
  });
});
