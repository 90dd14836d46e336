// SPDX-License-Identifier: Apache-2.0
// `npm run test:real [lane...]`: sets up the programs that a lane needs (tools/lanes), outside the
// repository, and runs its `*.real.<lane>.test.ts` files. Without a name every lane runs. A lane
// whose program cannot be had is skipped for the reason it gives; `tool` with CI=true is a failure.
// A lane over its minutes says so; one at three times its minutes is stopped and has failed. Ends
// with a line for each lane, run or not, and `N passed, N failed, N skipped` alone on the last
// line. Plain JavaScript, because Node 20 cannot run TypeScript by itself.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { HARD, lanesWithFiles, laneTable, spent } from './lane-table.js';
import { limited, stopAll } from './limited.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const total = { passed: 0, failed: 0, skipped: 0 };
/** What the last lines say of each lane. */
const words = /** @type {Map<string, string>} */ (new Map());

/** @typedef {import('./lane-table.js').Lane} Lane */

/**
 * Runs one part of a lane within its minutes.
 * @param {string} what @param {number} minutes @param {string[]} command
 * @param {NodeJS.ProcessEnv} env @param {boolean} show
 */
async function part(what, minutes, command, env, show) {
  const limitMs = Math.max(minutes, 1) * HARD * 60_000;
  const run = await limited(command, { cwd: root, env, limitMs, show });
  return { ...run, said: spent(what, run, minutes) };
}

/** @param {string} name @param {Lane} lane */
async function runLane(name, lane) {
  const setUp = await part(
    'set-up',
    lane.minutes.setUp,
    [process.execPath, join(root, 'tools', 'set-up.js'), name],
    process.env,
    false,
  );
  if (setUp.status !== 0) {
    total.failed += 1;
    return words.set(name, `${setUp.said}; did not run: its set-up failed`);
  }
  const { missing, env, asked } = JSON.parse(setUp.stdout);
  if (missing !== undefined) {
    const failed = missing.reason === 'tool' && process.env['CI'] === 'true';
    total[failed ? 'failed' : 'skipped'] += 1;
    return words.set(name, `did not run [skip: ${missing.reason}]: ${missing.why}`);
  }
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const all = { ...process.env, ...env, CLOISTER_LANE: name };
  const command = [process.execPath, vitest, 'run'];
  const tests = await part('tests', lane.minutes.tests, command, all, true);
  const counts = tally(tests.stdout, tests.status);
  for (const key of /** @type {const} */ (['passed', 'failed', 'skipped'])) {
    total[key] += counts[key];
  }
  return words.set(name, `${setUp.said} (${warmth(asked)}); ${tests.said}`);
}

/** @param {{ name: string, cold: boolean }[]} asked @returns {string} */
function warmth(asked) {
  const cold = asked.filter((thing) => thing.cold).map((thing) => thing.name);
  if (asked.length === 0) return 'nothing cached';
  if (cold.length === 0) return 'warm';
  const more = cold.length > 3 ? ` and ${cold.length - 3} more` : '';
  return `cold: ${cold.slice(0, 3).join(', ')}${more}`;
}

/**
 * The counts that a test run's last line states.
 * @param {string} stdout @param {number | null} status
 */
function tally(stdout, status) {
  const line = [...stdout.matchAll(/^(\d+) passed, (\d+) failed, (\d+) skipped$/gm)].at(-1);
  if (line === undefined) return { passed: 0, failed: 1, skipped: 0 };
  const [passed = 0, failed = 0, skipped = 0] = line.slice(1).map(Number);
  // A run can fail without a failed test: an untagged skip, an error outside any test.
  return { passed, failed: failed + (status !== 0 && failed === 0 ? 1 : 0), skipped };
}

function close() {
  process.stdout.write('\n');
  for (const [name, said] of words) process.stdout.write(`lane ${name}: ${said}\n`);
  const { passed, failed, skipped } = total;
  process.stdout.write(`${passed} passed, ${failed} failed, ${skipped} skipped\n`);
  process.exitCode = failed > 0 ? 1 : 0;
}

for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM'])) {
  process.on(signal, () => {
    stopAll();
    total.failed += 1;
    close();
    process.exit(1);
  });
}

const table = await laneTable();
const wanted = process.argv.slice(2);
for (const name of new Set([...table.keys(), ...lanesWithFiles(), ...wanted])) {
  words.set(name, 'did not run: not reached, the run was stopped');
}
for (const name of words.keys()) {
  const lane = table.get(name);
  if (wanted.length > 0 && !wanted.includes(name)) words.set(name, 'did not run: not asked for');
  else if (lane !== undefined && lanesWithFiles().includes(name)) {
    process.stdout.write(`\n== lane ${name}\n`);
    words.set(name, 'the run was stopped in it');
    await runLane(name, lane);
  } else {
    const lacks = lane === undefined ? `tools/lanes/${name}.js` : 'any test';
    words.set(name, `did not run: there is not ${lacks}`);
    total.failed += 1;
  }
}
close();
