// SPDX-License-Identifier: Apache-2.0
// Where launchers of this user keep programs and what they know of large files: below
// $CLOISTER_CACHE or ~/.cache/cloister, or else in the folder for temporary files.
//
// Invariants: nobody but this user can write there; and no folder above has a node_modules, in
// which Node would look for what a program asks for and does not have.
import { existsSync, lstatSync, mkdirSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { attesterError } from '../errors.ts';

/** The folder, made where it is not there. @throws CodedError `program-folder-unusable` */
export function programsFolder(): string {
  const { CLOISTER_CACHE: named } = process.env;
  const user = process.getuid?.() ?? 0;
  const places =
    named === undefined
      ? [...ofHome(), join(tmpdir(), `cloister-${user}-programs`)]
      : [join(named, 'programs')];
  const reasons: string[] = [];
  for (const place of places) {
    const wrong = whyNot(place, user);
    if (wrong === undefined) return place;
    reasons.push(wrong);
  }
  const advice = 'name another in CLOISTER_CACHE';
  const message = `no folder for measured programs can be used (${reasons.join('; ')}): ${advice}`;
  throw attesterError('program-folder-unusable', message);
}

/** A user without a name may have no home. */
function ofHome(): string[] {
  try {
    return [join(homedir(), '.cache', 'cloister', 'programs')];
  } catch {
    return [];
  }
}

function whyNot(folder: string, user: number): string | undefined {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const { uid, mode } = lstatSync(folder);
    if (uid !== user || (mode & 0o022) !== 0) return `others can write to ${folder}`;
  } catch (error) {
    return `${folder}: ${(error as NodeJS.ErrnoException).code ?? 'unknown'}`;
  }
  for (let above = dirname(folder); ; above = dirname(above)) {
    if (existsSync(join(above, 'node_modules'))) return `${above} has a node_modules`;
    if (dirname(above) === above) return undefined;
  }
}
