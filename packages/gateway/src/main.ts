// SPDX-License-Identifier: Apache-2.0
// The gateway process: `main.js --home FOLDER [--exit-with-stdin]`. It prints one JSON line with its
// address when it listens and logs to stderr. SIGTERM, SIGINT, and the end of stdin where that is
// asked for, stop it gracefully.
import { parseArgs } from 'node:util';
import { isCoded } from '@cloister/core';
import { startGateway } from './start.ts';

const STOP_MS = 10_000;

const { values } = parseArgs({
  options: { home: { type: 'string' }, 'exit-with-stdin': { type: 'boolean' } },
});

try {
  if (values.home === undefined) throw new Error('--home FOLDER is missing');
  const running = await startGateway({ home: values.home });
  let stopping = false;
  const stop = () => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), STOP_MS).unref();
    void running.stop().then(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  if (values['exit-with-stdin'] === true) process.stdin.resume().on('end', stop).on('error', stop);
  process.stdout.write(`${JSON.stringify({ event: 'listening', url: running.url })}\n`);
} catch (error) {
  const code = isCoded(error) ? error.code : 'internal';
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${JSON.stringify({ event: 'failed', code, message })}\n`);
  process.exitCode = 1;
}
