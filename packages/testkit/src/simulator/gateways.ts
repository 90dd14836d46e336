// SPDX-License-Identifier: Apache-2.0
// A member's gateway: follows the ledger's order with the real admission and fold, holds the real
// tree and witness, gathers cosignatures, serves entries, heads, freshness and openings. After a
// crash only what its witness made durable is there. The lying one is in liars.ts.
import {
  emptyState,
  encodeTaskOpenings,
  type FoldState,
  foldEntry,
  openingsInfo,
  witnessesOf,
} from '@cloister/contract';
import { CodedError, isCoded, toHex } from '@cloister/core';
import { hpkeSeal } from '@cloister/threshold/node';
import {
  logOrigin,
  MerkleTree,
  mergeNotes,
  parseNote,
  verifyCheckpoint,
  Witness,
  type WitnessAnswer,
  type WitnessStore,
} from '@cloister/tlog';
import { Endpoint, passing, type Route } from './endpoint.ts';
import { stubAppraiser } from './evidence.ts';
import type { Appended } from './ledger.ts';
import { admissionOf } from './mutants.ts';
import { MEMBERS, type Stage } from './stage.ts';
import { OWNER, PROPOSER } from './tasks.ts';

const TURN_MS = 350;
const TICK_TURNS = 4;
const GATHER_MS = 45;
const LAG_MS = 12;
const FORWARD_MS = 1_200;
const HEAD_MS = 1_500;

export interface Head {
  readonly size: number;
  readonly root: Uint8Array;
}

interface Cosigned extends Head {
  readonly note: string;
  readonly signers: number;
}

export class Gateway {
  readonly name: string;
  /** The newest head with a quorum on it. */
  cosigned: Cosigned | undefined;
  state: FoldState;
  log: Uint8Array[] = [];
  readonly stage: Stage;
  readonly endpoint: Endpoint;
  #tree: MerkleTree;
  #witness: Witness | undefined;
  #saved: Uint8Array | undefined;
  #following: Promise<void> = Promise.resolve();
  #gathering = false;
  #waiting: { least: number; wake: () => void }[] = [];
  #turns = 0;
  /** When news came last that connected. */
  #heard = Number.NEGATIVE_INFINITY;

