// SPDX-License-Identifier: Apache-2.0
// A witness: remembers the newest head it signed and signs only what extends it.
//
// Invariants
// - The head is durable before a signature of it leaves (design, "The ledger").
// - An extension is signed only if this witness followed the order of events up to it. A proof that
//   someone else brings shows consistency, not that the ledger ordered those events: no log signs
//   here, so anyone could extend the tree by events of their own.
// - Two roots for one size, both out of the followed order, stop it for ever.
// - One request at a time: checking and saving are one step.
import { type Clock, type CryptoPort, equal, isCoded, type Signer } from '@cloister/core';
import { type Checkpoint, formatCheckpoint } from './checkpoint.ts';
import { cosign } from './cosignature.ts';
import { tlogError } from './errors.ts';
import { formatFreshness, signFreshness } from './freshness.ts';
import { emptyRoot, type TreeHead } from './hash.ts';
import { formatNote } from './note.ts';
import { verifyConsistency } from './verify-proof.ts';
import {
  type ForkEvidence,
  formatWitnessState,
  parseWitnessState,
  type WitnessState,
  type WitnessStore,
} from './witness-state.ts';

/** Who vouches for a proposed head: this witness's own following, another's signature, nobody. */
export type ProposalSource = 'followed' | 'cosigned' | 'told';

/** A head to be signed, with the proof that it extends the head of size `from`. */
export interface Proposal extends TreeHead {
  readonly from: number;
  readonly proof: readonly Uint8Array[];
  readonly source: ProposalSource;
}

export type WitnessDecision =
  /** Sign `head`; when `extends`, make it durable first. */
  | { readonly verdict: 'sign'; readonly head: TreeHead; readonly extends: boolean }
  /** The proposal does not start at the witness's head: ask again from `head` (HTTP 409). */
  | { readonly verdict: 'stale'; readonly head: TreeHead }
  /** Two histories. */
  | { readonly verdict: 'fork'; readonly evidence: ForkEvidence }
  /** Nothing is proved by it: a bad proof, or an extension that was not followed. */
  | { readonly verdict: 'refused'; readonly reason: string };

/** The rule of a witness, without side effects. */
export function decideWitness(
  crypto: CryptoPort,
  head: TreeHead,
  proposal: Proposal,
): WitnessDecision {
  const { size, root, source } = proposal;
  if (size === head.size) {
    if (equal(root, head.root)) return { verdict: 'sign', head, extends: false };
    if (source === 'told')
      return { verdict: 'refused', reason: 'another root, and nobody signed it' };
    const evidence: ForkEvidence = { size, own: head.root, other: root, source };
    return { verdict: 'fork', evidence };
  }
  if (size < head.size || proposal.from !== head.size) return { verdict: 'stale', head };
  if (source !== 'followed') {
    return { verdict: 'refused', reason: 'an extension that this witness has not followed itself' };
  }
  try {
    const [fromSize, fromRoot, toSize, toRoot] = [head.size, head.root, size, root];
    verifyConsistency(crypto, { fromSize, fromRoot, toSize, toRoot, proof: proposal.proof });
  } catch (error) {
    if (!isCoded(error)) throw error;
    return { verdict: 'refused', reason: error.message };
  }
  return { verdict: 'sign', head: { size, root }, extends: true };
}

/** The tree over the order that this witness follows; a `MerkleTree` is one. */
export interface FollowedTree {
  readonly size: number;
  /** Root of the first `size` leaves; synchronous. */
  root(size: number): Uint8Array;
  consistencyProof(from: number, to: number): Promise<readonly Uint8Array[]>;
}

/** What a caller asks a witness to sign. */
export interface WitnessRequest extends TreeHead {
  /** `cosigned` only after the caller verified a cosignature of a named witness on this head. */
  readonly source?: 'cosigned' | 'told';
  /** Challenges to sign along with the head, as a freshness note. */
  readonly challenges?: readonly Uint8Array[];
}

export type WitnessAnswer =
  | {
      readonly verdict: 'signed';
      readonly head: TreeHead;
      /** The checkpoint with this witness's cosignature, for `mergeNotes`. */
      readonly checkpoint: string;
      /** The freshness note with this witness's signature, when challenges were given. */
      readonly freshness?: string;
    }
  /** The request is behind: ask again with `head` (HTTP 409). */
  | { readonly verdict: 'stale'; readonly head: TreeHead }
  /** The request is ahead of what was followed: ask again soon. */
  | { readonly verdict: 'lagging'; readonly head: TreeHead; readonly followed: number }
  | { readonly verdict: 'fork'; readonly evidence: ForkEvidence }
  | { readonly verdict: 'refused'; readonly reason: string };

export interface WitnessOptions {
  readonly crypto: CryptoPort;
  readonly clock: Clock;
  /** The key name in signature lines. */
  readonly name: string;
  readonly signer: Signer;
  /** The log's origin, from `logOrigin(genesis)`. */
  readonly origin: string;
  readonly store: WitnessStore;
  readonly tree: FollowedTree;
}

/** A witness over a store, a signer and the tree that it follows. */
export class Witness {
  readonly #options: WitnessOptions;
  #state: WitnessState | undefined;
  #timeSeconds = 0;
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(options: WitnessOptions, state: WitnessState) {
    this.#options = options;
    this.#state = state;
  }

  /**
   * Begins the memory of a new witness key. @throws CodedError `witness-state-exists`,
   * `witness-store-failed`
   */
  static async create(options: WitnessOptions): Promise<Witness> {
    if ((await loadBytes(options)) !== undefined) {
      const message = 'a state of a witness is already there: open it, or take another place';
      throw tlogError('witness-state-exists', message);
    }
    const head = { origin: options.origin, size: 0, root: emptyRoot(options.crypto) };
    const state = { key: options.signer.key, head };
    await saveState(options, state);
    return new Witness(options, state);
  }

