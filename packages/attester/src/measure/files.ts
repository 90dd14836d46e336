// SPDX-License-Identifier: Apache-2.0
// Digests of files, each taken once for as long as the file is the same by what the file system
// says of it: device, inode, size, times of change to the nanosecond. Those of large files (Node
// itself, engines) outlive the process, in the user's own folder (cache-folder.ts).
//
// Invariants: a digest is of bytes that were read while the file did not change; one that changed
// within the last second is read again, because a clock tick may hide the next change.
import { createHash } from 'node:crypto';
import {
  type BigIntStats,
  closeSync,
  fstatSync,
  openSync,
  readFileSync,
  readSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isCoded, isSystemError } from '@cloister/core';
import { programsFolder } from './cache-folder.ts';
import { type References, referencesIn } from './references.ts';

/** What is worth remembering on disk; smaller files are as quickly read. */
export const LARGE_BYTES = 1 << 20;
const KNOWN_MAX = 200;
const FRESH_NS = 1_000_000_000n;
const CHUNK_BYTES = 4 << 20;

export interface FileFacts {
  /** SHA-256, hexadecimal. */
  readonly digest: string;
  readonly bytes: number;
}

interface Known extends FileFacts {
  readonly identity: string;
}

const known = new Map<string, Known>();
const references = new Map<string, References>();
/** Bytes of the smaller files that were hashed, by digest: an image is made of them. */
const contents = new Map<string, Uint8Array>();
let fromDisk = false;

/**
 * Digest and size of a file. One that is `linked` from image to image has each link and its end for
 * a change, which is no change of its bytes.
 * @throws Error of the file system, or that the file keeps changing
 */
export function factsOf(path: string, linked = false): FileFacts {
  const now = identityOf(statSync(path, { bigint: true }), linked);
  const seen = known.get(path);
  if (seen?.identity === now.text) return seen;
  if (now.bytes < LARGE_BYTES) return read(path, linked);
  recall();
  const recalled = known.get(path);
  if (recalled?.identity === now.text) return recalled;
  const facts = read(path, linked);
  if (known.has(path)) record();
  return facts;
}

/** One look at many files: each is asked for once. */
export class Reading {
  readonly #facts = new Map<string, FileFacts>();

  facts(path: string): FileFacts {
    const known = this.#facts.get(path);
    if (known !== undefined) return known;
    const { digest, bytes } = factsOf(path);
    this.#facts.set(path, { digest, bytes });
    return { digest, bytes };
  }

  digest(path: string): string {
    return this.facts(path).digest;
  }

  /** What a module names (references.ts). */
  references(path: string): References {
    const { digest } = this.facts(path);
    const found = references.get(digest);
    if (found !== undefined) return found;
    const named = referencesIn(Buffer.from(contentsOf(path, digest)).toString('utf8'));
    references.set(digest, named);
    return named;
  }
}

/** The bytes of a file that was hashed. @throws Error when they are no more the same */
export function contentsOf(path: string, digest: string): Uint8Array {
  const kept = contents.get(digest);
  if (kept !== undefined) return kept;
  const bytes = readFileSync(path);
  const got = createHash('sha256').update(bytes).digest('hex');
  if (got !== digest) throw new Error(`${path} changed while it was read`);
  return bytes;
}

/** Hashes what a descriptor gives from its beginning, and hands each chunk on. */
export function hashed(fd: number, each?: (chunk: Uint8Array) => void): FileFacts {
  const hash = createHash('sha256');
  const room = Buffer.allocUnsafe(CHUNK_BYTES);
  let bytes = 0;
  for (;;) {
    const got = readSync(fd, room, 0, room.length, bytes);
    if (got === 0) return { digest: hash.digest('hex'), bytes };
    bytes += got;
    const chunk = room.subarray(0, got);
    hash.update(chunk);
    each?.(chunk);
  }
}

/** What the file system says of a file: changes with any change to it. */
function identityOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats, linked: boolean) {
  const changed = linked ? mtimeNs : ctimeNs;
  const text = [dev, ino, size, mtimeNs, changed].join(':');
  return { text, bytes: Number(size), changed };
}

function read(path: string, linked: boolean): FileFacts {
  for (let attempt = 0; attempt < 3; attempt++) {
    const fd = openSync(path, 'r');
    try {
      const before = identityOf(fstatSync(fd, { bigint: true }), linked);
      const facts = before.bytes < LARGE_BYTES ? small(fd) : hashed(fd);
      const after = identityOf(fstatSync(fd, { bigint: true }), linked);
      if (before.text !== after.text) continue;
      const settled = BigInt(Date.now()) * 1_000_000n - after.changed > FRESH_NS;
      if (settled) known.set(path, { ...facts, identity: after.text });
      else known.delete(path);
      return facts;
    } finally {
      closeSync(fd);
    }
  }
  throw new Error(`${path} keeps changing`);
}

function small(fd: number): FileFacts {
  const bytes = readFileSync(fd);
  const digest = createHash('sha256').update(bytes).digest('hex');
  contents.set(digest, bytes);
  return { digest, bytes: bytes.length };
}

function recall(): void {
  if (fromDisk) return;
  fromDisk = true;
  for (const [path, facts] of recorded()) if (!known.has(path)) known.set(path, facts);
}

/** What is on disk of large files; nothing where that is not there or out of form. */
function recorded(): [string, Known][] {
  const list = readList();
  if (!Array.isArray(list)) return [];
  return (list as [string, Known | null][]).filter((entry): entry is [string, Known] => {
    const [path, facts] = Array.isArray(entry) ? entry : [];
    return (
      typeof path === 'string' &&
      typeof facts?.identity === 'string' &&
      /^[0-9a-f]{64}$/.test(facts.digest) &&
      Number.isSafeInteger(facts.bytes)
    );
  });
}

function readList(): unknown {
  try {
    return JSON.parse(readFileSync(join(programsFolder(), 'known.json'), 'utf8'));
  } catch {
    return undefined;
  }
}

/** So that the next process need not read again; where it cannot be written, it will. */
function record(): void {
  const large = [...known].filter(([, { bytes }]) => bytes >= LARGE_BYTES);
  const all = [...new Map([...recorded(), ...large])].slice(-KNOWN_MAX);
  try {
    writeBeside(join(programsFolder(), 'known.json'), JSON.stringify(all));
  } catch (error) {
    if (!isCoded(error) && !isSystemError(error)) throw error;
  }
}

/** Writes a file whole or not at all. */
export function writeBeside(path: string, text: string): void {
  const beside = `${path}.${process.pid}`;
  writeFileSync(beside, text, { mode: 0o600 });
  renameSync(beside, path);
}
