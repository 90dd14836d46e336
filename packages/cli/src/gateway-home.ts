// SPDX-License-Identifier: Apache-2.0
// Prepares an organisation's folder for a charter: the payload to sign, the root documents as
// blobs, and how the gateway runs.
import { join } from 'node:path';
import { toHex } from '@cloister/core';
import { FileBlobs, writeDurably } from '@cloister/core/node';
import { CHARTER_FILE, writeGatewayConfig } from '@cloister/gateway/home';
import type { CharterFile } from './charter-file.ts';

export async function prepareGateway(
  home: string,
  charter: CharterFile,
  config: {
    host: string;
    port: number;
    ledger: string;
    peers: Readonly<Record<string, string>>;
    tickSeconds: number;
    later?: boolean;
  },
): Promise<void> {
  const blobs = new FileBlobs(join(home, 'blobs'));
  for (const root of charter.roots) await blobs.put(root);
  await writeDurably(join(home, CHARTER_FILE), charter.payload);
  const ledger = { kind: 'log', url: config.ledger };
  await writeGatewayConfig(home, { genesis: toHex(charter.genesis), ...config, ledger });
}
