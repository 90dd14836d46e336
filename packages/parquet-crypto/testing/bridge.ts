// SPDX-License-Identifier: Apache-2.0
// A program that answers JSON lines: how interop tests talk to pyarrow and Spark.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { fromHex } from '@cloister/core';

/** The interpreter that the lane set up. */
export const PYTHON = process.env['CLOISTER_PYTHON'] ?? 'python3';

/** Master keys as the bridges take them, and as we do. */
export const MASTER_KEYS: Readonly<Record<string, string>> = {
  '0': '00'.repeat(32),
  '1': '11'.repeat(32),
  '2': '22'.repeat(32),
};
export const KEYS = new Map(Object.entries(MASTER_KEYS).map(([id, hex]) => [id, fromHex(hex)]));

/** A file of `interop/`. */
export function interopFile(name: string): string {
  return fileURLToPath(new URL(`../interop/${name}`, import.meta.url));
}

/** A running bridge. */
export class Bridge {
  private readonly child: ChildProcess;
  private readonly answers: AsyncIterator<string>;

  constructor(script: string, args: readonly string[] = []) {
    this.child = spawn(PYTHON, [interopFile(script), ...args], {
      stdio: ['pipe', 'pipe', process.env['CLOISTER_VERBOSE'] === undefined ? 'ignore' : 'inherit'],
      env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    });
    if (this.child.stdout === null) throw new Error('assertion failed: a pipe');
    this.answers = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  /** One request, one answer; throws what the other side reports as an error. */
  async ask(request: object): Promise<Record<string, unknown>> {
    this.child.stdin?.write(`${JSON.stringify(request)}\n`);
    const { value } = await this.answers.next();
    if (value === undefined) throw new Error('the bridge ended; CLOISTER_VERBOSE=1 shows why');
    const answer = JSON.parse(value) as Record<string, unknown>;
    if (answer['error'] !== undefined) throw new Error(String(answer['error']));
    return answer;
  }

  async close(): Promise<void> {
    this.child.stdin?.end();
    if (this.child.exitCode === null) await once(this.child, 'exit');
  }
}
