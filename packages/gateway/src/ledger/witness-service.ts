// SPDX-License-Identifier: Apache-2.0
// This member as a witness, and the gathering of other members' cosignatures. A checkpoint is worth
// something only with a quorum on it; whoever needs one asks any gateway, which asks its peers.
// Witnesses sign one after another and never go back, so a gateway that was overtaken asks again
// with the newer head, a bounded number of times.
//
// Invariants
// - A peer's word counts only as a signature that holds under the key of a witness of the charter;
//   everything else that it answers is dropped.
// - Nobody waits for a slow peer once a quorum has signed, and for all peers that claim to be ahead
//   together not longer than CATCH_UP_MS.
// - Once the ledger has shown two histories, or this key is found to have signed in an earlier life
//   that is forgotten here, nothing is signed any more.

import type { GatewayClient } from '@cloister/api';
import { witnessesOf } from '@cloister/contract';
import { type CodedError, type CryptoPort, isCoded, type Timers, toHex } from '@cloister/core';
import { gatherCosignatures, type TreeHead, type Witness, type WitnessKey } from '@cloister/tlog';
import type { GatewayErrorCode } from '../errors.ts';
import { gatewayError } from '../errors.ts';
import type { Follower } from './follower.ts';

const ATTEMPTS = 8;
const CATCH_UP_MS = 5_000;
const PEER_TIMEOUT_MS = 8_000;

export interface WitnessServiceOptions {
  /** The log's origin. */
  readonly origin: string;
  readonly witness: Witness;
  readonly follower: Follower;
  /** The other members' gateways. */
  readonly peers: ReadonlyMap<string, Pick<GatewayClient, 'cosign'>>;
  readonly crypto: CryptoPort;
  readonly timers: Timers;
  /** How long an entry that others are said to have is waited for, ms; 5,000 if not given. */
  readonly catchUpMs?: number;
}

/** Whose signatures are gathered, and how many are enough. */
export interface WitnessRule {
  readonly witnesses: readonly WitnessKey[];
  readonly quorum: number;
  /** Names of witnesses that must be among them. */
  readonly required?: readonly string[];
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
  #stopped: CodedError | undefined;
  #gathering: Promise<GatheredCheckpoint> | undefined;

  constructor(options: WitnessServiceOptions) {
    this.#options = options;
  }

  /** Why this witness signs no more, if so. */
  get stopped(): CodedError | undefined {
    return this.#stopped ?? this.#options.follower.failure;
  }

  /** Nothing is signed from now on. */
  stop(reason: CodedError): void {
    this.#stopped ??= reason;
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
    this.#gathering ??= this.#gather(() => this.#rule())
      .then((gathered) => {
        this.#newest = gathered;
        return gathered;
      })
      .finally(() => {
        this.#gathering = undefined;
      });
    const gathered = await this.#gathering;
    return gathered.size >= least ? gathered : this.checkpoint(least);
  }

  /**
   * A checkpoint of at least `least` entries that a quorum has signed, and each of these members'
   * own witnesses as far as they are witnesses of the charter.
   * @throws CodedError `quorum-unreachable`
   */
  async checkpointOf(least: number, members: readonly string[]): Promise<GatheredCheckpoint> {
    const { follower } = this.#options;
    if (!(await follower.reached(least, CATCH_UP_MS))) throw behind(least, follower.size);
    const rule = () => {
      const { witnesses, quorum } = this.#rule();
      const required = members.filter((id) => witnesses.some(({ name }) => name === id));
      return { witnesses, quorum, required };
    };
    const newest = this.#newest;
    const signed = newest !== undefined && newest.size >= least && isEnough(newest.signers, rule());
    return signed ? newest : this.#gather(rule);
  }

  /**
   * A head of now with the signatures of so many of these witnesses, who need not be the charter's.
   * @throws CodedError `quorum-unreachable`
   */
  gatherUnder(rule: WitnessRule): Promise<GatheredCheckpoint> {
    return this.#gather(() => rule);
  }

