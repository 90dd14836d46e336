// SPDX-License-Identifier: Apache-2.0
// Byzantine keepers: the real keeper behind ports that lie for it. What it appends and what it puts
// into the blob store is changed on the way; the same thing said twice is changed in the same way.
// For a mutant each lie leaves its repair: what an honest keeper would have said.
import type { AnyEvent, EventBody, EventKind, FoldState, Follower } from '@cloister/contract';
import { type Random, type Signer, toHex } from '@cloister/core';
import { commitHash, encodeReveal, parseReveal } from '@cloister/threshold';
import { createDealing, type Dealing, KeyShare, sealDeal } from '@cloister/threshold/node';
import { namedBytes, namedPoint } from '../world/index.ts';
import type { BadKeeper } from './adversaries.ts';
import { passing } from './endpoint.ts';
import { eventId, type Stage } from './stage.ts';

export const BYZANTINE = [
  'wrong-deals',
  'wrong-partials',
  'wrong-receipts',
  'silence',
  'equivocation',
  'no-proof',
  'other-constant',
  'other-ack',
] as const;
export type Byzantine = 'honest' | (typeof BYZANTINE)[number] | BadKeeper;

/** So that the others have spoken. */
const LAST_MS = 600;

export class Rogue {
  readonly kind: Byzantine;
  readonly #stage: Stage;
  readonly #name: string;
  readonly #signer: Signer;
  readonly #random: Random;
  readonly #said = new Map<string, Promise<Uint8Array | undefined>>();
  /** What was said in the place of what the keeper meant, by the id of what it meant. */
  readonly #instead = new Map<string, Uint8Array>();
  readonly #dealings = new Map<string, { dealing: Dealing; reveal: Uint8Array }>();
  #acked: string | undefined;

  constructor(stage: Stage, kind: Byzantine, of: { name: string; signer: Signer; random: Random }) {
    this.#stage = stage;
    this.kind = kind;
    this.#name = of.name;
    this.#signer = of.signer;
    this.#random = of.random;
  }

  /** What goes to the ledger in the place of `bytes`; undefined: nothing, ever. */
  append(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    if (this.kind === 'honest') return Promise.resolve(bytes);
    const name = this.#stage.shared.nameOf(bytes);
    const said = this.#said.get(name) ?? this.#say(bytes);
    this.#said.set(name, said);
    return said;
  }

