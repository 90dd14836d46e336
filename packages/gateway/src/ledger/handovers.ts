// SPDX-License-Identifier: Apache-2.0
// Handovers of witnesses, kept and served. When an amendment changes who signs heads, the witnesses
// of the charter before sign one more with the amendment in it; whoever starts from the genesis
// later crosses by these notes (contract/reading/handover.ts). A note is gathered as soon as the
// amendment is folded, because old keys do not stay; a gateway that came later asks its peers.
//
// Invariant: nothing is kept or served that does not hand over the tree that is followed here.
import type { GatewayClient } from '@cloister/api';
import { type Crossing, handoverQuorum, verifyHandover, witnessesOf } from '@cloister/contract';
import { type CryptoPort, equal, isCoded } from '@cloister/core';
import type { Follower } from './follower.ts';
import type { WitnessService } from './witness-service.ts';

/** Most notes in one answer: each has a line a witness. */
const PAGE = 8;

/** Where notes are kept, by the version of the charter before. */
export interface NoteStore {
  read(version: number): Promise<string | undefined>;
  write(version: number, note: string): Promise<void>;
}

export interface HandoversOptions {
  readonly genesis: Uint8Array;
  readonly crypto: CryptoPort;
  readonly follower: Follower;
  readonly witness: WitnessService;
  readonly peers: ReadonlyMap<string, Pick<GatewayClient, 'handovers'>>;
  readonly notes: NoteStore;
}

export class Handovers {
  readonly #options: HandoversOptions;

  constructor(options: HandoversOptions) {
    this.#options = options;
  }

  /** Notes that lead on from charters of version `from` and later ones, in order. */
  async list(from: number): Promise<string[]> {
    const { follower, notes } = this.#options;
    const found: string[] = [];
    for (const { before } of follower.crossings) {
      if (before.version < from || found.length === PAGE) continue;
      const note = await notes.read(before.version);
      if (note !== undefined) found.push(note);
    }
    return found;
  }

  /**
   * Gets the notes that are not here yet: from the witnesses themselves, or from peers that have
   * them. Answers whether none is missing.
   */
  async complete(): Promise<boolean> {
    const { follower, notes } = this.#options;
    let missing = 0;
    for (const crossing of follower.crossings) {
      const { version } = crossing.before;
      if ((await notes.read(version)) !== undefined) continue;
      const note = (await this.#gather(crossing)) ?? (await this.#ask(crossing));
      if (note === undefined) missing += 1;
      else await notes.write(version, note);
    }
    return missing === 0;
  }

  async #gather(crossing: Crossing): Promise<string | undefined> {
    const { before, after } = crossing;
    const rule = { witnesses: witnessesOf(before), quorum: handoverQuorum(before, after) };
    try {
      const { note } = await this.#options.witness.gatherUnder(rule);
      return (await this.#hands(note, crossing)) ? note : undefined;
    } catch (error) {
      if (!isCoded(error)) throw error;
      return undefined;
    }
  }

  async #ask(crossing: Crossing): Promise<string | undefined> {
    for (const peer of this.#options.peers.values()) {
      const shown = await peer.handovers(crossing.before.version).catch(nothing);
      for (const note of shown ?? []) if (await this.#hands(note, crossing)) return note;
    }
    return undefined;
  }

  /** Whether the note hands over by this crossing, in the tree that is followed here. */
  async #hands(note: string, crossing: Crossing): Promise<boolean> {
    const { crypto, genesis, follower } = this.#options;
    const head = await verifyHandover(crypto, note, { genesis, crossing }).catch(nothing);
    if (head === undefined || head.size > follower.size) return false;
    return equal(follower.tree.root(head.size), head.root);
  }
}

function nothing(error: unknown): undefined {
  if (!isCoded(error)) throw error;
  return undefined;
}
