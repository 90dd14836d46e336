// SPDX-License-Identifier: Apache-2.0
// Virtual time and a network in memory, under real code that waits for promises.
//
// Invariants
// - One piece of work runs at a time: a timer or a delivery starts only after every promise that
//   can go on has gone on. So a seed gives one order of everything.
// - Nothing reads a real clock or real randomness. The one thing that really takes time (WebCrypto
//   inside the judging of a complaint) is held: virtual time stands still until it has ended.
// - Every delivery goes into the trace with its content; after `calmAt` nothing is lost.
import type { Timers } from '@cloister/core';
import { Trace } from './trace.ts';

export type Body = Readonly<Record<string, unknown>>;

export interface Message {
  readonly from: string;
  readonly to: string;
  readonly kind: string;
  readonly body: Body;
}

interface Entry {
  readonly at: number;
  readonly order: number;
  work: (() => void) | undefined;
}

/** A small generator for choices (mulberry32); keys come from elsewhere. */
export function chooser(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export class Network {
  readonly choose: () => number;
  readonly faults = new Map<string, number>();
  readonly calmAt: number;
  /** Told of every delivery, after it. */
  onDelivered: (message: Message) => void = () => {};
  now = 0;
  delivered = 0;
  /** What went wrong in the simulator or in the code under test without being an answer. */
  fault: unknown;
  /** A binary heap by time, then by order. */
  readonly #heap: Entry[] = [];
  readonly #handlers = new Map<string, (message: Message) => void>();
  readonly #cut: { readonly actor: string; readonly from: number; readonly until: number }[] = [];
  readonly #newest = new Map<string, number>();
  readonly #trace = new Trace();
  readonly #held = new Set<Promise<unknown>>();
  #order = 0;
  #calls = 0;

  constructor(seed: number, calmAt: number) {
    this.choose = chooser(seed);
    this.calmAt = calmAt;
  }

  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.choose() * from.length)] as T;
  }

  count(fault: string): void {
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
  }

  /** A number that no call had, also of an actor that was here before. */
  call(): number {
    return this.#calls++;
  }

  attach(actor: string, handler: (message: Message) => void): void {
    this.#handlers.set(actor, handler);
  }

  detach(actor: string): void {
    this.#handlers.delete(actor);
  }

  /** Nothing goes to or from `actor` in this stretch of time. */
  cut(actor: string, from: number, until: number): void {
    this.#cut.push({ actor, from, until });
  }

  isCut(actor: string): boolean {
    const { now } = this;
    return this.#cut.some((c) => c.actor === actor && c.from <= now && now < c.until);
  }

  /** Runs `work` after `ms` of virtual time; answers how to take it back. */
  after(ms: number, work: () => void): () => void {
    const entry: Entry = { at: this.now + Math.max(0, ms), order: this.#order++, work };
    this.#push(entry);
    return () => {
      entry.work = undefined;
    };
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.after(ms, resolve);
    });
  }

  /** Timers of one process: when it is no longer alive they wake nobody. */
  timers(process: { readonly alive: boolean }): Timers {
    return {
      elapsed: () => this.now,
      after: (ms, wake) =>
        this.after(ms, () => {
          if (process.alive) wake();
        }),
    };
  }

  /** Work that nobody waits for: what it throws ends the seed. */
  go(work: Promise<unknown>): void {
    work.catch((error: unknown) => {
      this.fault ??= error;
    });
  }

  /** Keeps virtual time still until `work` has ended. */
  hold<T>(work: Promise<T>): Promise<T> {
    this.#held.add(work);
    const over = () => this.#held.delete(work);
    work.then(over, over);
    return work;
  }

  send(from: string, to: string, kind: string, body: Body): void {
    const rough = this.now < this.calmAt;
    const cut = this.isCut(from) || this.isCut(to);
    if (cut || (rough && this.choose() < 0.04)) {
      this.count(cut ? 'partition' : 'loss');
      return;
    }
    const copies = rough && this.choose() < 0.04 ? 2 : 1;
    if (copies === 2) this.count('duplication');
    const sent = this.#order;
    const message = { from, to, kind, body };
    for (let i = 0; i < copies; i++) {
      const late = rough && this.choose() < 0.08;
      if (late) this.count('delay');
      const ms = 1 + Math.floor(this.choose() * (late ? 180 : 12));
      this.after(ms, () => this.#deliver(message, sent));
    }
  }

  #deliver(message: Message, sent: number): void {
    const { from, to, kind, body } = message;
    const handler = this.#handlers.get(to);
    if (handler === undefined) return;
    const link = `${from}>${to}`;
    const newest = this.#newest.get(link) ?? 0;
    if (sent < newest) this.count('reordering');
    else this.#newest.set(link, sent);
    this.delivered++;
    this.#trace.add(`${this.now} ${link} ${kind}`, body);
    handler(message);
    this.onDelivered(message);
  }

  /** Runs until `done` says so or `until` is reached. @throws what work of nobody threw */
  async run(until: number, done: () => boolean): Promise<void> {
    await this.#settle();
    for (let next = this.#pop(); next !== undefined; next = this.#pop()) {
      if (next.at > until || done()) return;
      if (next.work === undefined) continue;
      this.now = next.at;
      next.work();
      await this.#settle();
      if (this.fault !== undefined) throw this.fault;
    }
  }

  /** All promises that can go on have gone on when an immediate comes. */
  async #settle(): Promise<void> {
    await new Promise(setImmediate);
    while (this.#held.size > 0) {
      await Promise.allSettled(this.#held);
      await new Promise(setImmediate);
    }
  }

  trace(): string {
    return this.#trace.digest();
  }

  #push(entry: Entry): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(entry);
    while (at > 0) {
      const up = (at - 1) >> 1;
      if (!before(entry, heap[up] as Entry)) break;
      heap[at] = heap[up] as Entry;
      at = up;
    }
    heap[at] = entry;
  }

  #pop(): Entry | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (let down = 1; down < heap.length; down = 2 * at + 1) {
      const right = heap[down + 1];
      if (right !== undefined && before(right, heap[down] as Entry)) down++;
      if (!before(heap[down] as Entry, last)) break;
      heap[at] = heap[down] as Entry;
      at = down;
    }
    heap[at] = last;
    return first;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at === b.at ? a.order < b.order : a.at < b.at;
}
