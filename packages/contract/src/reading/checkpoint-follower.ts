// SPDX-License-Identifier: Apache-2.0
// A node's own reading of the ledger (a keeper's, a worker's). Entries come from any gateway and
// are believed only when the tree over them has the root of a head that a quorum of witnesses
// signed; only then are they admitted and folded. So a gateway can be silent, but it cannot lie.
//
// Where the charter has changed its witnesses, the follower crosses by a handover that the ones it
// knows have signed (handover.ts); a gateway's word about a charter is worth nothing.
//
// Invariants: `state` is the fold of exactly the first `size` entries of the tree; it moves only
// forward, and never past a signed head; one extension runs at a time, and waits for nobody:
// entries are fetched before. Where entries give another root, they are dropped.

import {
  type CodedError,
  type CryptoPort,
  equal,
  isCoded,
  Lane,
  type Timers,
} from '@cloister/core';
import { leafHash, logOrigin, MerkleTree, type TreeHead, verifyCheckpoint } from '@cloister/tlog';
import { witnessesChange } from '../charter/amendment.ts';
import type { CharterBody } from '../charter/body.ts';
import { contractError } from '../errors.ts';
import { admit } from '../events/admit.ts';
import type { AnyEvent } from '../events/event.ts';
import { type Admission, foldEntry } from '../fold/fold.ts';
import { cloneState, emptyState, type FoldState } from '../fold/state.ts';
import { type Crossing, mayHandOver, verifyHandover, witnessesOf } from './handover.ts';
import { Turns } from './turns.ts';

const PAGE = 500;
/** A page of fewer entries has so many bytes at least, or is short. */
const WHOLE_PAGE_BYTES = 1_048_576;
/** So many short pages a peer may give: it may be behind, and no more. */
const SHORT_PAGES = 1;
/** A peer that takes longer rests as one that failed does: to be slow costs a node no less. */
const SLOW_MS = 5_000;
/** How long a peer may take to have entries of a head that somebody else has shown. */
const LAGGING_MS = 2_000;

/** A gateway, as far as a follower needs one; api's `GatewayClient` is one over HTTP. */
export interface CheckpointedPeer {
  entries(
    from: number,
    options?: { limit?: number; waitMs?: number },
  ): Promise<{ events: Uint8Array[]; size: number }>;
  checkpoint(least?: number): Promise<{ note: string; size: number; root: string }>;
  /** Signed notes that hand over from charters of this version and later ones, in order. */
  handovers(from: number): Promise<string[]>;
}

/** What a node asks of its follower. */
export type Follower = Pick<
  CheckpointFollower,
  'state' | 'size' | 'note' | 'charter' | 'isAt' | 'step' | 'syncTo' | 'listen' | 'progress'
>;

/** What a step has met so far. */
interface Trial {
  /** How long somebody is still to be waited for. */
  waitMs: number;
  answered: boolean;
  error?: CodedError;
}

export class CheckpointFollower {
  readonly #crypto: CryptoPort;
  readonly #genesis: Uint8Array;
  readonly #founding: CharterBody;
  readonly #admission: Admission;
  readonly #state: FoldState;
  #tree: MerkleTree;
  /** The signed note of the newest head that was verified. */
  #note: string | undefined;
  /** Set where the charter asks for rules that are not known here: nothing is followed any more. */
  #ended: CodedError | undefined;
  /** One at a time changes the state. */
  readonly #lane = new Lane();
  /** One at a time follows what a peer shows: many who ask do not make as many fetch the same. */
  readonly #following = new Lane();
  #hear: (event: AnyEvent) => void = () => {};
  readonly #turns: Turns<CheckpointedPeer>;
  readonly #timers: Timers;
  readonly #slowMs: number;
  /** How far entries have been read, whether they were believed or not. */
  #read = 0;

  constructor(options: {
    crypto: CryptoPort;
    timers: Timers;
    /** Their calls end after a while: what one takes, everything that follows waits for. */
    peers: readonly CheckpointedPeer[];
    genesis: Uint8Array;
    /** The charter that founds the genesis: its witnesses count until the ledger says otherwise. */
    founding: CharterBody;
    /** `admit` where absent. */
    admission?: Admission;
    /** What a peer may take, in milliseconds, before it rests; 5,000 where absent. */
    slowMs?: number;
  }) {
    this.#crypto = options.crypto;
    this.#turns = new Turns(options.peers);
    this.#timers = options.timers;
    this.#slowMs = options.slowMs ?? SLOW_MS;
    this.#genesis = options.genesis;
    this.#state = emptyState(options.genesis);
    this.#founding = options.founding;
    this.#admission = options.admission ?? admit;
    this.#tree = new MerkleTree(options.crypto);
  }

