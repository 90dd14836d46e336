#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The `cloister` command: a committed stub, so that npm can link it before anything is built. The
// program itself is src/main.ts, built to dist/main.js by `npm ci` (prepare) or `npm run build`. It
// is loaded only where it can run; until then, syntax that an old Node can parse.
import { notice, refusal } from './requirements.js';

const EXIT_UNSUPPORTED = 7;
const main = new URL('../dist/main.js', import.meta.url).href;
const host = { node: process.versions.node, platform: process.platform, arch: process.arch };
const refused = refusal(host);
const noticed = notice(host.node);
/** @param {string} flag */
const has = (flag) => process.argv.indexOf(flag) > 0;

if (refused !== undefined) {
  const error = { code: 'host-unsupported', message: refused, details: host };
  process.stderr.write(`${has('--json') ? JSON.stringify({ error: error }) : refused}\n`);
  process.exitCode = EXIT_UNSUPPORTED;
} else {
  if (noticed !== undefined && !has('--json') && !has('--quiet')) {
    process.stderr.write(`${noticed}\n`);
  }
  import(main).catch((/** @type {unknown} */ error) => {
    if (!isMissing(error)) throw error;
    process.stderr.write('cloister is not built yet: run `npm ci` or `npm run build` first.\n');
    process.exitCode = 1;
  });
}

/** Whether what could not be found is the program itself. @param {any} error */
function isMissing(error) {
  return error.code === 'ERR_MODULE_NOT_FOUND' && error.url === main;
}
