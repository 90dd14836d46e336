// SPDX-License-Identifier: Apache-2.0
// A ledger and its gateways in memory, for this package's tests: real events, a real tree, real
// cosignatures; entries, checkpoints and blobs can be made to fail or to lie.
import type { AppendAnswer } from '@cloister/api';
import type { LedgerPeer } from '@cloister/attested';
import { type BlobStore, blobTooLarge, CodedError, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import type { World } from '@cloister/testkit/world';
import {
  cosign,
  formatCheckpoint,
  formatFreshness,
  formatNote,
  logOrigin,
  MerkleTree,
  signFreshness,
  type TreeHead,
} from '@cloister/tlog';

export class MemoryBlobs implements BlobStore {
  readonly blobs = new Map<string, Uint8Array>();

  async put(bytes: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
    const digest = nodeCrypto.digest('sha256', bytes);
    this.blobs.set(toHex(digest), bytes.slice());
    return digest;
  }

  async get(digest: Uint8Array, most = Number.POSITIVE_INFINITY): Promise<Uint8Array<ArrayBuffer>> {
    const found = this.blobs.get(toHex(digest));
    if (found === undefined) throw new CodedError('blob-not-found', 'not-found', 'no such blob');
    if (found.length <= most) return found.slice();
    throw blobTooLarge(digest, { from: 'memory', got: found.length, most });
  }

  async head(digest: Uint8Array): Promise<number | undefined> {
    return this.blobs.get(toHex(digest))?.length;
  }

  async range(digest: Uint8Array, start: number, end: number): Promise<Uint8Array<ArrayBuffer>> {
    return (await this.get(digest)).slice(start, end);
  }
}

/** The world's log behind one gateway; `World.submit` is called one at a time. */
export class MemoryLedger implements LedgerPeer {
  readonly world: World;
  readonly #tree = new MerkleTree(nodeCrypto);
  #lane: Promise<unknown> = Promise.resolve();
  /** Witnesses that sign; all by default. */
  signers: readonly string[];
  /** When set, every call fails as if nobody were there. */
  dead = false;

  constructor(world: World) {
    this.world = world;
    this.signers = world.charter.members.map((member) => member.id);
  }

  get tree(): MerkleTree {
    for (let i = this.#tree.size; i < this.world.log.length; i++) {
      this.#tree.append(this.world.log[i] as Uint8Array);
    }
    return this.#tree;
  }

  async entries(from: number, options: { limit?: number; waitMs?: number } = {}) {
    this.#reach();
    const until = Date.now() + Math.min(options.waitMs ?? 0, 50);
    while (this.world.log.length <= from && Date.now() < until) {
      await new Promise((done) => setTimeout(done, 2));
    }
    const size = this.world.outcomes.length;
    const end = Math.min(size, from + (options.limit ?? 500));
    return { events: this.world.log.slice(from, end), size };
  }

  append(event: Uint8Array): Promise<AppendAnswer> {
    this.#reach();
    const work = async (): Promise<AppendAnswer> => {
      const { outcome, event: read } = await this.world.submit(event);
      const { seq, status } = outcome;
      const id = toHex(read?.id ?? new Uint8Array(32));
      if (outcome.status === 'accepted') return { seq, id, status };
      return { seq, id, status, code: outcome.code, sentence: outcome.sentence };
    };
    const run = this.#lane.then(work, work);
    this.#lane = run.catch(() => undefined);
    return run;
  }

  async handovers(): Promise<string[]> {
    return [];
  }

  async checkpoint(least = 0) {
    this.#reach();
    const size = this.world.outcomes.length;
    if (size < least) throw new CodedError('gateway-behind', 'unavailable', 'not yet');
    const root = this.tree.root(size);
    return { note: await this.cosign({ size, root }), size, root: toHex(root) };
  }

  async cosign({ size, root }: TreeHead): Promise<string> {
    this.#reach();
    const checkpoint = { origin: logOrigin(this.world.genesis), size, root };
    const signatures = [];
    for (const name of this.signers) {
      const signer = this.world.witness(name);
      signatures.push(await cosign(nodeCrypto, { name, signer, timeSeconds: 1 }, checkpoint));
    }
    return formatNote(formatCheckpoint(checkpoint), signatures);
  }

  /** One freshness note a witness, over the newest head or the one given. */
  async freshness(
    challenges: readonly Uint8Array[],
    change: { head?: TreeHead; signers?: readonly string[]; timeMs?: number } = {},
  ): Promise<string[]> {
    const head = change.head ?? this.tree.head(this.world.outcomes.length);
    const checkpoint = { origin: logOrigin(this.world.genesis), ...head };
    const statement = { checkpoint, challenges };
    const timeSeconds = Math.floor((change.timeMs ?? this.world.state.clock) / 1000);
    const notes = [];
    for (const name of change.signers ?? this.signers) {
      const by = { name, signer: this.world.witness(name), timeSeconds };
      const signature = await signFreshness(nodeCrypto, by, statement);
      notes.push(formatNote(formatFreshness(statement), [signature]));
    }
    return notes;
  }

  #reach(): void {
    if (this.dead) throw new CodedError('peer-unreachable', 'unavailable', 'nobody is there');
  }
}
