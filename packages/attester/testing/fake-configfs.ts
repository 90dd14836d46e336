// SPDX-License-Identifier: Apache-2.0
// For tests: configfs-tsm as the kernel keeps it (drivers/virt/coco/tsm.c, and the attribute rules
// of configfs), with minted evidence for a driver. What userspace can see is kept:
//
//   - an entry begins with generation 0; each write of inblob or an option that is accepted adds 1;
//   - inblob takes at most 64 bytes (EFBIG); a driver wants exactly 64 and says so only when the
//     report is read (EINVAL); a report that nobody asked for is EINVAL;
//   - outblob is made at the first read after a write and cached until the next; auxblob is made
//     with it, and exists for SNP only;
//   - privlevel exists for SNP only, and is a number from 0 to 3 (EINVAL);
//   - without a driver a read is ENOTTY, and mkdir in a folder that is not there is ENOENT.
//
// `interfere` plays another process that holds the same entry.
import { posix } from 'node:path';
import type { TsmFiles } from '../src/configfs-tsm.ts';

export interface FakeDriver {
  /** What `provider` reads, without its newline. */
  readonly provider: string;
  readonly hasAuxblob: boolean;
  /** outblob and auxblob over an inblob, or an errno. */
  report(inblob: Uint8Array, privlevel: number): { outblob: Uint8Array; auxblob?: Uint8Array };
}

interface Entry {
  inblob: Uint8Array;
  privlevel: number;
  written: number;
  read: number;
  cached: { outblob: Uint8Array; auxblob?: Uint8Array } | undefined;
}

/** An errno as node:fs throws it. */
export function errno(code: string): Error {
  return Object.assign(new Error(code), { code });
}

export class FakeConfigfs implements TsmFiles {
  readonly folder: string;
  readonly entries = new Map<string, Entry>();
  readonly #driver: FakeDriver | undefined;
  /** Called before every access, with what is about to happen ("read outblob"). */
  interfere: (what: string, entry: string) => void = () => undefined;

  constructor(folder: string, driver?: FakeDriver) {
    this.folder = folder;
    this.#driver = driver;
  }

  async mkdir(path: string): Promise<void> {
    if (posix.dirname(path) !== this.folder) throw errno('ENOENT');
    if (this.entries.has(path)) throw errno('EEXIST');
    const inblob = new Uint8Array(0);
    this.entries.set(path, { inblob, privlevel: 0, written: 0, read: 0, cached: undefined });
  }

  async rmdir(path: string): Promise<void> {
    if (!this.entries.delete(path)) throw errno('ENOENT');
  }

  async read(path: string): Promise<Uint8Array> {
    const { entry, name } = this.#find(path, 'read');
    const driver = this.#driver;
    if (driver === undefined) throw errno('ENOTTY');
    if (name === 'provider') return text(`${driver.provider}\n`);
    if (name === 'generation') return text(`${entry.written}\n`);
    if (name === 'outblob') return reportOf(entry, driver).outblob;
    if (name === 'auxblob' && driver.hasAuxblob) {
      return reportOf(entry, driver).auxblob ?? new Uint8Array(0);
    }
    throw errno(name === 'inblob' || name === 'privlevel' ? 'EACCES' : 'ENOENT');
  }

  async write(path: string, bytes: Uint8Array): Promise<void> {
    const { entry, name } = this.#find(path, 'write');
    if (name === 'inblob') {
      if (bytes.length > 64) throw errno('EFBIG');
      entry.inblob = bytes.slice();
    } else if (name === 'privlevel' && this.#driver?.hasAuxblob === true) {
      const level = Number(new TextDecoder().decode(bytes));
      if (!Number.isInteger(level) || level < 0 || level > 3) throw errno('EINVAL');
      entry.privlevel = level;
    } else {
      throw errno(name === 'privlevel' ? 'ENOENT' : 'EACCES');
    }
    entry.written += 1;
  }

  #find(path: string, how: string): { entry: Entry; name: string } {
    const folder = posix.dirname(path);
    this.interfere(`${how} ${posix.basename(path)}`, folder);
    const entry = this.entries.get(folder);
    if (entry === undefined) throw errno('ENOENT');
    return { entry, name: posix.basename(path) };
  }
}

function reportOf(entry: Entry, driver: FakeDriver) {
  if (entry.inblob.length === 0) throw errno('EINVAL');
  if (entry.cached === undefined || entry.read !== entry.written) {
    if (entry.inblob.length !== 64) throw errno('EINVAL');
    entry.cached = driver.report(entry.inblob, entry.privlevel);
    entry.read = entry.written;
  }
  return entry.cached;
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
