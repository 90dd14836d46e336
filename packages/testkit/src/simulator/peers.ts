// SPDX-License-Identifier: Apache-2.0
// Gateways and keepers as the nodes' real code sees them: the ports that HTTP clients are in a
// process, over the simulated network.
import type { KeeperPeer, Gateway as WorkerGateway } from '@cloister/worker/protocol';
import type { Endpoint } from './endpoint.ts';
import type { Appended } from './ledger.ts';

/** A gateway, seen from `endpoint`; whoever asks for openings signs its requests with `by`. */
export function gatewayPeer(
  endpoint: Endpoint,
  name: string,
  by: Uint8Array = new Uint8Array(),
): WorkerGateway {
  const call = endpoint.call.bind(endpoint);
  return {
    health: () => call(name, 'health', {}),
    entries: (from, { limit = 500, waitMs = 0 } = {}) =>
      call(name, 'entries', { from, limit, waitMs }, waitMs + 1_500),
    checkpoint: (least = 1) => call(name, 'checkpoint', { least }),
    handovers: async (from) => (await call<{ notes: string[] }>(name, 'handovers', { from })).notes,
    append: (bytes) => call<Appended>(name, 'append', { bytes }),
    cosign: async (head) => (await call<{ note: string }>(name, 'cosign', { ...head })).note,
    freshness: async ({ size, root }, challenges) =>
      (await call<{ note: string }>(name, 'freshness', { size, root, challenges })).note,
    openings: async (join) =>
      (await call<{ sealed: Uint8Array }>(name, 'openings', { join, by })).sealed,
  };
}

/** A keeper, seen from `endpoint` by a node that signs its requests with `by`. */
export function keeperPeer(endpoint: Endpoint, name: string, by: Uint8Array): KeeperPeer {
  const call = endpoint.call.bind(endpoint);
  return {
    health: () => call(name, 'health', {}),
    challenge: async (about) =>
      (await call<{ challenge: Uint8Array }>(name, 'challenge', { ...about, by })).challenge,
    open: (request) => call(name, 'open', { ...request, by }),
    prove: (about) => call(name, 'prove', { ...about, by }),
  };
}
