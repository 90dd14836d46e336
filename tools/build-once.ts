// SPDX-License-Identifier: Apache-2.0
// Builds every package once before a test run, so that the processes which tests start (keepers,
// workers, gateways, the command) can run from `dist`. Up to date, this takes a moment. Type errors
// are printed but do not stop the run: `npm run types` is what judges them, and the compiler still
// writes the code of the packages that have none.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const TIMEOUT_MS = 180_000;

export default function buildOnce(): void {
  if (process.env['CLOISTER_NO_BUILD'] === '1') return;
  const root = fileURLToPath(new URL('..', import.meta.url));
  const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));
  const run = spawnSync(process.execPath, [tsc, '-b', '--pretty', 'false'], {
    cwd: root,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
  });
  if (run.error !== undefined) throw new Error(`the build did not end: ${run.error.message}`);
  if (run.status !== 0) process.stderr.write(`tsc -b found errors:\n${run.stdout}${run.stderr}\n`);
}
