// SPDX-License-Identifier: Apache-2.0
// Virtual time and a network in memory. One handler runs at a time and is awaited to its end, so a
// seed gives one order of everything. Invariants: nothing reads a real clock or real randomness;
// every delivery is hashed into the trace; after `calmAt` nothing is dropped or cut off.
import { createHash } from 'node:crypto';
import { toHex } from '@cloister/core';

export type Body = Readonly<Record<string, unknown>>;

export interface Message {
  readonly from: string;
  readonly to: string;
  readonly kind: string;
  readonly body: Body;
}

type Handler = (message: Message) => Promise<void>;

interface Entry {
  readonly at: number;
  readonly order: number;
  readonly work: () => Promise<void>;
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
  now = 0;
  delivered = 0;
  readonly #queue: Entry[] = [];
  readonly #handlers = new Map<string, Handler>();
  readonly #cut: { readonly actor: string; readonly from: number; readonly until: number }[] = [];
  readonly #newest = new Map<string, number>();
  readonly #trace = createHash('sha256');
  #order = 0;

  constructor(seed: number, calmAt: number) {
    this.choose = chooser(seed);
    this.calmAt = calmAt;
  }

  count(fault: string): void {
    this.faults.set(fault, (this.faults.get(fault) ?? 0) + 1);
  }

  attach(actor: string, handler: Handler): void {
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

  after(ms: number, work: () => Promise<void>): void {
    const entry = { at: this.now + ms, order: this.#order++, work };
    let at = this.#queue.length;
    while (at > 0 && (this.#queue[at - 1] as Entry).at > entry.at) at--;
    this.#queue.splice(at, 0, entry);
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
    for (let i = 0; i < copies; i++) {
      const late = rough && this.choose() < 0.08;
      if (late) this.count('delay');
      const ms = 1 + Math.floor(this.choose() * (late ? 180 : 12));
      this.after(ms, () => this.#deliver({ from, to, kind, body }, sent));
    }
  }

  async #deliver(message: Message, sent: number): Promise<void> {
    const { from, to, kind, body } = message;
    const handler = this.#handlers.get(to);
    if (handler === undefined) return;
    const link = `${from}>${to}`;
    if (sent < (this.#newest.get(link) ?? 0)) this.count('reordering');
    this.#newest.set(link, Math.max(sent, this.#newest.get(link) ?? 0));
    this.delivered++;
    this.#trace.update(`${this.now} ${link} ${kind} ${JSON.stringify(body, plain)}\n`);
    await handler(message);
  }

  /** Runs until `done` says so or `until` is reached; `check` runs after every step. */
  async run(until: number, check: () => void, done: () => boolean): Promise<void> {
    for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
      if (next.at > until || done()) return;
      this.now = next.at;
      await next.work();
      check();
    }
  }

  trace(): string {
    return this.#trace.copy().digest('hex');
  }
}

function plain(_key: string, value: unknown): unknown {
  return value instanceof Uint8Array ? toHex(value) : value;
}
