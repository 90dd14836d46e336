// SPDX-License-Identifier: Apache-2.0
// `npm run guards [-- options]`: switches off every refusal of the guarded sources in turn. First
// the tests of its package run that come by it, until one fails: the file first that has noticed
// most of that source, then the fastest. If none does, the simulator plays some seeds. What nobody
// notices fails, unless equivalent.js says why; so does an entry there that is noticed.
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
import { GUARDED } from './guarded.js';
import { mutantsOf } from './mutants.js';
import { Trials } from './trial.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SEEDS = 'tools/guards/seeds.ts';
const BUDGET_S = 300;
const SEED_COUNT = 30;
/** On a busy machine a time-out may pass by: with nothing off, and for one that is off. */
const TRIES = { baseline: 3, off: 2 };

/** @typedef {{ id: string, file: string, line: number, kind: string }} Guard */
/** @typedef {Map<string, import('./trial.js').Came>} Reach */

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

/** @param {string} file */
const packageOf = (file) => file.split('/').slice(0, 2).join('/');

/** Tests of a source's package whose imports lead to it, `across` other packages, too.
 * @param {any} house @param {string} file @param {boolean} [across] @returns {string[]} */
function testsOf(house, file, across = false) {
  const src = join(ROOT, packageOf(file), 'src');
  return readdirSync(src, { recursive: true })
    .map((name) => join(src, String(name)))
    .filter((path) => path.endsWith('.test.ts') && !path.includes('.real.'))
    .filter((path) => house.closure([path], across).has(join(ROOT, file)))
    .map((path) => path.slice(ROOT.length));
}

class Hunt {
  /** @type {Map<string, Reach>} by package */
  #reach = new Map();
  /** @type {Map<string, number>} by source and test file, how many the file has noticed */
  #often = new Map();
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
    const tests = await this.#tests(guard);
    const byTest = await this.#run(tests, guard);
    const by = tests.find((file) => byTest?.startsWith(file));
    const key = `${guard.file} ${by}`;
    this.#often.set(key, (this.#often.get(key) ?? 0) + 1);
    if (byTest !== undefined || this.#seeds === 0) return byTest;
    return this.#run(reaching(await this.#baseline(SEEDS, () => [SEEDS]), guard), guard);
  }

  /** @param {string[]} files @param {Guard} guard */
  async #run(files, guard) {
    const how = { off: guard.id, seeds: this.#played() };
    let ran = await this.#trials.run(files, how);
    for (let i = 1; ran.timedOut && i < TRIES.off; i++) ran = await this.#trials.run(files, how);
    return ran.noticed;
  }

  /** @returns {readonly [number, number]} */
  #played() {
    return [1, this.#seeds];
  }

  /** The tests of its package that come by a guard. @param {Guard} guard */
  async #tests(guard) {
    const name = packageOf(guard.file);
    const reach = await this.#baseline(name, () => {
      const guarded = GUARDED.filter((file) => packageOf(file) === name);
      return [...new Set(guarded.flatMap((file) => testsOf(this.#house, file, true)))];
    });
    const often = (/** @type {string} */ file) => this.#often.get(`${guard.file} ${file}`) ?? 0;
    return reaching(reach, guard).sort((a, b) => often(b) - often(a));
  }

  /** What each file comes by while nothing is off: all must pass.
   * @param {string} key @param {() => readonly string[]} files @returns {Promise<Reach>} */
  async #baseline(key, files) {
    const known = this.#reach.get(key);
    if (known !== undefined) return known;
    /** @type {Reach} */
    const reach = new Map();
    this.#reach.set(key, reach);
    let left = files();
    for (let i = 0; i < TRIES.baseline; i++) {
      const ran = await this.#trials.run(left, { off: '', seeds: this.#played() });
      for (const [file, of] of ran.files) if (of.passed) reach.set(file, of);
      if (ran.noticed === undefined) return reach;
      say(`with nothing off: ${ran.noticed}`);
      left = left.filter((file) => !reach.has(file));
    }
    throw new Error('with nothing off the tests do not pass');
  }
}

/** Files that come by a guard, the fastest first. @param {Reach} reach @param {Guard} guard */
function reaching(reach, guard) {
  return [...reach]
    .filter(([, { reached }]) => reached.has(guard.id))
    .sort(([, a], [, b]) => a.ms - b.ms)
    .map(([file]) => file);
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
  const others = guards.filter(({ id, file }) => !touched.has(file) && !(id in EQUIVALENT));
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
