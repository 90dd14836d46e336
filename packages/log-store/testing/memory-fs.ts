// SPDX-License-Identifier: Apache-2.0
// For tests only: a file system in memory that knows what is durable. A crash keeps everything that
// was synced and, of what was not, any part: each unsynced write whole, cut, or gone. Every
// changing operation is numbered and can be made to fail, before or after it took effect.
import { logStoreError } from '../src/errors.ts';
import type { LogFile, LogFs } from '../src/log-fs.ts';

interface MemoryFile {
  durable: Uint8Array;
  current: Uint8Array;
  /** Unsynced writes, in order; a truncation is a write without bytes. */
  unsynced: { at: number; bytes: Uint8Array | undefined }[];
}

/** How a numbered operation goes wrong. */
export interface Fault {
  readonly at: number;
  readonly when: 'before' | 'after' | 'half';
  readonly errno: 'EIO' | 'ENOSPC';
  /** Whether everything afterwards fails as well: the process is as good as dead. */
  readonly dead?: boolean;
}

export class MemoryFs implements LogFs {
  readonly #files = new Map<string, MemoryFile>();
  readonly #locks = new Set<string>();
  #fault: Fault | undefined;
  #dead = false;
  /** Changing operations so far. */
  operations = 0;

  fail(fault: Fault): void {
    this.#fault = fault;
  }

  /** Loses power: what was not synced survives as `choose` says (0 gone, 1 whole, between: cut). */
  crash(choose: () => number): void {
    for (const file of this.#files.values()) {
      let bytes = file.durable;
      for (const write of file.unsynced) {
        const share = choose();
        if (write.bytes === undefined) {
          if (share > 0.5) bytes = resize(bytes, write.at);
        } else {
          const kept = write.bytes.subarray(0, Math.round(share * write.bytes.length));
          if (kept.length > 0) bytes = overlay(bytes, write.at, kept);
        }
      }
      file.durable = bytes;
      file.current = bytes;
      file.unsynced = [];
    }
    this.#locks.clear();
    this.#dead = false;
    this.#fault = undefined;
  }

  /** Changes stored bytes behind everyone's back. */
  tamper(path: string, change: (bytes: Uint8Array) => Uint8Array | undefined): void {
    const file = this.#files.get(path);
    if (file === undefined) throw new Error(`no file ${path}`);
    const bytes = change(file.current.slice());
    if (bytes === undefined) this.#files.delete(path);
    else Object.assign(file, { durable: bytes, current: bytes, unsynced: [] });
  }

  paths(): string[] {
    return [...this.#files.keys()].sort();
  }

  #change(work: () => void, half: () => void = () => undefined): void {
    if (this.#dead) throw errno('EIO');
    this.operations += 1;
    const fault = this.#fault?.at === this.operations ? this.#fault : undefined;
    if (fault === undefined) {
      work();
      return;
    }
    if (fault.when === 'after') work();
    if (fault.when === 'half') half();
    this.#dead = fault.dead === true;
    throw errno(fault.errno);
  }

  async open(path: string): Promise<LogFile> {
    if (!this.#files.has(path)) {
      const empty = new Uint8Array();
      this.#change(() => this.#files.set(path, { durable: empty, current: empty, unsynced: [] }));
    }
    return this.#handle(this.#files.get(path) as MemoryFile);
  }

  async openToRead(path: string): Promise<LogFile | undefined> {
    const file = this.#files.get(path);
    return file === undefined ? undefined : this.#handle(file);
  }

  #handle(file: MemoryFile): LogFile {
    const write = (at: number, bytes: Uint8Array) => {
      file.current = overlay(file.current, at, bytes);
      file.unsynced.push({ at, bytes: bytes.slice() });
    };
    return {
      write: async (bytes, position) =>
        this.#change(
          () => write(position, bytes),
          () => write(position, bytes.subarray(0, bytes.length >> 1)),
        ),
      read: async (length, position) => file.current.slice(position, position + length),
      truncate: async (length) =>
        this.#change(() => {
          file.current = resize(file.current, length);
          file.unsynced.push({ at: length, bytes: undefined });
        }),
      sync: async () =>
        this.#change(() => {
          file.durable = file.current;
          file.unsynced = [];
        }),
      size: async () => file.current.length,
      close: async () => undefined,
    };
  }

  async readFile(path: string): Promise<Uint8Array | undefined> {
    return this.#files.get(path)?.current.slice();
  }

  async replace(path: string, bytes: Uint8Array): Promise<void> {
    const copy = bytes.slice();
    this.#change(() => this.#files.set(path, { durable: copy, current: copy, unsynced: [] }));
  }

  async makeFolder(): Promise<void> {
    this.#change(() => undefined);
  }

  async lock(folder: string): Promise<() => Promise<void>> {
    if (this.#locks.has(folder)) throw logStoreError('ledger-locked', 'taken');
    this.#locks.add(folder);
    return async () => {
      this.#locks.delete(folder);
    };
  }
}

function overlay(base: Uint8Array, at: number, bytes: Uint8Array): Uint8Array {
  const out = resize(base, Math.max(base.length, at + bytes.length));
  out.set(bytes, at);
  return out;
}

function resize(bytes: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length);
  out.set(bytes.subarray(0, length));
  return out;
}

function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}