  /** The fold so far. Read it, never change it; it moves when the follower does. */
  get state(): FoldState {
    return this.#state;
  }

  get size(): number {
    return this.#tree.size;
  }

  /** The newest verified cosigned checkpoint, as its signed note. */
  get note(): string | undefined {
    return this.#note;
  }

  get charter(): CharterBody {
    return this.#state.charter ?? this.#founding;
  }

  /** Whether the entry that was followed at this position is these very bytes. */
  isAt(seq: number, entry: Uint8Array): boolean {
    return seq < this.size && equal(this.#tree.leaf(seq), leafHash(this.#crypto, entry));
  }

  /** How far it has read and how far it has folded, together: it rises while following goes on. */
  get progress(): number {
    return this.#read + this.#state.seq;
  }

  /** `hear` is told of every accepted event as soon as it is folded: what the state keeps not. */
  listen(hear: (event: AnyEvent) => void): void {
    this.#hear = hear;
  }

  /**
   * Asks the peers one after another for a cosigned checkpoint that is newer than what is followed,
   * until one has it, and follows that; with `waitMs` it waits that long at the first that answers.
   * Answers whether there was something new.
   * @throws CodedError the last peer's error when none could be asked
   */
  async step(waitMs = 0): Promise<boolean> {
    const { ready, resting } = this.#turns.next();
    const trial: Trial = { waitMs, answered: false };
    for (const peers of [ready, resting]) {
      for (const peer of peers) if (await this.#try(peer, trial)) return true;
      if (trial.answered) return false;
    }
    throw trial.error ?? noGateway();
  }

  async #try(peer: CheckpointedPeer, trial: Trial): Promise<boolean> {
    const late = this.#timers.elapsed() + trial.waitMs + this.#slowMs;
    try {
      if (trial.waitMs > 0) await peer.entries(this.size, { limit: 1, waitMs: trial.waitMs });
      trial.waitMs = 0;
      const moved = await this.#follow(peer);
      if (this.#timers.elapsed() > late) this.#turns.failed(peer);
      else this.#turns.answered(peer);
      trial.answered = true;
      return moved;
    } catch (error) {
      if (!isCoded(error)) throw error;
      this.#turns.failed(peer);
      trial.error = error;
      return false;
    }
  }

  /**
   * Brings the fold to a head whose signatures the caller has verified by the witnesses of the
   * charter of version `by`, which must still be in force; a head behind the fold must be one of
   * its own past. @throws CodedError `ledger-history-mismatch`, `ledger-unreachable`
   */
  async syncTo(head: TreeHead, by: number): Promise<void> {
    if (head.size <= this.size) return this.#lane.run(async () => this.#assertPast(head));
    const { ready, resting } = this.#turns.next();
    let last: CodedError | undefined;
    for (const peer of [...ready, ...resting]) {
      try {
        return await this.#extend(head, peer, { waitMs: LAGGING_MS, by });
      } catch (error) {
        if (!isCoded(error)) throw error;
        this.#turns.failed(peer);
        last = error;
      }
    }
    throw last ?? noGateway();
  }

  async #follow(peer: CheckpointedPeer): Promise<boolean> {
    if (this.#ended !== undefined) throw this.#ended;
    const { note, size } = await peer.checkpoint();
    const before = this.size;
    if (size <= before) return false;
    const head = await this.#verified(note).catch(async (error: unknown) => {
      if (!isCoded(error, 'quorum-not-met') || !(await this.#cross(peer))) throw error;
      return this.#verified(note);
    });
    // Who shows a head has what leads to it; the others are asked for theirs.
    const by = this.charter.version;
    await this.#following.run(() => this.#extend(head, peer, { waitMs: 0, by }));
    if (head.size === this.size) this.#note = note;
    return head.size > before;
  }

  #verified(note: string): Promise<TreeHead> {
    return verifyCheckpoint(this.#crypto, note, {
      origin: logOrigin(this.#genesis),
      witnesses: witnessesOf(this.charter),
      quorum: this.charter.witnesses.quorum,
      required: [],
    });
  }

  /** Crosses as many changes of witnesses as the peer has handovers for; answers whether any. */
  async #cross(peer: CheckpointedPeer): Promise<boolean> {
    const { version } = this.charter;
    for (const note of await peer.handovers(version)) {
      await this.#following.run(() => this.#crossBy(note, peer));
    }
    return this.charter.version > version;
  }

