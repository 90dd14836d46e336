// SPDX-License-Identifier: Apache-2.0
// What runs the lanes: a limit of time that leaves nothing running, minutes said beside the budget,
// and every lane named, run or not.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it, vi } from 'vitest';
import { ROOT } from './house.ts';
import { spent } from './lane-table.js';
import { limited } from './limited.js';

const run = (script: string, limitMs: number) =>
  limited(['bash', '-c', script], { cwd: ROOT, env: process.env, limitMs, show: false });

/** A killed process whose parent never asks for it stays in the table as a zombie. */
function alive(pid: number): boolean {
  const stat = `/proc/${pid}/stat`;
  return existsSync(stat) && !/\) Z /.test(readFileSync(stat, 'utf8'));
}

it('a command in time gives its output and its status', async () => {
  expect(await run('echo said; exit 3', 20_000)).toMatchObject({
    ...{ status: 3, stdout: 'said\n', late: false },
  });
});

it('a command past its limit is stopped with all that it started', async () => {
  const { status, stdout, late } = await run('sleep 60 & echo $!; wait', 500);
  expect({ status, late }).toEqual({ status: null, late: true });
  expect(Number(stdout)).toBeGreaterThan(1);
  await vi.waitFor(() => expect(alive(Number(stdout))).toBe(false));
});

it('what takes longer than its minutes says so', () => {
  const minute = 60_000;
  expect(spent('tests', { ms: 2 * minute, late: false }, 2)).toBe('tests 2.0 of 2 min');
  expect(spent('tests', { ms: 2.1 * minute, late: false }, 2)).toMatch(/OVER BUDGET$/);
  expect(spent('tests', { ms: 6 * minute, late: true }, 2)).toMatch(/STOPPED there$/);
  expect(spent('set-up', { ms: 0.4 * minute, late: false }, 0)).toBe('set-up 0.4 of 0 min');
  expect(spent('set-up', { ms: 0.6 * minute, late: false }, 0)).toMatch(/OVER BUDGET$/);
});

it('names every lane that did not run and why; an unknown one is a failure', () => {
  const script = fileURLToPath(new URL('./test-real.js', import.meta.url));
  const { stdout, status } = spawnSync(process.execPath, [script, 'nix'], { encoding: 'utf8' });
  expect(status).toBe(1);
  expect(stdout).toMatch(/^lane go: did not run: not asked for$/m);
  expect(stdout).toMatch(/^lane nix: did not run: there is not tools\/lanes\/nix\.js$/m);
  expect(stdout).toMatch(/\n0 passed, 1 failed, 0 skipped\n$/);
});
