// SPDX-License-Identifier: Apache-2.0
// The outside packages that our packages need when they run, as the repository's lockfile has them,
// and nothing that only development needs. Those that are made for one kind of machine, and what
// needs such a one, can only be fetched where they are installed; the others can be carried along.

/** @typedef {Record<string, any>} Entry an entry of `packages` in a lockfile, or a package.json */

/**
 * Places in the repository (`node_modules/zod`), sorted.
 * @param {Record<string, Entry>} packages of the lockfile (version 3)
 * @param {Map<string, Entry>} ours the manifests of our packages by name
 * @returns {{ carried: string[], fetched: string[] }}
 */
export function outsidePackages(packages, ours) {
  const starts = [...ours].map(
    ([name, manifest]) => /** @type {const} */ ([name.replace(/^@[^/]+\//, 'packages/'), manifest]),
  );
  const all = reach(packages, ours, starts);
  /** @param {string} at */
  const entryOf = (at) => packages[at] ?? {};
  /** @param {string} at */
  const bound = (at) => entryOf(at)['cpu'] !== undefined || entryOf(at)['os'] !== undefined;
  /** What a place reaches, itself with it. @param {string} at */
  const below = (at) => [at, ...reach(packages, ours, [[at, entryOf(at)]])];
  const fetched = new Set(all.filter((at) => below(at).some(bound)).flatMap(below));
  return {
    carried: all.filter((at) => !fetched.has(at)),
    fetched: all.filter((at) => fetched.has(at) && !bound(at)),
  };
}

/**
 * Every place that is needed from these.
 * @param {Record<string, Entry>} packages @param {Map<string, Entry>} ours
 * @param {(readonly [string, Entry])[]} starts @returns {string[]}
 */
function reach(packages, ours, starts) {
  const found = new Set();
  const open = [...starts];
  for (const [from, { dependencies, optionalDependencies }] of open) {
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      if (ours.has(name)) continue;
      const at = resolved(packages, from, name);
      const entry = at === undefined ? undefined : packages[at];
      if (at === undefined || entry === undefined) {
        if (name in (optionalDependencies ?? {})) continue;
        throw new Error(`package-lock.json has no ${name} for ${from}: run npm install`);
      }
      if (found.has(at)) continue;
      found.add(at);
      open.push([at, entry]);
    }
  }
  return [...found].sort();
}

/**
 * The place in a lockfile where Node finds `name` from the place `from`.
 * @param {Record<string, Entry>} packages @param {string} from @param {string} name
 * @returns {string | undefined}
 */
function resolved(packages, from, name) {
  for (let at = from; ; at = at.slice(0, Math.max(at.lastIndexOf('/'), 0))) {
    const place = at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`;
    if (packages[place] !== undefined) return place;
    if (at === '') return undefined;
  }
}
