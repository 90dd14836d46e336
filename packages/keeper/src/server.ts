// SPDX-License-Identifier: Apache-2.0
// A keeper's HTTP API, on node:http alone because a keeper's closure stays small.
//
//   GET  /healthz        where it stands
//   GET  /metrics        Prometheus text
//   POST /v1/challenge   {join}                      -> {challenge, lifetimeMs}
//   POST /v1/open        {join, freshness, openings} -> {epoch, seat, sealed}
//   POST /v1/prove       {join}                      -> {epoch, seat, proof}
//
// Invariants: each POST is signed by the signing key of the join it names, so nobody else can spend
// its challenges or put refusals under its name; bodies, headers and times are bounded; an error
// answers its code and, where it is not coded, nothing but `internal`.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  type ApiErrorCode,
  challengeRequest,
  openRequest,
  proveRequest,
  REQUEST_HEADER,
  toErrorResponse,
  verifyRequest,
} from '@cloister/api';
import { errorFields, type Log } from '@cloister/attested';
import {
  type Clock,
  CodedError,
  type CryptoPort,
  equal,
  fromBase64,
  fromHex,
  toBase64,
  toHex,
} from '@cloister/core';
import type { z } from 'zod';
import { keeperError } from './errors.ts';
import type { Keeper } from './keeper.ts';

const MAX_BODY_BYTES = 16 * 1_048_576;
const MAX_CONNECTIONS = 256;
const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;
/** What is under way when the server closes may take this long. */
const CLOSE_GRACE_MS = 1_000;

export interface ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly name: string;
  readonly genesis: Uint8Array;
  readonly crypto: CryptoPort;
  readonly clock: Clock;
  readonly log: Log;
}

export interface KeeperServer {
  /** For example `http://127.0.0.1:7101`. */
  readonly address: string;
  /** Stops accepting, lets what is under way end, closes. */
  close(): Promise<void>;
}

/** Serves `keeper`. @throws the listen error when the address cannot be had */
export async function serveKeeper(keeper: Keeper, options: ServerOptions): Promise<KeeperServer> {
  const server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    void handle(keeper, options, request, response);
  });
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.maxHeadersCount = 50;
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(options.port, options.host, done);
  });
  const { port, family, address } = server.address() as AddressInfo;
  const host = family === 'IPv6' ? `[${address}]` : address;
  return { address: `http://${host}:${port}`, close: () => closeServer(server) };
}

function closeServer(server: Server): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(() => server.closeAllConnections(), CLOSE_GRACE_MS);
    server.close(() => {
      clearTimeout(timer);
      done();
    });
    server.closeIdleConnections();
  });
}

async function handle(
  keeper: Keeper,
  options: ServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? '/').slice(0, 200);
  const route = ROUTES[`${request.method} ${path}`];
  let status = 200;
  try {
    if (route === undefined) throw new CodedError('not-found', 'not-found', 'no such path here');
    const body = await readBody(request);
    const answer = await route(keeper, options, { request, path, body });
    send(response, 200, answer);
  } catch (error) {
    const failure = toErrorResponse(error);
    status = failure.status;
    if (status === 500) options.log.warn('fault', { path, ...errorFields(error) });
    // A body that was not read to its end would be taken for the next request.
    if (!request.complete) response.setHeader('connection', 'close');
    send(response, status, failure.body);
  }
  const labels = { path: route === undefined ? 'other' : path, status: String(status) };
  keeper.metrics.count('cloister_keeper_requests_total', labels);
}

interface Call {
  readonly request: IncomingMessage;
  readonly path: string;
  readonly body: Uint8Array;
}

type Route = (keeper: Keeper, options: ServerOptions, call: Call) => unknown;

const ROUTES: Readonly<Record<string, Route>> = {
  'GET /healthz': (keeper, options) => ({
    ok: keeper.state !== 'starting' && keeper.state !== 'stopping',
    role: 'keeper',
    name: options.name,
    genesis: toHex(options.genesis),
    size: keeper.follower.size,
    simulated: keeper.follower.charter.simulated,
    state: keeper.state,
    join: keeper.join === undefined ? null : toHex(keeper.join),
    seat: keeper.seat?.seat ?? null,
    epoch: keeper.seat === undefined ? null : toHex(keeper.seat.epoch),
  }),
  'GET /metrics': (keeper) => keeper.metrics.text(),
  'POST /v1/challenge': async (keeper, options, call) => {
    const { join } = await authenticated(challengeRequest, keeper, options, call);
    const { challenge, lifetimeMs } = keeper.challenge(fromHex(join));
    return { challenge: toHex(challenge), lifetimeMs };
  },
  'POST /v1/open': async (keeper, options, call) => {
    const asked = await authenticated(openRequest, keeper, options, call);
    const { freshness } = asked;
    const openings = fromBase64(asked.openings);
    const answer = await keeper.open({ join: fromHex(asked.join), freshness, openings });
    return { epoch: toHex(answer.epoch), seat: answer.seat, sealed: toBase64(answer.sealed) };
  },
  'POST /v1/prove': async (keeper, options, call) => {
    const { join } = await authenticated(proveRequest, keeper, options, call);
    const answer = keeper.prove(fromHex(join));
    return { epoch: toHex(answer.epoch), seat: answer.seat, proof: toBase64(answer.proof) };
  },
};

/** The parsed body, once its signature is that of the join it names. */
async function authenticated<T extends z.ZodType<{ join: string }>>(
  schema: T,
  keeper: Keeper,
  options: ServerOptions,
  call: Call,
): Promise<z.infer<T>> {
  const header = call.request.headers[REQUEST_HEADER];
  const { path, body } = call;
  const facts = { genesis: options.genesis, method: 'POST', path, body };
  const signer = await verifyRequest(
    typeof header === 'string' ? header : undefined,
    facts,
    options,
  );
  const parsed = schema.safeParse(parseJson(body));
  if (!parsed.success) {
    const message = `the request is malformed: ${parsed.error.issues[0]?.message ?? ''}`;
    throw new CodedError<ApiErrorCode>('request-malformed', 'malformed', message);
  }
  if (!equal(signer, await keeper.signerOfJoin(fromHex(parsed.data.join)))) {
    const message = 'the request is signed by another key than the one in the join that it names';
    throw keeperError('open-other-key', 'policy', message);
  }
  return parsed.data;
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown;
  } catch {
    return undefined;
  }
}

async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > MAX_BODY_BYTES) {
      const message = `the body is larger than ${MAX_BODY_BYTES} bytes`;
      throw new CodedError<ApiErrorCode>('request-too-large', 'malformed', message);
    }
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const type = typeof body === 'string' ? 'text/plain; version=0.0.4' : 'application/json';
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(text);
}
