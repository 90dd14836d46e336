// SPDX-License-Identifier: Apache-2.0
// The folder that a child stands in. Files come into it by links (a copy where another file system
// forbids that), so that a child which was started ahead sees the files of its run and no others;
// what it makes leaves by a descriptor, so that nothing outside is writable to it. In a cage the
// folder is memory of the child's own, and `in` alone is ours.
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { constants, copyFile, link } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const PREFIX = 'cloister-engine-';

/** What lies in memory would outlive a process that ends in the middle of a run. */
const open = new Set<ChildRoom>();
let watching = false;

export class ChildRoom {
  readonly folder: string;
  /** What the child may read of it. */
  readonly inputs: string;
  #files = 0;

  /** In a folder of its own of `base`: the fastest is the file system that the files lie on. */
  constructor(base: string = tmpdir()) {
    this.folder = mkdtempSync(join(base, `${PREFIX}${process.pid}-`));
    this.inputs = join(this.folder, 'in');
    mkdirSync(this.inputs);
    open.add(this);
    if (!watching) process.on('exit', dropRooms);
    watching = true;
  }

  /** Shows files to the child; answers where it sees each. */
  async bring(files: readonly string[]): Promise<string[]> {
    const paths: string[] = [];
    for (const file of files) {
      const path = join(this.inputs, String(this.#files));
      this.#files += 1;
      await link(file, path).catch(() => copyFile(file, path, constants.COPYFILE_FICLONE));
      paths.push(path);
    }
    return paths;
  }

  /** Where the child makes each part of its results, in its turn. */
  get result(): string {
    return join(this.folder, 'part.parquet');
  }

  drop(): void {
    rmSync(this.folder, { recursive: true, force: true });
    open.delete(this);
  }
}

/** At the end of the process, whatever ends it but a kill. */
export function dropRooms(): void {
  for (const room of [...open]) room.drop();
}
