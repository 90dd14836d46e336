// SPDX-License-Identifier: Apache-2.0
// What a run needs of the world. Everything here outlives a run; a run's own keys do not.
import type { GatewayClient } from '@cloister/api';
import type { Attester } from '@cloister/attester';
import type { CharterBody, CheckpointFollower } from '@cloister/contract';
import type { EnginePort } from '@cloister/contract/policy';
import type { Clock, CryptoPort, Random } from '@cloister/core';
import type { Logger } from 'pino';
import type { WorkerConfig } from './config.ts';

export interface WorkerPorts {
  readonly config: WorkerConfig;
  readonly genesis: Uint8Array;
  readonly charter: CharterBody;
  readonly attester: Attester;
  readonly follower: CheckpointFollower;
  /** Unsigned clients, one a configured gateway; each run makes signed ones of its own. */
  readonly gateways: readonly GatewayClient[];
  readonly engine: EnginePort;
  readonly crypto: CryptoPort;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
}
