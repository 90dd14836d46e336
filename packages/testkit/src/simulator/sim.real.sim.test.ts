// SPDX-License-Identifier: Apache-2.0
// The lane `sim`: the built simulator over hundreds of seeds, and every guard off in turn, on all
// cores. Nothing from outside is needed; it only takes minutes.
import { spawnSync } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { GUARD_NAMES } from './guards.ts';

const MAIN = fileURLToPath(new URL('../../dist/main.js', import.meta.url));
const LIMIT_MS = 600_000;
const SEEDS = 300;

function simulator(...args: string[]): { status: number | null; said: string } {
  const all = [MAIN, ...args, '--jobs', String(availableParallelism())];
  const { status, stdout, stderr } = spawnSync(process.execPath, all, { encoding: 'utf8' });
  return { status, said: stdout + stderr };
}

it(`no violation in ${SEEDS} seeds, and every kind of fault occurs`, { timeout: LIMIT_MS }, () => {
  const { status, said } = simulator('--seeds', String(SEEDS));
  expect(said).toContain(`${SEEDS} seeds`);
  expect(said).toContain('no violation');
  expect(status, said).toBe(0);
});

it('every guard that is off is found out', { timeout: LIMIT_MS }, () => {
  const { status, said } = simulator('--mutants');
  for (const guard of GUARD_NAMES) expect(said).toMatch(new RegExp(`^${guard}: caught by`, 'm'));
  expect(status, said).toBe(0);
});
