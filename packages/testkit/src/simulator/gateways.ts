// SPDX-License-Identifier: Apache-2.0
// The ledger and the members' gateways. The ledger orders (real admit and fold); a gateway follows
// its order, holds the real tree and the real witness, and serves entries and checkpoints. One
// witness may lie: it signs whatever it is asked, shows old heads, and a history of its own.
import { toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import {
  cosign,
  formatCheckpoint,
  formatFreshness,
  formatNote,
  logOrigin,
  MerkleTree,
  mergeNotes,
  parseNote,
  signFreshness,
  Witness,
  type WitnessStore,
} from '@cloister/tlog';
import type { Message } from './network.ts';
import { eventId, MEMBERS, type Stage } from './stage.ts';

/** Orders, and answers appends. `drops` is how many usage records its host keeps back. */
export function startLedger(stage: Stage, drops: number): void {
  const { network, world } = stage;
  let left = drops;
  const usages = new Set<string>();
  network.attach('ledger', async ({ from, kind, body }) => {
    if (kind === 'get') {
      const at = body['from'] as number;
      network.send('ledger', from, 'entries', { from: at, events: world.log.slice(at, at + 40) });
      return;
    }
    const bytes = body['bytes'] as Uint8Array;
    const id = toHex(eventId(bytes));
    if (body['what'] === 'usage' && left > 0 && !usages.has(`${id}/${left}`)) {
      left--;
      return network.count('usage-dropped');
    }
    if (!world.state.seen.has(id)) await submit(stage, bytes);
    const code = stage.voidJoins.get(id);
    network.send('ledger', from, 'appended', { id, ...(code === undefined ? {} : { code }) });
  });
}

/** Puts an event on the true ledger. */
export async function submit(stage: Stage, bytes: Uint8Array): Promise<void> {
  const id = toHex(eventId(bytes));
  if (stage.voidJoins.has(id)) return;
  const { outcome } = await stage.world.submit(bytes);
  stage.tree.append(bytes);
  if (outcome.status === 'void') stage.voidJoins.set(id, outcome.code);
}

export class Gateway {
  readonly name: string;
  readonly lies: boolean;
  /** The newest head with a quorum on it. */
  note = '';
  size = 0;
  readonly #stage: Stage;
  #log: Uint8Array[] = [];
  #tree = new MerkleTree(nodeCrypto);
  #witness: Witness | undefined;
  #saved: Uint8Array | undefined;
  #gathered = new Map<string, Map<string, string>>();
  #down = false;

  constructor(stage: Stage, name: string, lies: boolean) {
    this.#stage = stage;
    this.name = name;
    this.lies = lies;
  }

  get #origin(): string {
    return logOrigin(this.#stage.world.genesis);
  }

  async start(): Promise<void> {
    await this.#wake(true);
    this.#stage.network.attach(this.name, (message) => this.#on(message));
    this.#turn(0);
  }

  /** Loses everything but what its witness has made durable. */
  crash(forMs: number): void {
    const { network } = this.#stage;
    network.count('gateway-crash');
    this.#down = true;
    network.after(forMs, async () => {
      this.#log = [];
      this.#tree = new MerkleTree(nodeCrypto);
      this.#gathered = new Map();
      this.note = '';
      this.size = 0;
      await this.#wake(false);
      this.#down = false;
      network.count('gateway-restart');
    });
  }

  async #wake(first: boolean): Promise<void> {
    const { clock, world } = this.#stage;
    const store: WitnessStore = {
      load: async () => this.#saved,
      save: async (bytes) => {
        this.#saved = bytes;
      },
    };
    const options = {
      crypto: nodeCrypto,
      clock,
      name: this.name,
      signer: world.witness(this.name),
      origin: this.#origin,
      store,
      tree: this.#tree,
    };
    this.#witness = await (first ? Witness.create(options) : Witness.open(options));
  }

  #turn(count: number): void {
    const { network, world, clock } = this.#stage;
    network.after(45, async () => {
      this.#turn(count + 1);
      if (this.#down) return;
      network.send(this.name, 'ledger', 'get', { from: this.#log.length });
      const head = { size: this.#tree.size, root: this.#tree.root() };
      if (head.size > this.size && !this.lies) {
        for (const other of MEMBERS) network.send(this.name, other, 'cosign', head);
      }
      if (count % 12 !== 11) return;
      // A lying witness says a time of its own: the fold takes the (f+1)-th largest.
      const time = this.lies ? 1_000 + count : clock.now();
      if (this.lies) network.count('frozen-time');
      const bytes = await world.sign(world.witness(this.name), 'tick', { time });
      network.send(this.name, 'ledger', 'append', { bytes });
    });
  }

  async #on({ from, kind, body }: Message): Promise<void> {
    if (this.#down) return;
    const { network } = this.#stage;
    if (kind === 'entries') return this.#extend(body['from'] as number, body['events'] as never);
    if (kind === 'cosigned') return this.#gather(from, body as never);
    if (kind === 'pull') return this.#serve(from, body['from'] as number);
    if (kind !== 'cosign' && kind !== 'freshen') return;
    const size = body['size'] as number;
    const root = body['root'] as Uint8Array;
    const challenges = body['challenges'] as Uint8Array[] | undefined;
    if (this.lies) return this.#lie(from, { size, root, challenges, ask: body['ask'] });
    const ask = { size, root, source: 'told' as const };
    const request = challenges === undefined ? ask : { ...ask, challenges };
    const answer = await (this.#witness as Witness).answer(request);
    if (answer.verdict === 'signed') {
      const note = challenges === undefined ? answer.checkpoint : (answer.freshness as string);
      const reply = challenges === undefined ? 'cosigned' : 'fresh';
      if (challenges !== undefined) this.#issued(note);
      network.send(this.name, from, reply, { size, root, note, ask: body['ask'] });
    } else if (answer.verdict === 'stale' && challenges !== undefined) {
      network.send(this.name, from, 'ahead', { ...answer.head });
    }
  }

  #extend(from: number, events: readonly Uint8Array[]): void {
    if (from > this.#log.length) return;
    for (const bytes of events.slice(this.#log.length - from)) {
      this.#log.push(bytes);
      this.#tree.append(bytes);
    }
  }

  #gather(from: string, body: { size: number; root: Uint8Array; note: string }): void {
    if (body.size <= this.size || body.size > this.#tree.size) return;
    if (toHex(this.#tree.root(body.size)) !== toHex(body.root)) return;
    const notes = this.#gathered.get(`${body.size}`) ?? new Map<string, string>();
    this.#gathered.set(`${body.size}`, notes);
    notes.set(from, body.note);
    if (notes.size < this.#stage.world.charter.witnesses.quorum) return;
    this.note = [...notes.values()].reduce((all, note) => mergeNotes(all, note));
    this.size = body.size;
    this.#gathered = new Map();
  }

  async #serve(to: string, from: number): Promise<void> {
    const { network } = this.#stage;
    if (this.lies && network.choose() < 0.5) return this.#serveFork(to, from);
    if (this.note === '') return;
    const { note, size } = this;
    const events = this.#log.slice(from, size);
    network.send(this.name, to, 'pulled', {
      note,
      size,
      root: this.#tree.root(size),
      from,
      events,
    });
  }

  /** A history that only this witness signed. */
  async #serveFork(to: string, from: number): Promise<void> {
    const { network, world, tree } = this.#stage;
    network.count('forked-ledger');
    const bytes = new TextEncoder().encode('an entry that the ledger never ordered');
    const fork = new MerkleTree(nodeCrypto);
    for (let i = 0; i < Math.min(tree.size, this.#log.length); i++) fork.appendHash(tree.leaf(i));
    fork.append(bytes);
    const checkpoint = { origin: this.#origin, size: fork.size, root: fork.root() };
    const by = { name: this.name, signer: world.witness(this.name), timeSeconds: 1 };
    const note = formatNote(formatCheckpoint(checkpoint), [
      await cosign(nodeCrypto, by, checkpoint),
    ]);
    const events = [...this.#log.slice(from), bytes];
    const body = { note, size: fork.size, root: fork.root(), from, events };
    network.send(this.name, to, 'pulled', body);
  }

  async #lie(
    to: string,
    of: { size: number; root: Uint8Array; challenges: Uint8Array[] | undefined; ask: unknown },
  ): Promise<void> {
    const { network, world } = this.#stage;
    network.count('lying-witness');
    const { size, root, challenges, ask } = of;
    const by = { name: this.name, signer: world.witness(this.name), timeSeconds: 1 };
    const checkpoint = { origin: this.#origin, size, root };
    if (challenges === undefined) {
      const line = await cosign(nodeCrypto, by, checkpoint);
      const note = formatNote(formatCheckpoint(checkpoint), [line]);
      return network.send(this.name, to, 'cosigned', { size, root, note });
    }
    const statement = { checkpoint, challenges };
    const line = await signFreshness(nodeCrypto, by, statement);
    const note = formatNote(formatFreshness(statement), [line]);
    this.#issued(note);
    network.send(this.name, to, 'fresh', { size, root, note, ask });
  }

  #issued(note: string): void {
    this.#stage.issued.add(`${this.name}\n${parseNote(note).text}`);
  }
}
