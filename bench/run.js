// SPDX-License-Identifier: Apache-2.0
// `npm run bench [name...] [-- --option...]`: runs bench/*.mjs and packages/*/bench/*.mjs one after
// another, each in a process of its own that gets the options, and prints what they print. Figures
// that compare are ratios measured side by side in one run; absolute times belong to the machine
// that they were taken on.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const LIMIT_MS = 45 * 60_000;
const root = fileURLToPath(new URL('..', import.meta.url));
const folders = ['bench', ...readdirSync(join(root, 'packages')).map((p) => `packages/${p}/bench`)];
const benches = folders
  .filter((folder) => existsSync(join(root, folder)))
  .flatMap((folder) => readdirSync(join(root, folder)).map((file) => join(folder, file)))
  .filter((file) => file.endsWith('.mjs'));
const given = process.argv.slice(2);
const first = given.findIndex((word) => word.startsWith('--'));
const wanted = first < 0 ? given : given.slice(0, first);
const options = first < 0 ? [] : given.slice(first);
const chosen = benches.filter((file) => {
  return wanted.length === 0 || wanted.includes(basename(file, '.mjs'));
});

const names = benches.map((file) => basename(file, '.mjs')).join(', ');
if (chosen.length === 0) {
  process.stderr.write(`no such bench: wanted one of ${names}\n`);
  process.exit(1);
}
const load = loadavg()[0]?.toFixed(1);
process.stdout.write(`${cpus()[0]?.model}, ${availableParallelism()} cores, load ${load}\n`);
let failed = 0;
for (const file of chosen) {
  process.stdout.write(`\n== ${basename(file, '.mjs')} (${file})\n`);
  const { status } = spawnSync(process.execPath, [join(root, file), ...options], {
    stdio: 'inherit',
    timeout: LIMIT_MS,
  });
  if (status !== 0) failed++;
}
process.exit(failed === 0 ? 0 : 1);
