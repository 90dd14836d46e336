// SPDX-License-Identifier: Apache-2.0
// The worker's process. A launcher starts it (in simulation: the hardware) and gives it its
// configuration; it follows the ledger, serves, and ends when it is told to or the launcher is gone.
import { GatewayClient, HttpJson } from '@cloister/api';
import { launchedNode } from '@cloister/attester';
import { CheckpointFollower, decodeFoundingCharter } from '@cloister/contract';
import { fromBase64, fromHex, isCoded, systemClock, systemRandom } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { createDuckdbEngine } from '@cloister/engine-duckdb';
import { pino } from 'pino';
import { parseWorkerConfig } from './config.ts';
import { serveWorker } from './server.ts';
import { patiently } from './wait.ts';
import { Worker } from './worker.ts';

const LAST_RUN_MS = 5_000;

async function main(): Promise<void> {
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
      peers: gateways,
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
      gateways,
      engine,
      crypto,
      clock: systemClock,
      random: systemRandom,
      log,
    });
    const server = await serveWorker(worker);
    let ending = false;
    const end = async (why: string, code: number): Promise<void> => {
      if (ending) return;
      ending = true;
      log.info({ why }, 'stopping');
      await server.close();
      await worker.idle(LAST_RUN_MS);
      await engine.close();
      node.close();
      process.exit(code);
    };
    process.on('SIGTERM', () => void end('SIGTERM', 0));
    process.on('SIGINT', () => void end('SIGINT', 0));
    void node.lost.then(() => end('the launcher is gone', 1));
    await patiently('the charter in force', config.patienceMs, async () => {
      await follower.step();
      return follower.state.charter === null ? undefined : true;
    });
    await node.ready({ name: config.name, address: server.address });
    log.info({ address: server.address }, 'ready');
  } catch (error) {
    const code = isCoded(error) ? error.code : 'internal';
    const message = error instanceof Error ? error.message : String(error);
    process.stderr.write(`${JSON.stringify({ event: 'failed', code, message })}\n`);
    await node.failed(`${code}: ${message}`);
    process.exit(1);
  }
}

await main();
