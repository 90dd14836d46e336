// SPDX-License-Identifier: Apache-2.0
// `npm run guards [-- options]`: switches off every refusal of the guarded sources in turn. First
// the tests of its package run that come by it, the fastest file first, until one fails; if none
// does, the simulator plays some seeds. What nobody notices fails, unless equivalent.js says why;
// so does an entry there that is noticed.
//
//   --only a,b      those whose name contains one of these
//   --changed       those of sources and tests that differ from main; then the others as far as
//                   the budget goes, beginning where the commit decides
//   --budget N      seconds, 300 unless said
//   --seeds N       seeds that the simulator plays for each, 30 unless said
//   --list          names, and runs nothing
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EQUIVALENT } from './equivalent.js';
import { GUARDED, NOT_HUNTED } from './guarded.js';
import { mutantsOf } from './mutants.js';
import { Trials } from './trial.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SEEDS = 'tools/guards/seeds.ts';
const BUDGET_S = 300;
const SEED_COUNT = 30;

/** @typedef {{ id: string, file: string, line: number, kind: string }} Guard */
/** @typedef {Map<string, { reached: ReadonlySet<string>, ms: number }>} Reach */

/** @param {string} name @returns {string | undefined} */
function option(name) {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}

const say = (/** @type {string} */ line) => process.stdout.write(`${line}\n`);

/** @returns {Guard[]} */
function allGuards() {
  return GUARDED.flatMap((file) => {
    const text = readFileSync(join(ROOT, file), 'utf8');
    return mutantsOf(file, text).map(({ id, line, kind }) => ({ id, file, line, kind }));
  });
}

/** Tests of a source's package whose imports lead to it.
 * @param {any} house @param {string} file @returns {string[]} */
function testsOf(house, file) {
  const src = join(ROOT, file.split('/').slice(0, 2).join('/'), 'src');
  return readdirSync(src, { recursive: true })
    .map((name) => join(src, String(name)))
    .filter((path) => path.endsWith('.test.ts') && !path.includes('.real.'))
    .filter((path) => house.closure([path]).has(join(ROOT, file)))
    .map((path) => path.slice(ROOT.length));
}

class Hunt {
  /** @type {Map<string, Reach>} by package */
  #reach = new Map();
  #trials;
  #house;
  #seeds;

  /** @param {Trials} trials @param {any} house @param {number} seeds */
  constructor(trials, house, seeds) {
    this.#trials = trials;
    this.#house = house;
    this.#seeds = seeds;
  }

  /** What notices that this refusal is missing, if anything does. @param {Guard} guard */
  async noticed(guard) {
    const tests = await this.#reaching(guard, 'tests');
    const byTest = await this.#trials.run(tests, { off: guard.id });
    if (byTest.noticed !== undefined) return byTest.noticed;
    if (this.#seeds === 0) return undefined;
    const played = await this.#reaching(guard, 'seeds');
    const bySeed = await this.#trials.run(played, { off: guard.id, seeds: [1, this.#seeds] });
    return bySeed.noticed;
  }

  /** Files that come by a guard, the fastest first. @param {Guard} guard
   * @param {'tests' | 'seeds'} kind */
  async #reaching(guard, kind) {
    const key = kind === 'seeds' ? SEEDS : guard.file;
    const reach = this.#reach.get(key) ?? (await this.#baseline(key));
    this.#reach.set(key, reach);
    return [...reach]
      .filter(([, { reached }]) => reached.has(guard.id))
      .sort(([, a], [, b]) => a.ms - b.ms)
      .map(([file]) => file);
  }

  /** With everything on all must pass. @param {string} key @returns {Promise<Reach>} */
  async #baseline(key) {
    const files = key === SEEDS ? [SEEDS] : testsOf(this.#house, key);
    const all = { off: '', seeds: /** @type {const} */ ([1, this.#seeds]) };
    let ran = await this.#trials.run(files, all);
    // On a busy machine a time-out may pass by.
    if (ran.noticed !== undefined) ran = await this.#trials.run(files, all);
    if (ran.noticed !== undefined) throw new Error(`with nothing off: ${ran.noticed}`);
    return new Map(ran.files);
  }
}

/** @param {...string} args @returns {string} what git says, or '' */
function git(...args) {
  const { status, stdout } = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : '';
}

/** Guards of what differs from main, and the others in an order that the commit decides.
 * @param {readonly Guard[]} guards @param {any} house */
function byChange(guards, house) {
  const base = git('merge-base', 'HEAD', 'origin/main');
  const changed = new Set(base === '' ? [] : git('diff', '--name-only', base).split('\n'));
  const touched = new Set(
    GUARDED.filter((file) => [file, ...testsOf(house, file)].some((path) => changed.has(path))),
  );
  // Those that nothing can notice take the longest.
  const others = guards.filter(({ id, file }) => {
    return !touched.has(file) && !NOT_HUNTED.has(file) && !(id in EQUIVALENT);
  });
  const at = Number.parseInt(git('rev-parse', 'HEAD').slice(0, 8) || '0', 16) % others.length;
  return {
    first: guards.filter(({ file }) => touched.has(file)),
    rest: [...others.slice(at), ...others.slice(0, at)],
  };
}

/** Whether all is as it should be. @param {Hunt} hunt @param {Guard} guard */
async function tried(hunt, guard) {
  const start = performance.now();
  const noticed = await hunt.noticed(guard);
  const seconds = ((performance.now() - start) / 1000).toFixed(1).padStart(5);
  const reason = EQUIVALENT[guard.id];
  const verdict = noticed ?? (reason === undefined ? 'NOTICED BY NOBODY' : `none can: ${reason}`);
  const wrong = noticed !== undefined && reason !== undefined ? ', BUT equivalent.js HAS IT' : '';
  say(`${seconds} s  ${guard.id}: ${verdict}${wrong}`);
  return (noticed === undefined) === (reason !== undefined);
}

async function main() {
  const all = allGuards();
  const gone = Object.keys(EQUIVALENT).filter((id) => !all.some((guard) => guard.id === id));
  for (const id of gone) say(`equivalent.js names what is not there: ${id}`);
  const only = option('only')?.split(',') ?? [''];
  const wanted = all.filter(({ id }) => only.some((part) => id.includes(part)));
  if (process.argv.includes('--list')) {
    for (const { id, kind, line } of wanted) say(`${kind.padEnd(9)} ${id} (line ${line})`);
    return gone.length === 0;
  }
  const trials = new Trials(ROOT);
  await trials.start(GUARDED);
  const house = await trials.load('tools/house.ts');
  const hunt = new Hunt(trials, house, Number(option('seeds') ?? SEED_COUNT));
  const sparing = process.argv.includes('--changed');
  const { first, rest } = sparing ? byChange(wanted, house) : { first: wanted, rest: [] };
  const end = performance.now() + 1000 * Number(option('budget') ?? BUDGET_S);
  const bad = [];
  let count = 0;
  for (const guard of [...first, ...rest]) {
    if (count >= first.length && performance.now() > end) break;
    count += 1;
    if (!(await tried(hunt, guard))) bad.push(guard);
  }
  await trials.stop();
  for (const { id, file, line } of bad) say(`to be mended: ${id} (${file}:${line})`);
  const left = wanted.length - count;
  say(`${count} guards off in turn, ${bad.length} to be mended, ${left} left for want of time`);
  return bad.length === 0 && gone.length === 0;
}

process.exitCode = (await main()) ? 0 : 1;
