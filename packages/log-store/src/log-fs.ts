// SPDX-License-Identifier: Apache-2.0
// The few things that the ledger asks of a file system, as a port, so that each of them can be made
// to fail in tests. `nodeLogFs` is the real one.
//
// The promise of every form: what was written and then synced survives any crash; what was written
// and not synced may survive in whole, in part, or not at all; `replace` is one step.
import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolderDurably, syncFolder, writeDurably } from '@cloister/core/node';
import { lockFolder } from './lock.ts';

/** An open file. */
export interface LogFile {
  /** Writes all of `bytes` at `position`. */
  write(bytes: Uint8Array, position: number): Promise<void>;
  /** Reads up to `length` bytes from `position`; fewer only at the end of the file. */
  read(length: number, position: number): Promise<Uint8Array>;
  truncate(length: number): Promise<void>;
  /** Makes everything written so far durable. After a failure nothing may be assumed. */
  sync(): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

export interface LogFs {
  /** Opens for reading and writing; makes an empty, durable file if there is none. */
  open(path: string): Promise<LogFile>;
  /** Opens for reading only, or undefined if there is no such file. */
  openToRead(path: string): Promise<LogFile | undefined>;
  /** The whole file, or undefined if there is none. */
  readFile(path: string): Promise<Uint8Array | undefined>;
  /** Replaces a file durably and in one step, making its folder if need be. */
  replace(path: string, bytes: Uint8Array): Promise<void>;
  /** Makes a folder, durably. */
  makeFolder(path: string): Promise<void>;
  /** Takes the folder for one writer. @throws CodedError `ledger-locked` */
  lock(folder: string): Promise<() => Promise<void>>;
}

/** The real file system. */
export const nodeLogFs: LogFs = {
  async open(path) {
    const flags = constants.O_RDWR | constants.O_CREAT;
    const file = await open(path, flags, 0o644);
    await syncFolder(dirname(path));
    return nodeLogFile(file);
  },
  openToRead: (path) => unlessMissing(async () => nodeLogFile(await open(path, 'r'))),
  readFile: (path) => unlessMissing(async () => new Uint8Array(await readFile(path))),
  async replace(path, bytes) {
    await mkdir(dirname(path), { recursive: true });
    await writeDurably(path, bytes);
  },
  makeFolder: makeFolderDurably,
  lock: lockFolder,
};

async function unlessMissing<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function nodeLogFile(file: FileHandle): LogFile {
  return {
    async write(bytes, position) {
      for (let at = 0; at < bytes.length; ) {
        const rest = bytes.length - at;
        const { bytesWritten } = await file.write(bytes, at, rest, position + at);
        if (bytesWritten === 0) throw new Error('the file system wrote nothing');
        at += bytesWritten;
      }
    },
    async read(length, position) {
      const out = new Uint8Array(length);
      let at = 0;
      while (at < length) {
        const { bytesRead } = await file.read(out, at, length - at, position + at);
        if (bytesRead === 0) break;
        at += bytesRead;
      }
      return out.subarray(0, at);
    },
    truncate: (length) => file.truncate(length),
    sync: () => file.datasync(),
    size: async () => (await file.stat()).size,
    close: () => file.close(),
  };
}
