// SPDX-License-Identifier: Apache-2.0
// Everything that a program can load, found without running it: the files that its entry reaches by
// imports, the entries of threads and child processes with them, each with the package.json files
// that say how they are read. Where an outside module does not let itself be told, its package
// counts whole, and so does all that this declares to need. Beside an add-on, the shared libraries
// of its folder count.
//
// Invariants: each part says what brought it in. Of our own code nothing is left out for not being
// found: what is imported and absent, computed, or outside its package is refused. Which package a
// name means is part of the answer, so that another version of one, beside it, is another program.
// Copies of one package, as npm makes them, count as one if they are the same.
import { existsSync, lstatSync, readdirSync, realpathSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import {
  extrasOf,
  firstFile,
  givenOut,
  isWithin,
  type Package,
  packageNamed,
  packageOf,
  partsOf,
} from './packages.ts';
import type { Reference, References } from './references.ts';

const SCRIPT = /\.[cm]?js$/;
const NATIVE = /\.node$|\.so(?:\.\d+)*$/;
/** What Node can load, and the shared libraries that lie beside add-ons. */
const LOADABLE = /\.(?:[cm]?js|json|node|wasm)$|\.so(?:\.\d+)*$/;
/** Folders of outside packages that are for their developers; the packed product has none. */
const NOT_RUN = /^(?:test|tests|docs|benchmarks?)$/;

export type PartKind = 'script' | 'package' | 'data' | 'native' | 'runtime' | 'program';

/** One file. */
export interface Part {
  /** Its place among what is measured. */
  readonly path: string;
  readonly kind: PartKind;
  /** Where it lies. */
  readonly from: string;
  /** What brought it in, for people. */
  readonly why: string;
}

export interface Closure {
  readonly entry: string;
  readonly parts: readonly Part[];
  /** Which packages its packages mean by which names. */
  readonly packages: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Programs of the machine that it starts, by absolute path, and what says so. */
  readonly programs: ReadonlyMap<string, string>;
}

/** What the walk asks of files, by their paths. */
export interface FileReader {
  references(path: string): References;
  /** SHA-256, hexadecimal. */
  digest(path: string): string;
}

/** The closure of a program's entry file. @throws Error with the reason */
export function closureOf(program: string, reader: FileReader): Closure {
  const walk = new Walk(reader);
  const file = realpathSync(program);
  const entry = walk.file(packageOf(file), file, 'it is started');
  const { parts, packages, programs } = walk;
  return { entry, parts: [...parts.values()], packages, programs };
}

class Walk {
  readonly parts = new Map<string, Part>();
  readonly packages = new Map<string, Map<string, string>>();
  readonly programs = new Map<string, string>();
  /** Files, and folders of packages that count whole, that were looked at already. */
  readonly #walked = new Set<string>();
  readonly #found = new Map<string, Package | undefined>();
  readonly #reader: FileReader;

  constructor(reader: FileReader) {
    this.#reader = reader;
  }

  /** A file and all that it names; answers its place. */
  file(home: Package, from: string, why: string): string {
    this.#enter(home, why);
    const path = placeOf(home, from);
    if (this.#walked.has(from)) return path;
    this.#walked.add(from);
    this.#add(path, from, why);
    this.#scopes(home, from);
    if (NATIVE.test(from)) this.#libraries(home, dirname(from), path);
    if (!SCRIPT.test(from)) return path;
    const { named, untold } = this.#reader.references(from);
    if (untold !== undefined && home.ours) throw new Error(`${path}: ${untold}`);
    for (const reference of named) this.#follow(home, from, reference);
    if (untold !== undefined) this.#entirely(home, `${path}: ${untold}`);
    return path;
  }

  #follow(home: Package, from: string, reference: Reference): void {
    const { how, to } = reference;
    const place = placeOf(home, from);
    const why = `${how === 'url' ? 'named' : 'loaded'} by ${place}`;
    if (how === 'require' && home.ours) throw new Error(`${place} requires ${to}, wanted imports`);
    if (how === 'url' || /^\.{0,2}\//.test(to) || /^\.{1,2}$/.test(to)) {
      this.#beside(home, from, reference, why);
    } else if (!isBuiltin(to)) {
      if (!/^[@\w]/.test(to) || to.includes(':')) {
        if (home.ours) throw new Error(`${place} imports ${to}, which is no package`);
        this.#entirely(home, `${place} loads ${to}`);
        return;
      }
      const { name, subpath } = partsOf(to);
      const found = this.#find(name, dirname(from));
      const file = found && givenOut(found, subpath, how);
      // An outside package may try for what is not there; what is started has none of it, either.
      if (found !== undefined && file !== undefined && existsSync(file)) {
        this.#name(home, name, found);
        this.file(found, file, why);
      } else if (home.ours)
        throw new Error(`${place} imports ${to}, which is not installed or built`);
    }
  }

  /** A file beside its module; where a URL names a folder, all that the folder has. */
  #beside(home: Package, from: string, { how, to }: Reference, why: string): void {
    const path = how === 'require' ? undefined : pathOf(from, to);
    if (path !== undefined && this.#walked.has(path)) return;
    const found = path === undefined ? firstFile(dirname(from), [to], true) : there(path);
    const place = placeOf(home, from);
    if (found === undefined) {
      if (!home.ours) return;
      throw new Error(`${place} names ${to}, which is not there: build it first`);
    }
    if (!isWithin(home.folder, found)) throw new Error(`${place} names ${to}, outside its package`);
    if (how !== 'url' || !lstatSync(found).isDirectory()) this.file(home, found, why);
    else for (const file of loadableIn(found)) this.file(home, file, why);
  }

  /** A package's own package.json, and what ours say that they run besides. */
  #enter(home: Package, why: string): void {
    const { place, folder, ours } = home;
    const path = `${place}/package.json`;
    const from = join(folder, 'package.json');
    if (this.#walked.has(from)) return;
    this.#walked.add(from);
    this.#add(path, from, `its package: ${why}`);
    this.packages.set(place, this.packages.get(place) ?? new Map());
    const { files, programs } = ours ? extrasOf(home) : { files: [], programs: [] };
    for (const to of files) {
      this.#beside(home, from, { how: 'url', to }, `listed by ${path}`);
    }
    for (const program of programs) this.programs.set(program, `listed by ${path}`);
    if (!ours) for (const needed of this.#needed(home)) this.#enter(needed, `needed by ${place}`);
  }

  /** What an outside package declares to need and finds. */
  #needed(home: Package): Package[] {
    const { dependencies = {}, optionalDependencies = {} } = home.json;
    return Object.keys({ ...dependencies, ...optionalDependencies }).flatMap((name) => {
      const found = this.#find(name, home.folder);
      if (found === undefined) return [];
      if (found.ours) throw new Error(`${home.place} needs ${name}, one of our own packages`);
      this.#name(home, name, found);
      return [found];
    });
  }

  /** Every package.json between a file and its package's own decides how it is read. */
  #scopes(home: Package, from: string): void {
    const why = `says how ${placeOf(home, from)} is read`;
    for (let at = dirname(from); at.length > home.folder.length; at = dirname(at)) {
      const path = join(at, 'package.json');
      if (existsSync(path)) this.#add(placeOf(home, path), path, why);
    }
  }

  #libraries(home: Package, folder: string, addOn: string): void {
    for (const name of readdirSync(folder).filter((one) => NATIVE.test(one))) {
      this.#add(placeOf(home, join(folder, name)), join(folder, name), `lies beside ${addOn}`);
    }
  }

  /** An outside package whose loading cannot be told, and all that it declares to need. */
  #entirely(home: Package, why: string): void {
    if (this.#walked.has(home.folder)) return;
    this.#walked.add(home.folder);
    for (const from of loadableIn(home.folder)) {
      const top = relative(home.folder, from).split(sep)[0] ?? '';
      if (!NOT_RUN.test(top)) this.file(home, from, why);
    }
    for (const found of this.#needed(home)) this.#entirely(found, `needed by ${home.place}`);
  }

  #find(name: string, folder: string): Package | undefined {
    const asked = `${name} ${folder}`;
    if (!this.#found.has(asked)) this.#found.set(asked, packageNamed(name, folder));
    return this.#found.get(asked);
  }

  #name(home: Package, name: string, found: Package): void {
    const names = this.packages.get(home.place) ?? new Map<string, string>();
    const known = names.get(name);
    if (known !== undefined && known !== found.place) {
      throw new Error(`${name} means ${known} and ${found.place} to ${home.place}`);
    }
    this.packages.set(home.place, names.set(name, found.place));
  }

  /** Notes a part. Another file for the same place must be a copy of the same package. */
  #add(path: string, from: string, why: string): void {
    const known = this.parts.get(path);
    if (known === undefined) this.parts.set(path, { path, kind: kindOf(path), from, why });
    if (known === undefined || known.from === from) return;
    if (this.#reader.digest(known.from) === this.#reader.digest(from)) return;
    throw new Error(`${path} is there twice, as ${known.from} and as ${from}`);
  }
}

function kindOf(path: string): PartKind {
  if (NATIVE.test(path)) return 'native';
  if (path.endsWith('/package.json')) return 'package';
  return SCRIPT.test(path) ? 'script' : 'data';
}

function there(path: string): string | undefined {
  return existsSync(path) ? path : undefined;
}

function pathOf(from: string, to: string): string {
  const plain = /^[\w./-]+$/.test(to);
  return plain ? join(dirname(from), to) : fileURLToPath(new URL(to, pathToFileURL(from)));
}

function placeOf(home: Package, from: string): string {
  return `${home.place}/${relative(home.folder, from).split(sep).join('/')}`;
}

/** Files that can be loaded from a folder and those in it; not by links, not other packages'. */
function loadableIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : loadableIn(path);
    return entry.isFile() && LOADABLE.test(entry.name) ? [path] : [];
  });
}
