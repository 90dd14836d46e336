// SPDX-License-Identifier: Apache-2.0
// Starts and talks to a child that DuckDB runs in (scripts of child/): an empty environment, an
// empty folder to stand in, resource limits set by the shell before Node starts (child-limits.ts),
// and SIGKILL when it overstays. The settings inside DuckDB leave holes (one 2 GB string past the
// memory limit, log files, key functions); these limits and the allow-list are what closes them.
//
// What the child writes to its stderr is told only if it did not start: it has seen nothing then.
// From its first answer on nothing of it is kept, because the engine's words may tell of data.
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { LastWords } from '@cloister/core/node';
import { bareNodeBytes, type ChildLimits, spawnLimited } from './child-limits.ts';
import { engineError } from './errors.ts';

const CHILD = new URL('../child/', import.meta.url);
/** What plans and runs; a recipient's conversions have a script of their own. */
const MAIN = 'main.mjs';
/** Of plans; what a run answers is short. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const START_MS = 20_000;
const GRACE_MS = 500;

/** What the child answered: its value, or what it says went wrong ('' when it may not say). */
export type Answer = { readonly ok: Record<string, unknown> } | { readonly failed: string };

/** One child; requests are answered in order. Any failure of the process ends it for good. */
export class EngineChild {
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, (answer: Answer | undefined) => void>();
  readonly #gone: Promise<void>;
  #next = 1;
  /** Of a line that has not ended. */
  readonly #parts: string[] = [];
  #length = 0;
  #dead = false;

  private constructor(process: ChildProcess, folder: string) {
    this.#process = process;
    this.#gone = new Promise((resolve) => {
      const end = () => {
        this.#dead = true;
        rmSync(folder, { recursive: true, force: true });
        for (const settle of this.#waiting.values()) settle(undefined);
        this.#waiting.clear();
        resolve();
      };
      process.once('exit', end);
      process.once('error', end);
    });
    const answers = process.stdio[3] as Readable;
    answers.setEncoding('utf8');
    answers.on('data', (text: string) => this.#hear(text));
    answers.on('error', () => this.kill());
    process.stdin?.on('error', () => this.kill());
  }

  /** Starts a script of `child/`. @throws CodedError `engine-start-failed` */
  static async start(limits: ChildLimits, script: string = MAIN): Promise<EngineChild> {
    const bareBytes = await bareNodeBytes();
    const folder = mkdtempSync(join(tmpdir(), 'cloister-engine-'));
    const process = spawnLimited(fileURLToPath(new URL(script, CHILD)), folder, {
      ...limits,
      bareBytes,
    });
    const words = new LastWords(process.stderr);
    const child = new EngineChild(process, folder);
    const hello = await child.#wait(0, START_MS);
    if (hello !== undefined) {
      words.forget();
      return child;
    }
    await child.kill();
    await words.ended(GRACE_MS);
    throw startFailed(process, words);
  }

  get pid(): number | undefined {
    return this.#process.pid;
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** Asks; undefined when the child died or overstayed, which also ends it. */
  async ask(request: Record<string, unknown>, timeMs: number): Promise<Answer | undefined> {
    if (this.#dead) return undefined;
    const id = this.#next;
    this.#next += 1;
    const answer = this.#wait(id, timeMs);
    this.#write({ ...request, id });
    return answer;
  }

  /** Lets the child finish what it was asked and go. */
  async close(): Promise<void> {
    this.#process.stdin?.end();
    const timer = setTimeout(() => void this.kill(), GRACE_MS);
    await this.#gone;
    clearTimeout(timer);
  }

  async kill(): Promise<void> {
    if (!this.#dead) this.#process.kill('SIGKILL');
    await this.#gone;
  }

  #write(value: Record<string, unknown>): void {
    (this.#process.stdin as Writable).write(`${JSON.stringify(value)}\n`);
  }

  #wait(id: number, timeMs: number): Promise<Answer | undefined> {
    return new Promise((resolve) => {
      let grace: NodeJS.Timeout | undefined;
      const timer = setTimeout(() => {
        this.#write({ op: 'interrupt' });
        grace = setTimeout(() => void this.kill(), GRACE_MS);
      }, timeMs);
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer);
        clearTimeout(grace);
        resolve(answer);
      });
    });
  }

  #hear(text: string): void {
    const [first = '', ...more] = text.split('\n');
    this.#parts.push(first);
    this.#length += first.length;
    if (this.#length > ANSWER_BYTES_MAX) {
      void this.kill();
      return;
    }
    const last = more.pop();
    if (last === undefined) return;
    const lines = [this.#parts.splice(0).join(''), ...more];
    this.#parts.push(last);
    this.#length = last.length;
    for (const line of lines) {
      let value: { id?: number; ok?: Record<string, unknown>; failed?: string };
      try {
        value = JSON.parse(line);
      } catch {
        void this.kill();
        return;
      }
      const settle = this.#waiting.get(value.id ?? -1);
      this.#waiting.delete(value.id ?? -1);
      settle?.(value.ok === undefined ? { failed: value.failed ?? '' } : { ok: value.ok });
    }
  }
}

function startFailed({ exitCode, signalCode }: ChildProcess, words: LastWords) {
  const how = signalCode ?? (exitCode === null ? 'not started' : `exit status ${exitCode}`);
  const why = words.sentence ?? 'it said nothing; a shell with ulimit and Node are needed';
  const message = `the engine process did not start (${how}): ${why}`;
  return engineError('engine-start-failed', message, { details: { lastWords: words.text } });
}
