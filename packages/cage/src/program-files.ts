// SPDX-License-Identifier: Apache-2.0
// What a program needs to start: itself, the loader, the libraries that the loader says it takes
// (LD_TRACE_LOADED_OBJECTS, ld.so(8): it lists them and does not run the program), and of a Node
// program the folders of the packages that it imports. A cage shows these and nothing else.
import { execFile } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { cageError } from './errors.ts';

const run = promisify(execFile);
const LISTING_MS = 10_000;
/** Where the loader looks libraries up that lie in none of its own folders. */
const LOADER_CACHE = '/etc/ld.so.cache';
/**
 * Allocators ask it how to take memory. Without it they reserve addresses first and map memory over
 * them, which the kernel does not count against RLIMIT_DATA: mmap with MAP_FIXED takes what it lies
 * over off the sum, whether that counted or not.
 */
const OVERCOMMIT = '/proc/sys/vm/overcommit_memory';
const PACKAGES_MAX = 1_000;

export interface ProgramFiles {
  /** Absolute; first the program itself. */
  readonly files: readonly string[];
}

/**
 * The program, its libraries, and those of what it loads later (native add-ons).
 * @throws CodedError `cage-program-unreadable`
 */
export async function programFiles(
  program: string,
  addons: readonly string[] = [],
): Promise<ProgramFiles> {
  try {
    const own = await listed(program, ['--version'], { LD_TRACE_LOADED_OBJECTS: '1' });
    const loader = own.find((path) => /\/ld[-.][^/]*$/.test(path));
    const files = new Set([program, realpathSync(program), ...own]);
    for (const addon of addons) {
      if (loader === undefined) throw new Error(`${program} is static and loads no add-on`);
      for (const path of [addon, ...(await listed(loader, ['--list', addon], {}))]) files.add(path);
    }
    for (const path of [LOADER_CACHE, OVERCOMMIT]) if (existsSync(path)) files.add(path);
    return { files: [...files] };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message.slice(0, 300) : 'unknown';
    const message = `the libraries of ${program} cannot be listed: ${why}`;
    throw cageError('cage-program-unreadable', message, { cause });
  }
}

/** Lines as `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x00007f...)`. */
async function listed(program: string, args: string[], env: NodeJS.ProcessEnv): Promise<string[]> {
  const { stdout } = await run(program, args, { env, timeout: LISTING_MS });
  return stdout.split('\n').flatMap((line) => {
    const missing = /^\s*(\S+) => not found/.exec(line)?.[1];
    if (missing !== undefined) throw new Error(`it needs ${missing}, which is not there`);
    const path = /^\s*(?:\S+ => )?(\/\S.*) \(0x[0-9a-f]+\)$/.exec(line)?.[1];
    return path === undefined ? [] : [path];
  });
}

/**
 * Folders of these packages and of all that they depend on, as Node finds them from `from`: the
 * path by which one is found and, where a link stands there, the one that it leads to.
 * @throws CodedError `cage-program-unreadable`
 */
export function packageFolders(from: string, names: readonly string[]): string[] {
  const folders = new Set<string>();
  const open = names.map((name) => ({ name, from, optional: false }));
  for (const { name, from: start, optional } of open) {
    const found = folderOf(name, start);
    if (found === undefined) {
      if (optional) continue;
      const message = `package ${name} is not there for ${start}: run npm ci`;
      throw cageError('cage-program-unreadable', message);
    }
    const real = realpathSync(found);
    const known = folders.has(real);
    folders.add(found).add(real);
    if (known || folders.size > PACKAGES_MAX) continue;
    const { dependencies, optionalDependencies } = JSON.parse(
      readFileSync(join(real, 'package.json'), 'utf8'),
    ) as Partial<Record<'dependencies' | 'optionalDependencies', Record<string, string>>>;
    for (const next of Object.keys(dependencies ?? {})) {
      const may = Object.hasOwn(optionalDependencies ?? {}, next);
      open.push({ name: next, from: real, optional: may });
    }
    for (const next of Object.keys(optionalDependencies ?? {})) {
      open.push({ name: next, from: real, optional: true });
    }
  }
  return [...folders];
}

function folderOf(name: string, from: string): string | undefined {
  for (let at = from; ; at = dirname(at)) {
    const folder = join(at, 'node_modules', name);
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (dirname(at) === at) return undefined;
  }
}
