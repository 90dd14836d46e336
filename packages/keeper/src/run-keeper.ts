// SPDX-License-Identifier: Apache-2.0
// A keeper's process: it joins, serves, and keeps its share in memory until its end. Nothing is
// read from or written to disk.
import { GatewayClient, HttpBlobs, HttpJson } from '@cloister/api';
import { runNode } from '@cloister/attested';
import { toHex } from '@cloister/core';
import { ephemeralEd25519Signer } from '@cloister/core/node';
import { parseKeeperConfig } from './config.ts';
import { Keeper, keeperParts } from './keeper.ts';
import { serveKeeper } from './server.ts';

/** Runs until its launcher or a signal ends it; `partsOf` makes what it is made of. */
export async function runKeeper(partsOf: typeof keeperParts = keeperParts): Promise<void> {
  await runNode('keeper', parseKeeperConfig, async (around) => {
    const { config, charter: founding, ...ports } = around;
    const { genesis, crypto, clock, log } = ports;
    const { name, operator, environment, patienceMs, host, port } = config;
    const signer = ephemeralEd25519Signer();
    const sign = { signer, issuer: name, genesis, crypto, clock };
    const gateways = config.gateways.map((base) => new HttpJson({ base, sign }));
    const peers = gateways.map((http) => new GatewayClient(http));
    const blobs = new HttpBlobs(gateways, crypto);
    const blobsOf = gateways.map((http) => new HttpBlobs([http], crypto));
    const options = { name, genesis, founding, operator, environment, patienceMs };
    const own = { ...ports, signer, peers, blobs, blobsOf };
    const keeper = new Keeper(options, own, partsOf(options, own));
    return {
      server: await serveKeeper(keeper, { host, port, name, genesis, crypto, clock, log }),
      start: async () => {
        await keeper.start();
        return { join: toHex(keeper.join as Uint8Array) };
      },
      progress: () => keeper.follower.progress,
      stop: () => keeper.stop(),
    };
  });
}
