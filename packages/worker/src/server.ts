// SPDX-License-Identifier: Apache-2.0
// A worker's HTTP API: POST /v1/runs (signed by the proposer), GET /v1/runs/:run, health, metrics.
//
// Invariants: only a run is started by a request, and only by one that the proposer signed; bodies,
// headers, waits and connections are bounded; an error answers its code, and where it is not coded
// nothing but `internal`. Where a run stands is told to whoever knows its 16 random bytes.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type ApiErrorCode,
  REQUEST_HEADER,
  runRequest,
  toErrorResponse,
  verifyRequest,
} from '@cloister/api';
import { CodedError, fromHex, isCoded, toHex } from '@cloister/core';
import type { Worker } from './worker.ts';

const MAX_BODY_BYTES = 65_536;
const LONGEST_WAIT_MS = 20_000;
const MAX_CONNECTIONS = 256;
const MAX_HEADERS = 50;

export interface WorkerServer {
  readonly address: string;
  close(): Promise<void>;
}

/** Serves `worker` on the address of its configuration. */
export async function serveWorker(worker: Worker): Promise<WorkerServer> {
  const { host, port } = worker.ports.config;
  const server = createServer(
    { requestTimeout: 30_000, headersTimeout: 10_000 },
    (request, response) => {
      void handle(worker, request, response);
    },
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.maxHeadersCount = MAX_HEADERS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });
  const { port: bound } = server.address() as AddressInfo;
  return {
    address: `http://${host}:${bound}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function handle(
  worker: Worker,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const answer = await route(worker, request);
    if (typeof answer === 'string') {
      response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(answer);
    } else {
      response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer));
    }
  } catch (error) {
    if (!isCoded(error)) worker.ports.log.error({ err: error }, 'request failed');
    const { status, body } = toErrorResponse(error);
    // A body that was not read to its end would be taken for the next request.
    if (!request.complete) response.setHeader('connection', 'close');
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }
}

async function route(worker: Worker, request: IncomingMessage): Promise<unknown> {
  const path = request.url ?? '/';
  const { pathname, searchParams } = parsePath(path);
  if (request.method === 'GET' && pathname === '/healthz') return health(worker);
  if (request.method === 'GET' && pathname === '/metrics') return metrics(worker);
  if (request.method === 'POST' && pathname === '/v1/runs') return start(worker, request, path);
  const run = /^\/v1\/runs\/([0-9a-f]{32})$/.exec(pathname)?.[1];
  if (request.method === 'GET' && run !== undefined) {
    const wait = waitOf(searchParams.get('wait'));
    return worker.status(run, searchParams.get('known') ?? '', wait);
  }
  throw new CodedError('route-unknown', 'not-found', 'no such endpoint');
}

function waitOf(asked: string | null): number {
  const wait = /^\d{1,9}$/.test(asked ?? '') ? Number(asked) : 0;
  return Math.min(wait, LONGEST_WAIT_MS);
}

/** @throws CodedError `route-unknown` for what is no path: `new URL` throws on `//` */
function parsePath(path: string): URL {
  try {
    return new URL(`http://worker${path}`);
  } catch {
    throw new CodedError('route-unknown', 'not-found', 'no such endpoint');
  }
}

async function start(worker: Worker, request: IncomingMessage, path: string): Promise<unknown> {
  const { genesis, crypto, clock } = worker.ports;
  const body = await readBody(request);
  const header = request.headers[REQUEST_HEADER];
  const facts = { genesis, method: 'POST', path, body };
  const caller = await verifyRequest(typeof header === 'string' ? header : undefined, facts, {
    crypto,
    clock,
  });
  const parsed = runRequest.safeParse(parseJson(body));
  if (!parsed.success) throw malformed('the body is not {"task": "<64 hexadecimal digits>"}');
  return { run: await worker.start(fromHex(parsed.data.task), caller) };
}

function health(worker: Worker) {
  const { follower, config, genesis } = worker.ports;
  return {
    ok: follower.state.charter !== null,
    role: 'worker',
    name: config.name,
    genesis: toHex(genesis),
    size: follower.size,
    simulated: follower.state.charter?.simulated ?? null,
    busy: worker.busy,
  };
}

function metrics(worker: Worker): string {
  const { metrics } = worker;
  metrics.set('cloister_worker_busy', {}, worker.busy ? 1 : 0);
  metrics.set('cloister_ledger_entries', {}, worker.ports.follower.size);
  return metrics.text();
}

async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    size += (part as Buffer).length;
    if (size > MAX_BODY_BYTES) {
      throw new CodedError<ApiErrorCode>('request-too-large', 'usage', 'the body is too long');
    }
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return undefined;
  }
}

function malformed(message: string): CodedError<ApiErrorCode> {
  return new CodedError('request-malformed', 'malformed', message);
}