  async #say(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    const said = await this.#change(bytes);
    if (said !== undefined) this.#instead.set(toHex(eventId(bytes)), said);
    return said;
  }

  /** The keeper behind it goes on when what was said in its place has landed. */
  deceived(follower: Follower): Follower {
    if (this.kind === 'honest') return follower;
    const insteadOf = (id: string) => this.#instead.get(id);
    return {
      get state() {
        const { seen } = follower.state;
        const get = (id: string) => {
          const said = insteadOf(id);
          return seen.get(said === undefined ? id : toHex(eventId(said)));
        };
        return Object.create(follower.state, { seen: { value: { get } } }) as FoldState;
      },
      get size() {
        return follower.size;
      },
      get progress() {
        return follower.progress;
      },
      get note() {
        return follower.note;
      },
      get charter() {
        return follower.charter;
      },
      isAt: (seq, entry) => follower.isAt(seq, insteadOf(toHex(eventId(entry))) ?? entry),
      step: (waitMs) => follower.step(waitMs),
      syncTo: (head, by) => follower.syncTo(head, by),
      listen: (hear) => follower.listen(hear),
    };
  }

  async #change(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    const { shared, network, world } = this.#stage;
    const event = await shared.admission(bytes, shared.crypto).catch(passing);
    if (event === undefined) return bytes;
    switch (this.kind) {
      case 'silence':
        if (event.kind === 'join' || event.kind === 'refusal') return bytes;
        network.count('silence');
        return undefined;
      case 'equivocation':
        return this.#equivocate(event, bytes);
      case 'no-proof':
      case 'other-constant': {
        const reshare = this.kind === 'other-constant';
        if (event.kind !== 'commit' && event.kind !== 'reveal') return bytes;
        const from = world.state.epochs.get(toHex(event.body.epoch))?.from ?? null;
        if ((from !== null) !== reshare) return bytes;
        return event.kind === 'commit'
          ? this.#commit(event.body, from)
          : this.#reveal(event, bytes);
      }
      case 'wrong-deals':
      case 'withholds-deals':
        return event.kind === 'reveal' ? this.#dealWrong(event.body, bytes) : bytes;
      case 'other-ack':
        return event.kind === 'ack' ? this.#acknowledge(event.body, bytes) : bytes;
      default:
        return bytes;
    }
  }

  async #equivocate(event: AnyEvent, bytes: Uint8Array): Promise<Uint8Array> {
    const { shared, network, repairs } = this.#stage;
    if (event.kind === 'reveal') {
      repairs.set(shared.nameOf(bytes), { guard: 'reveal-commit', bytes });
    }
    if (event.kind !== 'commit' || event.body.hash === undefined) return bytes;
    network.count('equivocation');
    const hash = namedBytes(this.#name, `another reveal/${toHex(event.body.epoch)}`);
    return this.#sign('commit', { ...event.body, hash });
  }

  /** Commits to a dealing of its own: its proof is wrong, or it is of another share. */
  async #commit(body: EventBody<'commit'>, from: string | null): Promise<Uint8Array> {
    const { world, network } = this.#stage;
    network.count(this.kind);
    const { genesis } = world;
    const { epoch } = body;
    const known = world.state.epochs.get(toHex(epoch));
    const join = known?.joins[body.seat - 1];
    const old = from === null ? undefined : world.state.epochs.get(from);
    const seat = old === undefined ? body.seat : old.joins.indexOf(join as string) + 1;
    if (seat === 0) return this.#sign('commit', body);
    const n = known?.joins.length ?? 3;
    const t = known?.threshold ?? 2;
    const about = { genesis, epoch, seat, n, t, random: this.#random };
    const other = from === null ? {} : { reshare: this.#otherShare(from, { seat, n, t }) };
    const dealing = createDealing({ ...about, ...other });
    const reveal = from === null ? withoutProof(dealing.reveal) : dealing.reveal;
    this.#dealings.set(toHex(epoch), { dealing, reveal });
    return this.#sign('commit', { ...body, hash: commitHash({ ...about, reveal }) });
  }

  #otherShare(from: string, of: { seat: number; n: number; t: number }): KeyShare {
    const { genesis, state } = this.#stage.world;
    const groupKey = state.epochs.get(from)?.groupKey as Uint8Array;
    const epoch = Uint8Array.from(Buffer.from(from, 'hex'));
    const publicShare = namedPoint(this.#name, 'another share');
    const secret = namedBytes(this.#name, 'another share');
    secret[0] = (secret[0] as number) & 0x7f;
    return new KeyShare({ genesis, epoch, ...of, groupKey, publicShare, reveals: [] }, secret);
  }

  async #reveal(event: Extract<AnyEvent, { kind: 'reveal' }>, honest: Uint8Array) {
    const { shared, repairs } = this.#stage;
    const own = this.#dealings.get(toHex(event.body.epoch));
    if (own === undefined) return honest;
    const bytes = await this.#sign('reveal', { ...event.body, reveal: own.reveal });
    const guard = this.kind === 'no-proof' ? 'proof-of-knowledge' : 'reshare-constant';
    repairs.set(shared.nameOf(bytes), { guard, bytes: honest });
    return bytes;
  }

  /** In its first epoch only: nobody is at fault by the ledger when acknowledgements differ. */
  async #acknowledge(body: EventBody<'ack'>, honest: Uint8Array): Promise<Uint8Array> {
    const epoch = toHex(body.epoch);
    this.#acked ??= epoch;
    if (this.#acked !== epoch) return honest;
    const { network } = this.#stage;
    network.count('other-ack');
    await network.sleep(LAST_MS);
    return this.#sign('ack', { ...body, groupKey: namedPoint(this.#name, 'a key of its own') });
  }

  #sign<K extends EventKind>(kind: K, body: EventBody<K>): Promise<Uint8Array> {
    return this.#stage.world.sign(this.#signer, kind, body);
  }

  /** Deals of another value, or bytes that are no deal at all, for every seat but its own. */
  async #dealWrong(body: EventBody<'reveal'>, honest: Uint8Array): Promise<Uint8Array> {
    const { network, repairs, shared, world, wrongDeals } = this.#stage;
    network.count(this.kind === 'wrong-deals' ? this.kind : `adversary: ${this.kind}`);
    const { epoch, seat: dealer } = body;
    const known = world.state.epochs.get(toHex(epoch));
    const own = known?.joins.indexOf(world.state.nodeKeys.get(toHex(this.#signer.key)) ?? '');
    const wrong = body.deals.map((deal, i) => {
      const recipientKey = known?.receiving.get(i + 1);
      if (i === own || recipientKey === undefined) return deal;
      if (this.kind !== 'wrong-deals') return Uint8Array.of(0);
      const about = { genesis: world.genesis, epoch, dealer, recipient: i + 1, recipientKey };
      return sealDeal({ ...about, deal: namedBytes('wrong', 'deal'), random: this.#random });
    });
    for (const [i, deal] of wrong.entries()) {
      if (i !== own) wrongDeals.add(toHex(shared.crypto.digest('sha256', deal)));
    }
    const bytes = await this.#sign('reveal', { ...body, deals: wrong });
    repairs.set(shared.nameOf(bytes), { guard: 'deal-check', bytes: honest });
    return bytes;
  }

  /** What is stored in the place of a blob that it puts; undefined: nothing. */
  async blob(bytes: Uint8Array): Promise<Uint8Array | undefined> {
    if (this.kind !== 'withholds-evidence') return bytes;
    this.#stage.network.count(`adversary: ${this.kind}`);
    return undefined;
  }
}

function withoutProof(reveal: Uint8Array): Uint8Array {
  const parsed = parseReveal(reveal);
  const pok = Uint8Array.from(parsed.pok);
  pok[63] = (pok[63] as number) ^ 1;
  return encodeReveal({ ...parsed, pok });
}
