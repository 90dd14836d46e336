// SPDX-License-Identifier: Apache-2.0
// What a run needs of the world. Everything here outlives a run; a run's own keys do not.
import type { GatewayClient, KeeperClient } from '@cloister/api';
import type { LedgerPeer, Log, TlsKey } from '@cloister/attested';
import type { Attester } from '@cloister/attester/node';
import type { CharterBody, Follower } from '@cloister/contract';
import type { Planners, Runners } from '@cloister/contract/policy';
import type { BlobStore, Clock, CryptoPort, Random, Signer, Timers } from '@cloister/core';
import type { WorkerConfig } from './config.ts';
import type { DataPlane } from './data-plane.ts';

/** A gateway, as far as a run needs one. */
export type Gateway = LedgerPeer & Pick<GatewayClient, 'health' | 'freshness' | 'openings'>;

/** A keeper, as far as a run needs one. */
export type KeeperPeer = Pick<KeeperClient, 'health' | 'challenge' | 'open' | 'prove'>;

/** One run's ways to the others: requests are signed by its key. */
export interface Links {
  readonly gateways: readonly Gateway[];
  /** Blobs of any gateway. */
  readonly blobs: BlobStore;
  /** Blobs of each gateway by itself, in the order of `gateways`. */
  readonly blobsOf: readonly BlobStore[];
  keeper(base: string): KeeperPeer;
}

/** Keys that a run makes inside. */
export interface KeyMaker {
  signer(): Signer;
  tls(): TlsKey;
}

export interface WorkerPorts {
  readonly config: WorkerConfig;
  readonly genesis: Uint8Array;
  readonly charter: CharterBody;
  readonly attester: Attester;
  readonly follower: Follower;
  links(signer: Signer): Links;
  readonly keys: KeyMaker;
  readonly data: DataPlane;
  /** By the kind of engine that a task names. */
  readonly planners: Planners;
  readonly runners: Runners;
  readonly crypto: CryptoPort;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
}
