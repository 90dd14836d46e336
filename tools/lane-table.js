// SPDX-License-Identifier: Apache-2.0
// The table of lanes: one file a lane in tools/lanes, named as the lane. `node tools/lane-table.js`
// prints it as CONTRIBUTING.md has it; a test compares the two, and holds the sum of the budgets
// against what `.ci/run` may take.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * A program from outside that tests stand on, and how it comes here.
 * @typedef {object} Lane
 * @property {string} needs what must be there, in a line, for CONTRIBUTING.md
 * @property {string[]} tells the environment variables that `setUp` answers
 * @property {{ setUp: number, tests: number }} minutes on two quiet cores, the set-up from nothing
 * @property {() => Record<string, string> | Promise<Record<string, string>>} setUp
 *   answers the environment variables for the tests, or throws a Missing of tools/programs.js;
 *   what it makes goes through tools/cache.js
 */

/** Where a lane is that takes this many times its minutes, it is stopped and has failed. */
export const HARD = 3;

const root = fileURLToPath(new URL('..', import.meta.url));

/** Every lane by name. @returns {Promise<Map<string, Lane>>} */
export async function laneTable() {
  const table = new Map();
  for (const file of readdirSync(join(root, 'tools', 'lanes')).sort()) {
    const { lane } = await import(new URL(`lanes/${file}`, import.meta.url).href);
    table.set(file.replace(/\.js$/, ''), lane);
  }
  return table;
}

/** The names of lanes that test files bear: `x.real.<lane>.test.ts`. @returns {string[]} */
export function lanesWithFiles() {
  const lanes = new Set();
  const packages = join(root, 'packages');
  for (const name of readdirSync(packages)) {
    const src = join(packages, name, 'src');
    if (!existsSync(src)) continue;
    for (const file of readdirSync(src, { recursive: true })) {
      const lane = /\.real\.([a-z0-9-]+)\.test\.ts$/.exec(String(file))?.[1];
      if (lane !== undefined) lanes.add(lane);
    }
  }
  return [...lanes].sort();
}

/** The rows of CONTRIBUTING.md. @param {Map<string, Lane>} table @returns {string} */
export function markdown(table) {
  const rows = [...table].map(([name, { needs, tells, minutes }]) => {
    const told = tells.map((variable) => `\`${variable}\``).join(', ');
    return `| \`${name}\` | ${needs} | ${told} | ${minutes.setUp} + ${minutes.tests} |\n`;
  });
  return `| lane | needs | tells the tests | minutes |\n|---|---|---|---|\n${rows.join('')}`;
}

/**
 * What is said of a set-up or of tests beside their minutes; less than half a minute is never over.
 * @param {string} what @param {{ ms: number, late: boolean }} run @param {number} minutes
 * @returns {string}
 */
export function spent(what, { ms, late }, minutes) {
  const took = ms / 60_000;
  const said = `${what} ${took.toFixed(1)} of ${minutes} min`;
  if (late) return `${said}, STOPPED there`;
  return took > Math.max(minutes, 0.5) ? `${said}, OVER BUDGET` : said;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.stdout.write(markdown(await laneTable()));
}