  async #gather(ruleNow: () => WitnessRule): Promise<GatheredCheckpoint> {
    const { follower, timers } = this.#options;
    let signers: readonly string[] = [];
    let patienceMs = this.#options.catchUpMs ?? CATCH_UP_MS;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const size = follower.size;
      const head = { size, root: follower.tree.root(size) };
      const own = await this.#sign(head).catch((error: unknown) => {
        if (isCoded(error, 'witness-head-stale')) return undefined;
        throw error;
      });
      if (own === undefined) continue;
      const { note, times, stale, ahead } = await this.#ask(head, own.checkpoint, ruleNow());
      signers = times.map(({ name }) => name);
      if (note !== undefined && isEnough(signers, ruleNow())) {
        const gathered: GatheredCheckpoint = { ...head, note, signers };
        return gathered;
      }
      if (ahead) {
        // Whoever is ahead has an entry that we shall see too; who only says so is not waited for.
        const began = timers.elapsed();
        const came = patienceMs > 0 && (await follower.reached(size + 1, patienceMs));
        patienceMs -= timers.elapsed() - began;
        if (!came) break;
      } else if (!stale) break;
    }
    const names = signers.length === 0 ? 'none' : signers.join(', ');
    const { quorum, required = [] } = ruleNow();
    const among = required.length === 0 ? '' : `, ${required.join(' and ')} among them`;
    const wanted = `${signers.length} of ${quorum} witnesses signed (${names})${among}`;
    const message = `${wanted}: are the other gateways running?`;
    const details = { signers };
    throw gatewayError('quorum-unreachable', message, {
      details,
    });
  }

  /** Asks all peers at once and answers as soon as a quorum has signed, or all have answered. */
  #ask(head: TreeHead, own: string, rule: WitnessRule) {
    const { origin, peers, crypto } = this.#options;
    const expect = { checkpoint: { origin, ...head }, witnesses: rule.witnesses };
    const notes = [own];
    let [stale, ahead] = [false, false];
    const count = async () => {
      const gathered = await gatherCosignatures(crypto, notes, expect);
      return { ...gathered, stale, ahead };
    };
    return new Promise<Awaited<ReturnType<typeof count>>>((resolve, reject) => {
      const asked = [...peers.values()].map(async (peer) => {
        try {
          notes.push(await peer.cosign(head, PEER_TIMEOUT_MS));
        } catch (error) {
          if (isCoded(error, 'witness-head-stale')) stale = true;
          ahead ||= aheadOf(error) > head.size;
          return;
        }
        const gathered = await count();
        const names = gathered.times.map(({ name }) => name);
        if (isEnough(names, rule)) resolve(gathered);
      });
      Promise.all(asked).then(count).then(resolve, reject);
    });
  }

  #rule(): WitnessRule {
    const { charter } = this.#options.follower.state;
    const witnesses = charter === null ? [] : witnessesOf(charter);
    const rule = { witnesses, quorum: charter?.witnesses.quorum ?? Number.POSITIVE_INFINITY };
    return rule;
  }

  async #sign(head: TreeHead, challenges?: readonly Uint8Array[]) {
    const { witness, follower } = this.#options;
    if (this.stopped !== undefined) throw this.stopped;
    await follower.reached(head.size, CATCH_UP_MS);
    if (this.stopped !== undefined) throw this.stopped;
    const answer = await witness.answer(challenges === undefined ? head : { ...head, challenges });
    switch (answer.verdict) {
      case 'signed':
        return answer;
      case 'stale':
        throw stale(answer.head);
      case 'lagging':
        throw behind(head.size, answer.followed);
      case 'fork': {
        const at = answer.evidence.size;
        const message = `this witness was shown two histories at size ${at} and signs no more`;
        throw gatewayError('ledger-two-histories', message);
      }
      case 'refused':
        throw gatewayError('witness-refused', `the witness refused: ${answer.reason}`);
    }
  }
}

function isEnough(signers: readonly string[], { quorum, required = [] }: WitnessRule): boolean {
  return signers.length >= quorum && required.every((name) => signers.includes(name));
}

function stale(head: TreeHead): CodedError<GatewayErrorCode> {
  const message = `this witness has already signed size ${head.size}: ask again with that head`;
  const details = { size: head.size, root: toHex(head.root) };
  return gatewayError('witness-head-stale', message, { details });
}

function behind(wanted: number, got: number): CodedError {
  const message = `this gateway has followed ${got} entries, wanted ${wanted}: ask again soon`;
  return gatewayError('gateway-behind', message);
}

function aheadOf(error: unknown): number {
  if (!isCoded(error, 'witness-head-stale')) return 0;
  const { size } = error.details;
  return typeof size === 'number' ? size : 0;
}
