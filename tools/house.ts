// SPDX-License-Identifier: Apache-2.0
// What the house rules are judged on: the repository's files, its packages and who imports what.
// Imports are read as text: every quoted relative path that ends in .ts or .js, and every quoted
// bare specifier after `from` or `import`, so a child process started by its path counts too.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = resolve(fileURLToPath(new URL('..', import.meta.url)));
const UNTRACKED = new Set(['node_modules', 'dist', '.git', 'coverage', '.cloister', 'target']);

export interface Source {
  /** Path from the repository root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Manifest {
  readonly name: string;
  readonly bin?: Record<string, string>;
  readonly exports?: Record<string, { readonly source: string }>;
  readonly dependencies?: Record<string, string>;
  readonly devDependencies?: Record<string, string>;
  readonly overrides?: Record<string, string>;
}

export interface Package {
  /** Folder name, which is also the name after `@cloister/`. */
  readonly name: string;
  readonly folder: string;
  readonly manifest: Manifest;
  /** Folder names of the packages that tsconfig.json refers to. */
  readonly references: readonly string[];
}

/** Every text file of the repository whose name ends in one of `extensions`. */
export function files(...extensions: readonly string[]): Source[] {
  const found: Source[] = [];
  const walk = (folder: string): void => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      if (UNTRACKED.has(entry.name)) continue;
      const path = join(folder, entry.name);
      if (entry.isDirectory()) walk(path);
      else if (extensions.some((extension) => entry.name.endsWith(extension))) {
        found.push({ path: relative(ROOT, path), text: readFileSync(path, 'utf8') });
      }
    }
  };
  walk(ROOT);
  return found.sort((a, b) => (a.path < b.path ? -1 : 1));
}

export function packages(): Package[] {
  const all: Package[] = [];
  for (const name of readdirSync(join(ROOT, 'packages')).sort()) {
    const folder = join(ROOT, 'packages', name);
    if (!existsSync(join(folder, 'package.json'))) continue;
    const tsconfig = readJson<{ references?: { path: string }[] }>(join(folder, 'tsconfig.json'));
    all.push({
      name,
      folder,
      manifest: readJson<Manifest>(join(folder, 'package.json')),
      references: (tsconfig.references ?? []).map((reference) => basename(reference.path)),
    });
  }
  return all;
}

export function readJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, 'utf8')) as T;
}

/** Tests, what only tests use (`testing`), and measurements. */
export function isTest(path: string): boolean {
  return /\.test\.ts$|\/testing(\/|\.ts$)|^packages\/[^/]+\/bench\//.test(path);
}

/** Bare specifiers (`@cloister/core/node`, `zod`, `node:fs`) that a source imports. */
export function bareImports(text: string): string[] {
  const found = new Set<string>();
  const pattern = /(?:\bfrom|\bimport|\bimport\(|\bresolve\()\s*(['"])([^'".$\s][^'"$\s]*)\1/g;
  for (const match of code(text).matchAll(pattern)) found.add(match[2] as string);
  return [...found];
}

/** Absolute paths of the sources that a source names by a relative path; dist stands for src. */
export function relativeImports(absolute: string, text: string): string[] {
  const found = new Set<string>();
  for (const match of code(text).matchAll(/(['"`])(\.{1,2}\/[\w./-]+\.(?:ts|js))\1/g)) {
    const target = resolve(dirname(absolute), match[2] as string).replace('/dist/', '/src/');
    found.add(existsSync(target) ? target : target.replace(/\.js$/, '.ts'));
  }
  return [...found];
}

/** The package that a bare specifier means: `@scope/name` or `name`. */
export function packageOf(specifier: string): string {
  return specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
}

function code(text: string): string {
  return text.replace(/^\s*(?:\/\/|\*).*$/gm, '');
}

/** Absolute paths of all sources reached from `roots`; `across` also follows @cloister imports. */
export function closure(roots: readonly string[], across = false): Set<string> {
  const reached = new Set<string>();
  const queue = [...roots];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    if (reached.has(path) || !existsSync(path)) continue;
    reached.add(path);
    const text = readFileSync(path, 'utf8');
    queue.push(...relativeImports(path, text));
    if (across) queue.push(...bareImports(text).flatMap(workspaceEntry));
  }
  return reached;
}

function workspaceEntry(specifier: string): string[] {
  const match = /^@cloister\/([^/]+)(\/.+)?$/.exec(specifier);
  if (match === null) return [];
  const folder = join(ROOT, 'packages', match[1] as string);
  const manifest = readJson<Manifest>(join(folder, 'package.json'));
  const source = manifest.exports?.[`.${match[2] ?? ''}`]?.source;
  return source === undefined ? [] : [join(folder, source)];
}

/** One entry of package-lock.json, as far as the rules look at it. */
export interface Locked {
  readonly version?: string;
  readonly link?: boolean;
  readonly resolved?: string;
  readonly hasInstallScript?: boolean;
  readonly os?: readonly string[];
  readonly cpu?: readonly string[];
  readonly dependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
}

/** Lock paths of everything that the package at lock path `start` brings in production. */
export function productionClosure(lock: Record<string, Locked>, start: string): Set<string> {
  const reached = new Set<string>();
  const queue = [start];
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const entry = lock[path];
    if (entry === undefined || reached.has(path)) continue;
    reached.add(path);
    if (entry.link === true) queue.push(entry.resolved as string);
    const wanted = { ...entry.peerDependencies, ...entry.optionalDependencies };
    for (const name of Object.keys({ ...wanted, ...entry.dependencies })) {
      const found = lookUp(lock, path, name);
      if (found !== undefined) queue.push(found);
    }
  }
  return reached;
}

// Node's resolution: the nearest node_modules up from the one who asks.
function lookUp(lock: Record<string, Locked>, from: string, name: string): string | undefined {
  for (let at = from; ; ) {
    const path = at === '' ? `node_modules/${name}` : `${at}/node_modules/${name}`;
    if (lock[path] !== undefined) return path;
    if (at === '') return undefined;
    at = at.includes('/node_modules/') ? at.slice(0, at.lastIndexOf('/node_modules/')) : '';
  }
}
