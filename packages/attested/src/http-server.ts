// SPDX-License-Identifier: Apache-2.0
// The HTTP server of an attested node, on node:http alone because what it runs is measured and a
// keeper's closure stays small (docs/design/two-http-stacks.md).
//
// Invariants: bodies, headers, connections and times are bounded; an error answers its code and,
// where it is not coded, nothing but `internal`; who asks is known by the signature over genesis,
// method, path and body, and by nothing else.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { METRICS_TYPE, REQUEST_HEADER, verifyRequest } from '@cloister/api';
import {
  type Clock,
  type CryptoPort,
  firstIssue,
  requestError,
  toErrorResponse,
} from '@cloister/core';
import type { z } from 'zod';
import { errorFields, type Log } from './log.ts';

const MAX_CONNECTIONS = 256;
const MAX_HEADERS = 50;
const LONGEST_TARGET = 2_000;
const REQUEST_TIMEOUT_MS = 30_000;
const HEADERS_TIMEOUT_MS = 10_000;
/** What is under way when the server closes may take this long. */
const CLOSE_GRACE_MS = 1_000;
const NO_BODY = new Uint8Array(0);

/** One request, read to its end. */
export interface Call {
  /** Path and query as sent: what a signature covers. */
  readonly target: string;
  readonly query: URLSearchParams;
  /** What stands in the path where the route has `:name`, by name. */
  readonly named: Readonly<Record<string, string>>;
  /** Empty for GET. */
  readonly body: Uint8Array;
  readonly signature: string | undefined;
}

/** Answers an object, sent as JSON, or a page of metrics. */
export type Route = (call: Call) => unknown;

/** By method and path, for example `GET /v1/runs/:run`. */
export type Routes = Readonly<Record<`${'GET' | 'POST'} /${string}`, Route>>;

export interface HttpServerOptions {
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  readonly routes: Routes;
  readonly maxBodyBytes: number;
  readonly log: Log;
  /** Told of each answer: the route's path, or `other` where there is none. */
  readonly served?: (path: string, status: number) => void;
}

export interface HttpServer {
  /** For example `http://127.0.0.1:7101`. */
  readonly address: string;
  /** Stops accepting, lets what is under way end, closes. */
  close(): Promise<void>;
}

/** @throws the listen error when the address cannot be had */
export async function serveHttp(options: HttpServerOptions): Promise<HttpServer> {
  const bounds = { requestTimeout: REQUEST_TIMEOUT_MS, headersTimeout: HEADERS_TIMEOUT_MS };
  const server = createServer(bounds, (request, response) => {
    void answer(options, request, response);
  });
  server.maxHeadersCount = MAX_HEADERS;
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

async function answer(
  options: HttpServerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  let path = 'other';
  let status = 200;
  let body: unknown;
  try {
    const found = findRoute(options.routes, request);
    path = found.path;
    const bytes = request.method === 'GET' ? NO_BODY : await readBody(request, options);
    const header = request.headers[REQUEST_HEADER];
    const signature = typeof header === 'string' ? header : undefined;
    body = await found.route({ ...found.call, body: bytes, signature });
  } catch (error) {
    const failure = toErrorResponse(error);
    ({ status, body } = failure);
    if (status === 500) options.log.warn('fault', { path, ...errorFields(error) });
  }
  // A body that was not read to its end would be taken for the next request.
  if (!request.complete) response.setHeader('connection', 'close');
  send(response, status, body);
  options.served?.(path, status);
}

interface Found {
  readonly path: string;
  readonly route: Route;
  readonly call: Pick<Call, 'target' | 'query' | 'named'>;
}

/** @throws CodedError `route-unknown` */
function findRoute(routes: Routes, { method, url: target = '/' }: IncomingMessage): Found {
  const url = target.length > LONGEST_TARGET ? undefined : parseTarget(target);
  for (const [key, route] of Object.entries(routes)) {
    const [verb, path = ''] = key.split(' ');
    const named = verb === method ? match(path, url?.pathname ?? '') : undefined;
    if (named === undefined || url === undefined) continue;
    return { path, route, call: { target, query: url.searchParams, named } };
  }
  throw requestError('route-unknown', 'no such endpoint');
}

/** Undefined for what is no path: `new URL` throws on `//`. */
function parseTarget(target: string): URL | undefined {
  try {
    return new URL(`http://node${target}`);
  } catch {
    return undefined;
  }
}

function match(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/');
  const got = path.split('/');
  if (wanted.length !== got.length) return undefined;
  const named: Record<string, string> = {};
  for (const [i, part] of wanted.entries()) {
    if (part.startsWith(':')) named[part.slice(1)] = got[i] as string;
    else if (part !== got[i]) return undefined;
  }
  return named;
}

/** The body, parsed, and the raw key that signed the request. */
export async function signedBody<T extends z.ZodType>(
  call: Call,
  schema: T,
  ports: { genesis: Uint8Array; crypto: CryptoPort; clock: Clock },
): Promise<{ caller: Uint8Array; asked: z.output<T> }> {
  const { target: path, body } = call;
  const facts = { genesis: ports.genesis, method: 'POST', path, body };
  const caller = await verifyRequest(call.signature, facts, ports);
  const parsed = schema.safeParse(parseJson(body));
  if (parsed.success) return { caller, asked: parsed.data };
  const { where, says } = firstIssue(parsed.error);
  throw requestError('request-malformed', `the request is malformed at '${where}': ${says}`);
}

function parseJson(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown;
  } catch {
    return undefined;
  }
}

async function readBody(
  request: IncomingMessage,
  { maxBodyBytes }: HttpServerOptions,
): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    size += part.length;
    if (size > maxBodyBytes) {
      const message = `the body is larger than ${maxBodyBytes} bytes`;
      throw requestError('request-too-large', message);
    }
    parts.push(part);
  }
  return new Uint8Array(Buffer.concat(parts));
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const page = typeof body === 'string';
  const type = page ? METRICS_TYPE : 'application/json';
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(page ? body : JSON.stringify(body));
}
