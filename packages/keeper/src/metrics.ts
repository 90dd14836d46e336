// SPDX-License-Identifier: Apache-2.0
// What a keeper counts. Labels are fixed here or come from stable codes.
import { Metrics } from '@cloister/api';

export type KeeperMetrics = ReturnType<typeof keeperMetrics>;

export function keeperMetrics() {
  return new Metrics({
    cloister_keeper_challenges_total: { type: 'counter', help: 'Challenges drawn.' },
    cloister_keeper_opens_total: {
      type: 'counter',
      help: 'Requests answered with partial openings.',
    },
    cloister_keeper_columns_total: { type: 'counter', help: 'Partial openings given.' },
    cloister_keeper_refusals_total: {
      type: 'counter',
      help: 'Requests refused, by code.',
      labels: ['code'],
    },
    cloister_keeper_requests_total: {
      type: 'counter',
      help: 'HTTP requests, by path and status.',
      labels: ['path', 'status'],
    },
    cloister_keeper_ledger_size: {
      type: 'gauge',
      help: 'Events verified against cosigned checkpoints and folded.',
    },
    cloister_keeper_holding: {
      type: 'gauge',
      help: '1 while a share of the active epoch is held.',
    },
  });
}
