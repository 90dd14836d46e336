#!/usr/bin/env node
// SPDX-License-Identifier: Apache-2.0
// The `cloister` command: a committed stub, so that npm can link it before anything is built. The
// program itself is src/main.ts, built to dist/main.js by `npm ci` (prepare) or `npm run build`.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const main = new URL('../dist/main.js', import.meta.url);
if (existsSync(fileURLToPath(main))) {
  await import(main.href);
} else {
  process.stderr.write('cloister is not built yet: run `npm ci` or `npm run build` first.\n');
  process.exitCode = 1;
}
