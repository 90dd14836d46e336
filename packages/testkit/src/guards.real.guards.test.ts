// SPDX-License-Identifier: Apache-2.0
// The lane `guards`: every refusal of the guarded sources that differ from main is switched off in
// turn and noticed; then as many of the others as go into the lane's time.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const RUN = fileURLToPath(new URL('../../../tools/guards/run.js', import.meta.url));
const LIMIT_MS = 540_000;
const BUDGET_S = 120;

it('every refusal that is off is noticed', { timeout: LIMIT_MS }, () => {
  const { CLOISTER_LANE: _, ...env } = process.env;
  const args = [RUN, '--changed', '--budget', String(BUDGET_S)];
  const { status, stdout } = spawnSync(process.execPath, args, { encoding: 'utf8', env });
  process.stdout.write(stdout);
  expect(stdout).toMatch(/\d+ guards off in turn, 0 to be mended/);
  expect(status).toBe(0);
});
