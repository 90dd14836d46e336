// SPDX-License-Identifier: Apache-2.0
// What a node is started from: a private folder that holds exactly the parts that were measured,
// laid out by their places, with the Node that was measured. It is made of the bytes that were
// hashed (large files are hashed again as they are copied, and refused if they changed), so what
// changes afterwards is not seen, and what was not measured is not there. Images are kept for the
// next start of the same program; large files are in it as links to one copy.
//
//   <programs folder>/large/<sha256>           Node, engines
//   <programs folder>/images/<name>-<random>/  packages/, outside/, bin/node
//   <programs folder>/images/<name>.json       where the image is, and how each file of it looks
//   <programs folder>/running/<process>        the images that a process launches from
//
// Invariants: an image is used again only when every file, link and folder of it is as it was made.
// It is thrown away when others were used since and no living process launches from it. Whoever can
// write as this user can change it: docs/limitations.md.
import { randomUUID } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { toHex } from '@cloister/core';
import { attesterError } from '../errors.ts';
import { programsFolder } from './cache-folder.ts';
import { contentsOf, factsOf, hashed, LARGE_BYTES, writeBeside } from './files.ts';
import { measurementOf } from './manifest.ts';
import { type Measured, type MeasuredPart, RUNTIME_PLACE } from './measure.ts';

/** Images that stay, the newest ones. */
const KEPT = 8;
/** Nothing used since is thrown away. */
const IN_USE_MS = 3_600_000;
/** What processes of other machines or containers left is thrown away after this time. */
const FOREIGN_MS = 30 * 86_400_000;

export interface ProgramImage {
  readonly folder: string;
  readonly entry: string;
  readonly runtime: string;
}

/** What an image was when it was made. */
interface Made {
  readonly folder: string;
  /** What the file system said of each file, link and folder, by its place. */
  readonly looks: readonly (readonly [string, string])[];
}

/**
 * The image of a measured program, made now or earlier.
 * @throws CodedError `program-changed` since it was measured, `program-folder-unusable`
 */
export function imageOf(measured: Measured): ProgramImage {
  const programs = programsFolder();
  const name = toHex(measurementOf(measured.encoded, 32));
  const record = join(programs, 'images', `${name}.json`);
  const { folder } = kept(programs, record) ?? makeImage(measured, { programs, name, record });
  const { entry } = measured.manifest;
  return { folder, entry: join(folder, entry), runtime: join(folder, RUNTIME_PLACE) };
}

/** The image of a record, if it is as it was made; from now on this process is using it. */
function kept(programs: string, record: string): Made | undefined {
  const made = recorded(record);
  if (made === undefined) return undefined;
  useFrom(programs, made.folder);
  const whole = made.looks.every(([path, look]) => lookOf(join(made.folder, path)) === look);
  if (!whole) return undefined;
  const now = new Date();
  utimesSync(record, now, now);
  return made;
}

function recorded(record: string): Made | undefined {
  const made = readRecord(record) as Partial<Made> | undefined;
  const { folder, looks } = made ?? {};
  const own = typeof folder === 'string' && dirname(folder) === dirname(record);
  if (!own || !Array.isArray(looks) || looks.length === 0) return undefined;
  return looks.every((look) => Array.isArray(look) && typeof look[0] === 'string')
    ? { folder, looks }
    : undefined;
}

function readRecord(record: string): unknown {
  try {
    return JSON.parse(readFileSync(record, 'utf8'));
  } catch {
    return undefined;
  }
}

function makeImage(
  { manifest, parts }: Measured,
  { programs, name, record }: { programs: string; name: string; record: string },
): Made {
  const images = join(programs, 'images');
  mkdirSync(images, { recursive: true, mode: 0o700 });
  throwAway(programs);
  const folder = mkdtempSync(join(images, `${name.slice(0, 16)}-`));
  useFrom(programs, folder);
  const paths = new Set<string>();
  const placed = (path: string) => {
    const to = join(folder, path);
    mkdirSync(dirname(to), { recursive: true, mode: 0o700 });
    for (let at = path; at !== '.' && !paths.has(at); at = dirname(at)) paths.add(at);
    return to;
  };
  for (const part of parts) {
    if (part.kind === 'program') continue;
    const mode = part.kind === 'runtime' ? 0o500 : 0o400;
    if (part.bytes < LARGE_BYTES) written(part, placed(part.path), mode);
    else linked(part, largeOf(programs, part, mode), placed(part.path), mode);
  }
  for (const [place, names] of Object.entries(manifest.packages)) {
    for (const [asked, meant] of Object.entries(names)) {
      const link = placed(join(place, 'node_modules', asked));
      symlinkSync(relative(dirname(link), join(folder, meant)), link);
    }
  }
  const looks = ['', ...paths].map((path) => [path, lookOf(join(folder, path)) ?? ''] as const);
  const made = { folder, looks };
  writeBeside(record, JSON.stringify(made));
  return made;
}

/** Writes a part as it was when it was measured. */
function written({ from, digest }: MeasuredPart, to: string, mode: number): void {
  writeFileSync(to, contentsOf(from, digest ?? ''), { flag: 'wx', mode });
}

