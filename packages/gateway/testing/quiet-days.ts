// SPDX-License-Identifier: Apache-2.0
// Gateways' duties over virtual time, and a ledger in memory: days pass in a second. Every member
// of a `World` has the real duties; what they publish is signed, admitted and folded as ever.

import { type CodedError, Lane, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { START_MS, type World } from '@cloister/testkit/world';
import type { Gateway } from '../src/context.ts';
import { Duties } from '../src/duties.ts';
import type { EntryRecord } from '../src/ledger/follower.ts';

const LOOK_MS = 30_000;

interface Alarm {
  readonly at: number;
  readonly wake: () => void;
}

export class QuietDays {
  readonly world: World;
  /** Virtual milliseconds since the start. */
  elapsed = 0;
  readonly gateways = new Map<string, Gateway>();
  readonly #duties = new Map<string, Duties>();
  readonly #alarms = new Set<Alarm>();
  readonly #records: EntryRecord[] = [];
  #fault: unknown;
  /** What a member's wall clock is ahead of the true time. */
  readonly skew = new Map<string, number>();

  constructor(world: World) {
    this.world = world;
    for (const { id } of world.charter.members) this.gateways.set(id, this.#gateway(id));
  }

  get now(): number {
    return START_MS + this.elapsed;
  }

  /** Starts the duties of these members; of all where none is named. */
  start(members: readonly string[] = [...this.gateways.keys()]): void {
    for (const id of members) {
      const gateway = this.gateways.get(id) as Gateway;
      const { charter } = this.world;
      const about = { charter, tickMs: LOOK_MS, freshWitness: false, sweep: async () => {} };
      const duties = new Duties(gateway, about);
      this.#duties.set(id, duties);
      duties.start();
    }
  }

  /** Lets this much time go by. */
  async pass(ms: number): Promise<void> {
    const end = this.elapsed + ms;
    for (;;) {
      await settled();
      const [next] = [...this.#alarms].sort((a, b) => a.at - b.at);
      if (next === undefined || next.at > end) break;
      this.#alarms.delete(next);
      this.elapsed = Math.max(this.elapsed, next.at);
      next.wake();
    }
    this.elapsed = end;
    if (this.#fault !== undefined) throw this.#fault;
  }

  /** Events of a kind, or of any. */
  count(kind?: string): number {
    return this.#records.filter(({ event }) => kind === undefined || event?.kind === kind).length;
  }

  async #append(bytes: Uint8Array): Promise<{ seq: number; id: string }> {
    const { outcome, event } = await this.world.submit(bytes);
    const { seq, status } = outcome;
    const record = { seq, size: bytes.length, status, ...(event === undefined ? {} : { event }) };
    this.#records[seq] = record;
    for (const duties of this.#duties.values()) duties.heard(record);
    return { seq, id: toHex(event?.id ?? new Uint8Array()) };
  }

  #gateway(id: string): Gateway {
    const { world } = this;
    const days = this;
    const now = () => days.now + (days.skew.get(id) ?? 0);
    const timers = {
      elapsed: () => days.elapsed,
      after(ms: number, wake: () => void) {
        const alarm = { at: days.elapsed + ms, wake };
        days.#alarms.add(alarm);
        return () => void days.#alarms.delete(alarm);
      },
    };
    // Tasks are judged and datasets sealed elsewhere: here there is no engine and no vault.
    const warn = ({ err, duty }: { err: unknown; duty: string }) => {
      if (duty === 'tick' || duty === 'consent') days.#fault ??= err;
    };
    const mismatch = { code: 'not-looked-at', wanted: '', got: '' };
    const witness: { stopped?: CodedError; stop(reason: CodedError): void } = {
      stop(reason) {
        this.stopped = reason;
      },
    };
    return {
      card: { id, name: id, identity: '', witness: '', hpke: '' },
      keys: { identity: world.identity(id), witness: world.witness(id) },
      genesis: world.genesis,
      crypto: nodeCrypto,
      clock: { now },
      timers,
      log: { info: () => {}, warn },
      appraiser: { appraise: async () => ({ ok: false, mismatch }) },
      blobs: { head: async () => 1 },
      statements: new Lane(),
      handovers: { complete: async () => true },
      witness,
      ledger: { append: (bytes: Uint8Array) => days.#append(bytes) },
      follower: {
        get state() {
          return world.state;
        },
        get size() {
          return world.log.length;
        },
        record: (seq: number) => days.#records[seq],
        reached: async (size: number) => {
          await settled();
          return world.log.length >= size;
        },
      },
    } as unknown as Gateway;
  }
}

/** What is under way without waiting for time is done. */
async function settled(): Promise<void> {
  for (let i = 0; i < 6; i++) await new Promise((resolve) => setImmediate(resolve));
}
