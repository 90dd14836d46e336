// SPDX-License-Identifier: Apache-2.0
// Starts and talks to a child that DuckDB runs in (scripts of child/): in a cage, with an empty
// environment, a folder of its own to stand in and resource limits (child-limits.ts), and SIGKILL
// when it overstays. The settings inside DuckDB leave holes (one 2 GB string past the memory limit,
// log files, key functions); the cage, these limits and the allow-list are what closes them.
//
// What the child writes to its stderr is told only if it did not start: it has seen nothing then.
// From its first answer on nothing of it is kept, because the engine's words may tell of data.
import type { ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Caged, Held } from '@cloister/cage';
import { LastWords } from '@cloister/core/node';
import { type ChildFiles, type ChildLimits, startCaged } from './child-limits.ts';
import { ChildRoom } from './child-room.ts';
import { engineError } from './errors.ts';

/** What plans and runs; a recipient's conversions have a script of their own. */
const MAIN = 'main.mjs';
/** Of plans; what a run answers is short. */
const ANSWER_BYTES_MAX = 16 * 1024 * 1024;
const START_MS = 20_000;
const GRACE_MS = 500;

/** What the child answered: its value, or what it says went wrong ('' when it may not say). */
export type Answer = { readonly ok: Record<string, unknown> } | { readonly failed: string };

export interface ChildOptions extends ChildFiles {
  /** `main.mjs` where absent. */
  readonly script?: string;
  /** Where its folder is made: the system's temporary folder where absent. */
  readonly scratch?: string | undefined;
}

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
  readonly #caged: Caged;
  readonly room: ChildRoom;
  /** What held it when it answered first, before it had seen anything. */
  held: Held = { level: 'none', measures: [] };

  private constructor(caged: Caged, room: ChildRoom) {
    const { process } = caged;
    this.#caged = caged;
    this.room = room;
    this.#process = process;
    this.#gone = new Promise((resolve) => {
      const end = () => {
        this.#dead = true;
        room.drop();
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
    // Whoever reads results meets their errors; until then they end nothing.
    this.results.on('error', () => undefined);
    process.stdin?.on('error', () => this.kill());
  }

  /** @throws CodedError `engine-start-failed`, `cage-program-unreadable` */
  static async start(limits: ChildLimits, options: ChildOptions = {}): Promise<EngineChild> {
    const room = new ChildRoom(options.scratch);
    const caged = await startCaged(options.script ?? MAIN, room, limits, options).catch(
      (error: unknown) => {
        room.drop();
        throw error;
      },
    );
    const { process } = caged;
    const words = new LastWords(process.stderr);
    const child = new EngineChild(caged, room);
    const hello = await child.#wait(0, START_MS);
    if (hello !== undefined) {
      words.forget();
      child.held = caged.held();
      return child;
    }
    await child.kill();
    await words.ended(GRACE_MS);
    throw startFailed(process, words);
  }

  /** The child's own process, not its monitor's. */
  get pid(): number | undefined {
    return this.#caged.inside();
  }

  /** Where result files come (child-results.ts). */
  get results(): Readable {
    return this.#process.stdio[4] as Readable;
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