/** Copies a part, hashing what is copied. */
function copied(part: MeasuredPart, to: string, mode: number): void {
  const [from, into] = [openSync(part.from, 'r'), openSync(to, 'wx', mode)];
  try {
    const { digest } = hashed(from, (chunk) => {
      for (let at = 0; at < chunk.length; ) at += writeSync(into, chunk, at);
    });
    if (digest !== part.digest) throw changed(part, digest);
  } finally {
    closeSync(from);
    closeSync(into);
  }
}

/** The one copy of a large part, made where it is not there or not what it was. */
function largeOf(programs: string, part: MeasuredPart, mode: number): string {
  const large = join(programs, 'large');
  const path = join(large, `${part.digest}${mode === 0o500 ? '.run' : ''}`);
  mkdirSync(large, { recursive: true, mode: 0o700 });
  if (isKept(path, part)) return path;
  const beside = join(large, `.${randomUUID()}`);
  try {
    copied(part, beside, mode);
    renameSync(beside, path);
  } finally {
    rmSync(beside, { force: true });
  }
  return path;
}

function isKept(path: string, part: MeasuredPart): boolean {
  try {
    return lstatSync(path).isFile() && factsOf(path, true).digest === part.digest;
  } catch {
    return false;
  }
}

/** Where links cannot be made, or no more of them, it is copied once more. */
function linked(part: MeasuredPart, from: string, to: string, mode: number): void {
  try {
    linkSync(from, to);
  } catch {
    copied(part, to, mode);
  }
}

/** A link more or less changes when a large file last changed, so that is left out there. */
function lookOf(path: string): string | undefined {
  const stats = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const { dev, ino, size, mtimeNs, ctimeNs, mode } = stats;
  return [dev, ino, size, mode, mtimeNs, size >= LARGE_BYTES ? '' : ctimeNs].join(':');
}

/** Images and large files that are neither new nor in use. */
function throwAway(programs: string): void {
  const used = inUse(join(programs, 'running'));
  const images = join(programs, 'images');
  const names = readdirSync(images);
  const recordOf = (folder: string) =>
    names.find((name) => name.endsWith('.json') && name.startsWith(folder.slice(0, 16)));
  const folders = names
    .filter((name) => lstatSync(join(images, name)).isDirectory())
    .map((name) => ({ name, at: lstatSync(join(images, recordOf(name) ?? name)).mtimeMs }))
    .sort((a, b) => b.at - a.at);
  for (const { name, at } of folders.slice(KEPT)) {
    if (used.has(join(images, name)) || Date.now() - at < IN_USE_MS) continue;
    for (const gone of [recordOf(name) ?? name, name]) {
      rmSync(join(images, gone), { recursive: true, force: true });
    }
  }
  const large = join(programs, 'large');
  for (const name of existsSync(large) ? readdirSync(large) : []) {
    const { nlink, ctimeMs } = lstatSync(join(large, name));
    if (nlink === 1 && Date.now() - ctimeMs > IN_USE_MS) rmSync(join(large, name), { force: true });
  }
}

/** Notes that this process launches from an image. */
function useFrom(programs: string, folder: string): void {
  const running = join(programs, 'running');
  mkdirSync(running, { recursive: true, mode: 0o700 });
  const mark = join(running, processName());
  if (!existsSync(mark)) process.once('exit', () => rmSync(mark, { force: true }));
  const marked = existsSync(mark) ? readFileSync(mark, 'utf8').split('\n') : [];
  if (!marked.includes(folder)) appendFileSync(mark, `${folder}\n`, { mode: 0o600 });
}

/** The images of processes that live, or may live elsewhere; marks of others are removed. */
function inUse(running: string): Set<string> {
  const [boot, space] = processName().split('-');
  const used = new Set<string>();
  for (const name of existsSync(running) ? readdirSync(running) : []) {
    const path = join(running, name);
    const [ofBoot, ofSpace, pid, began] = name.split('-');
    const here = ofBoot === boot && ofSpace === space;
    const lives = here
      ? beganAt(Number(pid)) === began
      : Date.now() - lstatSync(path).mtimeMs < FOREIGN_MS;
    if (!lives) rmSync(path, { force: true });
    else for (const folder of readFileSync(path, 'utf8').split('\n')) used.add(folder);
  }
  return used;
}

/** A process's name that no other has: the boot, the pids' namespace, the pid, when it began. */
function processName(): string {
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').slice(0, 8);
  const space = /\d+/.exec(readlinkSync('/proc/self/ns/pid'))?.[0];
  return `${boot}-${space}-${process.pid}-${beganAt(process.pid)}`;
}

/** When a process began, in clock ticks since the boot; '' for one that is not there. */
function beganAt(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return '';
  }
}

function changed(part: MeasuredPart, digest: string) {
  const message =
    `${part.path} changed between measuring and starting: got ${digest.slice(0, 16)}, ` +
    `wanted ${part.digest?.slice(0, 16)}: start again when nothing writes to ${part.from}`;
  return attesterError('program-changed', message);
}
