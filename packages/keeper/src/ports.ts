// SPDX-License-Identifier: Apache-2.0
// What a keeper needs of the world, as ports: tests and the simulator hand in their own.
import type { LedgerPeer, Log, TlsKey } from '@cloister/attested';
import type { Attester } from '@cloister/attester/node';
import type { Appraiser, Follower } from '@cloister/contract';
import type { BlobStore, Clock, CryptoPort, Random, Signer, Timers } from '@cloister/core';
import type { HpkeKeyPair } from '@cloister/threshold/node';
import type { ChallengeTable } from './challenges.ts';
import type { CheckedKeys } from './checked-keys.ts';
import type { decide } from './open.ts';

export interface KeeperPorts {
  readonly crypto: CryptoPort;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly attester: Attester;
  /** Ed25519, made in this process: signs the join, every event and every request. */
  readonly signer: Signer;
  /** Tried in order; one that answers is enough. */
  readonly peers: readonly LedgerPeer[];
  readonly blobs: BlobStore;
  /** The blobs of gateways each by itself: evidence goes to more of them than may lie. */
  readonly blobsOf: readonly BlobStore[];
  readonly log: Log;
}

/** The pieces that a keeper is made of; `keeperParts` (keeper.ts) makes those of a process. */
export interface KeeperParts {
  readonly follower: Follower;
  readonly appraiser: Appraiser;
  readonly challenges: ChallengeTable;
  /** In front of the ports' blobs: evidence and sealed keys are asked for more than once. */
  readonly blobs: BlobStore;
  /** Verifies sealed keys ahead; without it each is verified when it is opened. */
  readonly checked?: CheckedKeys;
  readonly decide: typeof decide;
  /** Makes the TLS key that its evidence binds. */
  readonly tlsKey: () => TlsKey;
  /** Makes the key that deals to it are sealed to, for one attempt at a group key. */
  readonly receivingKey: () => HpkeKeyPair;
}
