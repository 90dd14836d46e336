// SPDX-License-Identifier: Apache-2.0
// Metrics in the Prometheus text format: how requests went, and how far the ledger is followed.
// Labels are routes and codes, never ids, so metrics tell nothing that the ledger does not.
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Gateway } from '../context.ts';

export interface GatewayMetrics {
  readonly contentType: string;
  text(): Promise<string>;
  served(method: string, route: string, status: number, milliseconds: number): void;
}

export function gatewayMetrics(gateway: Gateway): GatewayMetrics {
  const registers = [new Registry()];
  const requests = new Counter({
    name: 'cloister_requests_total',
    help: 'Requests by route and status',
    labelNames: ['method', 'route', 'status'],
    registers,
  });
  const seconds = new Histogram({
    name: 'cloister_request_seconds',
    help: 'How long requests took',
    labelNames: ['route'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10],
    registers,
  });
  new Gauge({
    name: 'cloister_ledger_entries',
    help: 'Entries of the ledger that this gateway has folded',
    registers,
    collect() {
      this.set(gateway.follower.size);
    },
  });
  new Gauge({
    name: 'cloister_ledger_following',
    help: '1 while the ledger is followed, 0 after it failed',
    registers,
    collect() {
      this.set(gateway.follower.failure === undefined ? 1 : 0);
    },
  });
  const [registry] = registers as [Registry];
  return {
    contentType: registry.contentType,
    text: () => registry.metrics(),
    served(method, route, status, milliseconds) {
      requests.inc({ method, route, status });
      seconds.observe({ route }, milliseconds / 1_000);
    },
  };
}
