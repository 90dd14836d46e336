// SPDX-License-Identifier: Apache-2.0
// What a worker's process runs on: HTTP to the configured gateways and keepers, keys from OpenSSL,
// files in memory. run.ts sees ports only.
import { availableParallelism } from 'node:os';
import {
  GatewayClient,
  HttpBlobs,
  HttpJson,
  KeeperClient,
  type RequestSigner,
} from '@cloister/api';
import { generateTlsKey } from '@cloister/attested';
import { RunMemory } from '@cloister/contract';
import type { Signer } from '@cloister/core';
import { ephemeralEd25519Signer } from '@cloister/core/node';
import { CryptoPool } from '@cloister/parquet-crypto';
import type { WorkerConfig } from './config.ts';
import type { DataPlane } from './data-plane.ts';
import { readInputs } from './inputs.ts';
import type { KeyMaker, Links } from './ports.ts';
import { resultSealer } from './result.ts';
import { dropScratch, makeScratch } from './scratch.ts';

/** Signed HTTP clients, one a configured gateway, and of keepers by their address. */
export function httpLinks(
  config: Pick<WorkerConfig, 'gateways' | 'name'>,
  about: Pick<RequestSigner, 'genesis' | 'crypto' | 'clock'>,
): (signer: Signer) => Links {
  return (signer) => {
    const sign = { signer, issuer: config.name, ...about };
    const gateways = config.gateways.map((base) => new HttpJson({ base, sign }));
    return {
      gateways: gateways.map((http) => new GatewayClient(http)),
      blobs: new HttpBlobs(gateways, about.crypto),
      blobsOf: gateways.map((http) => new HttpBlobs([http], about.crypto)),
      keeper: (base) => new KeeperClient(new HttpJson({ base, sign })),
    };
  };
}

/** Keys that exist in this process only. */
export const ephemeralKeys: KeyMaker = {
  signer: ephemeralEd25519Signer,
  tls: generateTlsKey,
};

/** Fetching, checking and decrypting in one thread keep about this many cores busy. */
const BUSY_CORES = 2;

/** Files in memory; large inputs are decrypted by threads, born with the first of them. */
export function fileData(): DataPlane {
  const pool = availableParallelism() > BUSY_CORES ? { pool: new CryptoPool() } : {};
  const memory = new RunMemory();
  return {
    makeScratch,
    dropScratch,
    readInputs: (request) => readInputs({ ...pool, memory, ...request }),
    resultSealer,
  };
}
