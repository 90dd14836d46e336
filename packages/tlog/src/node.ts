// SPDX-License-Identifier: Apache-2.0
// The Node form of the witness's store: one file, replaced durably.
import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeFolderDurably, writeDurably } from '@cloister/core/node';
import type { WitnessStore } from './witness-state.ts';

/** Keeps a witness's state in the file at `path`, readable by its owner only. */
export function fileWitnessStore(path: string): WitnessStore {
  return {
    async load() {
      try {
        return new Uint8Array(await readFile(path));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
        throw error;
      }
    },
    async save(bytes) {
      await makeFolderDurably(dirname(path));
      await writeDurably(path, bytes, 0o600);
    },
  };
}
