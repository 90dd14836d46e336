// SPDX-License-Identifier: Apache-2.0
// What a worker counts. Numbers about runs only: nothing here comes from data.
import { Metrics } from '@cloister/api';

export type WorkerMetrics = ReturnType<typeof workerMetrics>;

export function workerMetrics() {
  return new Metrics({
    cloister_worker_runs_total: {
      type: 'counter',
      help: 'Runs, by how they ended: released, or the code of the failure.',
      labels: ['outcome'],
    },
    cloister_worker_phase_seconds: {
      type: 'summary',
      help: 'How long the phases of runs took.',
      labels: ['phase'],
    },
    cloister_worker_requests_total: {
      type: 'counter',
      help: 'HTTP requests, by path and status.',
      labels: ['path', 'status'],
    },
    cloister_worker_busy: { type: 'gauge', help: '1 while a run is under way.' },
    cloister_ledger_entries: {
      type: 'gauge',
      help: 'Events verified against cosigned checkpoints and folded.',
    },
  });
}
