// SPDX-License-Identifier: Apache-2.0
// The keeper's process. It is started by a launcher (in simulation: the hardware), takes its
// configuration from it, joins, serves, and ends when it is told to or when the launcher is gone.
// Secrets are made inside and die with it: nothing is read from or written to disk.
import { GatewayClient, HttpBlobs, HttpJson } from '@cloister/api';
import { errorFields, jsonLog } from '@cloister/attested';
import { launchedNode } from '@cloister/attester';
import { fromHex, systemClock, systemRandom, systemTimers, toHex } from '@cloister/core';
import { ephemeralEd25519Signer, nodeCrypto } from '@cloister/core/node';
import { foundingCharter, parseKeeperConfig } from './config.ts';
import { Keeper } from './keeper.ts';
import { serveKeeper } from './server.ts';

async function main(): Promise<void> {
  const node = await launchedNode();
  let log = jsonLog(systemClock, 'keeper');
  try {
    const config = parseKeeperConfig(node.config);
    log = jsonLog(systemClock, config.name);
    const { name, operator, environment, patienceMs } = config;
    const genesis = fromHex(config.genesis);
    const founding = foundingCharter(config, nodeCrypto);
    const crypto = nodeCrypto;
    const clock = systemClock;
    const signer = ephemeralEd25519Signer();
    const sign = { signer, issuer: name, genesis, crypto, clock };
    const gateways = config.gateways.map((base) => new HttpJson({ base, sign }));
    const keeper = new Keeper(
      { name, genesis, founding, operator, environment, patienceMs },
      {
        crypto,
        clock,
        timers: systemTimers,
        random: systemRandom,
        attester: node.attester,
        signer,
        peers: gateways.map((http) => new GatewayClient(http)),
        blobs: new HttpBlobs(gateways, crypto),
        log,
      },
    );
    const { host, port } = config;
    const server = await serveKeeper(keeper, { host, port, name, genesis, crypto, clock, log });
    let ending = false;
    const end = async (why: string, code: number): Promise<void> => {
      if (ending) return;
      ending = true;
      log.info('stopping', { why });
      await server.close();
      await keeper.stop();
      node.close();
      process.exit(code);
    };
    process.on('SIGTERM', () => void end('SIGTERM', 0));
    process.on('SIGINT', () => void end('SIGINT', 0));
    void node.lost.then(() => end('the launcher is gone', 1));
    await keeper.start();
    const join = toHex(keeper.join as Uint8Array);
    await node.ready({ name, address: server.address, join });
    log.info('ready', { address: server.address, join });
  } catch (error) {
    const fields = errorFields(error);
    log.warn('failed', fields);
    await node.failed(`${fields.code}: ${fields.message}`);
    process.exit(1);
  }
}

await main();
