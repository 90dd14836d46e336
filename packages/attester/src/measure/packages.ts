// SPDX-License-Identifier: Apache-2.0
// Packages as Node finds them: by the nearest package.json above a file, by name in the
// node_modules folders above it, by `exports` under the conditions that a node runs with.
//
// Invariants: a package has one place, which depends on its name (and version, if it is an outside
// one) and not on where it lies: `packages/core`, `outside/zod@4.6.7`. Folders are real ones, links
// resolved, as Node resolves them.
import { existsSync, lstatSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';

const SCOPE = '@cloister/';
/** Conditions of every Node, beside the way of loading. */
const CONDITIONS = ['node', 'node-addons', 'default'];

interface PackageJson {
  readonly name?: string;
  readonly version?: string;
  readonly main?: string;
  readonly exports?: unknown;
  readonly dependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  /** What else the program runs, which no import names; of our packages only. */
  readonly measured?: { readonly files?: unknown; readonly programs?: unknown };
}

export interface Package {
  readonly folder: string;
  readonly name: string;
  readonly ours: boolean;
  /** Where it stands among what is measured. */
  readonly place: string;
  readonly json: PackageJson;
}

/** The package at a folder that has a package.json. @throws Error with the reason */
export function packageAt(folder: string): Package {
  const json = readJson(folder);
  const name = json.name ?? `${SCOPE}${basename(folder)}`;
  const ours = name.startsWith(SCOPE);
  if (!/^(?:@[\w.-]+\/)?[\w-][\w.-]*$/.test(name)) throw new Error(`${folder} has no name`);
  const place = ours
    ? `packages/${name.slice(SCOPE.length)}`
    : `outside/${name}@${String(json.version)}`;
  return { folder, name, ours, place, json };
}

/** The package that a file belongs to. @throws Error with the reason */
export function packageOf(file: string): Package {
  for (let folder = dirname(file); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return packageAt(folder);
    if (dirname(folder) === folder) throw new Error(`no package.json above ${file}`);
  }
}

/** The package that `name` means to code in `folder`, or undefined where it is not installed. */
export function packageNamed(name: string, folder: string): Package | undefined {
  for (let at = folder; ; at = dirname(at)) {
    const found = join(at, 'node_modules', name);
    if (basename(at) !== 'node_modules' && existsSync(join(found, 'package.json'))) {
      return packageAt(realpathSync(found));
    }
    if (dirname(at) === at) return undefined;
  }
}

/** A bare specifier's package and the rest: `@cloister/core` and `./node`. */
export function partsOf(specifier: string): { name: string; subpath: string } {
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  return { name, subpath: `.${specifier.slice(name.length)}` };
}

/** The file that a package gives out under `subpath`, or undefined. */
export function givenOut(
  of: Package,
  subpath: string,
  how: 'import' | 'require',
): string | undefined {
  const { json, folder } = of;
  const { exports } = json;
  if (exports === undefined || exports === null) {
    const named = subpath === '.' ? [json.main ?? '', 'index.js'] : [subpath];
    return firstFile(folder, named, how === 'require' || subpath === '.');
  }
  const bySubpath = Object.keys(objectOf(exports)).some((key) => key.startsWith('.'));
  const target = bySubpath ? targetOf(objectOf(exports), subpath) : { value: exports, rest: '' };
  if (target === undefined || (!bySubpath && subpath !== '.')) return undefined;
  const file = underConditions(target.value, new Set([...CONDITIONS, how]));
  return file?.startsWith('./') ? join(folder, file.replaceAll('*', target.rest)) : undefined;
}

/** The file that is meant by a path, as `require` and `main` are read; or just the path's own. */
export function firstFile(
  folder: string,
  named: readonly string[],
  guessing: boolean,
): string | undefined {
  for (const one of named) {
    if (one === '') continue;
    const path = join(folder, one);
    const endings = guessing ? ['', '.js', '.json', '.node'] : [''];
    for (const ending of endings) if (isFile(path + ending)) return path + ending;
    if (!guessing || !existsSync(path)) continue;
    const main = existsSync(join(path, 'package.json')) ? readJson(path).main : undefined;
    const inside = firstFile(path, [main ?? '', 'index.js', 'index.json', 'index.node'], false);
    if (inside !== undefined) return inside;
  }
  return undefined;
}

/** What `exports` says of a subpath, and what its pattern leaves. */
function targetOf(
  exports: Record<string, unknown>,
  subpath: string,
): { value: unknown; rest: string } | undefined {
  if (subpath in exports) return { value: exports[subpath], rest: '' };
  const fits = Object.keys(exports).flatMap((key) => {
    const [head = '', tail] = key.split('*');
    const long = subpath.length >= head.length + (tail?.length ?? 0);
    if (tail === undefined || !long || !subpath.startsWith(head)) return [];
    const rest = subpath.slice(head.length, subpath.length - tail.length);
    return subpath.endsWith(tail) ? [{ value: exports[key], rest, head }] : [];
  });
  return fits.sort((a, b) => b.head.length - a.head.length)[0];
}

function underConditions(value: unknown, conditions: ReadonlySet<string>): string | undefined {
  if (typeof value === 'string') return value;
  for (const [condition, inner] of Object.entries(objectOf(value))) {
    if (!conditions.has(condition)) continue;
    const found = underConditions(inner, conditions);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** What a package says that it runs besides what it imports. @throws Error out of form */
export function extrasOf({ json, name }: Package): { files: string[]; programs: string[] } {
  const { files = [], programs = [] } = json.measured ?? {};
  const texts = (value: unknown, form: RegExp) => {
    const list = Array.isArray(value) ? (value as unknown[]) : [undefined];
    if (list.every((one) => typeof one === 'string' && form.test(one))) return list as string[];
    throw new Error(`"measured" of ${name} is out of form: wanted lists of paths`);
  };
  return { files: texts(files, /^\.\/(?!.*\.\.)/), programs: texts(programs, /^\/(?!.*\.\.)/) };
}

/** Whether a path lies in a folder, and in no package of its own in there. */
export function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path).split(sep);
  return way[0] !== '..' && !way.includes('node_modules');
}

function readJson(folder: string): PackageJson {
  const text = readFileSync(join(folder, 'package.json'), 'utf8');
  return objectOf(JSON.parse(text)) as PackageJson;
}

function isFile(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isFile() === true;
}

function objectOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
