// SPDX-License-Identifier: Apache-2.0
// What tools download or build, outside the repository: each thing is made once from its recipe and
// kept under the recipe's digest, `<cache>/<name>/<digest>`. A recipe holds all that determines the
// result: pinned versions, sources, the version of the compiler or interpreter.
// Invariants: what is there is whole, because it is made in a folder of its own and published by a
// symbolic link when it is done (the folder never moves: virtual environments know their own path);
// of two makers at once the first publishes and the other takes that; nothing used within the last
// hour is thrown away, and beyond that only the newest few digests of a name stay.
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';

/** Digests of one name that stay. */
const KEPT = 3;
/** Nothing younger is thrown away: longer than any set-up or any lane may take. */
const IN_USE_MS = 60 * 60_000;

/** What this process asked the cache for, in order; `cold` when it had to be made. */
export const asked = /** @type {{ name: string, cold: boolean }[]} */ ([]);

/** @returns {string} */
export function cacheFolder() {
  return process.env['CLOISTER_CACHE'] ?? join(homedir(), '.cache', 'cloister');
}

/**
 * The folder that `build` filled for this recipe, now or earlier.
 * @param {string} name what it is, as a folder's name
 * @param {unknown} recipe JSON that determines the result
 * @param {(folder: string) => void} build fills an empty folder or throws
 * @returns {string}
 */
export function cached(name, recipe, build) {
  const shelf = join(cacheFolder(), name);
  const digest = createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 16);
  const link = join(shelf, digest);
  const cold = !use(link);
  if (cold) {
    mkdirSync(shelf, { recursive: true });
    const made = mkdtempSync(join(shelf, `${digest}-`));
    try {
      build(made);
      publish(made, link);
    } catch (error) {
      rmSync(made, { recursive: true, force: true });
      throw error;
    }
  }
  asked.push({ name, cold });
  prune(shelf);
  return realpathSync(link);
}

/**
 * Every file below a folder with the digest of its content, sorted: sources as part of a recipe.
 * @param {string} folder @param {(path: string) => boolean} [wanted] @returns {[string, string][]}
 */
export function digests(folder, wanted = () => true) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .filter(wanted)
    .sort()
    .map((path) => [
      path,
      createHash('sha256')
        .update(readFileSync(join(folder, path)))
        .digest('hex'),
    ]);
}

/** Marks a link as used now; false when it leads nowhere. @param {string} link */
function use(link) {
  try {
    lutimesSync(link, new Date(), new Date());
  } catch {
    return false;
  }
  return existsSync(link);
}

/** @param {string} made @param {string} link */
function publish(made, link) {
  for (;;) {
    try {
      symlinkSync(basename(made), link);
      return;
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EEXIST') throw error;
    }
    if (use(link)) return rmSync(made, { recursive: true, force: true });
    rmSync(link, { force: true });
  }
}

/** Throws away old digests and what makers that were stopped left behind. @param {string} shelf */
function prune(shelf) {
  const old = Date.now() - IN_USE_MS;
  const entries = readdirSync(shelf).flatMap((name) => {
    const path = join(shelf, name);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return [];
    const leadsTo = stat.isSymbolicLink() ? join(shelf, readlinkSync(path)) : undefined;
    return [{ path, leadsTo, used: stat.mtimeMs }];
  });
  const links = entries.filter((entry) => entry.leadsTo !== undefined);
  const stay = links
    .sort((a, b) => b.used - a.used)
    .filter(({ used }, i) => i < KEPT || used > old);
  const whole = new Set(stay.flatMap(({ path, leadsTo }) => [path, leadsTo]));
  for (const { path, used } of [...links, ...entries]) {
    if (!whole.has(path) && used <= old) rmSync(path, { recursive: true, force: true });
  }
}