  /**
   * Opens the memory of a witness key. A missing or foreign state is an error and not a new start.
   * @throws CodedError `witness-state-missing`, `witness-state-corrupt`, `witness-store-failed`
   */
  static async open(options: WitnessOptions): Promise<Witness> {
    return new Witness(options, await loadState(options));
  }

  /** The newest head that is durable here. */
  get head(): TreeHead | undefined {
    return this.#state?.head;
  }

  /** The alarm, if the ledger showed this witness two histories. */
  get fork(): ForkEvidence | undefined {
    return this.#state?.fork;
  }

  /** Answers one request; requests take turns. @throws CodedError `witness-store-failed` */
  answer(request: WitnessRequest): Promise<WitnessAnswer> {
    const turn = this.#turn.then(() => this.#answer(request));
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** Signs the newest head that was followed, with challenges if given. */
  async sign(challenges?: readonly Uint8Array[]): Promise<WitnessAnswer> {
    const { tree } = this.#options;
    const head = { size: tree.size, root: tree.root(tree.size) };
    return this.answer(challenges === undefined ? head : { ...head, challenges });
  }

  async #answer(request: WitnessRequest): Promise<WitnessAnswer> {
    const { crypto, tree } = this.#options;
    const state = await this.#current();
    if (state.fork !== undefined) return { verdict: 'fork', evidence: state.fork };
    const { head } = state;
    if (tree.size < head.size) return { verdict: 'lagging', head, followed: tree.size };
    const again = { size: head.size, root: tree.root(head.size), from: head.size, proof: [] };
    const mine = decideWitness(crypto, head, { ...again, source: 'followed' });
    if (mine.verdict === 'fork') return this.#alarm(state, mine.evidence);
    if (request.size > tree.size) return { verdict: 'lagging', head, followed: tree.size };
    const own = tree.root(request.size);
    if (!equal(own, request.root)) {
      const { size, root: other, source } = request;
      if (source === 'cosigned') return { verdict: 'fork', evidence: { size, own, other, source } };
      return {
        verdict: 'refused',
        reason: 'the order followed here has another root at this size',
      };
    }
    const from = Math.min(head.size, request.size);
    const proof = await tree.consistencyProof(from, request.size);
    const decision = decideWitness(crypto, head, {
      size: request.size,
      root: own,
      from,
      proof,
      source: 'followed',
    });
    if (decision.verdict === 'fork') return this.#alarm(state, decision.evidence);
    if (decision.verdict !== 'sign') return decision;
    if (decision.extends) await this.#save({ ...state, head: this.#checkpoint(decision.head) });
    return this.#sign(decision.head, request.challenges);
  }

  async #sign(
    head: TreeHead,
    challenges: readonly Uint8Array[] | undefined,
  ): Promise<WitnessAnswer> {
    const { crypto, clock, name, signer } = this.#options;
    this.#timeSeconds = Math.max(this.#timeSeconds, Math.floor(clock.now() / 1000));
    const by = { name, signer, timeSeconds: this.#timeSeconds };
    const checkpoint = this.#checkpoint(head);
    const line = await cosign(crypto, by, checkpoint);
    const signed = {
      verdict: 'signed' as const,
      head,
      checkpoint: formatNote(formatCheckpoint(checkpoint), [line]),
    };
    if (challenges === undefined) return signed;
    const statement = { checkpoint, challenges };
    const fresh = await signFreshness(crypto, by, statement);
    return { ...signed, freshness: formatNote(formatFreshness(statement), [fresh]) };
  }

  async #alarm(state: WitnessState, evidence: ForkEvidence): Promise<WitnessAnswer> {
    await this.#save({ ...state, fork: evidence });
    return { verdict: 'fork', evidence };
  }

  #checkpoint(head: TreeHead): Checkpoint {
    return { origin: this.#options.origin, size: head.size, root: head.root };
  }

  /** After a failed save nobody knows what is durable, so it is read again before the next word. */
  async #current(): Promise<WitnessState> {
    this.#state ??= await loadState(this.#options);
    return this.#state;
  }

  async #save(state: WitnessState): Promise<void> {
    this.#state = undefined;
    await saveState(this.#options, state);
    this.#state = state;
  }
}

async function loadBytes(options: WitnessOptions): Promise<Uint8Array | undefined> {
  try {
    return await options.store.load();
  } catch (cause) {
    throw storeFailed('read', cause);
  }
}

async function loadState(options: WitnessOptions): Promise<WitnessState> {
  const bytes = await loadBytes(options);
  if (bytes === undefined) {
    const message =
      'the witness has lost its memory: restore it, or come back under a new witness key';
    throw tlogError('witness-state-missing', message);
  }
  const state = parseWitnessState(options.crypto, bytes);
  if (!equal(state.key, options.signer.key) || state.head.origin !== options.origin) {
    const message = 'the state of the witness is that of another key or another log';
    throw tlogError('witness-state-corrupt', message);
  }
  return state;
}

async function saveState(options: WitnessOptions, state: WitnessState): Promise<void> {
  try {
    await options.store.save(formatWitnessState(options.crypto, state));
  } catch (cause) {
    throw storeFailed('write', cause);
  }
}

function storeFailed(what: string, cause: unknown): Error {
  const message = `could not ${what} the state of the witness: nothing was signed; check its disk`;
  return tlogError('witness-store-failed', message, { cause });
}
