// SPDX-License-Identifier: Apache-2.0
// For tests of lanes: commands as a user types them, in a folder of their own, with an environment
// that knows nothing of the test run that starts them, and with a limit of time.
import { spawn } from 'node:child_process';

const STOP_MS = 10_000;
const KEPT_CHARS = 1_000_000;
const TAIL_CHARS = 6_000;
const PASSED_ON = /^(HOME|USER|LANG|TZ|TMPDIR|CI|PATH|CLOISTER_CACHE|npm_config_.*|.*_proxy)$/i;

export interface Ran {
  /** The exit status, the signal, or why it did not start. */
  readonly status: unknown;
  readonly stdout: string;
  /** The last of all that it said, for a test that fails. */
  readonly tail: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly limitMs: number;
  readonly env?: NodeJS.ProcessEnv;
}

/** What a shell outside of all tests would have. */
export function userEnvironment(more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
  const entries = Object.entries(process.env).filter(([name]) => PASSED_ON.test(name));
  return { ...Object.fromEntries(entries), ...more };
}

/** Runs a command to its end; past the limit it is stopped and has failed. */
export async function run([file = '', ...args]: readonly string[], options: RunOptions) {
  const { cwd, limitMs, env = userEnvironment() } = options;
  const child = spawn(file, args, { cwd, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let tail = '';
  const hear = (text: string) => {
    tail = (tail + text).slice(-TAIL_CHARS);
  };
  child.stderr.setEncoding('utf8').on('data', hear);
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout = (stdout + text).slice(-KEPT_CHARS);
    hear(text);
  });
  let kill: NodeJS.Timeout | undefined;
  const stop = setTimeout(() => {
    hear(`\nstopped after ${limitMs / 60_000} min`);
    child.kill('SIGTERM');
    kill = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
  }, limitMs);
  const status = await new Promise<unknown>((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
  clearTimeout(stop);
  clearTimeout(kill);
  return { status, stdout, tail } satisfies Ran;
}
