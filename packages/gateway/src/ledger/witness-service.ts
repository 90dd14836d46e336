// SPDX-License-Identifier: Apache-2.0
// This member as a witness, and the gathering of other members' cosignatures. A checkpoint is worth
// something only with a quorum on it; whoever needs one asks any gateway, which asks its peers.
// Witnesses sign one after another and never go back, so a gateway that was overtaken asks again
// with the newer head, a bounded number of times.

import type { GatewayClient } from '@cloister/api';
import { CodedError, isCoded, toHex } from '@cloister/core';
import { mergeNotes, parseNote, type TreeHead, type Witness } from '@cloister/tlog';
import type { GatewayErrorCode } from '../errors.ts';
import type { Follower } from './follower.ts';

const ATTEMPTS = 8;
const CATCH_UP_MS = 5_000;
const PEER_TIMEOUT_MS = 8_000;

export interface WitnessServiceOptions {
  readonly witness: Witness;
  readonly follower: Follower;
  /** The other members' gateways. */
  readonly peers: ReadonlyMap<string, GatewayClient>;
}

/** A checkpoint with at least a quorum of cosignatures. */
export interface GatheredCheckpoint extends TreeHead {
  readonly note: string;
  /** Names of the witnesses that signed. */
  readonly signers: readonly string[];
}

export class WitnessService {
  readonly #options: WitnessServiceOptions;
  #newest: GatheredCheckpoint | undefined;
  #gathering: Promise<GatheredCheckpoint> | undefined;

  constructor(options: WitnessServiceOptions) {
    this.#options = options;
  }

  /** POST /v1/cosign. @throws CodedError `witness-head-stale` with size and root, and others */
  cosign(head: TreeHead): Promise<string> {
    return this.#sign(head).then((answer) => answer.checkpoint);
  }

  /** POST /v1/freshness: the head and the challenges, in a statement of their own. */
  async freshness(head: TreeHead, challenges: readonly Uint8Array[]): Promise<string> {
    const answer = await this.#sign(head, challenges);
    if (answer.freshness === undefined) throw new Error('a witness signed no freshness note');
    return answer.freshness;
  }

  /**
   * A checkpoint of at least `least` entries with a quorum of cosignatures.
   * @throws CodedError `quorum-unreachable`
   */
  async checkpoint(least = 0): Promise<GatheredCheckpoint> {
    const { follower } = this.#options;
    if (!(await follower.reached(least, CATCH_UP_MS))) throw behind(least, follower.size);
    const newest = this.#newest;
    if (newest !== undefined && newest.size === follower.size) return newest;
    // One gathering serves everybody who waits for a head that it will cover.
    const running = this.#gathering;
    if (running !== undefined) {
      const gathered = await running;
      if (gathered.size >= least) return gathered;
    }
    this.#gathering ??= this.#gather().finally(() => {
      this.#gathering = undefined;
    });
    const gathered = await this.#gathering;
    return gathered.size >= least ? gathered : this.checkpoint(least);
  }

  async #gather(): Promise<GatheredCheckpoint> {
    const { follower, peers } = this.#options;
    let signers: string[] = [];
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const size = follower.size;
      const head = { size, root: follower.tree.root(size) };
      const own = await this.#sign(head).catch((error: unknown) => {
        if (isCoded(error, 'witness-head-stale')) return undefined;
        throw error;
      });
      if (own === undefined) continue;
      const answers = await Promise.allSettled(
        [...peers.values()].map((peer) => peer.cosign(head, PEER_TIMEOUT_MS)),
      );
      const note = merge(own.checkpoint, answers);
      signers = parseNote(note).signatures.map((s) => s.name);
      if (signers.length >= this.#quorum()) {
        this.#newest = { ...head, note, signers };
        return this.#newest;
      }
      const ahead = answers.map(aheadOf).filter((n) => n > size);
      if (ahead.length > 0) await follower.reached(Math.max(...ahead), CATCH_UP_MS);
      else if (!answers.some(isStale)) break;
    }
    const message = `${signers.length} of ${this.#quorum()} witnesses signed (${signers.join(', ')}): are the other gateways running?`;
    throw new CodedError<GatewayErrorCode>('quorum-unreachable', 'unavailable', message);
  }

  #quorum(): number {
    return this.#options.follower.state.charter?.witnesses.quorum ?? Number.POSITIVE_INFINITY;
  }

  async #sign(head: TreeHead, challenges?: readonly Uint8Array[]) {
    const { witness, follower } = this.#options;
    if (follower.failure !== undefined) throw follower.failure;
    await follower.reached(head.size, CATCH_UP_MS);
    const answer = await witness.answer(challenges === undefined ? head : { ...head, challenges });
    switch (answer.verdict) {
      case 'signed':
        return answer;
      case 'stale':
        throw stale(answer.head);
      case 'lagging':
        throw behind(head.size, answer.followed);
      case 'fork': {
        const message = `this witness was shown two histories at size ${answer.evidence.size} and signs no more`;
        throw new CodedError('ledger-two-histories', 'verification', message);
      }
      case 'refused':
        throw new CodedError(
          'witness-refused',
          'verification',
          `the witness refused: ${answer.reason}`,
        );
    }
  }
}

function merge(own: string, answers: readonly PromiseSettledResult<string>[]): string {
  let note = own;
  for (const answer of answers) {
    if (answer.status !== 'fulfilled') continue;
    try {
      note = mergeNotes(note, answer.value);
    } catch (error) {
      if (!isCoded(error)) throw error;
    }
  }
  return note;
}

function stale(head: TreeHead): CodedError<GatewayErrorCode> {
  const message = `this witness has already signed size ${head.size}: ask again with that head`;
  const details = { size: head.size, root: toHex(head.root) };
  return new CodedError('witness-head-stale', 'conflict', message, { details });
}

function behind(wanted: number, got: number): CodedError {
  const message = `this gateway has followed ${got} entries, wanted ${wanted}: ask again soon`;
  return new CodedError('gateway-behind', 'unavailable', message);
}

function isStale(answer: PromiseSettledResult<unknown>): boolean {
  return answer.status === 'rejected' && isCoded(answer.reason, 'witness-head-stale');
}

function aheadOf(answer: PromiseSettledResult<unknown>): number {
  if (answer.status !== 'rejected' || !isCoded(answer.reason, 'witness-head-stale')) return 0;
  const { size } = answer.reason.details;
  return typeof size === 'number' ? size : 0;
}
