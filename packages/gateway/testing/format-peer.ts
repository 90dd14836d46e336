// SPDX-License-Identifier: Apache-2.0
// Other people's libraries of Parquet in the lane `formats`: a program each, which answers JSON
// lines (interop/canonical.py says which). One that does not answer in time is stopped.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Values } from './format-values.ts';

/** What a writer was asked for: the file, or why there is none. */
export interface Written {
  readonly row: string;
  readonly file?: string;
  readonly cannot?: string;
}

/** What a reader found in a file. */
export interface Found {
  readonly columns?: Readonly<Record<string, Values>>;
  readonly error?: string;
}

const ANSWER_MS = 150_000;

export class FormatPeer {
  readonly name: string;
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<string>;
  #said = '';

  constructor(name: string, command: string, args: readonly string[] = []) {
    this.name = name;
    this.#child = spawn(command, args, {
      stdio: 'pipe',
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', TZ: 'America/New_York' },
    });
    if (this.#child.stdout === null) throw new Error('assertion failed: a pipe');
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#child.stderr?.on('data', (chunk: Buffer) => {
      this.#said = (this.#said + chunk.toString()).slice(-2_000);
    });
    this.#child.stdin?.on('error', () => undefined);
  }

  /** A Python program of interop/, in the interpreter that the lane set up. */
  static python(name: string): FormatPeer {
    const script = fileURLToPath(new URL(`../interop/${name}_files.py`, import.meta.url));
    return new FormatPeer(name, process.env['CLOISTER_FORMATS_PYTHON'] ?? 'python3', [script]);
  }

  async write(request: object): Promise<Written[]> {
    return (await this.#ask({ op: 'write', ...request })) as Written[];
  }

  async read(files: readonly string[]): Promise<Record<string, Found>> {
    return (await this.#ask({ op: 'read', files })) as Record<string, Found>;
  }

  async close(): Promise<void> {
    this.#child.stdin?.end();
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      const timer = setTimeout(() => this.#child.kill('SIGKILL'), 10_000);
      await once(this.#child, 'exit');
      clearTimeout(timer);
    }
  }

  async #ask(request: object): Promise<unknown> {
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), ANSWER_MS);
    const { value } = await this.#answers.next();
    clearTimeout(timer);
    if (value === undefined) throw new Error(`${this.name} gave no answer: ${this.#said}`);
    return JSON.parse(value);
  }
}
