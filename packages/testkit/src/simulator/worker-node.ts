// SPDX-License-Identifier: Apache-2.0
// A worker on the simulated network: join, challenges, one head from the witnesses, openings, keys,
// usage record, its receipt, result. A plain restatement of packages/worker's protocol as a state
// machine (that package's own run waits on real time); an attacker is one with a `trick`.
import { decodePartials, openAnswerInfo } from '@cloister/api';
import { encodeTaskOpenings, openingsInfo } from '@cloister/contract';
import { equal, isCoded, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { encodeLabel } from '@cloister/threshold';
import { combinePartials, hpkeOpen, hpkeSeal } from '@cloister/threshold/node';
import {
  formatFreshness,
  formatNote,
  parseFreshness,
  parseNote,
  signFreshness,
} from '@cloister/tlog';
import type { Checker } from './checker.ts';
import { Inbox, type KeeperNode } from './keeper-node.ts';
import type { Message } from './network.ts';
import { MEMBERS, type NodeKeys, type Stage } from './stage.ts';
import { OWNER, type Task } from './tasks.ts';

const NO_AAD = new Uint8Array(0);

/** What an attacker does otherwise. */
export type Trick =
  | 'stale-head'
  | 'few-witnesses'
  | 'without-owner'
  | 'mixed-heads'
  | 'other-charter'
  | 'swapped-openings'
  | 'void-join'
  | 'after-the-end';

interface Answer {
  readonly seat: number;
  readonly points: ReadonlyMap<number, Uint8Array>;
}

export class WorkerNode {
  readonly keys: NodeKeys;
  readonly task: Task;
  readonly trick: Trick | undefined;
  state: 'joining' | 'asking' | 'recording' | 'released' | 'over' = 'joining';
  requests = 0;
  readonly #stage: Stage;
  readonly #keepers: () => readonly KeeperNode[];
  readonly #inbox: Inbox;
  #challenges = new Map<string, Uint8Array>();
  #notes = new Map<string, Map<string, string>>();
  #answers = new Map<number, Answer>();
  #head: { size: number; root: Uint8Array } | undefined;
  #old: string[] = [];
  #round = 0;
  #usage: Uint8Array | undefined;

  constructor(
    stage: Stage,
    checker: Checker,
    of: {
      keys: NodeKeys;
      task: Task;
      trick?: Trick;
      keepers: () => readonly KeeperNode[];
      copied?: boolean;
    },
  ) {
    this.#stage = stage;
    this.keys = of.keys;
    this.task = of.task;
    this.trick = of.trick;
    this.#keepers = of.keepers;
    this.#inbox = new Inbox(stage);
    const trueOpenings = of.trick !== 'swapped-openings';
    const columns = [0, ...of.task.columns];
    const asked = { task: of.task, trueOpenings, columns, ownKeys: of.copied !== true };
    checker.asked.set(of.keys.id, asked);
  }

  start(): void {
    this.#stage.network.attach(this.keys.name, (message) => this.#on(message));
    this.#turn();
  }

  #turn(): void {
    const { network } = this.#stage;
    network.after(55, async () => {
      if (this.state === 'over') return;
      this.#turn();
      const { name } = this.keys;
      const gateway = MEMBERS[Math.floor(network.choose() * MEMBERS.length)] as string;
      network.send(name, gateway, 'pull', { from: this.#inbox.follower.size });
      await this.#act();
    });
  }

  async #act(): Promise<void> {
    const { network, voidJoins } = this.#stage;
    const { name, id, event } = this.keys;
    const { state } = this.#inbox.follower;
    if (this.state === 'joining') {
      const done = state.joins.has(id) || (this.trick === 'void-join' && voidJoins.has(id));
      if (!done) return network.send(name, 'ledger', 'append', { bytes: event });
      if (this.trick !== 'after-the-end') this.state = 'asking';
      else await this.#record();
    }
    if (this.state === 'asking') await this.#ask();
    if (this.state === 'recording') await this.#record();
    if (this.trick !== undefined && this.requests > 8) this.state = 'over';
  }

  /** A round: challenges, then a head over all of them, then openings; anew when it takes long. */
  async #ask(): Promise<void> {
    const { network } = this.#stage;
    this.#round++;
    if (this.#round % 8 === 1) {
      this.#challenges = new Map();
      this.#notes = new Map();
      this.#answers = new Map();
      for (const keeper of this.#keepers()) {
        const join = Uint8Array.from(Buffer.from(this.keys.id, 'hex'));
        network.send(this.keys.name, keeper.keys.name, 'challenge', { join });
      }
      return;
    }
    if (this.#round % 8 > 4 || this.#challenges.size === 0) return;
    const head = this.#head ?? this.#inbox.head;
    if (head === undefined) return;
    const challenges = [...this.#challenges.values()];
    const ask = this.#round;
    for (const gateway of MEMBERS) {
      network.send(this.keys.name, gateway, 'freshen', { ...head, challenges, ask });
    }
  }

  async #on({ from, kind, body }: Message): Promise<void> {
    if (kind === 'pulled') {
      await this.#inbox.take(body);
      const mine = this.#inbox.head;
      if (mine !== undefined && mine.size > (this.#head?.size ?? 0)) this.#head = mine;
    }
    if (kind === 'ahead') {
      const head = body as unknown as { size: number; root: Uint8Array };
      if (head.size > (this.#head?.size ?? 0)) this.#head = { size: head.size, root: head.root };
    }
    if (kind === 'challenged') this.#challenges.set(from, body['challenge'] as Uint8Array);
    if (kind === 'fresh' && this.state === 'asking')
      await this.#gather(from, body['note'] as string);
    if (kind === 'opened' && this.state === 'asking') this.#answered(from, body);
  }

  async #gather(from: string, note: string): Promise<void> {
    const { text } = parseNote(note);
    const notes = this.#notes.get(text) ?? new Map<string, string>();
    if (notes.has(from)) return;
    this.#notes.set(text, notes.set(from, note));
    const chosen = await this.#choose(notes);
    if (chosen === undefined) return;
    this.#request(chosen);
  }

  /** The notes to show, once there are enough; a trick shows others. */
  async #choose(notes: Map<string, string>): Promise<string[] | undefined> {
    const { quorum } = this.#stage.world.charter.witnesses;
    const all = [...notes.values()];
    if (this.trick === 'few-witnesses')
      return notes.has(OWNER) ? [...notes.values()].slice(0, 2) : undefined;
    if (this.trick === 'without-owner') {
      const others = [...notes].filter(([name]) => name !== OWNER).map(([, note]) => note);
      return others.length >= quorum ? others : undefined;
    }
    if (all.length < quorum || !notes.has(OWNER)) return undefined;
    if (this.trick === 'other-charter') return this.#otherCharter(all[0] as string);
    if (this.trick !== 'stale-head' && this.trick !== 'mixed-heads') return all;
    const old = this.#old;
    this.#old = all;
    if (old.length === 0) return undefined;
    if (this.trick === 'stale-head') return old;
    return [...all.slice(1), old[0] as string];
  }

  /** The same witnesses serve another charter too, and sign there what they are asked. */
  async #otherCharter(note: string): Promise<string[]> {
    const { world, issued } = this.#stage;
    const { checkpoint, challenges } = parseFreshness(parseNote(note).text);
    const other = { ...checkpoint, origin: `cloister/${'ab'.repeat(32)}` };
    const statement = { checkpoint: other, challenges };
    const text = formatFreshness(statement);
    return Promise.all(
      MEMBERS.map(async (name) => {
        const by = { name, signer: world.witness(name), timeSeconds: 1 };
        issued.add(`${name}\n${text}`);
        return formatNote(text, [await signFreshness(nodeCrypto, by, statement)]);
      }),
    );
  }

  #request(freshness: readonly string[]): void {
    const { network, world } = this.#stage;
    const join = Uint8Array.from(Buffer.from(this.keys.id, 'hex'));
    const salt = new Uint8Array(16);
    const { openings: right } = this.task;
    const swapped = { ...right, code: { ...right.code, salt } };
    const plaintext = encodeTaskOpenings(this.trick === 'swapped-openings' ? swapped : right);
    for (const keeper of this.#keepers()) {
      this.requests++;
      const { publicKey } = keeper.keys.hpke;
      const info = openingsInfo(world.genesis, 'keeper');
      const { random } = this.keys;
      const openings = hpkeSeal({ publicKey, info, aad: NO_AAD, plaintext, random });
      network.send(this.keys.name, keeper.keys.name, 'open', { join, freshness, openings });
    }
    if (this.trick !== undefined) network.count(`attack: ${this.trick}`);
  }

  #answered(from: string, body: Readonly<Record<string, unknown>>): void {
    const { genesis } = this.#stage.world;
    const { join, seat, epoch, sealed } = body as unknown as {
      join: Uint8Array;
      seat: number;
      epoch: Uint8Array;
      sealed: Uint8Array;
    };
    if (!this.#keepers().some((keeper) => keeper.keys.name === from)) return;
    const info = openAnswerInfo(genesis, { join, epoch, seat });
    const list = decodePartials(hpkeOpen({ keyPair: this.keys.hpke, info, aad: NO_AAD, sealed }));
    const points = new Map(list.map(({ column, point }) => [column, point]));
    this.#answers.set(seat, { seat, points });
    if (this.#answers.size >= 2) this.#combine();
  }

  /** Any two that are right give the keys; a wrong answer costs nothing but another pair. */
  #combine(): void {
    const answers = [...this.#answers.values()];
    if (this.#stage.off('wrong-partial-excluded')) {
      const bad = answers.slice(0, 2);
      if (!this.#opens(bad)) this.state = 'over';
      else this.state = 'recording';
      return;
    }
    for (const [i, one] of answers.entries()) {
      for (const two of answers.slice(i + 1)) {
        if (!this.#opens([one, two])) continue;
        this.state = 'recording';
        return;
      }
    }
  }

  #opens(answers: readonly Answer[]): boolean {
    const { genesis } = this.#stage.world;
    const { body, keys } = this.task.dataset;
    const { dataset, version, groupKey, policy } = body;
    for (const column of [0, ...this.task.columns]) {
      const partials = answers.map(({ seat, points }) => {
        return { seat, point: points.get(column) as Uint8Array };
      });
      const digest = body.columns.find(({ id }) => id === column)?.sealed as Uint8Array;
      const sealed = this.#stage.blobs.get(toHex(digest)) as Uint8Array;
      const about = { genesis, groupKey, owner: OWNER, dataset, version, column, policy };
      try {
        const label = encodeLabel(about);
        const opened = combinePartials({ t: 2, partials, groupKey, sealed, label });
        if (!equal(opened, keys.get(column) as Uint8Array)) return false;
      } catch (error) {
        if (!isCoded(error)) throw error;
        return false;
      }
    }
    return true;
  }

  /** No receipt, no result. */
  async #record(): Promise<void> {
    const { network, world } = this.#stage;
    const { signer, name, id } = this.keys;
    const { task, run } = this.keys.body;
    const node = { ...this.keys, id: Uint8Array.from(Buffer.from(id, 'hex')), hpkeSecret: NO_AAD };
    const about = { task: task as Uint8Array, run: run as Uint8Array };
    this.#usage ??=
      this.trick === 'after-the-end'
        ? await world.sign(signer, 'run-failed', { ...about, join: node.id, code: 'run-failed' })
        : await world.sign(signer, 'usage', world.usageBody(node));
    network.send(name, 'ledger', 'append', { bytes: this.#usage, what: 'usage' });
    const known = this.#inbox.follower.state.runs.get(toHex(about.run));
    if (this.trick === 'after-the-end') {
      if (known?.status === 'failed') this.state = 'asking';
      return;
    }
    if ((known?.usage ?? null) === null && !this.#stage.off('usage-receipt')) return;
    this.state = 'released';
    const truth = world.state.runs.get(toHex(about.run));
    if ((truth?.usage ?? null) === null)
      this.#stage.violate('a result left without its usage record');
    this.state = 'released';
    network.detach(name);
  }
}
