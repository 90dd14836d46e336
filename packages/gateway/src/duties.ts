// SPDX-License-Identifier: Apache-2.0
// What a gateway does by itself: sign the charter, tick, decline what its policies forbid, consent
// to rotations that are due, seal its datasets again when the keepers hold a new key, remove old
// leftovers. Each kind of duty has a lane of its own, one at a time in it: a tick and a consent
// wait for no task, no sealing and no peer's blob. What fails is logged and does not stop the next.
import { type AdmittedEvent, type CharterBody, memberById, signEvent } from '@cloister/contract';
import { type BlobStore, equal, fromHex, isCoded, Lane } from '@cloister/core';
import { type Gateway, publish } from './context.ts';
import { resealDatasets } from './datasets/seal.ts';
import { Consents } from './keepers/consent.ts';
import { PromptAppraiser } from './keepers/prompt-appraiser.ts';
import type { EntryRecord } from './ledger/follower.ts';
import { keyReused } from './ledger/open-witness.ts';
import { declineIfForbidden } from './tasks/tasks.ts';
import { mayTick, type TickReason, wantsTick } from './ticking.ts';

/** How often a handover that is missing here is asked for again. */
const HANDOVER_EVERY_MS = 60_000;
const SWEEP_EVERY_MS = 3_600_000;

/** Tasks that wait to be judged; of more the oldest is left for people. */
const UNJUDGED_MAX = 1_000;
/** Whose lane a duty is in: the others share one. */
const OWN_LANES: ReadonlySet<string> = new Set(['tick', 'consent', 'judge', 'reseal']);

const URGENT: ReadonlySet<TickReason> = new Set(['first', 'awaited', 'asked']);

export interface DutyOptions {
  readonly charter: CharterBody;
  readonly tickMs: number;
  /** Whether the witness's memory was made in this life. */
  readonly freshWitness: boolean;
  /** Removes old leftovers. */
  readonly sweep: (now: number) => Promise<unknown>;
  /** What tasks are judged by: gives up soon. The gateway's own blobs where absent. */
  readonly prompt?: Pick<BlobStore, 'get'>;
}

export class Duties {
  readonly #gateway: Gateway;
  readonly #options: DutyOptions;
  /** Ticks of ours before this time are from an earlier life. */
  readonly #began: number;
  readonly #consents: Consents;
  readonly #timers = new Map<string, () => void>();
  readonly #lanes = new Map<string, Lane>();
  /** Tasks to be judged, and those whose openings could not be had, to be judged again. */
  readonly #unjudged = new Set<string>();
  readonly #again = new Set<string>();
  #stopped = false;
  #tickQueued = false;
  /** Whether a handover of witnesses is missing here. */
  #owesHandovers = false;
  /** Whether sealing again has failed: it is tried anew as the ledger goes on. */
  #owesSeals = false;

  constructor(gateway: Gateway, options: DutyOptions) {
    this.#gateway = gateway;
    this.#options = options;
    this.#began = gateway.clock.now();
    const appraiser = new PromptAppraiser(gateway, () => this.#consider());
    this.#consents = new Consents({ ...gateway, appraiser });
  }

  start(): void {
    const clean = () => this.#queue('sweep', () => this.#sweep());
    this.#queue('found', () => this.#found());
    this.#tickIfWanted();
    clean();
    for (const key of this.#gateway.follower.state.tasks.keys()) this.#judgeSoon(key);
    this.#queue('reseal', () => this.#reseal());
    this.#queue('handover', () => this.#handOver());
    this.#every('handover', HANDOVER_EVERY_MS, () => {
      if (this.#owesHandovers) this.#queue('handover', () => this.#handOver());
    });
    this.#every('look', this.#options.tickMs, () => {
      this.#tickIfWanted();
      this.#consider();
      if (this.#owesSeals) this.#queue('reseal', () => this.#reseal());
      this.#judgeAgain();
    });
    this.#every('sweep', SWEEP_EVERY_MS, clean);
  }

