// SPDX-License-Identifier: Apache-2.0
// Handovers in a member's folder: one signed note a file, named by the version of the charter
// before. They are public, and whoever reads one verifies it.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isSystemError, utf8 } from '@cloister/core';
import { writeDurably } from '@cloister/core/node';
import { homeFolder } from '../home.ts';
import type { NoteStore } from './handovers.ts';

export function notesIn(home: string): NoteStore {
  return {
    async read(version) {
      const path = join(home, 'handovers', `${version}.note`);
      return readFile(path, 'utf8').catch((error: unknown) => {
        if (!isSystemError(error)) throw error;
        return undefined;
      });
    },
    async write(version, note) {
      const folder = await homeFolder(home, 'handovers');
      await writeDurably(join(folder, `${version}.note`), utf8(note));
    },
  };
}
