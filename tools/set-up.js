// SPDX-License-Identifier: Apache-2.0
// `node tools/set-up.js <lane>`: sets one lane up and prints as one line of JSON either what its
// tests are told (`env`) and what was asked of the cache (`asked`), or what is `missing`. A process
// of its own, so that a set-up that hangs can be stopped with all that it started.
import { asked } from './cache.js';
import { laneTable } from './lane-table.js';
import { Missing } from './programs.js';

const lane = (await laneTable()).get(process.argv[2] ?? '');
if (lane === undefined) throw new Error(`no lane ${process.argv[2]} in tools/lanes`);
try {
  const env = await lane.setUp();
  process.stdout.write(`${JSON.stringify({ env, asked })}\n`);
} catch (error) {
  if (!(error instanceof Missing)) throw error;
  const missing = { reason: error.reason, why: error.message };
  process.stdout.write(`${JSON.stringify({ missing })}\n`);
}
