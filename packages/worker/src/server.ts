// SPDX-License-Identifier: Apache-2.0
// A worker's HTTP API.
//
//   GET  /healthz         where it stands
//   GET  /metrics         Prometheus text
//   POST /v1/runs         {task, run, ticket}, signed by the task's proposer   -> {run}
//   GET  /v1/runs/:run    ?known&wait: waits while the state is `known`
//
// Invariants: only a run is started by a request, and only by one that the proposer signed; waits
// are bounded, and what else is, in attested's http-server.ts. Where a run stands is told to
// whoever knows its 16 random bytes.
import { runRequest } from '@cloister/api';
import { type HttpServer, type Routes, serveHttp, signedBody } from '@cloister/attested';
import { fromBase64, fromHex, toHex } from '@cloister/core';
import type { Worker } from './worker.ts';

const MAX_BODY_BYTES = 65_536;
const LONGEST_WAIT_MS = 20_000;

/** Serves `worker` on the address of its configuration. */
export function serveWorker(worker: Worker): Promise<HttpServer> {
  const { config, log } = worker.ports;
  const { host, port } = config;
  const served = (path: string, status: number) => {
    worker.metrics.count('cloister_worker_requests_total', { path, status: String(status) });
  };
  const routes = routesOf(worker);
  return serveHttp({ host, port, routes, maxBodyBytes: MAX_BODY_BYTES, log, served });
}

function routesOf(worker: Worker): Routes {
  return {
    'GET /healthz': () => health(worker),
    'GET /metrics': () => metrics(worker),
    'POST /v1/runs': async (call) => {
      const { caller, asked } = await signedBody(call, runRequest, worker.ports);
      const { task, run, ticket } = asked;
      const about = { task: fromHex(task), run: fromHex(run), ticket: fromBase64(ticket) };
      return { run: await worker.start(about, caller) };
    },
    'GET /v1/runs/:run': ({ named, query }) => {
      const wait = waitOf(query.get('wait'));
      return worker.status(named['run'] ?? '', query.get('known') ?? '', wait);
    },
  };
}

function waitOf(asked: string | null): number {
  const wait = /^\d{1,9}$/.test(asked ?? '') ? Number(asked) : 0;
  return Math.min(wait, LONGEST_WAIT_MS);
}

function health(worker: Worker) {
  const { follower, config, genesis } = worker.ports;
  return {
    ok: follower.state.charter !== null,
    role: 'worker',
    name: config.name,
    operator: config.operator,
    genesis: toHex(genesis),
    size: follower.size,
    simulated: follower.state.charter?.simulated ?? null,
    busy: worker.busy,
  };
}

function metrics(worker: Worker): string {
  const { metrics: all } = worker;
  all.set('cloister_worker_busy', {}, worker.busy ? 1 : 0);
  all.set('cloister_ledger_entries', {}, worker.ports.follower.size);
  return all.text();
}
