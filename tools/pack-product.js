// SPDX-License-Identifier: Apache-2.0
// `npm run pack:product [-- --out <folder>]`: makes the tarballs that users install. One is the
// product: `npm install cloister-<version>.tgz` in an empty folder gives `npx cloister`. It has our
// packages in it, and the outside ones as package-lock.json has them; npm fetches what differs by
// machine, which is DuckDB, in the locked version. The others are the packages
// that are useful by themselves, with the `core` that they need. Nothing ships but what is built
// from a source that is there now: no tests, no leftovers of earlier builds.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { outsidePackages } from './outside.js';

const LIBRARIES = ['core', 'evidence', 'parquet-crypto', 'threshold', 'tlog'];
const SCOPE = '@cloister/';
/** What runs; types and source maps are for who builds on a library. */
const RUNS = /\.(js|mjs|json|wasm)$/;
/** A package that lies in a tree's own modules, not in another package's. */
const OWN_PLACE = /^node_modules\/((?:@[^/]+\/)?[^/]+)$/;

const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'cloister-pack-'));

/** @param {string} path @returns {any} */
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));
/** @param {string} path @param {unknown} value */
const writeJson = (path, value) => writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);

/** Runs and answers what it printed. @param {string[]} command @param {string} cwd */
function run([file = '', ...args], cwd) {
  const { status, stdout, stderr } = spawnSync(file, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${file} ${args.join(' ')} failed:\n${stdout}${stderr}`);
  return stdout;
}

/** What each package publishes and is current, by the packages' names. */
function published() {
  const said = JSON.parse(run(['npm', 'pack', '--dry-run', '--json', '--workspaces'], root));
  return new Map(
    said.map((/** @type {{ name: string, files: { path: string }[] }} */ { name, files }) => {
      const folder = join(root, 'packages', name.slice(SCOPE.length));
      const current = files.map((file) => file.path).filter((path) => isCurrent(folder, path));
      return /** @type {const} */ ([name.slice(SCOPE.length), current]);
    }),
  );
}

/** Whether a built file has a source. @param {string} folder @param {string} path */
function isCurrent(folder, path) {
  const source = path.replace(/^dist\//, 'src/').replace(/(\.d\.ts|\.js)(\.map)?$/, '.ts');
  return !path.startsWith('dist/') || existsSync(join(folder, source));
}

/**
 * Lays one of our packages out.
 * @param {Map<string, any>} lists @param {string} name @param {string} to
 * @param {(path: string) => boolean} wanted
 */
function stage(lists, name, to, wanted) {
  const folder = join(root, 'packages', name);
  for (const path of lists.get(name).filter(wanted)) {
    mkdirSync(dirname(join(to, path)), { recursive: true });
    copyFileSync(join(folder, path), join(to, path));
  }
  copyFileSync(join(root, 'LICENSE'), join(to, 'LICENSE'));
}

/** Our packages that the command reaches. @returns {Map<string, any>} name to package.json */
function closure() {
  const seen = new Map();
  const wanted = [`${SCOPE}cli`];
  for (const name of wanted) {
    const manifest = readJson(join(root, 'packages', name.slice(SCOPE.length), 'package.json'));
    seen.set(name, manifest);
    for (const next of Object.keys(manifest.dependencies ?? {})) {
      if (next.startsWith(SCOPE) && !wanted.includes(next)) wanted.push(next);
    }
  }
  return seen;
}

/** What of an outside package is copied: not what is nested in it, not what only builders read. */
function worthIt(/** @type {string} */ folder) {
  return (/** @type {string} */ path) => {
    const inside = path.slice(folder.length + 1);
    return !/^node_modules$|\.(map|d\.[cm]?ts)$|^(test|tests|docs|benchmarks?)$/.test(inside);
  };
}

/** Lays the product out. @param {Map<string, any>} lists @param {string} folder */
function stageProduct(lists, folder) {
  const ours = closure();
  const dependencies = /** @type {Record<string, string>} */ ({});
  for (const [name, manifest] of ours) {
    const to = join(folder, 'node_modules', name);
    stage(
      lists,
      name.slice(SCOPE.length),
      to,
      (path) => RUNS.test(path) && !path.startsWith('src/'),
    );
    dependencies[name] = manifest.version;
  }
  const lock = readJson(join(root, 'package-lock.json')).packages;
  const { carried, fetched } = outsidePackages(lock, ours);
  for (const at of carried) {
    const to = at.replace(/^packages\//, `node_modules/${SCOPE}`);
    cpSync(join(root, at), join(folder, to), { recursive: true, filter: worthIt(join(root, at)) });
    const name = OWN_PLACE.exec(to)?.[1];
    if (name !== undefined) dependencies[name] = lock[at].version;
  }
  const bundleDependencies = Object.keys(dependencies);
  for (const at of fetched) {
    const name = OWN_PLACE.exec(at)?.[1];
    if (name === undefined) throw new Error(`${at} cannot be fetched by the product itself`);
    dependencies[name] = lock[at].version;
  }
  const { name, version, description, license, type, engines } = readJson(
    join(root, 'package.json'),
  );
  writeJson(join(folder, 'package.json'), {
    ...{ name, version, description, license, type, engines },
    os: ['linux'],
    cpu: ['x64', 'arm64'],
    bin: { cloister: 'node_modules/@cloister/cli/bin/cloister.js' },
    dependencies,
    bundleDependencies,
  });
  for (const file of ['LICENSE', 'README.md']) cpSync(join(root, file), join(folder, file));
}

/** @param {string} folder @param {string} out @returns {string} the tarball */
function pack(folder, out) {
  const [{ filename }] = JSON.parse(
    run(['npm', 'pack', '--json', '--pack-destination', out], folder),
  );
  return join(out, filename);
}

function main() {
  const { values } = parseArgs({ options: { out: { type: 'string', default: 'pack' } } });
  const out = resolve(values.out);
  mkdirSync(out, { recursive: true });
  run([process.execPath, join(root, 'node_modules/typescript/bin/tsc'), '-b'], root);
  const lists = published();
  const product = join(scratch, 'product');
  stageProduct(lists, product);
  const made = [pack(product, out)];
  for (const name of LIBRARIES) {
    stage(lists, name, join(scratch, name), () => true);
    made.push(pack(join(scratch, name), out));
  }
  process.stdout.write(`${made.join('\n')}\n`);
}

try {
  main();
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
