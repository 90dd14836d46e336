// SPDX-License-Identifier: Apache-2.0
// Plain files do not stay. Uploads and results live in folders of their own and are removed by
// whoever made them; what a crash left behind is removed here once it is old.
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { homeFolder } from '../home.ts';

const HOUR_MS = 3_600_000;

/** How old a leftover may get, by folder. */
const AGES_MS = { uploads: 24 * HOUR_MS, results: HOUR_MS } as const;

/**
 * Removes leftovers in `home` older than their time at `now`, but not those that are `inUse`;
 * answers how many there were.
 */
export async function sweep(
  home: string,
  now: number,
  inUse: (name: string) => boolean,
  agesMs: Readonly<Record<'uploads' | 'results', number>> = AGES_MS,
): Promise<number> {
  let swept = 0;
  for (const [name, ageMs] of Object.entries(agesMs)) {
    const folder = await homeFolder(home, name);
    for (const file of await readdir(folder)) {
      const path = join(folder, file);
      const found = await stat(path).catch(() => undefined);
      if (found === undefined || now - found.mtimeMs < ageMs || inUse(file)) continue;
      await rm(path, { force: true, recursive: true });
      swept += 1;
    }
  }
  return swept;
}