  constructor(stage: Stage, name: string) {
    this.stage = stage;
    this.name = name;
    this.state = emptyState(stage.world.genesis);
    this.#tree = new MerkleTree(stage.shared.crypto);
    const routes = this.bend(this.#routes());
    this.endpoint = new Endpoint(stage.network, name, { ...routes } as unknown as Record<
      string,
      Route
    >);
    this.endpoint.onMessage = ({ kind, body }) => {
      if (kind === 'news') this.#follow(body as never);
      if (kind === 'noted') stage.network.go(this.#noted(body as never));
    };
  }

  /** What it answers; a liar answers otherwise. Called before anything else is there. */
  protected bend(routes: Routes): Routes {
    return routes;
  }

  get size(): number {
    return this.cosigned?.size ?? 0;
  }

  get origin(): string {
    return logOrigin(this.stage.world.genesis);
  }

  async start(): Promise<void> {
    await this.#wake(true);
    this.#turn();
  }

  /** Loses everything but what its witness has made durable. */
  crash(forMs: number): void {
    const { network } = this.stage;
    network.count('gateway-crash');
    this.#witness = undefined;
    network.after(forMs, () => {
      this.log = [];
      this.state = emptyState(this.stage.world.genesis);
      this.#tree = new MerkleTree(this.stage.shared.crypto);
      this.cosigned = undefined;
      this.#gathering = false;
      this.#heard = Number.NEGATIVE_INFINITY;
      network.go(this.#wake(false));
      network.count('gateway-restart');
    });
  }

  async #wake(first: boolean): Promise<void> {
    const { clock, shared } = this.stage;
    const store: WitnessStore = {
      load: async () => this.#saved,
      save: async (bytes) => {
        this.#saved = bytes;
      },
    };
    const { crypto } = shared;
    const signer = this.stage.key(this.name, 'witness');
    const tree = this.#tree;
    const options = { crypto, clock, name: this.name, signer, origin: this.origin, store, tree };
    this.#witness = await (first ? Witness.create(options) : Witness.open(options));
  }

  #turn(): void {
    const { network } = this.stage;
    network.after(TURN_MS, () => {
      this.#turn();
      if (this.#witness === undefined) return;
      this.#turns++;
      if (this.#heard < network.now - 2 * TURN_MS) network.go(this.#catchUp());
      this.#gatherSoon();
      if (this.#turns % TICK_TURNS === 0) network.go(this.tick(this.stage.clock.now()));
    });
  }

  async tick(time: number): Promise<void> {
    const bytes = await this.stage.world.sign(this.stage.key(this.name, 'witness'), 'tick', {
      time,
    });
    await this.endpoint.call('ledger', 'append', { bytes }, TURN_MS).catch(passing);
  }

  async #catchUp(): Promise<void> {
    const from = this.log.length;
    const got = await this.endpoint
      .call<{ from: number; events: Uint8Array[] }>('ledger', 'get', { from }, TURN_MS)
      .catch(passing);
    if (got !== undefined) this.#follow(got);
  }

  /** Entries in order; what does not connect is fetched with the next turn. */
  #follow(news: { from: number; events: readonly Uint8Array[] }): void {
    if (this.#witness === undefined) return;
    const { log } = this;
    const work = this.#following.then(async () => {
      if (log !== this.log) return;
      if (news.from > log.length) {
        this.#heard = Number.NEGATIVE_INFINITY;
        return;
      }
      this.#heard = this.stage.network.now;
      const { crypto } = this.stage.shared;
      const { state } = this;
      // Nobody asks the others what is in it.
      const folds = this.name === OWNER || this.name === PROPOSER;
      const admission = admissionOf(this.stage, { node: this.name, state: () => state });
      for (const bytes of news.events.slice(log.length - news.from)) {
        log.push(bytes);
        this.#tree.append(bytes);
        if (folds) await foldEntry(state, bytes, crypto, admission);
      }
      this.#gatherSoon();
    });
    this.#following = work;
    this.stage.network.go(work);
  }

  /** Each a little later than the one before it, so that seldom two gather the same head. */
  #gatherSoon(): void {
    if (this.#gathering || this.#tree.size <= this.size) return;
    this.#gathering = true;
    const rank = (MEMBERS as readonly string[]).indexOf(this.name);
    this.stage.network.after(GATHER_MS * (1 + rank), () => {
      this.#gathering = false;
      if (this.#witness !== undefined && this.#tree.size > this.size) {
        this.stage.network.go(this.#gather());
      }
    });
  }

  /** Sent on at a quorum; what comes later is kept here only. */
  async #gather(): Promise<void> {
    const head = { size: this.#tree.size, root: this.#tree.root() };
    const { quorum } = this.stage.world.charter.witnesses;
    let merged = '';
    let notes = 0;
    const ask = async (member: string) => {
      const asked =
        member === this.name
          ? this.cosign(head)
          : this.endpoint.call<{ note: string }>(member, 'cosign', { ...head }, TURN_MS);
      const note = (await asked.catch(passing))?.note;
      if (note === undefined) return;
      merged = merged === '' ? note : mergeNotes(merged, note);
      notes++;
      if (notes < quorum || !(await this.#noted({ ...head, note: merged, signers: notes }))) return;
      if (notes > quorum) return;
      const others = MEMBERS.filter((other) => other !== this.name);
      for (const other of others) this.endpoint.send(other, 'noted', { ...this.cosigned });
    };
    await Promise.all(MEMBERS.map(ask));
  }

  /** A head with a quorum on it, gathered here or elsewhere. */
  async #noted(head: Cosigned): Promise<boolean> {
    const { stage } = this;
    const { charter } = stage.world;
    const known = this.cosigned;
    const more = known?.size === head.size && head.signers > known.signers;
    if (this.#witness === undefined || (head.size <= this.size && !more)) return false;
    const { quorum } = charter.witnesses;
    const policy = { origin: this.origin, witnesses: witnessesOf(charter), quorum, required: [] };
    try {
      await verifyCheckpoint(stage.shared.crypto, head.note, policy);
    } catch (error) {
      if (isCoded(error)) return false;
      throw error;
    }
    if (head.size > this.#tree.size) return false;
    const { size, root, note, signers } = head;
    this.cosigned = { size, root, note, signers };
    const ready = this.#waiting.filter(({ least }) => least <= size);
    this.#waiting = this.#waiting.filter(({ least }) => least > size);
    for (const { wake } of ready) wake();
    return true;
  }

  /** Resolves when a cosigned head has `least` entries, or after `ms`. */
  #reached(least: number, ms: number): Promise<void> {
    if (this.size >= least || ms <= 0) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.stage.network.after(ms, resolve);
      const wake = () => {
        cancel();
        resolve();
      };
      this.#waiting.push({ least, wake });
    });
  }

  async cosign(head: Head): Promise<{ note: string }> {
    const answer = await this.#answer({ ...head, source: 'told' });
    return { note: answer.checkpoint };
  }

  async freshness(head: Head, challenges: readonly Uint8Array[]): Promise<{ note: string }> {
    const answer = await this.#answer({ ...head, source: 'told', challenges });
    const note = answer.freshness as string;
    this.stage.issued.add(`${this.name}\n${parseNote(note).text}`);
    return { note };
  }

  async #answer(
    request: Parameters<Witness['answer']>[0],
  ): Promise<Extract<WitnessAnswer, { verdict: 'signed' }>> {
    for (let tries = 0; ; tries++) {
      const answer = await this.#witness?.answer(request);
      if (answer?.verdict === 'signed') return answer;
      if (answer?.verdict === 'stale') {
        throw new CodedError(
          'witness-head-stale',
          'conflict',
          'this witness has signed a newer head',
        );
      }
      if (answer?.verdict === 'lagging' && tries < 5) {
        if (tries === 2) await this.#catchUp();
        await this.stage.network.sleep(LAG_MS);
        continue;
      }
      throw new CodedError('witness-refused', 'unavailable', answer?.verdict ?? 'not running');
    }
  }

  #routes(): Routes {
    const running = () => {
      if (this.#witness === undefined) return new Promise<never>(() => {});
      return undefined;
    };
    return {
      health: async () => {
        await running();
        const { genesis } = this.stage.world;
        const { size } = this;
        const simulated = true;
        return {
          ok: true,
          role: 'gateway',
          name: this.name,
          genesis: toHex(genesis),
          size,
          simulated,
        };
      },
      entries: async (_, { from, limit, waitMs }) => {
        await running();
        await this.#reached(from + 1, waitMs);
        return { events: this.log.slice(from, from + limit), size: this.log.length };
      },
      checkpoint: async (_, { least }) => {
        await running();
        await this.#reached(least, HEAD_MS);
        const { cosigned } = this;
        if (cosigned !== undefined && cosigned.size >= least) {
          return { note: cosigned.note, size: cosigned.size, root: toHex(cosigned.root) };
        }
        throw new CodedError('checkpoint-missing', 'unavailable', 'no cosigned head of that size');
      },
      append: async (_, { bytes }) => {
        await running();
        return this.endpoint.call<Appended>('ledger', 'append', { bytes }, FORWARD_MS);
      },
      cosign: async (_, head) => {
        await running();
        return this.cosign({ size: head.size, root: head.root });
      },
      freshness: async (_, { size, root, challenges }) => {
        await running();
        return this.freshness({ size, root }, challenges);
      },
      openings: async (_, { join }) => {
        await running();
        return { sealed: await this.#openings(join) };
      },
    };
  }

  /** The proposer's gateway appraises the worker before it hands the openings over. */
  async #openings(join: Uint8Array): Promise<Uint8Array> {
    const { stage, state } = this;
    const key = toHex(join);
    const body = state.joins.get(key)?.body;
    const task = stage.tasks.get(toHex(body?.task ?? new Uint8Array()));
    if (body === undefined || task === undefined) {
      throw new CodedError('join-unknown', 'not-found', 'no such join here yet');
    }
    const result = await stubAppraiser(stage.blobsFor(this.endpoint)).appraise(state, key);
    if (!result.ok) throw new CodedError(result.mismatch.code, 'policy', 'appraisal failed');
    return hpkeSeal({
      publicKey: body.hpke,
      info: openingsInfo(stage.world.genesis, 'worker'),
      aad: join,
      plaintext: encodeTaskOpenings(task.openings),
      random: stage.random(`${this.name}/openings/${key}`),
    });
  }
}

export interface Routes {
  health(from: string, body: object): Promise<unknown>;
  entries(
    from: string,
    body: { from: number; limit: number; waitMs: number },
  ): Promise<{ events: Uint8Array[]; size: number }>;
  checkpoint(
    from: string,
    body: { least: number },
  ): Promise<{ note: string; size: number; root: string }>;
  append(from: string, body: { bytes: Uint8Array }): Promise<Appended>;
  cosign(from: string, body: Head): Promise<{ note: string }>;
  freshness(
    from: string,
    body: Head & { challenges: readonly Uint8Array[] },
  ): Promise<{ note: string }>;
  openings(from: string, body: { join: Uint8Array }): Promise<{ sealed: Uint8Array }>;
}
