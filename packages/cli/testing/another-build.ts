// SPDX-License-Identifier: Apache-2.0
// For tests: this build once more, with one line of its keeper and its worker another. Everything
// else is the same files, so it runs; its measurements are others.
import { appendFileSync, cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const OWN = ['keeper', 'worker'];

/** Makes the build in `folder` and answers the folder: its root. */
export function anotherBuild(folder: string, version: string): string {
  mkdirSync(join(folder, 'packages'), { recursive: true });
  for (const name of ['node_modules', 'package-lock.json']) {
    symlinkSync(join(ROOT, name), join(folder, name));
  }
  for (const name of readdirSync(join(ROOT, 'packages'))) {
    const [from, to] = [join(ROOT, 'packages', name), join(folder, 'packages', name)];
    if (!OWN.includes(name)) {
      symlinkSync(from, to);
      continue;
    }
    for (const part of ['package.json', 'dist']) {
      cpSync(join(from, part), join(to, part), { recursive: true });
    }
    appendFileSync(join(to, 'dist', 'main.js'), `// version ${version}\n`);
  }
  return folder;
}
