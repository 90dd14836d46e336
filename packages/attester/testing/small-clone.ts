// SPDX-License-Identifier: Apache-2.0
// For tests: a small build that has every kind of part, in a folder for temporary files. Its keeper
// shares a package with its worker, which has an add-on, a thread, a child and data beside it.
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

const FILES = JSON.parse(
  readFileSync(new URL('./small-clone.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, string>>;

/** Makes the build; `change` replaces files of it, or leaves one out. */
export function smallClone(change: Readonly<Record<string, string | null>> = {}): string {
  const root = mkdtempSync(join(tmpdir(), 'cloister-small-clone-'));
  for (const [path, text] of Object.entries({ ...FILES, ...change })) {
    if (text !== null) put(root, path, text);
  }
  for (const name of ['core', 'keeper', 'worker']) link(root, name);
  return root;
}

/** Writes a file of a build. */
export function put(root: string, path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

/** The text of a file of every small build. */
export function textOf(path: string): string {
  const text = FILES[path];
  if (text === undefined) throw new Error(`no ${path} in a small build`);
  return text;
}

/** Gives every file another time and other permissions, as another clone has them. */
export function otherTimesAndModes(root: string): void {
  for (const path of below(root)) {
    utimesSync(path, 1_000_000_000, 1_000_000_000 + path.length);
    chmodSync(path, lstatSync(path).isDirectory() ? 0o700 : 0o600);
  }
}

/** Every file and folder below a folder, links left out. */
export function below(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return [path, ...below(path)];
    return entry.isFile() ? [path] : [];
  });
}

function link(root: string, name: string): void {
  const at = join(root, 'node_modules', '@cloister', name);
  mkdirSync(dirname(at), { recursive: true });
  symlinkSync(join('..', '..', 'packages', name), at);
}