  /** Takes note of an entry that was folded just now. */
  heard({ event, status }: EntryRecord): void {
    if (status !== 'accepted' || event === undefined) return;
    switch (event.kind) {
      case 'charter':
        this.#tickIfUrgent();
        break;
      case 'amend':
      case 'sign':
        this.#queue('handover', () => this.#handOver());
        break;
      case 'task':
        this.#judgeSoon(event.key);
        break;
      case 'dataset':
        this.#judgeReaders(event);
        break;
      case 'epoch':
      case 'join':
        this.#consider();
        this.#tickIfUrgent();
        break;
      case 'consent':
        this.#tickIfUrgent();
        break;
      case 'ack':
        this.#queue('reseal', () => this.#reseal());
        break;
      case 'collateral':
        if (this.#owesSeals) this.#queue('reseal', () => this.#reseal());
        break;
      case 'tick':
        if (this.#owesSeals) this.#queue('reseal', () => this.#reseal());
        this.#tickIfUrgent();
        if (this.#isForgotten(event.signer, event.body.time)) {
          this.#gateway.witness.stop(keyReused());
        }
        break;
      default:
    }
  }

  /** Ends after the duties that are running. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const cancel of this.#timers.values()) cancel();
    await Promise.all([...this.#lanes.values()].map((lane) => lane.run(async () => {})));
  }

  #every(name: string, ms: number, work: () => void): void {
    const cancel = this.#gateway.timers.after(ms, () => {
      this.#every(name, ms, work);
      work();
    });
    this.#timers.set(name, cancel);
  }

  #queue(name: string, duty: () => Promise<void>): void {
    const of = OWN_LANES.has(name) ? name : 'rest';
    const lane = this.#lanes.get(of) ?? new Lane();
    this.#lanes.set(of, lane);
    void lane.run(async () => {
      if (this.#stopped) return;
      try {
        await duty();
      } catch (error) {
        if (this.#stopped) return;
        this.#gateway.log.warn({ err: error, duty: name }, 'a duty failed');
      }
    });
  }

  #consider(): void {
    if (this.#gateway.follower.state.proposals.size === 0) return;
    this.#queue('consent', () => this.#consents.consider());
  }

  /** An entry can ask for a tick at once; the rest is looked at now and then. */
  #tickIfUrgent(): void {
    const reason = this.#wantsTick();
    if (reason !== undefined && URGENT.has(reason)) this.#queueTick();
  }

  #tickIfWanted(): void {
    if (this.#wantsTick() !== undefined) this.#queueTick();
  }

  /** One tick says as much as several that wait together. */
  #queueTick(): void {
    if (this.#tickQueued) return;
    this.#tickQueued = true;
    this.#queue('tick', () => {
      this.#tickQueued = false;
      return this.#tick();
    });
  }

  #wantsTick(): TickReason | undefined {
    const { follower, card, clock } = this.#gateway;
    if (!mayTick(this.#gateway)) return undefined;
    const { tickMs } = this.#options;
    const of = { member: card.id, now: clock.now(), tickMs };
    return wantsTick(follower.state, of);
  }

  #isForgotten(signer: Uint8Array, time: number): boolean {
    const ours = equal(signer, this.#gateway.keys.witness.key);
    return this.#options.freshWitness && ours && time < this.#began;
  }

  async #found(): Promise<void> {
    const { follower, keys, card } = this.#gateway;
    const founder = memberById(this.#options.charter, card.id);
    if (follower.state.charter !== null || founder === undefined) return;
    if (!equal(founder.identity, keys.identity.key)) return;
    const event = { genesis: null, kind: 'charter', body: this.#options.charter } as const;
    await this.#gateway.ledger.append(await signEvent(keys.identity, card.id, event));
  }

  async #tick(): Promise<void> {
    if (this.#wantsTick() === undefined) return;
    await publish(this.#gateway, 'tick', { time: this.#gateway.clock.now() });
  }

  /** Our dataset may have another policy: tasks that were approved under the one before. */
  #judgeReaders({ signer, body }: AdmittedEvent<'dataset'>): void {
    if (!equal(signer, this.#gateway.keys.identity.key)) return;
    for (const [key, task] of this.#gateway.follower.state.tasks) {
      const reads = task.body.inputs.some((input) => equal(input.dataset, body.dataset));
      if (reads && task.grants.size > 0) this.#judgeSoon(key);
    }
  }

  #judgeSoon(task: string): void {
    this.#unjudged.add(task);
    for (const waiting of [this.#again, this.#unjudged]) {
      const oldest = waiting.keys().next().value;
      if (this.#unjudged.size + this.#again.size <= UNJUDGED_MAX || oldest === undefined) continue;
      waiting.delete(oldest);
    }
    this.#queue('judge', () => this.#judgeOne());
  }

  /** One of those whose openings could not be had, when no other task waits. */
  #judgeAgain(): void {
    const task = this.#again.keys().next().value;
    if (task === undefined || this.#unjudged.size > 0) return;
    this.#again.delete(task);
    this.#judgeSoon(task);
  }

  async #judgeOne(): Promise<void> {
    const task = this.#unjudged.keys().next().value;
    if (task === undefined) return;
    this.#unjudged.delete(task);
    const { prompt: allBlobs = this.#gateway.allBlobs } = this.#options;
    try {
      await declineIfForbidden({ ...this.#gateway, allBlobs }, fromHex(task));
    } catch (error) {
      const passes = isCoded(error) && ['unavailable', 'not-found'].includes(error.kind);
      if (passes && this.#gateway.follower.state.tasks.has(task)) this.#again.add(task);
      throw error;
    }
  }

  async #reseal(): Promise<void> {
    const { state } = this.#gateway.follower;
    if (state.charter === null || state.activeEpoch === null) return;
    this.#owesSeals = true;
    const records = await resealDatasets(this.#gateway);
    this.#owesSeals = false;
    if (records.length > 0) {
      this.#gateway.log.info({ datasets: records.length }, 'sealed to the new group key');
    }
  }

  async #handOver(): Promise<void> {
    this.#owesHandovers = !(await this.#gateway.handovers.complete());
  }

  async #sweep(): Promise<void> {
    await this.#options.sweep(this.#gateway.clock.now());
  }
}
