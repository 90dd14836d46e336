// SPDX-License-Identifier: Apache-2.0
// How many durable appends a second the embedded ledger makes, and how long one takes: 64 writers
// at once, 400 bytes each, fsync on, in a temporary folder (where that is memory, fsync is free).
// Appends only: cosigning is the gateways'. Goal: at least 1,000 a second, p99 at most 200 ms.
// Run after a build.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { utf8 } from '@cloister/core';
import { LogLedger } from '@cloister/log-store';
import { logOrigin } from '@cloister/tlog';

const WRITERS = 64;
const EACH = 100;

const folder = await mkdtemp(join(tmpdir(), 'cloister-append-'));
try {
  const origin = logOrigin(new Uint8Array(32).fill(1));
  const ledger = await LogLedger.open({ folder: join(folder, 'log'), origin });
  const times = [];
  const started = performance.now();
  const writers = Array.from({ length: WRITERS }, async (_, writer) => {
    for (let i = 0; i < EACH; i++) {
      const at = performance.now();
      await ledger.append(utf8(`writer ${writer} event ${i}`.padEnd(400, '.')));
      times.push(performance.now() - at);
    }
  });
  await Promise.all(writers);
  const seconds = (performance.now() - started) / 1_000;
  await ledger.close();
  times.sort((a, b) => a - b);
  const at = (share) => times[Math.floor(times.length * share)].toFixed(1);
  const rate = (times.length / seconds).toFixed(0);
  process.stdout.write(`durable appends: ${rate}/s, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms\n`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
