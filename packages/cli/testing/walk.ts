// SPDX-License-Identifier: Apache-2.0
// For tests: walks through a page of docs/. Its shell blocks run as they stand, in order, in one
// shell, and are held to the output that the page states ("…" stands for anything). Only the ports
// are exchanged for free ones, `cloister` is this build, and `next-build` in the folder another
// one. A test may walk a changed page.
import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePorts } from '../src/demo/stage.ts';
import { anotherBuild } from './another-build.ts';
import { groupRuns } from './process-group.ts';

const COMMAND = fileURLToPath(new URL('../bin/cloister.js', import.meta.url));
export const PAGE = pageOf('walkthrough');
export const OPERATIONS = pageOf('operations');
export const DATASET_LIFE = pageOf('dataset-life');
export const LIMIT_MS = 300_000;
const PORT = /\b76\d\d\b/g;

function pageOf(name: string): string {
  return fileURLToPath(new URL(`../../../docs/${name}.md`, import.meta.url));
}

export interface Block {
  readonly script: string;
  /** Lines of the page that the block's output must have, in this order. */
  readonly expected: readonly string[];
}

export class Walk {
  readonly blocks: readonly Block[];
  readonly ports: readonly string[];
  readonly #folder = mkdtempSync(join(tmpdir(), 'cloister-walk-'));
  readonly #moves = new Map<string, string>();
  #group = 0;
  #outputs: { exit: number; lines: string[] }[] = [];

  constructor(change: (page: string) => string = (page) => page, page = PAGE) {
    const text = change(readFileSync(page, 'utf8'));
    const blocks: { script: string; expected: string[] }[] = [];
    for (const [, kind, body = ''] of text.matchAll(/```(sh|text)\n([\s\S]*?)```/g)) {
      if (kind === 'sh') blocks.push({ script: body, expected: [] });
      else blocks.at(-1)?.expected.push(...body.trimEnd().split('\n'));
    }
    this.blocks = blocks;
    this.ports = [...new Set(text.match(PORT))].sort();
  }

  /** Runs the whole page. */
  async go(): Promise<void> {
    const free = await freePorts(this.ports.length);
    this.ports.forEach((port, i) => {
      this.#moves.set(port, String(free[i]));
    });
    const [bin, work] = [join(this.#folder, 'bin'), join(this.#folder, 'walk')];
    for (const path of [bin, work]) mkdirSync(path);
    // The build that the page upgrades to.
    anotherBuild(join(work, 'next-build'), 'next');
    const command = `#!/bin/sh\nexec "${process.execPath}" "${COMMAND}" "$@"\n`;
    writeFileSync(join(bin, 'cloister'), command);
    writeFileSync(join(bin, 'npx'), '#!/bin/sh\nexec "$@"\n');
    for (const name of ['cloister', 'npx']) chmodSync(join(bin, name), 0o755);
    const marked = this.blocks.map(({ script }) => `${this.#moved(script)}\necho "@@block $?"\n`);
    const run = await this.#runShell(`exec 2>&1\n${marked.join('')}`, work, bin);
    const pieces = run.split(/^@@block (\d+)\n/m);
    this.#outputs = this.blocks.map((_, i) => ({
      exit: Number(pieces[2 * i + 1] ?? Number.NaN),
      lines: (pieces[2 * i] ?? '').split('\n'),
    }));
  }

  /** How block `number` (from 1) ended, and the expected lines that its output lacks. */
  outcome(number: number): { exit: number | undefined; missing: string[]; said: string } {
    const got = this.#outputs[number - 1];
    const lines = got?.lines ?? [];
    let at = 0;
    const missing = (this.blocks[number - 1]?.expected ?? []).filter((line) => {
      const found = lines.findIndex((text, i) => i >= at && this.#pattern(line).test(text));
      if (found >= 0) at = found + 1;
      return found < 0;
    });
    return { exit: got?.exit, missing, said: `block ${number} gave:\n${lines.join('\n')}` };
  }

  /** Whether any process of the page's group lives. */
  get alive(): boolean {
    return this.#group !== 0 && groupRuns(this.#group);
  }

  /** Ends whatever is left, and removes what was made. */
  end(): void {
    if (this.alive) process.kill(-this.#group, 'SIGKILL');
    rmSync(this.#folder, { recursive: true, force: true });
  }

  /** The text with the page's ports exchanged for free ones. */
  #moved(text: string): string {
    return text.replace(PORT, (port) => this.#moves.get(port) ?? port);
  }

  #pattern(line: string): RegExp {
    const parts = this.#moved(line)
      .split('…')
      .map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
    return new RegExp(`^${parts.join('.*')}$`);
  }

  /** Runs a script in a process group of its own and answers what it printed. */
  #runShell(script: string, cwd: string, bin: string): Promise<string> {
    const { CLOISTER_HOME: _, ...env } = process.env;
    const shell = spawn('bash', ['-c', script], {
      cwd,
      env: { ...env, PATH: `${bin}:${env['PATH'] ?? ''}` },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const group = shell.pid ?? 0;
    this.#group = group;
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
}
