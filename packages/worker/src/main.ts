// SPDX-License-Identifier: Apache-2.0
// The worker's process: it follows the ledger, serves, and runs one task after another. At its end
// a run that is under way has a moment to end, and then to say on the ledger that it did not.
import { GatewayClient, HttpJson } from '@cloister/api';
import { briskPeer, followUntil, keepOn, runNode, type Surroundings } from '@cloister/attested';
import { CheckpointFollower } from '@cloister/contract';
import { expectManyBuffers } from '@cloister/core/node';
import { openEngines } from './adapters.ts';
import { parseWorkerConfig, type WorkerConfig } from './config.ts';
import { ephemeralKeys, fileData, httpLinks } from './process-ports.ts';
import { sweepScratch } from './scratch.ts';
import { serveWorker } from './server.ts';
import { Worker } from './worker.ts';

const LAST_RUN_MS = 5_000;
/** Once its engine is gone a run fails, and has this long to say so on the ledger. */
const LAST_WORD_MS = 2_000;
const FOLLOW_MS = 10_000;

async function program(around: Surroundings<WorkerConfig>) {
  const { config, genesis, charter, crypto, clock, timers, log } = around;
  const gateways = config.gateways.map((base) => new GatewayClient(new HttpJson({ base })));
  const peers = gateways.map((gateway) => briskPeer(gateway, timers));
  const follower = new CheckpointFollower({ crypto, timers, peers, genesis, founding: charter });
  // Before the engines, whose children have folders there, too.
  const folders = [...new Set([config.scratch, config.spool])];
  const swept = (await Promise.all(folders.map(sweepScratch))).flat();
  if (swept.length > 0) log.warn('left-behind-removed', { folders: swept.join(' ') });
  const engines = openEngines(config);
  const links = httpLinks(config, { genesis, crypto, clock });
  const data = fileData();
  const worker = new Worker({ ...around, follower, links, keys: ephemeralKeys, data, ...engines });
  const { planners, runners } = engines;
  // DuckDB's planner starts now, not in the first run.
  const starting = { code: 'SELECT 1 AS one', params: {}, tables: [] };
  planners
    .get('duckdb')
    ?.plan(starting)
    .catch(() => undefined);
  const stopping = new AbortController();
  const { signal } = stopping;
  return {
    server: await serveWorker(worker),
    start: async () => {
      const { patienceMs } = config;
      const bounds = { timers, patienceMs, signal, progress: () => follower.progress };
      const inForce = () => follower.state.charter !== null;
      await followUntil('the charter in force', follower, bounds, inForce);
      // Between runs the fold follows the ledger, so that a run need not catch up.
      void keepOn(around, signal, async () => {
        if (worker.busy) await worker.idle(FOLLOW_MS);
        else await follower.step(FOLLOW_MS);
      });
      return {};
    },
    progress: () => follower.progress,
    stop: async () => {
      stopping.abort();
      await worker.idle(LAST_RUN_MS);
      for (const port of [...runners.values(), ...planners.values()]) await port.close();
      await worker.idle(LAST_WORD_MS);
    },
  };
}

expectManyBuffers();
await runNode('worker', parseWorkerConfig, program);
