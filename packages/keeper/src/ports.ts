// SPDX-License-Identifier: Apache-2.0
// What a keeper needs of the world, as ports: tests and the simulator hand in their own.
import type { AppendAnswer } from '@cloister/api';
import type { Attester } from '@cloister/attester';
import type { CheckpointedPeer } from '@cloister/contract';
import type { BlobStore, Clock, CryptoPort, Random, Signer } from '@cloister/core';
import type { Log } from './log.ts';

/** A gateway, as far as a keeper needs one; `GatewayClient` is one over HTTP. */
export interface LedgerPeer extends CheckpointedPeer {
  append(event: Uint8Array): Promise<AppendAnswer>;
}

export interface KeeperPorts {
  readonly crypto: CryptoPort;
  readonly clock: Clock;
  readonly random: Random;
  readonly attester: Attester;
  /** Ed25519, made in this process: signs the join, every event and every request. */
  readonly signer: Signer;
  /** Tried in order; one that answers is enough. */
  readonly peers: readonly LedgerPeer[];
  readonly blobs: BlobStore;
  readonly log: Log;
}
