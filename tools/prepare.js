// SPDX-License-Identifier: Apache-2.0
// What `npm ci` ends with in a clone: the build. Where that cannot be, one sentence says what to
// do: under a Node that is too old, and without the development packages that have the compiler.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { recent } from '../packages/cli/bin/requirements.js';

const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));

if (!recent(process.versions.node)) {
  giveUp(`Cloister needs Node 20.19 or later to be built, and this is ${process.versions.node}.`);
} else if (!existsSync(tsc)) {
  giveUp(
    'A clone is built from source, which needs its development packages: run `npm ci` without ' +
      '--omit=dev; what runs without them comes from `npm run pack:product`.',
  );
} else {
  const { status } = spawnSync(process.execPath, [tsc, '-b'], { stdio: 'inherit' });
  process.exitCode = status === 0 ? 0 : 1;
}

/** @param {string} sentence */
function giveUp(sentence) {
  process.stderr.write(`\n${sentence}\n\n`);
  process.exitCode = 1;
}
