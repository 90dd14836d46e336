// SPDX-License-Identifier: Apache-2.0
// Measures a program: its closure (closure.ts), by content, with the Node that runs it and the way
// it is started. What a node is started from is made of the same parts (image.ts), so whatever this
// overlooked is missing there.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { compare, isCoded, utf8 } from '@cloister/core';
import { attesterError } from '../errors.ts';
import { closureOf, type Part } from './closure.ts';
import { Reading } from './files.ts';
import { encodeManifest, type Manifest, type NodeRole } from './manifest.ts';
import { type Start, startOf } from './start.ts';

/** The Node that this process runs, even when its file has been replaced. */
const OWN_RUNTIME = '/proc/self/exe';
export const RUNTIME_PLACE = 'bin/node';

export interface MeasureOptions {
  readonly role: NodeRole;
  /** The entry file; by default `packages/<role>/dist/main.js`. */
  readonly program?: string;
  /** Root of a repository or an installation; by default of the one that this file lies in. */
  readonly root?: string;
  /** The Node binary that runs it; by default the one that runs this process. */
  readonly runtime?: string;
  /** Flags of Node: those that name no code (start.ts). */
  readonly flags?: readonly string[];
  readonly arguments?: readonly string[];
}

/** A part with what is measured of it. */
export interface MeasuredPart extends Part {
  /** SHA-256, hexadecimal; null for a program of the machine that is not there. */
  readonly digest: string | null;
  readonly bytes: number;
}

export interface Measured {
  readonly manifest: Manifest;
  /** The manifest's deterministic encoding: what is hashed to a kind's size. */
  readonly encoded: Uint8Array;
  /** Where the entry file lies. */
  readonly program: string;
  /** Every part, as the manifest orders them; programs of the machine last. */
  readonly parts: readonly MeasuredPart[];
  readonly start: Start;
}

/**
 * Measures a program.
 * @throws CodedError `program-unreadable` (build first), `program-unmeasurable`
 */
export async function measureFiles(options: MeasureOptions): Promise<Measured> {
  const start = startOf(options);
  const program = resolve(options.program ?? ownProgram(options));
  try {
    const reading = new Reading();
    const closure = closureOf(program, reading);
    const runtime = runtimeOf(options.runtime);
    const parts = [...closure.parts, runtime.part].map((part) => ({
      ...part,
      ...reading.facts(part.from),
    }));
    parts.sort((a, b) => compare(utf8(a.path), utf8(b.path)));
    const programs = [...closure.programs]
      .sort()
      .map(([path, why]) => programOf(reading, path, why));
    const manifest: Manifest = {
      role: options.role,
      entry: closure.entry,
      ...start,
      node: runtime.version,
      packages: Object.fromEntries(
        [...closure.packages].map(([place, names]) => [place, Object.fromEntries(names)]),
      ),
      parts: parts.map(({ path, digest }) => ({ path, digest })),
      programs: programs.map(({ path, digest }) => ({ path, digest })),
    };
    const all = [...parts, ...programs];
    return { manifest, encoded: encodeManifest(manifest), program, parts: all, start };
  } catch (cause) {
    if (cause instanceof TypeError || isCoded(cause)) throw cause;
    throw failure(options.role, cause);
  }
}

function ownProgram({ role, root = ownRoot() }: MeasureOptions): string {
  const packages = existsSync(join(root, 'packages'))
    ? join(root, 'packages')
    : join(root, 'node_modules', '@cloister');
  return join(packages, role, 'dist', 'main.js');
}

/** Root of the repository, or of the installed product, that this file is part of. */
function ownRoot(): string {
  const above = fileURLToPath(new URL('../../../..', import.meta.url));
  return basename(above) === 'node_modules' ? dirname(above) : above;
}

function runtimeOf(path: string | undefined): { part: Part; version: string } {
  const { version, platform, arch } = process;
  const said = path === undefined ? version : saidVersion(path);
  const why = path === undefined ? 'the Node that starts it' : 'the Node that was named';
  const part = { path: RUNTIME_PLACE, kind: 'runtime', from: path ?? OWN_RUNTIME, why } as const;
  return { part, version: `${said} ${platform}-${arch}` };
}

function saidVersion(path: string): string {
  const { stdout } = spawnSync(path, ['--version'], { env: {}, encoding: 'utf8', timeout: 20_000 });
  const version = /^v\d+\.\d+\.\d+\S*/.exec(stdout ?? '')?.[0];
  if (version === undefined) throw new Error(`${path} is no Node`);
  return version;
}

/** A program of the machine, measured where it lies. */
function programOf(reading: Reading, path: string, why: string): MeasuredPart {
  const there = existsSync(path);
  const facts = there ? reading.facts(path) : { digest: null, bytes: 0 };
  return { path, kind: 'program', from: path, why, ...facts };
}

function failure(role: NodeRole, cause: unknown) {
  const reason = cause instanceof Error ? cause.message : 'unknown';
  const errno = (cause as NodeJS.ErrnoException).code;
  if (errno !== undefined && /^E[A-Z]+$/.test(errno)) {
    const message = `the ${role} cannot be measured (${reason}): run npm run build first`;
    return attesterError('program-unreadable', message, { cause });
  }
  const message = `what the ${role} would run cannot be told from its files: ${reason}`;
  return attesterError('program-unmeasurable', message, { cause });
}
