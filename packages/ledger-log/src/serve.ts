// SPDX-License-Identifier: Apache-2.0
// The ledger as a process: it orders events over HTTP and serves tiles. It decides nothing but the
// order; who may ask and what may be appended are the caller's hooks, without defaults.
//
// Everything is bounded: bodies, headers, times, connections, long polls, appends a member. A
// request is authenticated before anything it asks for is looked at.
import { setMaxListeners } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  assert,
  type Clock,
  isCoded,
  parseCose,
  requestError,
  systemClock,
  toBase64,
  toErrorResponse,
  utf8,
} from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import {
  EVENT_SIZE_MAX,
  LogLedger,
  type LogLedgerOptions,
  logStoreError,
  PAGE_MAX,
} from '@cloister/log-store';
import { formatBundle, formatCheckpoint, parseTilePath } from '@cloister/tlog';
import { ledgerError } from './errors.ts';
import { type QuotaLimits, Quotas } from './quota.ts';
import { HEADER_ROOT, HEADER_SIZE, type LedgerRequest, WAIT_MAX_MS } from './wire.ts';

/** An append that a client repeats because it saw no answer finds the first one among these. */
const REPEAT_WINDOW = 32_768;
const LONG_POLLS_MAX = 256;
const CONNECTIONS_MAX = 1_024;
const TEXT = 'text/plain; charset=utf-8';
const BYTES = 'application/octet-stream';
const JSON_TYPE = 'application/json';

export interface ServeLedgerOptions extends LogLedgerOptions {
  /** 127.0.0.1 if not given. */
  readonly host?: string;
  /** 0, any free port, if not given. */
  readonly port?: number;
  /**
   * Who asks: answers the member's id, or throws. Called for every request but /healthz.
   * An error that is neither a CodedError nor a TypeError becomes `unauthenticated`.
   */
  authenticate(request: LedgerRequest): string | Promise<string>;
  /**
   * Whether this event may be appended: returns, or throws a CodedError. `signer` is the outer
   * kid; its signature has not been checked here.
   */
  authorise(
    event: Uint8Array,
    by: { readonly member: string; readonly signer: Uint8Array },
  ): void | Promise<void>;
  /** 500 events a second and 2,000 at once for each member that asks if not given. */
  readonly quota?: QuotaLimits;
  readonly clock?: Clock;
  /** Told of each request that failed inside; never of its content. */
  readonly onError?: (error: unknown) => void;
}

/** A running ledger. */
export interface LedgerServer {
  readonly url: string;
  readonly port: number;
  readonly ledger: LogLedger;
  /** Stops taking requests, settles appends, closes the files. Idempotent. */
  close(): Promise<void>;
}

/** Opens the ledger in a folder and serves it. @throws CodedError as `LogLedger.open` */
export async function serveLedger(options: ServeLedgerOptions): Promise<LedgerServer> {
  const ledger = await LogLedger.open({ repeatWindow: REPEAT_WINDOW, ...options });
  const stop = new AbortController();
  setMaxListeners(0, stop.signal);
  const quota = options.quota ?? { perSecond: 500, burst: 2_000 };
  const quotas = new Quotas(quota, options.clock ?? systemClock);
  const routes = new Routes(ledger, options, quotas, stop.signal);
  const server = createServer((request, response) => {
    void routes.handle(request, response);
  });
  limit(server);
  try {
    await listen(server, options.port ?? 0, options.host ?? '127.0.0.1');
  } catch (error) {
    await ledger.close();
    throw error;
  }
  const { port, family, address } = server.address() as AddressInfo;
  const host = family === 'IPv6' ? `[${address}]` : address;
  let closing: Promise<void> | undefined;
  const close = async () => {
    stop.abort();
    const ended = new Promise<void>((resolve) => server.close(() => resolve()));
    server.closeIdleConnections();
    const force = setTimeout(() => server.closeAllConnections(), 2_000);
    await ended;
    clearTimeout(force);
    await ledger.close();
  };
  return {
    url: `http://${host}:${port}`,
    port,
    ledger,
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}

function limit(server: Server): void {
  server.requestTimeout = 30_000;
  server.headersTimeout = 10_000;
  server.keepAliveTimeout = 30_000;
  server.maxConnections = CONNECTIONS_MAX;
  server.maxHeadersCount = 64;
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause) => {
      const message = `cannot listen on ${host}:${port}: choose another port`;
      reject(logStoreError('ledger-io-failed', message, { cause }));
    });
    server.listen(port, host, () => resolve());
  });
}

