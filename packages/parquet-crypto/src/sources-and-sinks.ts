// SPDX-License-Identifier: Apache-2.0
// Where bytes come from and go to. A source answers ranges (a file, a buffer, HTTP ranges, ranges
// checked against a digest tree); a sink takes bytes in order. Neither is trusted for anything but
// liveness: what a source answers is checked for its length here and by tags elsewhere.
import { writev } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';
import { joinBytes } from './bytes.ts';
import { parquetError } from './errors.ts';

/** Bytes that can be read by range. */
export interface RandomAccess {
  /** Length of the whole, in bytes. */
  readonly size: number;
  /** Exactly `length` bytes from `offset`. The caller may keep them; they must not change later. */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** The same into memory of the caller; answers how many bytes it put there. */
  readInto?(offset: number, target: Uint8Array): Promise<number>;
}

/** Takes bytes in order; a call begins only after the one before it has resolved. */
export interface ByteSink {
  /** Takes the parts one after another. They are not changed after the call. */
  write(parts: readonly Uint8Array[]): Promise<void>;
}

/** Column chunks done, of how many; for people who wait. */
export interface Progress {
  readonly done: number;
  readonly of: number;
  readonly bytesRead: number;
}

/** A sink that keeps everything in memory. */
export class BufferSink implements ByteSink {
  private readonly parts: Uint8Array[] = [];

  async write(parts: readonly Uint8Array[]): Promise<void> {
    for (const part of parts) this.parts.push(part);
  }

  /** All bytes written so far. */
  bytes(): Uint8Array<ArrayBuffer> {
    return joinBytes(this.parts);
  }
}

/** A source over bytes in memory. */
export function bufferSource(bytes: Uint8Array): RandomAccess {
  return {
    size: bytes.length,
    read: async (offset, length) => bytes.subarray(offset, offset + length),
  };
}

/** A source over an open file, its size taken now. The caller closes the file. */
export async function fileSource(file: FileHandle): Promise<RandomAccess> {
  const { size } = await file.stat();
  const readInto = async (offset: number, target: Uint8Array): Promise<number> => {
    let done = 0;
    while (done < target.length) {
      const { bytesRead } = await file.read(target, done, target.length - done, offset + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  };
  return {
    size,
    readInto,
    async read(offset, length) {
      const buffer = Buffer.allocUnsafeSlow(length);
      return buffer.subarray(0, await readInto(offset, buffer));
    },
  };
}

/** `writev` takes at most this many parts (IOV_MAX of Linux). */
const PARTS_MAX = 1024;

/** A sink over an open descriptor (a file, a pipe, a memfd), from its position; left open. */
export function descriptorSink(descriptor: number): ByteSink {
  return fileSink({
    writev: async (parts) => ({ bytesWritten: await writevDescriptor(descriptor, parts) }),
  });
}

function writevDescriptor(descriptor: number, parts: readonly Uint8Array[]): Promise<number> {
  return new Promise((resolve, reject) => {
    writev(descriptor, parts as Uint8Array[], (error, bytesWritten) => {
      if (error === null) resolve(bytesWritten);
      else reject(error);
    });
  });
}

/** The part of a FileHandle that a sink needs. */
interface Writable {
  writev(parts: Uint8Array[]): Promise<{ bytesWritten: number }>;
}

/** A sink that appends to an open file from its position. The caller closes it. */
export function fileSink(file: Writable): ByteSink {
  return {
    async write(parts) {
      for (let i = 0; i < parts.length; i += PARTS_MAX) {
        await writeWhole(file, parts.slice(i, i + PARTS_MAX));
      }
    },
  };
}

async function writeWhole(file: Writable, parts: readonly Uint8Array[]): Promise<void> {
  let left = parts.filter((part) => part.length > 0);
  while (left.length > 0) {
    const { bytesWritten } = await file.writev(left as Uint8Array[]);
    left = after(left, bytesWritten);
  }
}

/** What is left of parts behind their first `count` bytes. */
function after(parts: readonly Uint8Array[], count: number): Uint8Array[] {
  let rest = count;
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i] as Uint8Array;
    if (rest < part.length) return [part.subarray(rest), ...parts.slice(i + 1)];
    rest -= part.length;
  }
  return [];
}

/** Reads exactly [offset, offset + length) or throws; counts what it read. */
export class CheckedSource {
  readonly source: RandomAccess;
  bytesRead = 0;

  constructor(source: RandomAccess) {
    if (!Number.isSafeInteger(source.size) || source.size < 0) {
      throw parquetError('options-invalid', `a source has size ${source.size}`);
    }
    this.source = source;
  }

  get size(): number {
    return this.source.size;
  }

  async read(offset: number, length: number, what: string): Promise<Uint8Array> {
    this.checkRange(offset, length, what);
    if (length === 0) return new Uint8Array(0);
    const bytes = await this.source.read(offset, length);
    this.count(offset, length, bytes.length, what);
    return bytes;
  }

  /** Whether reading into memory of ours saves a copy. */
  get readsInto(): boolean {
    return this.source.readInto !== undefined;
  }

  /** Reads as many bytes as `target` has. */
  async readInto(offset: number, target: Uint8Array, what: string): Promise<void> {
    const { length } = target;
    if (this.source.readInto === undefined) {
      target.set(await this.read(offset, length, what));
      return;
    }
    this.checkRange(offset, length, what);
    this.count(offset, length, await this.source.readInto(offset, target), what);
  }

  private checkRange(offset: number, length: number, what: string): void {
    if (offset >= 0 && length >= 0 && offset + length <= this.size) return;
    const range = `bytes ${offset} to ${offset + length}`;
    throw parquetError('parquet-malformed', `${what} is said to be at ${range} of ${this.size}`);
  }

  private count(offset: number, wanted: number, got: number, what: string): void {
    if (got !== wanted) {
      const message = `${what}: asked for ${wanted} bytes at ${offset}, got ${got}`;
      throw parquetError('source-short-read', message);
    }
    this.bytesRead += got;
  }
}
