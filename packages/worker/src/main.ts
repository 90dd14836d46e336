// SPDX-License-Identifier: Apache-2.0
// The worker's process. A launcher starts it (in simulation: the hardware) and gives it its
// configuration; it follows the ledger, serves, and ends when it is told to or the launcher is
// gone.
import { GatewayClient, HttpJson } from '@cloister/api';
import { briskPeer, patiently, pause } from '@cloister/attested';
import { launchedNode } from '@cloister/attester';
import { CheckpointFollower, decodeFoundingCharter } from '@cloister/contract';
import {
  fromBase64,
  fromHex,
  isCoded,
  systemClock,
  systemRandom,
  systemTimers,
} from '@cloister/core';
import { expectManyBuffers, nodeCrypto } from '@cloister/core/node';
import { createDuckdbEngine } from '@cloister/engine-duckdb';
import { pino } from 'pino';
import { parseWorkerConfig } from './config.ts';
import { ephemeralKeys, fileData, httpLinks } from './process-ports.ts';
import { sweepScratch } from './scratch.ts';
import { serveWorker } from './server.ts';
import { Worker } from './worker.ts';

const LAST_RUN_MS = 5_000;
/** Once its engine is gone a run fails, and has this long to say so on the ledger. */
const LAST_WORD_MS = 2_000;
const FOLLOW_MS = 10_000;
const TROUBLE_MS = 1_000;

async function main(): Promise<void> {
  expectManyBuffers();
  const node = await launchedNode();
  try {
    const config = parseWorkerConfig(node.config);
    const log = pino({ level: 'info' }, pino.destination(2)).child({ node: config.name });
    const genesis = fromHex(config.genesis);
    const charter = decodeFoundingCharter(fromBase64(config.charter), genesis, nodeCrypto);
    const gateways = config.gateways.map((base) => new GatewayClient(new HttpJson({ base })));
    const crypto = nodeCrypto;
    const follower = new CheckpointFollower({
      crypto,
      peers: gateways.map((gateway) => briskPeer(gateway, systemTimers)),
      genesis,
      founding: charter,
    });
    const engine = createDuckdbEngine({ spare: config.limits });
    const worker = new Worker({
      config,
      genesis,
      charter,
      attester: node.attester,
      follower,
      links: httpLinks(config, { genesis, crypto, clock: systemClock }),
      keys: ephemeralKeys,
      data: fileData(),
      engine,
      crypto,
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      log,
    });
    const swept = await sweepScratch(config.scratch);
    if (swept.length > 0) log.warn({ swept }, 'removed what a killed worker left behind');
    // The engine's planner starts now, not in the first run.
    engine.plan({ code: 'SELECT 1 AS one', params: {}, tables: [] }).catch(() => undefined);
    const server = await serveWorker(worker);
    let ending = false;
    const end = async (why: string, code: number): Promise<void> => {
      if (ending) return;
      ending = true;
      log.info({ why }, 'stopping');
      await server.close();
      await worker.idle(LAST_RUN_MS);
      await engine.close();
      await worker.idle(LAST_WORD_MS);
      node.close();
      process.exit(code);
    };
    process.on('SIGTERM', () => void end('SIGTERM', 0));
    process.on('SIGINT', () => void end('SIGINT', 0));
    void node.lost.then(() => end('the launcher is gone', 1));
    const { patienceMs } = config;
    const bounds = { timers: systemTimers, patienceMs };
    await patiently('the charter in force', bounds, async () => {
      await follower.step();
      return follower.state.charter === null ? undefined : true;
    });
    await node.ready({ name: config.name, address: server.address });
    log.info({ address: server.address }, 'ready');
    while (!ending) await keepUp(worker);
  } catch (error) {
    const code = isCoded(error) ? error.code : 'internal';
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${JSON.stringify({ event: 'failed', code, message })}\n`);
    await node.failed(`${code}: ${message}`);
    process.exit(1);
  }
}

/** Between runs the fold follows the ledger, so that a run need not catch up. */
async function keepUp(worker: Worker): Promise<void> {
  try {
    if (worker.busy) await worker.idle(FOLLOW_MS);
    else await worker.ports.follower.step(FOLLOW_MS);
  } catch (error) {
    if (!isCoded(error)) throw error;
    await pause(systemTimers, TROUBLE_MS);
  }
}

await main();
