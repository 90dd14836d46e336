// SPDX-License-Identifier: Apache-2.0
// The ledger port over HTTP. It trusts the server for nothing but liveness: it builds the Merkle
// tree over the order it is shown and keeps it, so that the server cannot later show another.
//
// Invariants
// - Events are taken into the tree once, in order, from position 0; every later sight of a position
//   must have the same bytes, and every page's stated head must be the tree's.
// - An append that was acknowledged must be found at its position.
// - A server caught showing two histories is reported by every call from then on, with one code:
//   `ledger-history-changed` (or `ledger-acknowledged-lost`), and no event is handed out any more.

import { setMaxListeners } from 'node:events';
import type { Agent } from 'node:http';
import type { Ledger, LedgerEntry, LedgerPage } from '@cloister/contract';
import { type CodedError, equal, fromBase64, isCoded, toBase64 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { checkEvent, checkRange, logStoreError, PAGE_MAX } from '@cloister/log-store';
import { leafHash, MerkleTree, parseBundle, type TreeHead } from '@cloister/tlog';
import {
  type Call,
  callLedger,
  ledgerAgent,
  parseJson,
  type Reply,
  type RequestAuthenticator,
  responseMalformed,
} from './http-call.ts';
import { HEADER_ROOT, HEADER_SIZE, PAGE_BYTES_MAX, WAIT_MAX_MS } from './wire.ts';

/** Acknowledged appends remembered until their position is read. */
const AWAITED_MAX = 65_536;
const BACKOFF_MS = { first: 50, max: 2_000 } as const;

export interface HttpLedgerOptions {
  /** Where the ledger is served, e.g. `http://127.0.0.1:7000`. */
  readonly url: string;
  /** The log's origin: a server of another log is refused. */
  readonly origin: string;
  readonly authenticate: RequestAuthenticator;
  /** A head seen in an earlier life: the server must contain it. */
  readonly head?: TreeHead;
  /** Time for one call, milliseconds; 10,000 if not given. */
  readonly timeoutMs?: number;
  /** How long a call is retried while the ledger is unavailable; 15,000 if not given. */
  readonly retryMs?: number;
}

/** A client of `serveLedger`. */
export class HttpLedger implements Ledger {
  readonly #options: HttpLedgerOptions;
  readonly #base: string;
  readonly #agent: Agent;
  readonly #tree = new MerkleTree(nodeCrypto);
  readonly #awaited = new Map<number, Uint8Array>();
  /** One more than the last position that was acknowledged. */
  #promised = 0;
  readonly #closed = new AbortController();
  #verdict: CodedError | undefined;
  /** Filling the tree happens one page after another. */
  #filling: Promise<void> = Promise.resolve();

  constructor(options: HttpLedgerOptions) {
    this.#options = options;
    this.#base = options.url.replace(/\/+$/, '');
    this.#agent = ledgerAgent(this.#base);
    setMaxListeners(0, this.#closed.signal);
  }

  /** The head of everything read so far: keep it, and give it back after a restart. */
  head(): TreeHead {
    return this.#tree.head();
  }

  async append(event: Uint8Array): Promise<{ readonly seq: number }> {
    checkEvent(event);
    const body = event.slice();
    const call = { method: 'POST', path: '/v1/append', body, bytesMax: 4_096 } as const;
    const { body: answer } = await this.#call(call);
    const seq = parseJson(answer)?.['seq'];
    if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 0) {
      throw responseMalformed('to an append has no position');
    }
    this.#promised = Math.max(this.#promised, seq + 1);
    this.#await(seq, leafHash(nodeCrypto, body));
    return { seq };
  }

  #await(seq: number, leaf: Uint8Array): void {
    if (seq < this.#tree.size) {
      if (!equal(this.#tree.leaf(seq), leaf)) throw this.#caught(lost(seq));
      return;
    }
    const before = this.#awaited.get(seq);
    if (before !== undefined && !equal(before, leaf)) throw this.#caught(lost(seq));
    if (this.#awaited.size < AWAITED_MAX) this.#awaited.set(seq, leaf);
  }

  read(from: number, limit: number): Promise<LedgerPage> {
    return this.#read(from, limit);
  }

  async #read(from: number, limit: number, poll?: AbortSignal): Promise<LedgerPage> {
    checkRange(from, limit);
    while (this.#tree.size < from) {
      const before = this.#tree.size;
      await this.#fetch(before, Math.min(PAGE_MAX.events, from - before));
      if (this.#tree.size === before) return { events: [], next: from };
    }
    return this.#fetch(from, Math.min(limit, PAGE_MAX.events), poll);
  }

  /** One page, waited for until `poll` aborts; `from` is within the tree or just behind it. */
  async #fetch(from: number, limit: number, poll?: AbortSignal): Promise<LedgerPage> {
    const wait = poll === undefined ? '' : `&wait=${WAIT_MAX_MS}`;
    const path = `/v1/entries?from=${from}&limit=${limit}${wait}`;
    const call = { method: 'GET', path, bytesMax: PAGE_BYTES_MAX } as const;
    const reply = await this.#call(call, poll);
    const events = this.#parsePage(reply, limit);
    const turn = this.#filling.then(() => this.#take(from, events, reply));
    this.#filling = turn.catch(() => undefined);
    await turn;
    return { events, next: from + events.length };
  }

  #parsePage(reply: Reply, limit: number): Uint8Array[] {
    try {
      const events = parseBundle(reply.body);
      if (events.length <= limit) return events;
    } catch (error) {
      if (!isCoded(error)) throw error;
    }
    throw responseMalformed('is no page of at most as many events as were asked for');
  }

  /** Compares a page with what was seen before, and takes what is new. */
  #take(from: number, events: readonly Uint8Array[], reply: Reply): void {
    if (this.#verdict !== undefined) throw this.#verdict;
    events.forEach((event, i) => {
      const seq = from + i;
      const leaf = leafHash(nodeCrypto, event);
      const awaited = this.#awaited.get(seq);
      if (awaited !== undefined && !equal(awaited, leaf)) throw this.#caught(lost(seq));
      if (seq === this.#tree.size) this.#tree.appendHash(leaf);
      else if (!equal(this.#tree.leaf(seq), leaf)) throw this.#caught(changed(`event ${seq}`));
      this.#awaited.delete(seq);
    });
    const { head } = this.#options;
    if (head !== undefined && this.#tree.size >= head.size) {
      if (!equal(this.#tree.root(head.size), head.root)) {
        throw this.#caught(changed(`the head of ${head.size} events that was kept`));
      }
    }
    this.#compareStated(from + events.length, reply);
  }

  #compareStated(next: number, reply: Reply): void {
    const size = Number(reply.headers[HEADER_SIZE] ?? Number.NaN);
    const root = reply.headers[HEADER_ROOT] ?? '';
    if (!Number.isSafeInteger(size) || size < 0 || size > next) {
      throw responseMalformed('states no head for its page');
    }
    if (size < next)
      throw this.#caught(changed(`the size: ${next} events were there, now ${size}`));
    if (root !== toBase64(this.#tree.root(size))) {
      throw this.#caught(changed(`the root of ${size} events`));
    }
  }

  async *follow(from: number, signal: AbortSignal): AsyncGenerator<LedgerEntry> {
    let at = from;
    while (!signal.aborted) {
      const page = await this.#patient(at, signal);
      if (page === undefined) return;
      for (const event of page.events) {
        if (signal.aborted) return;
        yield { seq: at, event };
        at += 1;
      }
    }
  }

  /** A long poll that outlives any time without a ledger; undefined once `signal` aborts. */
  async #patient(from: number, signal: AbortSignal): Promise<LedgerPage | undefined> {
    for (let pause: number = BACKOFF_MS.first; ; pause = Math.min(2 * pause, BACKOFF_MS.max)) {
      try {
        return await this.#read(from, PAGE_MAX.events, signal);
      } catch (error) {
        if (signal.aborted) return undefined;
        const transient = isCoded(error) && error.kind === 'unavailable';
        if (!transient || this.#closed.signal.aborted) throw error;
        await delay(pause, [signal, this.#closed.signal]);
        if (signal.aborted) return undefined;
      }
    }
  }

  async size(): Promise<number> {
    const { body } = await this.#call({ method: 'GET', path: '/v1/size', bytesMax: 4_096 });
    const { origin, size, root } = parseJson(body) ?? {};
    if (typeof size !== 'number' || !Number.isSafeInteger(size) || typeof root !== 'string') {
      throw responseMalformed('to a question for its size has no size');
    }
    if (origin !== this.#options.origin) {
      const got = String(origin).slice(0, 80);
      const message = `the ledger at ${this.#base} is ${got}, wanted ${this.#options.origin}`;
      throw logStoreError('ledger-origin-mismatch', message);
    }
    const known = Math.max(this.#tree.size, this.#options.head?.size ?? 0, this.#promised);
    if (size < known)
      throw this.#caught(changed(`the size: ${known} events were there, now ${size}`));
    if (size === this.#tree.size && !sameRoot(root, this.#tree.root())) {
      throw this.#caught(changed(`the root of ${size} events`));
    }
    return size;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    this.#agent.destroy();
  }

  /** Calls, and calls again while the ledger is unavailable, for `retryMs` in all. */
  async #call(call: Omit<Call, 'timeoutMs' | 'signals'>, poll?: AbortSignal): Promise<Reply> {
    const { timeoutMs = 10_000, retryMs = 15_000, authenticate } = this.#options;
    const closing = this.#closed.signal;
    const signals = poll === undefined ? [closing] : [closing, poll];
    const limit = timeoutMs + (poll === undefined ? 0 : WAIT_MAX_MS);
    const deadline = performance.now() + retryMs;
    for (let pause: number = BACKOFF_MS.first; ; pause = Math.min(2 * pause, BACKOFF_MS.max)) {
      if (this.#verdict !== undefined) throw this.#verdict;
      if (closing.aborted) throw closed();
      try {
        const target = { base: this.#base, agent: this.#agent };
        return await callLedger(target, authenticate, { ...call, signals, timeoutMs: limit });
      } catch (error) {
        if (closing.aborted) throw closed();
        if (!isCoded(error) || error.kind !== 'unavailable' || poll?.aborted) throw error;
        const asked = error.details['retryAfterMs'];
        const next = Math.max(pause, typeof asked === 'number' ? asked : 0);
        if (performance.now() + next > deadline) throw error;
        await delay(next, signals);
      }
    }
  }

  /** Remembers the first proof of two histories; every later call reports it. */
  #caught(error: CodedError): CodedError {
    this.#verdict ??= error;
    return this.#verdict;
  }
}

function sameRoot(text: string, root: Uint8Array): boolean {
  try {
    return equal(fromBase64(text), root);
  } catch (error) {
    if (!isCoded(error)) throw error;
    return false;
  }
}

function delay(ms: number, signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done(): void {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener('abort', done);
      resolve();
    }
    for (const signal of signals) {
      if (signal.aborted) done();
      else signal.addEventListener('abort', done, { once: true });
    }
  });
}

function closed(): CodedError {
  return logStoreError('ledger-closed', 'this client of the ledger is closed');
}

function lost(seq: number): CodedError {
  const message = `event ${seq} was acknowledged, and another is in its place: two histories`;
  return logStoreError('ledger-acknowledged-lost', message, { details: { seq } });
}

function changed(what: string): CodedError {
  const message = `the ledger has changed ${what}: two histories; compare with the other members`;
  return logStoreError('ledger-history-changed', message);
}
