// SPDX-License-Identifier: Apache-2.0
// Test files run again and again in one vitest, each time with another mutant off. The guarded
// sources are transformed as they are loaded, once; which mutant is off is told to each run.
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { createVitest } from 'vitest/node';
import { switchable } from './mutants.js';

const TEST_TIMEOUT_MS = 20_000;
const TIMED_OUT = /timed out in \d+ ?ms/;

/**
 * What a test file came by, and how long it took.
 * @typedef {{ reached: ReadonlySet<string>, ms: number, passed: boolean }} Came
 */
/**
 * @typedef {object} Ran
 * @property {string | undefined} noticed the first that failed, and where
 * @property {boolean} timedOut whether it only took too long
 * @property {ReadonlyMap<string, Came>} files by path
 */

export class Trials {
  #root;
  /** @type {import('vitest/node').Vitest | undefined} */
  #vitest;
  /** @type {Map<string, number>} */
  #order = new Map();

  /** @param {string} root the repository's */
  constructor(root) {
    this.#root = root;
  }

  /** @param {readonly string[]} guarded paths from the root */
  async start(guarded) {
    const order = this.#order;
    /** Files in the order in which they were given. */
    class InOrder {
      /** @param {import('vitest/node').TestSpecification[]} specs */
      sort(specs) {
        const at = (/** @type {{ moduleId: string }} */ s) => order.get(s.moduleId) ?? 0;
        return specs.sort((a, b) => at(a) - at(b));
      }

      /** @param {import('vitest/node').TestSpecification[]} specs */
      shard(specs) {
        return specs;
      }
    }
    const setupFiles = ['./tools/property-seed.ts', './tools/guards/switch.ts'];
    this.#vitest = await createVitest(
      'test',
      {
        root: this.#root,
        watch: false,
        bail: 1,
        maxWorkers: 1,
        testTimeout: TEST_TIMEOUT_MS,
        setupFiles,
        reporters: [{}],
        sequence: { sequencer: InOrder },
      },
      { plugins: [switches(this.#root, guarded)] },
    );
    await this.#vitest.standalone();
  }

  /** A module of the repository. @param {string} path @returns {Promise<any>} */
  load(path) {
    return this.#running().import(join(this.#root, path));
  }

  /**
   * Runs test files, in this order, until one fails.
   * @param {readonly string[]} files paths from the root
   * @param {{ off: string, seeds?: readonly [number, number] }} with_
   * @returns {Promise<Ran>}
   */
  async run(files, { off, seeds = [0, 0] }) {
    const vitest = this.#running();
    const paths = files.map((file) => join(this.#root, file));
    this.#order.clear();
    for (const [i, path] of paths.entries()) this.#order.set(path, i);
    const told = /** @type {any} */ (vitest);
    told.provide('guardOff', off);
    told.provide('guardSeeds', seeds);
    // What failed before counts for `bail` otherwise.
    vitest.state.filesMap.clear();
    vitest.state.idMap.clear();
    const project = vitest.getRootProject();
    const specs = paths.map((path) => project.createSpecification(path));
    const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specs);
    process.exitCode = 0;
    const broken = unhandledErrors.map(messageOf).find((said) => said.startsWith('[vitest'));
    if (broken !== undefined) throw new Error(`the tests did not run: ${broken}`);
    const outside = unhandledErrors.map((error) => `outside any test: ${messageOf(error)}`);
    const [noticed] = [...testModules.flatMap(failures), ...outside];
    const ran = new Map();
    for (const module of testModules) {
      const reached = new Set(/** @type {any} */ (module.meta()).reached ?? []);
      // Nobody knows which file it comes from if something fails outside any test.
      const passed = outside.length === 0 && (noticed === undefined || module.state() === 'passed');
      const of = { reached, ms: module.diagnostic().duration, passed };
      ran.set(relative(this.#root, module.moduleId), of);
    }
    return { noticed, timedOut: noticed !== undefined && TIMED_OUT.test(noticed), files: ran };
  }

  async stop() {
    await this.#vitest?.close();
  }

  #running() {
    if (this.#vitest === undefined) throw new Error('start() comes first');
    return this.#vitest;
  }
}

/**
 * @param {string} root @param {readonly string[]} guarded
 * @returns {import('vite').Plugin}
 */
function switches(root, guarded) {
  const paths = new Map(guarded.map((path) => [join(root, path), path]));
  return {
    name: 'cloister-guards',
    enforce: 'pre',
    transform(_code, id) {
      const path = paths.get(id);
      if (path === undefined) return null;
      return { code: switchable(path, readFileSync(id, 'utf8')), map: null };
    },
  };
}

/** @param {import('vitest/node').TestModule} module @returns {string[]} */
function failures(module) {
  const { relativeModuleId: file } = module;
  const found = [];
  for (const test of module.children.allTests()) {
    const { state, errors } = test.result();
    if (state !== 'failed') continue;
    const late = errors.map(messageOf).find((said) => TIMED_OUT.test(said));
    found.push(`${file}: ${test.fullName}${late === undefined ? '' : ` (${late})`}`);
  }
  const suites = [...module.children.allSuites()].flatMap((suite) => suite.errors());
  for (const error of [...suites, ...module.errors()]) {
    found.push(`${file}, outside its tests: ${messageOf(error)}`);
  }
  return found;
}

/** @param {unknown} error */
function messageOf(error) {
  const text = /** @type {any} */ (error)?.message ?? String(error);
  return text.split('\n')[0];
}
