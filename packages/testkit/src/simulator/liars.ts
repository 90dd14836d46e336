// SPDX-License-Identifier: Apache-2.0
// The lying member's gateway: its witness signs whatever it is asked and says a time of its own; it
// shows nodes a history that only it signed, or altered entries under a true head.
import { type Clock, toHex } from '@cloister/core';
import {
  cosign,
  formatCheckpoint,
  formatFreshness,
  formatNote,
  MerkleTree,
  parseNote,
  signFreshness,
} from '@cloister/tlog';
import { passing } from './endpoint.ts';
import { Gateway, type Head, type Routes } from './gateways.ts';

/** How often it shows a node something else than it has. */
const FORK = 0.3;
const ALTERED = 0.3;
const FROZEN_MS = 1_000;

export class LyingGateway extends Gateway {
  #fork: { size: number; root: Uint8Array; note: string; entry: Uint8Array } | undefined;

  /** Its own ticks are of another time. */
  protected override get minds(): boolean {
    return false;
  }

  /** It stands still; the fold takes the (f+1)-th largest time. */
  protected override get clock(): Clock {
    return { now: () => FROZEN_MS };
  }

  protected override orders(ledger: ReturnType<Gateway['orders']>): ReturnType<Gateway['orders']> {
    const { stage } = this;
    const append = async (bytes: Uint8Array) => {
      const event = await stage.shared.admission(bytes, stage.shared.crypto).catch(passing);
      if (event?.kind !== 'tick') return ledger.append(bytes);
      stage.network.count('frozen-time');
      return ledger.append(bytes);
    };
    return {
      append,
      read: (from, limit) => ledger.read(from, limit),
      follow: (from, signal) => ledger.follow(from, signal),
      size: () => ledger.size(),
      close: () => ledger.close(),
    };
  }

  #by() {
    return { name: this.name, signer: this.stage.key(this.name, 'witness'), timeSeconds: 1 };
  }

  async #cosign(head: Head): Promise<{ note: string }> {
    this.stage.network.count('lying-witness');
    const checkpoint = { origin: this.origin, size: head.size, root: head.root };
    const line = await cosign(this.stage.shared.crypto, this.#by(), checkpoint);
    return { note: formatNote(formatCheckpoint(checkpoint), [line]) };
  }

  async #freshness(head: Head, challenges: readonly Uint8Array[]): Promise<{ note: string }> {
    this.stage.network.count('lying-witness');
    const checkpoint = { origin: this.origin, size: head.size, root: head.root };
    const statement = { checkpoint, challenges };
    const line = await signFreshness(this.stage.shared.crypto, this.#by(), statement);
    const note = formatNote(formatFreshness(statement), [line]);
    this.stage.issued.add(`${this.name}\n${parseNote(note).text}`);
    return { note };
  }

  protected override bend(routes: Routes): Routes {
    const { network } = this.stage;
    const forked = new Map<string, Awaited<ReturnType<LyingGateway['forkAt']>>>();
    return {
      ...routes,
      cosign: async (_, { size, root }) => this.#cosign({ size, root }),
      freshness: async (_, { size, root, challenges }) =>
        this.#freshness({ size, root }, challenges),
      checkpoint: async (from, body) => {
        const honest = await routes.checkpoint(from, body);
        forked.delete(from);
        if (network.choose() >= FORK) return honest;
        const fork = await this.forkAt(honest.size);
        forked.set(from, fork);
        network.count('forked-ledger');
        return { note: fork.note, size: fork.size, root: toHex(fork.root) };
      },
      entries: async (from, body) => {
        const honest = await routes.entries(from, body);
        const fork = forked.get(from);
        if (fork !== undefined) {
          const events = this.log.slice(body.from, fork.size - 1);
          return { events: [...events, fork.entry].slice(0, body.limit), size: fork.size };
        }
        if (body.limit === 1 || honest.events.length === 0 || network.choose() >= ALTERED) {
          return honest;
        }
        network.count('altered-entries');
        const last = body.from + honest.events.length - 1;
        return { ...honest, events: [...honest.events.slice(0, -1), await this.#other(last)] };
      },
    };
  }

  /** Its own signed event, in the place of entry `at`. */
  async #other(at: number): Promise<Uint8Array> {
    const { stage } = this;
    const signer = stage.key(this.name, 'witness');
    const bytes = await stage.world.sign(signer, 'tick', { time: 5_000_000 + at });
    const right = stage.world.log[at];
    if (right !== undefined) {
      stage.repairs.set(stage.shared.nameOf(bytes), { guard: 'root', bytes: right });
    }
    return bytes;
  }

  /** A history that only this witness signed. */
  async forkAt(size: number) {
    if (this.#fork?.size === size + 1) return this.#fork;
    const { crypto } = this.stage.shared;
    const entry = await this.#other(size);
    const fork = new MerkleTree(crypto);
    for (const bytes of this.log.slice(0, size)) fork.append(bytes);
    fork.append(entry);
    const head = { size: fork.size, root: fork.root() };
    const line = await cosign(crypto, this.#by(), { origin: this.origin, ...head });
    const note = formatNote(formatCheckpoint({ origin: this.origin, ...head }), [line]);
    this.#fork = { ...head, note, entry };
    return this.#fork;
  }
}
