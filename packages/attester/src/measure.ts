// SPDX-License-Identifier: Apache-2.0
// What a simulated TEE measures: a manifest of the program's own files. It lists every file that
// our packages in the program's reach publish and run, by relative path and SHA-256, with the
// lockfile's digest (which pins the outside packages) and the Node version. Two clean clones give
// the same manifest, and so does what is installed from one (tools/pack-product.js); the role is in
// it, so that a keeper never measures as a worker.
//
// Invariants: paths are those of the repository, with forward slashes, sorted bytewise; nothing
// depends on where the clone or the installation lies or on file times. Outside packages are pinned
// by the lockfile's integrity digests and not hashed again. Protocol notes, "Who stands where".
import { readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Cbor, compare, encodeCbor, toHex, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { attesterError } from './errors.ts';

export const MANIFEST_DOMAIN = 'cloister/manifest/v1';
const SCOPE = '@cloister/';

export type NodeRole = 'keeper' | 'worker';

export interface ManifestFile {
  readonly path: string;
  /** SHA-256, hexadecimal. */
  readonly digest: string;
}

export interface Manifest {
  readonly role: NodeRole;
  /** The file that is started, relative to the repository. */
  readonly entry: string;
  readonly node: string;
  /** SHA-256 of package-lock.json, hexadecimal. */
  readonly lockfile: string;
  readonly files: readonly ManifestFile[];
}

export interface MeasureOptions {
  readonly role: NodeRole;
  /** The entry file; by default `packages/<role>/dist/main.js`. */
  readonly program?: string;
  /** Root of a repository or an installation; by default of the one that this file lies in. */
  readonly root?: string;
}

export interface Measured {
  readonly manifest: Manifest;
  /** The manifest's deterministic encoding: what is hashed to a kind's size. */
  readonly encoded: Uint8Array;
  /** Where the entry file lies. */
  readonly program: string;
}

/** Where our packages lie, and the lockfile that they were built with. */
interface Tree {
  readonly packages: string;
  readonly lockfile: string;
}

/** Measures a program. @throws CodedError `program-unreadable` (build first) */
export async function measureFiles(options: MeasureOptions): Promise<Measured> {
  try {
    const tree = await treeAt(resolve(options.root ?? ownRoot()));
    const program = resolve(options.program ?? join(tree.packages, options.role, 'dist/main.js'));
    const folders = await closureOf(tree, dirname(program));
    const files: ManifestFile[] = [];
    for (const folder of folders) {
      for (const path of await programOf(folder)) {
        files.push({ path: portable(tree, path), digest: digestOf(await readFile(path)) });
      }
    }
    files.sort((a, b) => compare(utf8(a.path), utf8(b.path)));
    const entry = portable(tree, program);
    if (!files.some((file) => file.path === entry)) throw new Error(`${entry} is not there`);
    const lockfile = digestOf(await readFile(tree.lockfile));
    const manifest = { role: options.role, entry, node: process.version, lockfile, files };
    return { manifest, encoded: encodeManifest(manifest), program };
  } catch (cause) {
    if (cause instanceof TypeError) throw cause;
    const reason = cause instanceof Error ? cause.message : 'unknown';
    const message = `the ${options.role} cannot be measured (${reason}): run npm run build first`;
    throw attesterError('program-unreadable', message, { cause });
  }
}

/** Root of the repository, or of the installed product, that this file is part of. */
function ownRoot(): string {
  const above = fileURLToPath(new URL('../../..', import.meta.url));
  return basename(above) === 'node_modules' ? dirname(above) : above;
}

/** A repository has its packages in a folder, an installation among its modules. */
async function treeAt(root: string): Promise<Tree> {
  const packages = join(root, 'packages');
  if (await exists(packages)) return { packages, lockfile: join(root, 'package-lock.json') };
  const lockfile = join(root, 'repository-lock.json');
  return { packages: join(root, 'node_modules', SCOPE), lockfile };
}

export function encodeManifest(manifest: Manifest): Uint8Array {
  return encodeCbor([MANIFEST_DOMAIN, manifest as unknown as Cbor]);
}

/** The manifest hashed to `length` bytes: SHA-256, SHA-384 or SHA-512. */
export function measurementOf(encoded: Uint8Array, length: number): Uint8Array {
  const hash = length === 32 ? 'sha256' : length === 48 ? 'sha384' : 'sha512';
  return nodeCrypto.digest(hash, encoded);
}

/** Folders of the program's package and of every package of ours that it reaches. */
async function closureOf(tree: Tree, from: string): Promise<string[]> {
  let folder = from;
  while (!(await exists(join(folder, 'package.json')))) {
    if (dirname(folder) === folder) throw new Error(`no package.json above ${from}`);
    folder = dirname(folder);
  }
  const seen = new Set<string>([folder]);
  for (const at of seen) {
    const text = await readFile(join(at, 'package.json'), 'utf8');
    const { dependencies = {} } = JSON.parse(text) as { dependencies?: Record<string, string> };
    for (const name of Object.keys(dependencies)) {
      if (name.startsWith(SCOPE)) seen.add(join(tree.packages, name.slice(SCOPE.length)));
    }
  }
  return [...seen];
}

/** What a package runs: the folders that it publishes (dist if it does not say), no sources. */
async function programOf(folder: string): Promise<string[]> {
  const { files = ['dist'] } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
    files?: readonly string[];
  };
  const folders = files.filter((name) => !/^(src|bin)\b|^!/.test(name));
  return (await Promise.all(folders.map((name) => scriptsIn(join(folder, name))))).flat();
}

async function scriptsIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && /\.(js|mjs|json|wasm)$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** The path that a file has in the repository. */
function portable(tree: Tree, path: string): string {
  return `packages/${relative(tree.packages, path).split(sep).join('/')}`;
}

function digestOf(bytes: Uint8Array): string {
  return toHex(nodeCrypto.digest('sha256', bytes));
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