  async #crossBy(note: string, peer: CheckpointedPeer): Promise<void> {
    const [crypto, genesis] = [this.#crypto, this.#genesis];
    const head = await mayHandOver(crypto, note, { genesis, before: this.charter });
    const from = this.size;
    if (head === undefined || head.size <= from) return;
    const entries = await this.#fetch(peer, { from, to: head.size, waitMs: 0 });
    await this.#lane.run(async () => {
      // Somebody else has brought it on meanwhile: the next time goes on from there.
      if (this.size !== from) return;
      const crossing = await this.#crossingIn(entries);
      if (crossing === undefined) return;
      await this.#accept(entries, await verifyHandover(crypto, note, { genesis, crossing }));
    });
  }

  /** The first change of witnesses that these entries make, folded on a copy. */
  async #crossingIn(entries: readonly Uint8Array[]): Promise<Crossing | undefined> {
    const state = cloneState(this.#state);
    const before = this.charter;
    for (const entry of entries) {
      await foldEntry(state, entry, this.#crypto, this.#admission);
      const after = state.charter;
      if (after !== null && witnessesChange(before, after)) {
        return { before, after, seq: state.seq - 1 };
      }
    }
    return undefined;
  }

  /** `by` is the version of the charter whose witnesses signed the head. */
  async #extend(
    head: TreeHead,
    peer: CheckpointedPeer,
    { waitMs, by }: { waitMs: number; by: number },
  ): Promise<void> {
    const from = this.size;
    const entries = await this.#fetch(peer, { from, to: head.size, waitMs });
    await this.#lane.run(async () => {
      if (this.#ended !== undefined) throw this.#ended;
      if (head.size <= this.size) return this.#assertPast(head);
      if (by !== this.charter.version) throw retired(head.size);
      await this.#accept(entries.slice(this.size - from), head);
    });
  }

  #assertPast({ size, root }: TreeHead): void {
    if (!equal(this.#tree.root(size), root)) throw mismatch(size);
  }

  async #accept(entries: readonly Uint8Array[], head: TreeHead): Promise<void> {
    const before = this.#tree.size;
    for (const entry of entries) this.#tree.append(entry);
    if (!equal(this.#tree.root(), head.root)) {
      this.#rewind(before);
      throw mismatch(head.size);
    }
    try {
      for (const entry of entries) {
        const { outcome, event } = await this.#fold(entry);
        if (event !== undefined && outcome.status === 'accepted') this.#hear(event);
      }
    } catch (error) {
      if (isCoded(error, 'fold-version-unknown')) this.#ended = error;
      throw error;
    }
  }

  #fold(entry: Uint8Array) {
    return foldEntry(this.#state, entry, this.#crypto, this.#admission);
  }

  async #fetch(
    peer: CheckpointedPeer,
    { from, to, waitMs }: { from: number; to: number; waitMs: number },
  ): Promise<Uint8Array[]> {
    const entries: Uint8Array[] = [];
    let short = 0;
    while (from + entries.length < to) {
      const at = from + entries.length;
      const limit = Math.min(PAGE, to - at);
      const { events } = await peer.entries(at, { limit, waitMs });
      if (events.length === 0) {
        const message = `a gateway has only ${at} entries, wanted ${to}: ask another`;
        throw contractError('ledger-unreachable', message);
      }
      if (this.#turns.size > 1 && isShort(events, limit) && ++short > SHORT_PAGES) {
        const message = 'a gateway gives out its entries a few at a time: ask another';
        throw contractError('ledger-unreachable', message);
      }
      entries.push(...events.slice(0, limit));
      this.#read = Math.max(this.#read, from + entries.length);
    }
    return entries;
  }

  /** Rare: entries that do not belong were appended, so the tree is built again without them. */
  #rewind(size: number): void {
    const clean = new MerkleTree(this.#crypto);
    for (let i = 0; i < size; i++) clean.appendHash(this.#tree.leaf(i));
    this.#tree = clean;
  }
}

function isShort(events: readonly Uint8Array[], wanted: number): boolean {
  if (events.length >= wanted) return false;
  return events.reduce((sum, { length }) => sum + length, 0) < WHOLE_PAGE_BYTES;
}

function noGateway() {
  return contractError('ledger-unreachable', 'no gateway was named');
}

/** Who signed it may be none of the witnesses now: it is shown again, and judged by their rule. */
function retired(size: number) {
  const message = `the charter changed while the head ${size} was followed: ask for it again`;
  return contractError('ledger-unreachable', message);
}

function mismatch(size: number) {
  const message = `the entries up to ${size} do not have the root that the witnesses signed`;
  return contractError('ledger-history-mismatch', message);
}
