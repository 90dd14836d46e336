// SPDX-License-Identifier: Apache-2.0
// For tests: `cloister demo` as a program, with what it said and whether it left a process.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { groupRuns } from './process-group.ts';

const COMMAND = fileURLToPath(new URL('../bin/cloister.js', import.meta.url));
export const LIMIT_MS = 90_000;

export interface Played {
  readonly exit: number | null;
  readonly lines: Record<string, unknown>[];
  readonly stderr: string;
  /** Whether a process of the demo's group lives on. */
  readonly alive: boolean;
}

/**
 * Plays the demo with temporary files under `scratch`, in a process group of its own; `onLine` may
 * stop it.
 */
export function play(
  scratch: string,
  flags: readonly string[] = [],
  onLine: (line: Record<string, unknown>, pid: number) => void = () => undefined,
): Promise<Played> {
  const child = spawn(process.execPath, [COMMAND, '--json', 'demo', '--discard', ...flags], {
    detached: true,
    env: { ...process.env, TMPDIR: scratch },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const pid = child.pid as number;
  const lines: Record<string, unknown>[] = [];
  const text = { out: '', err: '' };
  child.stdout.on('data', (piece: Buffer) => {
    const parts = (text.out + piece.toString()).split('\n');
    text.out = parts.pop() ?? '';
    for (const part of parts) {
      const line = JSON.parse(part) as Record<string, unknown>;
      lines.push(line);
      onLine(line, pid);
    }
  });
  child.stderr.on('data', (piece: Buffer) => {
    text.err += piece.toString();
  });
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => process.kill(-pid, 'SIGKILL'), LIMIT_MS);
    child.once('error', reject);
    child.once('close', (exit) => {
      clearTimeout(timer);
      const alive = groupRuns(pid);
      if (alive) process.kill(-pid, 'SIGKILL');
      resolve({ exit, lines, stderr: text.err, alive });
    });
  });
}
