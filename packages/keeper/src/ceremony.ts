// SPDX-License-Identifier: Apache-2.0
// A keeper's part in making a group key, driven by nothing but its own fold: when an epoch names
// its join it appraises every seat, commits; when all have committed it reveals with a sealed deal
// for each seat; when all have revealed it checks everything, combines its share and acknowledges.
//
// Invariants
// - No deal is sealed to a seat whose evidence this keeper has not appraised itself; a wrong seat
//   ends the attempt by `epoch-abort` with what was wanted and what came.
// - `advance` may be called any number of times: each step happens once, and an event that could
//   not be appended is appended again with the same bytes.
// - Shares and deals live in memory only, and are wiped when their epoch ends or is superseded.

import type {
  Epoch,
  EventBody,
  EventKind,
  FoldState,
  Join,
  JoinAppraiser,
} from '@cloister/contract';
import type { BlobStore, CryptoPort, Random } from '@cloister/core';
import { type CodedError, fromHex, isCoded, type Signer, toHex } from '@cloister/core';
import { type Reveal, transcriptHash, verifyDeal, verifyReveal } from '@cloister/threshold';
import {
  combineDeals,
  complain,
  createDealing,
  type Dealing,
  type HpkeKeyPair,
  type KeyShare,
  openDeal,
  opensslCurve,
  sealDeal,
} from '@cloister/threshold/node';
import { errorFields, type Log } from './log.ts';

/** What this keeper has done in one epoch. */
interface Attempt {
  readonly epoch: Uint8Array;
  readonly seat: number;
  done: Set<EventKind>;
  dealing?: Dealing;
  deals?: Uint8Array[];
  share?: KeyShare;
}

export interface CeremonyPorts {
  readonly crypto: CryptoPort;
  readonly random: Random;
  readonly blobs: BlobStore;
  readonly appraiser: JoinAppraiser;
  readonly signer: Signer;
  readonly hpke: HpkeKeyPair;
  readonly log: Log;
  /** Signs and appends an event of this keeper; resolves once a gateway has it. */
  append<K extends EventKind>(kind: K, body: EventBody<K>): Promise<void>;
}

export class Ceremony {
  readonly #ports: CeremonyPorts;
  readonly #join: string;
  readonly #attempts = new Map<string, Attempt>();

  /** `join` is the id of this keeper's own join. */
  constructor(ports: CeremonyPorts, join: string) {
    this.#ports = ports;
    this.#join = join;
  }

  /** The share of the active epoch, while it is held. */
  share(state: FoldState): KeyShare | undefined {
    return state.activeEpoch === null ? undefined : this.#attempts.get(state.activeEpoch)?.share;
  }

  /** The seat in a forming epoch, if there is one. */
  forming(state: FoldState): number | undefined {
    return state.formingEpoch === null ? undefined : this.#attempts.get(state.formingEpoch)?.seat;
  }

  /**
   * Does whatever the state calls for next. One call at a time.
   * @throws CodedError of kind `unavailable` or `not-found`: call again later
   */
  async advance(state: FoldState): Promise<void> {
    this.#forget(state);
    const key = state.formingEpoch;
    const epoch = key === null ? undefined : state.epochs.get(key);
    if (key === null || epoch === undefined) return;
    const seat = epoch.joins.indexOf(this.#join) + 1;
    if (seat === 0 || epoch.from !== null) return;
    const attempt = this.#attempts.get(key) ?? { epoch: fromHex(key), seat, done: new Set() };
    this.#attempts.set(key, attempt);
    if (attempt.done.has('epoch-abort') || attempt.done.has('complaint')) return;
    if (epoch.phase === 'commit') await this.#commit(state, epoch, attempt);
    if (epoch.phase === 'reveal') await this.#reveal(state, epoch, attempt);
    if (epoch.phase === 'ack') await this.#acknowledge(state, epoch, attempt);
  }

  /** Overwrites every secret. */
  wipe(): void {
    for (const attempt of this.#attempts.values()) wipeAttempt(attempt);
    this.#attempts.clear();
  }

  #forget(state: FoldState): void {
    for (const [key, attempt] of this.#attempts) {
      const status = state.epochs.get(key)?.status;
      if (status === 'forming' || status === 'active') continue;
      wipeAttempt(attempt);
      this.#attempts.delete(key);
    }
  }

  /** Appends a step once. What the ledger holds void stays so: again would only fill it. */
  async #once<K extends EventKind>(attempt: Attempt, kind: K, body: EventBody<K>): Promise<void> {
    if (attempt.done.has(kind)) return;
    const about = { epoch: toHex(attempt.epoch), seat: attempt.seat };
    try {
      await this.#ports.append(kind, body);
      this.#ports.log.info(kind, about);
    } catch (error) {
      if (!isCoded(error, 'event-rejected')) throw error;
      this.#ports.log.warn(`${kind}-rejected`, { ...about, ...errorFields(error) });
    }
    attempt.done.add(kind);
  }

