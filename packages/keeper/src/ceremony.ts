// SPDX-License-Identifier: Apache-2.0
// A keeper's part in making a group key, driven by nothing but its own fold: when an epoch names
// its join it appraises every seat, publishes a key to receive deals under and, if it deals,
// commits; when all have, it reveals with a sealed deal for each seat; when all have revealed it
// checks everything, combines its share and acknowledges. In a reshare the seats that held a share
// deal it again, under the numbers they had there.
//
// Invariants
// - No deal is sealed to a seat whose evidence this keeper has not appraised itself; a wrong seat
//   ends the attempt by `epoch-abort` with what was wanted and what came.
// - `advance` may be called any number of times: each step happens once, and an event that could
//   not be appended is appended again with the same bytes.
// - Shares and deals live in memory only, and are wiped when their epoch ends or is superseded.
// - A receiving key serves one attempt, and is wiped once the deals to it are in the share or the
//   attempt has ended: what was dealt is on the ledger for ever, and nothing here opens it later.

import { type Appender, errorFields, type Log } from '@cloister/attested';
import type {
  AnyEvent,
  Appraiser,
  Epoch,
  EventBody,
  EventKind,
  FoldState,
  Mismatch,
} from '@cloister/contract';
import type { Random } from '@cloister/core';
import { fromHex, isCoded, toHex } from '@cloister/core';
import {
  parseReveal,
  type Reveal,
  seatPublicShare,
  transcriptHash,
  verifyDeal,
  verifyReveal,
} from '@cloister/threshold';
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

/** What this keeper has done in one epoch. */
interface Attempt {
  readonly epoch: Uint8Array;
  readonly seat: number;
  /**
   * Its number as a dealer: the seat, or in a reshare the seat it had; undefined if it does not.
   */
  readonly dealer: number | undefined;
  readonly done: Set<EventKind>;
  /** What deals to this seat are sealed to. */
  readonly receiving: HpkeKeyPair;
  /** By dealer, what its reveal carries for this seat. */
  readonly dealt: Map<number, Uint8Array>;
  appraised?: boolean;
  dealing?: Dealing;
  deals?: Uint8Array[];
  share?: KeyShare;
}

export interface CeremonyPorts {
  readonly random: Random;
  readonly appraiser: Appraiser;
  /** Makes the key of one attempt. */
  readonly receivingKey: () => HpkeKeyPair;
  readonly log: Log;
  /** Puts events of this keeper on the ledger: resolves once its own fold has them. */
  readonly appender: Pick<Appender, 'event'>;
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

  /** Takes what an accepted reveal carries for this keeper; the state keeps digests only. */
  hear(event: AnyEvent): void {
    if (event.kind !== 'reveal') return;
    const { epoch, seat: dealer, deals } = event.body;
    const attempt = this.#attempts.get(toHex(epoch));
    const deal = attempt === undefined ? undefined : deals[attempt.seat - 1];
    if (deal !== undefined) attempt?.dealt.set(dealer, deal);
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
    if (seat === 0) return;
    const attempt = this.#attempts.get(key) ?? {
      epoch: fromHex(key),
      seat,
      dealer: epoch.dealers.find((number) => dealerJoin(state, epoch, number) === this.#join),
      done: new Set<EventKind>(),
      receiving: this.#ports.receivingKey(),
      dealt: new Map<number, Uint8Array>(),
    };
    this.#attempts.set(key, attempt);
    if (attempt.done.has('epoch-abort') || attempt.done.has('complaint')) return;
    if (!(await this.#appraiseSeats(state, epoch, attempt))) return;
    if (epoch.phase === 'commit') await this.#commit(state, epoch, attempt);
    if (epoch.phase === 'reveal') await this.#reveal(state, epoch, attempt);
    if (epoch.phase === 'ack') await this.#acknowledge(state, epoch, attempt);
    // The fold moved on while a step landed: what is superseded by now is wiped by now.
    this.#forget(state);
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
      await this.#ports.appender.event(kind, body);
      this.#ports.log.info(kind, about);
    } catch (error) {
      if (!isCoded(error, 'event-void')) throw error;
      this.#ports.log.warn(`${kind}-rejected`, { ...about, ...errorFields(error) });
    }
    attempt.done.add(kind);
  }

  /** Whether every seat is what the charter wants; if one is not, the ledger has been told. */
  async #appraiseSeats(state: FoldState, epoch: Epoch, attempt: Attempt): Promise<boolean> {
    if (attempt.appraised === true) return true;
    for (const [i, key] of epoch.joins.entries()) {
      const result = await this.#ports.appraiser.appraise(state, key);
      if (result.ok) continue;
      await this.#abort(attempt, i + 1, result.mismatch);
      return false;
    }
    attempt.appraised = true;
    return true;
  }

