// SPDX-License-Identifier: Apache-2.0
// What a gateway counts: how requests went, and how far the ledger is followed. Labels are routes
// and codes, never ids, so metrics tell nothing that the ledger does not.
import { Metrics } from '@cloister/api';
import type { Gateway } from '../context.ts';

export interface GatewayMetrics {
  text(): string;
  served(method: string, route: string, status: number, milliseconds: number): void;
}

export function gatewayMetrics(gateway: Gateway): GatewayMetrics {
  const metrics = new Metrics({
    cloister_requests_total: {
      type: 'counter',
      help: 'Requests by route and status',
      labels: ['method', 'route', 'status'],
    },
    cloister_request_seconds: {
      type: 'histogram',
      help: 'How long requests took',
      labels: ['route'],
      buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    },
    cloister_ledger_entries: {
      type: 'gauge',
      help: 'Entries of the ledger that this gateway has folded',
    },
    cloister_ledger_following: {
      type: 'gauge',
      help: '1 while the ledger is followed, 0 after it failed',
    },
  });
  return {
    text() {
      const { follower } = gateway;
      metrics.set('cloister_ledger_entries', {}, follower.size);
      metrics.set('cloister_ledger_following', {}, follower.failure === undefined ? 1 : 0);
      return metrics.text();
    },
    served(method, route, status, milliseconds) {
      metrics.count('cloister_requests_total', { method, route, status: String(status) });
      metrics.observe('cloister_request_seconds', { route }, milliseconds / 1_000);
    },
  };
}