  async #commit(state: FoldState, epoch: Epoch, attempt: Attempt): Promise<void> {
    if (attempt.done.has('commit')) return;
    for (const [i, key] of epoch.joins.entries()) {
      const result = await this.#ports.appraiser.appraise(state, key);
      if (result.ok) continue;
      const { epoch: id, seat } = attempt;
      await this.#once(attempt, 'epoch-abort', {
        epoch: id,
        seat,
        against: i + 1,
        ...result.mismatch,
      });
      return;
    }
    const genesis = state.genesis as Uint8Array;
    attempt.dealing ??= createDealing({
      genesis,
      epoch: attempt.epoch,
      seat: attempt.seat,
      n: epoch.joins.length,
      t: epoch.threshold,
      random: this.#ports.random,
    });
    const { epoch: id, seat } = attempt;
    await this.#once(attempt, 'commit', { epoch: id, seat, hash: attempt.dealing.commit });
  }

  async #reveal(state: FoldState, epoch: Epoch, attempt: Attempt): Promise<void> {
    const { dealing } = attempt;
    if (dealing === undefined || attempt.done.has('reveal')) return;
    if (attempt.deals === undefined) {
      const deals: Uint8Array[] = [];
      for (const { seat: recipient, deal } of dealing.deals) {
        const { signer, random } = this.#ports;
        const signed = await sealDeal({
          genesis: state.genesis as Uint8Array,
          epoch: attempt.epoch,
          dealer: attempt.seat,
          recipient,
          recipientKey: seatJoin(state, epoch, recipient).body.hpke,
          deal,
          signer,
          random,
        });
        deals.push(await this.#ports.blobs.put(signed));
      }
      attempt.deals = deals;
    }
    const { epoch: id, seat, deals } = attempt;
    await this.#once(attempt, 'reveal', { epoch: id, seat, reveal: dealing.reveal, deals });
    dealing.wipe();
  }

  async #acknowledge(state: FoldState, epoch: Epoch, attempt: Attempt): Promise<void> {
    if (attempt.done.has('ack') || !attempt.done.has('reveal')) return;
    const n = epoch.joins.length;
    const reveals = this.#verifyReveals(state, epoch, attempt);
    if (attempt.share === undefined) {
      const deals: { dealer: number; deal: Uint8Array }[] = [];
      for (const reveal of reveals) {
        const signed = await this.#dealBlob(epoch, reveal.seat, attempt.seat);
        const deal = await this.#openDeal(state, epoch, attempt, { reveal, signed });
        if (deal === undefined) return;
        deals.push({ dealer: reveal.seat, deal });
      }
      attempt.share = combineDeals({ seat: attempt.seat, n, reveals, deals });
      for (const { deal } of deals) deal.fill(0);
    }
    const { epoch: id, seat, share } = attempt;
    const transcript = transcriptHash({ reveals, n });
    await this.#once(attempt, 'ack', { epoch: id, seat, transcript, groupKey: share.groupKey });
  }

  #verifyReveals(state: FoldState, epoch: Epoch, attempt: Attempt): Reveal[] {
    const genesis = state.genesis as Uint8Array;
    return [...epoch.reveals]
      .sort(([a], [b]) => a - b)
      .map(([seat, { reveal }]) => {
        const commit = epoch.commits.get(seat) as Uint8Array;
        const t = epoch.threshold;
        const expected = { genesis, epoch: attempt.epoch, seat, t, reveal, commit };
        return verifyReveal({ ...expected, curve: opensslCurve });
      });
  }

  #dealBlob(epoch: Epoch, dealer: number, recipient: number): Promise<Uint8Array> {
    const digest = epoch.reveals.get(dealer)?.deals[recipient - 1];
    return this.#ports.blobs.get(digest as Uint8Array);
  }

  /** The deal, or undefined when it was wrong and the ledger has been told. */
  async #openDeal(
    state: FoldState,
    epoch: Epoch,
    attempt: Attempt,
    dealt: { reveal: Reveal; signed: Uint8Array },
  ): Promise<Uint8Array | undefined> {
    const dealer = dealt.reveal.seat;
    const { crypto, hpke: keyPair } = this.#ports;
    try {
      const deal = await openDeal({
        genesis: state.genesis as Uint8Array,
        epoch: attempt.epoch,
        dealer,
        recipient: attempt.seat,
        signed: dealt.signed,
        dealerKey: seatJoin(state, epoch, dealer).signer,
        keyPair,
        crypto,
      });
      const { seat } = attempt;
      if (verifyDeal({ reveal: dealt.reveal, seat, deal, curve: opensslCurve })) return deal;
      deal.fill(0);
      await this.#complain(epoch, attempt, dealt.signed, dealer);
    } catch (error) {
      if (!isCoded(error)) throw error;
      this.#ports.log.warn('deal-wrong', { dealer, ...errorFields(error) });
      if (NOT_THE_DEALERS.has(error.code)) await this.#abort(attempt, dealer, error);
      else await this.#complain(epoch, attempt, dealt.signed, dealer);
    }
    return undefined;
  }

  async #complain(
    epoch: Epoch,
    attempt: Attempt,
    signed: Uint8Array,
    against: number,
  ): Promise<void> {
    const { epoch: id, seat } = attempt;
    const reveal = epoch.reveals.get(against)?.reveal as Uint8Array;
    const { hpke: keyPair, random } = this.#ports;
    const complaint = complain({ reveal, signed, keyPair, random });
    await this.#once(attempt, 'complaint', { epoch: id, seat, against, complaint });
  }

  /** The blob is nothing that the dealer signed, so there is nothing to hold it to. */
  async #abort(attempt: Attempt, against: number, error: CodedError): Promise<void> {
    const { epoch, seat } = attempt;
    const wanted = 'a deal signed by its dealer for this seat';
    const got = error.message.slice(0, 200);
    await this.#once(attempt, 'epoch-abort', {
      epoch,
      seat,
      against,
      code: error.code,
      wanted,
      got,
    });
  }
}

/** `openDeal` failures before the dealer's signature and context held. */
const NOT_THE_DEALERS: ReadonlySet<string> = new Set([
  'deal-malformed',
  'deal-signature-invalid',
  'deal-other-context',
]);

function seatJoin(state: FoldState, epoch: Epoch, seat: number): Join {
  return state.joins.get(epoch.joins[seat - 1] as string) as Join;
}

function wipeAttempt(attempt: Attempt): void {
  attempt.dealing?.wipe();
  attempt.share?.wipe();
}