  async #commit(state: FoldState, epoch: Epoch, attempt: Attempt): Promise<void> {
    const { epoch: id, seat, dealer } = attempt;
    if (attempt.done.has('commit')) return;
    const key = { epoch: id, seat, receive: attempt.receiving.publicKey };
    if (dealer === undefined) return this.#once(attempt, 'commit', key);
    const old = epoch.from === null ? undefined : this.#attempts.get(epoch.from)?.share;
    if (epoch.from !== null && old === undefined) return;
    attempt.dealing ??= createDealing({
      genesis: state.genesis,
      epoch: id,
      seat: dealer,
      n: epoch.joins.length,
      t: epoch.threshold,
      random: this.#ports.random,
      ...(old === undefined ? {} : { reshare: old }),
    });
    await this.#once(attempt, 'commit', { ...key, hash: attempt.dealing.commit });
  }

  async #reveal(state: FoldState, epoch: Epoch, attempt: Attempt): Promise<void> {
    const { dealing, dealer, epoch: id } = attempt;
    if (dealing === undefined || dealer === undefined || attempt.done.has('reveal')) return;
    attempt.deals ??= dealing.deals.map(({ seat: recipient, deal }) => {
      const recipientKey = epoch.receiving.get(recipient) as Uint8Array;
      const about = { genesis: state.genesis, epoch: id, dealer, recipient, recipientKey };
      return sealDeal({ ...about, deal, random: this.#ports.random });
    });
    const { reveal } = dealing;
    await this.#once(attempt, 'reveal', { epoch: id, seat: dealer, reveal, deals: attempt.deals });
    dealing.wipe();
  }

  async #acknowledge(state: FoldState, epoch: Epoch, attempt: Attempt): Promise<void> {
    if (attempt.done.has('ack')) return;
    if (attempt.dealer !== undefined && !epoch.reveals.has(attempt.dealer)) return;
    const n = epoch.joins.length;
    const reveals = await this.#verifyReveals(state, epoch, attempt);
    if (reveals === undefined) return;
    if (attempt.share === undefined) {
      const deals: { dealer: number; deal: Uint8Array }[] = [];
      for (const reveal of reveals) {
        const deal = await this.#openDeal(state, epoch, attempt, reveal);
        if (deal === undefined) return;
        deals.push({ dealer: reveal.seat, deal });
      }
      const expected = epoch.from === null ? null : state.epochs.get(epoch.from)?.groupKey;
      const keep = expected == null ? {} : { expectedGroupKey: expected };
      attempt.share = combineDeals({ seat: attempt.seat, n, reveals, deals, ...keep });
      for (const { deal } of deals) deal.fill(0);
      attempt.receiving.wipe();
    }
    const { epoch: id, seat, share } = attempt;
    const transcript = transcriptHash({ reveals, n });
    await this.#once(attempt, 'ack', { epoch: id, seat, transcript, groupKey: share.groupKey });
  }

  /** All reveals in order, or undefined when one was wrong and the ledger has been told. */
  async #verifyReveals(
    state: FoldState,
    epoch: Epoch,
    attempt: Attempt,
  ): Promise<Reveal[] | undefined> {
    const genesis = state.genesis as Uint8Array;
    const t = epoch.threshold;
    const reveals: Reveal[] = [];
    for (const [seat, { reveal }] of [...epoch.reveals].sort(([a], [b]) => a - b)) {
      const commit = epoch.commits.get(seat) as Uint8Array;
      const about = { genesis, epoch: attempt.epoch, seat, t, reveal, commit };
      try {
        const origin = reshareOf(state, epoch, seat);
        reveals.push(verifyReveal({ ...about, ...origin, curve: opensslCurve }));
      } catch (error) {
        if (!isCoded(error)) throw error;
        const wanted = 'a reveal that fits its commit and origin';
        const mismatch = { code: error.code, wanted, got: error.message.slice(0, 200) };
        await this.#abort(attempt, seatOfDealer(state, epoch, seat), mismatch);
        return undefined;
      }
    }
    return reveals;
  }

  /** The deal, or undefined when it was wrong and the ledger has been told. */
  async #openDeal(
    state: FoldState,
    epoch: Epoch,
    attempt: Attempt,
    reveal: Reveal,
  ): Promise<Uint8Array | undefined> {
    const { seat, receiving: keyPair } = attempt;
    const dealer = reveal.seat;
    const sealed = attempt.dealt.get(dealer) as Uint8Array;
    const about = { genesis: state.genesis, epoch: attempt.epoch, dealer, recipient: seat, sealed };
    try {
      const deal = openDeal({ ...about, keyPair });
      if (verifyDeal({ reveal, seat, deal, curve: opensslCurve })) return deal;
      deal.fill(0);
    } catch (error) {
      if (!isCoded(error)) throw error;
      this.#ports.log.warn('deal-wrong', { dealer, ...errorFields(error) });
    }
    const encoded = epoch.reveals.get(dealer)?.reveal as Uint8Array;
    const complaint = complain({
      ...about,
      reveal: encoded,
      keyPair,
      random: this.#ports.random,
    });
    const { epoch: id } = attempt;
    await this.#once(attempt, 'complaint', { epoch: id, seat, against: dealer, complaint });
    return undefined;
  }

  /** Ends the attempt: `against` is a seat of this epoch. */
  async #abort(attempt: Attempt, against: number, mismatch: Mismatch): Promise<void> {
    const { epoch, seat } = attempt;
    await this.#once(attempt, 'epoch-abort', { epoch, seat, against, ...mismatch });
  }
}

/** The join behind a dealer's number: in a reshare, numbers are those of the epoch reshared. */
function dealerJoin(state: FoldState, epoch: Epoch, dealer: number): string {
  const of = epoch.from === null ? epoch : (state.epochs.get(epoch.from) as Epoch);
  return of.joins[dealer - 1] as string;
}

/** The seat in this epoch of a dealer. */
function seatOfDealer(state: FoldState, epoch: Epoch, dealer: number): number {
  return epoch.joins.indexOf(dealerJoin(state, epoch, dealer)) + 1;
}

/** What a reshare's reveal must begin from: the dealer's public share of the old epoch. */
function reshareOf(state: FoldState, epoch: Epoch, dealer: number) {
  if (epoch.from === null) return {};
  const old = state.epochs.get(epoch.from) as Epoch;
  const reveals = [...old.reveals.values()].map(({ reveal }) => parseReveal(reveal));
  const publicShare = seatPublicShare(reveals, dealer);
  return { reshare: { previous: fromHex(epoch.from), publicShare } };
}

function wipeAttempt(attempt: Attempt): void {
  attempt.dealing?.wipe();
  attempt.receiving.wipe();
  attempt.share?.wipe();
}
