// SPDX-License-Identifier: Apache-2.0
// A gateway with the witness keys that a handover has retired. To nodes that have crossed it shows
// heads that they sign: the history up to now with an entry of its own, or another history from
// before the handover. To nodes that have not it shows a handover of its own, which fewer of them
// signed than must. (Were it the first to show a fresh node a head that all of them sign, the node
// would follow: docs/threat-model.md.)
import { type Signer, toHex, utf8 } from '@cloister/core';
import { type Checkpoint, cosign, formatCheckpoint, formatNote, MerkleTree } from '@cloister/tlog';
import { Gateway, type Routes } from '../gateways.ts';
import { MEMBERS } from '../stage.ts';

const FORK = 0.4;
/** Fewer than hand over. */
const FEW = 2;

interface Fork {
  readonly size: number;
  readonly note: string;
  readonly root: Uint8Array;
  entries(from: number): Uint8Array[];
}

export class RetiredGateway extends Gateway {
  readonly #shown = new Map<string, Fork>();
  #entry: Promise<Uint8Array> | undefined;

  protected override bend(routes: Routes): Routes {
    const { network } = this.stage;
    return {
      ...routes,
      checkpoint: async (from, body) => {
        const honest = await routes.checkpoint(from, body);
        this.#shown.delete(from);
        const over = this.#handover();
        const crossed = over !== undefined && (this.stage.followed.get(from) ?? 0) > over;
        if (!crossed || network.choose() >= FORK) return honest;
        const before = network.choose() < 0.5;
        const fork = await this.#fork(before ? over : honest.size, honest.size + 1, MEMBERS.length);
        network.count(`adversary: retired keys ${before ? 'before' : 'after'} the handover`);
        this.#shown.set(from, fork);
        return { note: fork.note, size: fork.size, root: toHex(fork.root) };
      },
      handovers: async (from, body) => {
        if (body.from > 1 || MEMBERS.some((member) => member === from)) {
          return routes.handovers(from, body);
        }
        const fork = await this.#fork(this.size, this.size + 1, FEW);
        network.count('adversary: a handover by few');
        this.#shown.set(from, fork);
        return { notes: [fork.note] };
      },
      entries: async (from, body) => {
        const fork = this.#shown.get(from);
        if (fork === undefined) return routes.entries(from, body);
        return { events: fork.entries(body.from).slice(0, body.limit), size: fork.size };
      },
    };
  }

  /** The size from which on other witnesses count. */
  #handover(): number | undefined {
    return this.state.charterSeqs[1];
  }

  /** The first entries as they are, then its own, signed by so many of the old keys. */
  async #fork(kept: number, size: number, signers: number): Promise<Fork> {
    const { shared } = this.stage;
    const own = await this.#own();
    const entries = [...this.log.slice(0, kept), ...Array.from({ length: size - kept }, () => own)];
    const tree = new MerkleTree(shared.crypto);
    for (const entry of entries) tree.append(entry);
    const head = { origin: this.origin, size, root: tree.root() };
    const all = MEMBERS.map((name) => ({ name, signer: shared.signer(`${name}/witness`) }));
    const note = await this.#signed(head, all.slice(0, signers));
    const now = MEMBERS.map((name) => ({ name, signer: this.stage.key(name, 'witness') }));
    const few = signers < all.length;
    const bytes = utf8(await this.#signed(head, few ? all : now));
    const guard = few ? 'handover-quorum' : 'retired-keys';
    this.stage.repairs.set(formatCheckpoint(head), { guard, bytes });
    return { size, note, root: head.root, entries: (from) => entries.slice(from) };
  }

  async #signed(head: Checkpoint, by: readonly { name: string; signer: Signer }[]) {
    const { crypto } = this.stage.shared;
    const lines = by.map((one) => cosign(crypto, { ...one, timeSeconds: 1 }, head));
    return formatNote(formatCheckpoint(head), await Promise.all(lines));
  }

  /** An entry that the ledger has not. */
  #own(): Promise<Uint8Array> {
    const signer = this.stage.key(this.name, 'witness');
    this.#entry ??= this.stage.world.sign(signer, 'tick', { time: 1 });
    return this.#entry;
  }
}