interface Answer {
  readonly status?: number;
  readonly type: string;
  readonly body: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Kinds of errors that are the ledger's trouble, not the caller's. */
const OURS: ReadonlySet<string> = new Set(['unavailable', 'verification']);

class Routes {
  readonly #ledger: LogLedger;
  readonly #options: ServeLedgerOptions;
  readonly #quotas: Quotas;
  readonly #stop: AbortSignal;
  #polls = 0;

  constructor(ledger: LogLedger, options: ServeLedgerOptions, quotas: Quotas, stop: AbortSignal) {
    this.#ledger = ledger;
    this.#options = options;
    this.#quotas = quotas;
    this.#stop = stop;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer;
    try {
      answer = await this.#answer(request, response);
    } catch (error) {
      answer = this.#failure(error);
    }
    if (response.destroyed) return;
    if (this.#stop.aborted || !request.complete) response.setHeader('connection', 'close');
    const length = String(answer.body.length);
    response.writeHead(answer.status ?? 200, {
      'content-type': answer.type,
      'content-length': length,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...answer.headers,
    });
    response.end(request.method === 'HEAD' ? undefined : answer.body);
    request.resume();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<Answer> {
    const method = request.method ?? '';
    const path = request.url ?? '';
    const [route, query] = path.split('?', 2) as [string, string | undefined];
    if (method === 'GET' && route === '/healthz') return this.#health();
    const body = method === 'POST' ? await readBody(request) : new Uint8Array();
    const bodyDigest = nodeCrypto.digest('sha256', body);
    const member = await this.#authenticate({ method, path, bodyDigest, headers: fields(request) });
    if (method === 'POST' && route === '/v1/append') return this.#append(body, member);
    if (method !== 'GET' && method !== 'HEAD') throw unknownRoute(method, route);
    if (route === '/v1/entries') return this.#entries(new URLSearchParams(query ?? ''), response);
    if (route === '/v1/size') return this.#size();
    if (route === '/checkpoint') return this.#checkpoint();
    if (route.startsWith('/tile/')) return this.#tile(route.slice(1));
    throw unknownRoute(method, route);
  }

  async #authenticate(request: LedgerRequest): Promise<string> {
    try {
      return await this.#options.authenticate(request);
    } catch (cause) {
      if (isCoded(cause) || cause instanceof TypeError) throw cause;
      const message = 'this request carries no proof of a member: sign it';
      throw ledgerError('unauthenticated', message, { cause });
    }
  }

  #health(): Answer {
    return json({ status: 'ok', size: this.#ledger.head().size });
  }

  async #append(event: Uint8Array, member: string): Promise<Answer> {
    const { kid } = parseCose(event);
    // By who brings it: the name in an event that nobody has verified is no payer.
    this.#quotas.take(member);
    await this.#options.authorise(event, { member, signer: kid });
    return json(await this.#ledger.append(event));
  }

  async #entries(query: URLSearchParams, response: ServerResponse): Promise<Answer> {
    const from = number(query, 'from', 0);
    const limit = Math.min(number(query, 'limit', PAGE_MAX.events), PAGE_MAX.events);
    const wait = Math.min(number(query, 'wait', 0), WAIT_MAX_MS);
    let page = await this.#ledger.read(from, limit);
    if (page.events.length === 0 && wait > 0) {
      await this.#poll(from, wait, response);
      page = await this.#ledger.read(from, limit);
    }
    const size = Math.min(page.next, this.#ledger.head().size);
    const head = this.#ledger.head(size);
    const headers = { [HEADER_SIZE]: String(head.size), [HEADER_ROOT]: toBase64(head.root) };
    return { type: BYTES, body: formatBundle(page.events), headers };
  }

  async #poll(from: number, waitMs: number, response: ServerResponse): Promise<void> {
    if (this.#polls >= LONG_POLLS_MAX) {
      const message = `${LONG_POLLS_MAX} readers wait already: try again shortly`;
      throw logStoreError('ledger-overloaded', message);
    }
    const gone = new AbortController();
    const onClose = () => gone.abort();
    response.once('close', onClose);
    const timer = setTimeout(onClose, waitMs);
    this.#stop.addEventListener('abort', onClose, { once: true });
    this.#polls += 1;
    try {
      await this.#ledger.waitFor(from, gone.signal);
    } finally {
      this.#polls -= 1;
      clearTimeout(timer);
      response.off('close', onClose);
      this.#stop.removeEventListener('abort', onClose);
    }
  }

  #size(): Answer {
    const { size, root } = this.#ledger.head();
    return json({ origin: this.#ledger.origin, size, root: toBase64(root) });
  }

  #checkpoint(): Answer {
    const { origin } = this.#ledger;
    return { type: TEXT, body: utf8(formatCheckpoint({ origin, ...this.#ledger.head() })) };
  }

  async #tile(path: string): Promise<Answer> {
    const body = await this.#ledger.readTile(parseTilePath(path));
    const headers = { 'cache-control': 'private, max-age=31536000, immutable' };
    return { type: BYTES, body, headers };
  }

  #failure(error: unknown): Answer {
    const theirs = isCoded(error) && !OURS.has(error.kind);
    if (!theirs) this.#options.onError?.(error);
    const { status, body } = toErrorResponse(error);
    const retry = body.error.details['retryAfterMs'];
    const headers =
      typeof retry === 'number' ? { 'retry-after': String(Math.ceil(retry / 1000)) } : {};
    return { ...json(body), status, headers };
  }
}

function json(value: unknown): Answer {
  return { type: JSON_TYPE, body: utf8(JSON.stringify(value)) };
}

function unknownRoute(method: string, route: string): Error {
  const message = `there is no ${method.slice(0, 10)} ${route.slice(0, 80)} here`;
  return requestError('route-unknown', message);
}

function number(query: URLSearchParams, name: string, absent: number): number {
  const text = query.get(name);
  if (text === null) return absent;
  const value = Number(text);
  if (/^\d{1,16}$/.test(text) && Number.isSafeInteger(value)) return value;
  const message = `${name} must be a whole number, got "${text.slice(0, 20)}"`;
  throw requestError('request-malformed', message);
}

function fields(request: IncomingMessage): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [name, value] of Object.entries(request.headers)) {
    if (typeof value === 'string') out[name] = value;
  }
  return out;
}

/** The body, at most one event long; the rest of a longer one is not kept. */
async function readBody(request: IncomingMessage): Promise<Uint8Array> {
  const tooLarge = () => {
    const message = `a request has at most ${EVENT_SIZE_MAX} bytes: put the bulk into a blob`;
    return requestError('request-too-large', message);
  };
  if (Number(request.headers['content-length'] ?? 0) > EVENT_SIZE_MAX) throw tooLarge();
  const parts: Buffer[] = [];
  let length = 0;
  try {
    for await (const part of request.iterator({ destroyOnReturn: false })) {
      assert(part instanceof Buffer, 'a request without encoding gives buffers');
      length += part.length;
      if (length > EVENT_SIZE_MAX) throw tooLarge();
      parts.push(part);
    }
  } catch (cause) {
    if (isCoded(cause)) throw cause;
    const message = 'the request ended before its body was whole';
    throw requestError('request-malformed', message, { cause });
  }
  return new Uint8Array(Buffer.concat(parts));
}
