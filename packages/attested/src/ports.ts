// SPDX-License-Identifier: Apache-2.0
// What every attested node needs of the ledger, as ports: tests and the simulator hand in their
// own.
import type { GatewayClient } from '@cloister/api';
import type { Follower } from '@cloister/contract';
import type { CryptoPort, Timers } from '@cloister/core';

/** A gateway, as far as every attested node needs one; `GatewayClient` is one over HTTP. */
export type LedgerPeer = Pick<
  GatewayClient,
  'entries' | 'checkpoint' | 'handovers' | 'append' | 'cosign'
>;

export interface LedgerPorts {
  readonly genesis: Uint8Array;
  readonly crypto: CryptoPort;
  readonly timers: Timers;
  readonly follower: Follower;
}
