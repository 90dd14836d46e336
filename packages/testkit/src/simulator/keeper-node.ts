// SPDX-License-Identifier: Apache-2.0
// A keeper on the simulated network: the real follower, ceremony, challenges and decision, driven
// by virtual time in the place of `Keeper`'s own loop. A Byzantine one is the real one behind ports
// that lie. A mutant acts on a request that the real decision refused for the guard's reason.
import { encodePartials, openAnswerInfo } from '@cloister/api';
import {
  CheckpointFollower,
  type EventBody,
  type EventKind,
  type JoinAppraiser,
  signEvent,
} from '@cloister/contract';
import { namedBytes, namedPoint } from '@cloister/contract/testing';
import { isCoded, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { Challenges } from '@cloister/keeper';
import { Ceremony, type Decision, decide, type OpenRequest } from '@cloister/keeper/parts';
import { parseDeal } from '@cloister/threshold';
import { hpkeSeal, sealDeal } from '@cloister/threshold/node';
import type { Checker } from './checker.ts';
import { stubAppraiser } from './evidence.ts';
import { guardOf } from './guards.ts';
import type { Message } from './network.ts';
import { eventId, MEMBERS, type NodeKeys, type Stage } from './stage.ts';

export type Byzantine = 'honest' | 'wrong-deals' | 'wrong-partials' | 'silence' | 'equivocation';

interface Pulled {
  readonly note: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly from: number;
  readonly events: Uint8Array[];
}

/** A node's follower fed by messages: whatever came last is what its one peer shows. */
export class Inbox {
  readonly follower: CheckpointFollower;
  head: { size: number; root: Uint8Array } | undefined;
  readonly #stage: Stage;
  #pulled: Pulled | undefined;

  constructor(stage: Stage) {
    this.#stage = stage;
    const charter = stage.world.charter;
    const quorum = stage.off('checkpoint-quorum') ? 1 : charter.witnesses.quorum;
    const founding = { ...charter, witnesses: { ...charter.witnesses, quorum } };
    const peer = {
      entries: async (from: number, { limit = 500 }: { limit?: number } = {}) => {
        const at = from - (this.#pulled?.from ?? 0);
        if (at < 0) return { events: [], size: 0 };
        return { events: this.#pulled?.events.slice(at, at + limit) ?? [], size: 0 };
      },
      checkpoint: async () => {
        const { note, size, root } = this.#pulled as Pulled;
        return { note, size, root: toHex(root) };
      },
    };
    const { genesis } = stage.world;
    this.follower = new CheckpointFollower({
      crypto: nodeCrypto,
      peers: [peer],
      genesis,
      founding,
    });
  }

  async take(body: unknown): Promise<void> {
    const pulled = body as Pulled;
    const { follower } = this;
    if (pulled.size <= follower.size) return;
    const before = this.#pulled;
    this.#pulled = pulled;
    try {
      await follower.step();
      this.head = { size: pulled.size, root: pulled.root };
      if (this.#stage.off('checkpoint-quorum')) {
        const { charter } = follower.state;
        if (charter !== null) (charter.witnesses as { quorum: number }).quorum = 1;
      }
      this.#check(pulled);
    } catch (error) {
      if (!isCoded(error)) throw error;
      this.#pulled = before;
      if (error.kind === 'verification') this.#stage.network.count('refused-head');
    }
  }

  /** What was followed must be what the ledger ordered. */
  #check({ size, root }: Pulled): void {
    const { tree } = this.#stage;
    const same = size <= tree.size && toHex(tree.root(size)) === toHex(root);
    if (!same) this.#stage.violate(`a node followed a history of ${size} that was never ordered`);
  }
}

export class KeeperNode {
  readonly keys: NodeKeys;
  readonly operator: string;
  readonly byzantine: Byzantine;
  alive = true;
  readonly #stage: Stage;
  readonly #checker: Checker;
  readonly #inbox: Inbox;
  readonly #challenges: Challenges;
  readonly #appraiser: JoinAppraiser;
  readonly #ceremony: Ceremony;
  readonly #blobs;
  readonly #sent = new Map<string, Uint8Array>();
  readonly #void = new Map<string, string>();

  constructor(
    stage: Stage,
    checker: Checker,
    of: { keys: NodeKeys; operator: string; byzantine: Byzantine },
  ) {
    this.#stage = stage;
    this.#checker = checker;
    this.keys = of.keys;
    this.operator = of.operator;
    this.byzantine = of.byzantine;
    this.#inbox = new Inbox(stage);
    const { random, signer, hpke, name } = this.keys;
    this.#challenges = new Challenges({ clock: stage.clock, random });
    this.#blobs = stage.blobsFor(name, (bytes) => this.#deal(bytes));
    this.#appraiser = stubAppraiser(this.#blobs);
    const seats = stage.off('seat-appraisal')
      ? ({ appraise: async () => ({ ok: true }) } as unknown as JoinAppraiser)
      : this.#appraiser;
    const log = { info: () => {}, warn: () => {} };
    const append = <K extends EventKind>(kind: K, body: EventBody<K>) => this.#append(kind, body);
    const ports = {
      crypto: nodeCrypto,
      random,
      blobs: this.#blobs,
      appraiser: seats,
      signer,
      hpke,
    };
    this.#ceremony = new Ceremony({ ...ports, log, append }, this.keys.id);
  }

  get holding(): boolean {
    return this.alive && this.#ceremony.share(this.#inbox.follower.state) !== undefined;
  }

  start(): void {
    this.#stage.network.attach(this.keys.name, (message) => this.#on(message));
    this.#turn();
  }

  /** Everything that it knew is gone. */
  crash(): void {
    this.alive = false;
    this.#stage.network.count('keeper-crash');
    this.#stage.network.detach(this.keys.name);
    this.#ceremony.wipe();
  }

  #turn(): void {
    const { network } = this.#stage;
    network.after(50, async () => {
      if (!this.alive) return;
      this.#turn();
      const { name, id, event } = this.keys;
      const { follower } = this.#inbox;
      const gateway = MEMBERS[Math.floor(network.choose() * MEMBERS.length)] as string;
      network.send(name, gateway, 'pull', { from: follower.size });
      if (!follower.state.joins.has(id))
        return network.send(name, 'ledger', 'append', { bytes: event });
      this.#resend();
      await this.#advance();
    });
  }

  async #advance(): Promise<void> {
    const { state } = this.#inbox.follower;
    if (this.byzantine === 'silence' && state.formingEpoch !== null) {
      return this.#stage.network.count('silence');
    }
    try {
      await this.#ceremony.advance(state);
    } catch (error) {
      if (!isCoded(error)) throw error;
    }
  }

  /** Hands an event over; it is sent until its own fold shows it. */
  async #append<K extends EventKind>(kind: K, body: EventBody<K>): Promise<void> {
    const { network, world } = this.#stage;
    const { signer, name } = this.keys;
    const key = `${kind}/${toHex((body as { epoch: Uint8Array }).epoch)}`;
    let bytes = this.#sent.get(key);
    if (bytes === undefined) {
      const lie = kind === 'commit' && this.byzantine === 'equivocation';
      const said = lie ? { ...body, hash: namedBytes(name, 'another reveal') } : body;
      if (lie) network.count('equivocation');
      bytes = await signEvent(signer, name, { genesis: world.genesis, kind, body: said });
      this.#sent.set(key, bytes);
    }
    network.send(name, 'ledger', 'append', { bytes });
  }

  /** What its own fold does not show yet, and the ledger has not refused, is sent again. */
  #resend(): void {
    const { network } = this.#stage;
    for (const [key, bytes] of this.#sent) {
      const id = toHex(eventId(bytes));
      if (this.#inbox.follower.state.seen.has(id) || this.#void.has(id)) this.#sent.delete(key);
      else network.send(this.keys.name, 'ledger', 'append', { bytes });
    }
  }

  /** Every blob that the ceremony puts is a deal. */
  async #deal(bytes: Uint8Array): Promise<Uint8Array> {
    const deal = parseDeal(bytes);
    const recipient = this.#stage.joinOfKey.get(toHex(deal.recipientKey));
    if (recipient !== undefined && !this.#stage.attested.has(recipient)) {
      this.#stage.violate('a deal was sealed to a node whose evidence is wrong');
    }
    if (this.byzantine !== 'wrong-deals') return bytes;
    this.#stage.network.count('wrong-deals');
    const { random, signer } = this.keys;
    return sealDeal({ ...deal, deal: namedBytes('wrong', 'deal'), signer, random });
  }

  async #on({ from, kind, body }: Message): Promise<void> {
    if (kind === 'pulled') return this.#inbox.take(body);
    if (kind === 'appended' && body['code'] !== undefined) {
      this.#void.set(body['id'] as string, body['code'] as string);
    }
    if (this.byzantine === 'silence') return;
    const { network } = this.#stage;
    const join = body['join'] as Uint8Array;
    if (kind === 'challenge') {
      const known = this.#inbox.follower.state.joins.get(toHex(join));
      if (known?.body.role !== 'worker' && !this.#admits(join)) return;
      try {
        const challenge = this.#challenges.draw(toHex(join));
        this.#checker.drew(this.keys.name, toHex(join), challenge);
        network.send(this.keys.name, from, 'challenged', { challenge });
      } catch (error) {
        if (!isCoded(error)) throw error;
      }
    }
    if (kind === 'open') await this.#open(from, body as unknown as OpenRequest);
  }

  /** A void join counts for a mutant that does not look at its code. */
  #admits(join: Uint8Array): boolean {
    const guard = guardOf(this.#stage.voidJoins.get(toHex(join)) ?? '');
    return guard !== undefined && this.#stage.off(guard);
  }

  async #open(from: string, request: OpenRequest): Promise<void> {
    const { network, world } = this.#stage;
    const { follower } = this.#inbox;
    const share = this.#ceremony.share(follower.state);
    if (share === undefined) return;
    const { hpke, name, random } = this.keys;
    const ports = {
      crypto: nodeCrypto,
      blobs: this.#blobs,
      follower,
      challenges: this.#challenges,
    };
    try {
      const rest = { appraiser: this.#appraiser, hpke, genesis: world.genesis };
      const decision = await decide({ ...ports, ...rest }, share, request);
      this.#checker.opened(name, request, decision.partials);
      const body = follower.state.joins.get(toHex(request.join))?.body as EventBody<'join'>;
      const { epoch, seat } = share;
      const sealed = hpkeSeal({
        publicKey: body.hpke,
        info: openAnswerInfo(world.genesis, { join: request.join, epoch, seat }),
        aad: new Uint8Array(0),
        plaintext: encodePartials(this.#bend(decision)),
        random,
      });
      network.send(name, from, 'opened', { join: request.join, seat, epoch, sealed });
    } catch (error) {
      if (!isCoded(error)) throw error;
      const code = this.#admits(request.join)
        ? (this.#stage.voidJoins.get(toHex(request.join)) as string)
        : error.code;
      this.#stage.refusals.set(code, (this.#stage.refusals.get(code) ?? 0) + 1);
      const guard = guardOf(code);
      if (guard !== undefined && this.#stage.off(guard))
        this.#checker.opened(name, request, 'asked');
      network.send(name, from, 'refused', { code });
    }
  }

  #bend({ partials }: Decision): Decision['partials'] {
    if (this.byzantine !== 'wrong-partials') return partials;
    this.#stage.network.count('wrong-partials');
    return partials.map((one) => ({ ...one, point: namedPoint('wrong', 'partial') }));
  }
}
