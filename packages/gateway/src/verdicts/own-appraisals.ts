// SPDX-License-Identifier: Apache-2.0
// This member's own appraisal of the workers behind recorded runs that concern it: those of its
// tasks, of its data, with results for it. Keepers' receipts say that t of them looked; here we
// look ourselves, when the usage record is folded, at the ledger's time of then and with the
// collateral of the heads that the receipts name. Results are opened and runs are billed by this
// verdict only. docs/design/tickets-and-receipts.md, "The recipient looks itself".
//
// Invariants
// - A yes needs two things: every node of the run appraises, and a quorum with the witness of every
//   owner of an input signed a head that has the record. Either may be late: that is "not yet", and
//   asked again; evidence or collateral that cannot be had is never a no.
// - A yes or a no is kept durably, and is not judged a second time.
import {
  type AppraisedState,
  type Appraiser,
  type FoldState,
  type Mismatch,
  ownerOf,
  PartHistory,
  requiredWitnesses,
  type SignedReceipt,
  witnessesOf,
} from '@cloister/contract';
import { equal, isCoded, type Timers, toHex } from '@cloister/core';
import type { Logger } from 'pino';
import type { EntryRecord } from '../ledger/follower.ts';
import type { WitnessService } from '../ledger/witness-service.ts';

/** What this member found. Times are the ledger's, in milliseconds. */
export type RunVerdict =
  | { readonly status: 'yes'; readonly at: number }
  | ({ readonly status: 'no'; readonly at: number } & Mismatch)
  | { readonly status: 'not-yet'; readonly code: string };

/** A verdict that stays. */
export type Settled = Exclude<RunVerdict, { status: 'not-yet' }>;

/** Where verdicts are kept, by the event id of the usage record in hexadecimal. */
export interface VerdictStore {
  all(): Promise<ReadonlyMap<string, Settled>>;
  put(usage: string, verdict: Settled): Promise<void>;
}

/** Who reads verdicts, by the event id of the usage record. */
export interface RunAppraisals {
  /** What is known now; undefined for runs that do not concern this member. */
  known(usage: string): RunVerdict | undefined;
  /** The same, after one more try where there is none yet. */
  settled(usage: string): Promise<RunVerdict | undefined>;
}

/** What an appraisal is made with. */
export interface AppraisalPorts {
  readonly me: string;
  readonly store: VerdictStore;
  readonly appraiser: Appraiser;
  readonly timers: Timers;
  readonly log: Logger;
}

interface Waiting {
  readonly usage: string;
  /** Size of the ledger with the record. */
  readonly size: number;
  readonly at: number;
  readonly roster: readonly string[];
  readonly receipts: readonly SignedReceipt[];
  /** As the state was, but for its collateral. */
  readonly state: AppraisedState;
  /** Names of the witnesses of those whose data was opened. */
  readonly owners: readonly string[];
  why: string;
  trying: Promise<RunVerdict> | undefined;
}

const RETRY_MS = 30_000;
/** Most runs that one round tries again. */
const ROUND = 16;

export class OwnAppraisals implements RunAppraisals {
  readonly #ports: AppraisalPorts;
  readonly #kept: Map<string, Settled>;
  readonly #waiting = new Map<string, Waiting>();
  readonly #history = new PartHistory();
  #witness: Pick<WitnessService, 'checkpointOf'> | undefined;
  #cancel = () => {};

  private constructor(ports: AppraisalPorts, kept: Map<string, Settled>) {
    this.#ports = ports;
    this.#kept = kept;
  }

  static async open(ports: AppraisalPorts): Promise<OwnAppraisals> {
    return new OwnAppraisals(ports, new Map(await ports.store.all()));
  }

  /** Takes note of an entry that was folded just now, and of the state after it. */
  heard({ event, status }: EntryRecord, state: FoldState): void {
    if (status !== 'accepted' || event === undefined) return;
    if (event.kind === 'tick') this.#history.take(state, 'clock');
    if (event.kind === 'collateral') this.#history.take(state, 'collateral');
    if (event.kind !== 'usage' || this.#kept.has(event.key)) return;
    const waiting = waitingFor(this.#ports.me, state, toHex(event.body.run), event.receipts ?? []);
    if (waiting === undefined) return;
    this.#waiting.set(event.key, waiting);
    if (this.#witness !== undefined) void this.settled(event.key);
  }

  /** Begins to judge, by and by what has been heard so far, too. */
  start(witness: Pick<WitnessService, 'checkpointOf'>): void {
    this.#witness = witness;
    const round = async () => {
      for (const key of [...this.#waiting.keys()].slice(0, ROUND)) {
        await this.settled(key);
        const waiting = this.#waiting.get(key);
        // Behind the others, so that each has its turn.
        if (waiting !== undefined && this.#waiting.delete(key)) this.#waiting.set(key, waiting);
      }
      this.#cancel = this.#ports.timers.after(RETRY_MS, () => void round());
    };
    void round();
  }

  stop(): void {
    this.#cancel();
  }

  known(usage: string): RunVerdict | undefined {
    const waiting = this.#waiting.get(usage);
    if (waiting !== undefined) return { status: 'not-yet', code: waiting.why };
    return this.#kept.get(usage);
  }

  async settled(usage: string): Promise<RunVerdict | undefined> {
    const waiting = this.#waiting.get(usage);
    if (waiting === undefined) return this.#kept.get(usage);
    waiting.trying ??= this.#try(waiting).finally(() => {
      waiting.trying = undefined;
    });
    return waiting.trying;
  }

  async #try(waiting: Waiting): Promise<RunVerdict> {
    const { store, log } = this.#ports;
    const { usage, at } = waiting;
    try {
      const mismatch = await this.#mismatch(waiting);
      if (mismatch?.code === 'collateral-not-in-force') return this.#later(waiting, mismatch.code);
      if (mismatch === undefined) await this.#cosigned(waiting);
      const verdict: Settled =
        mismatch === undefined ? { status: 'yes', at } : { status: 'no', at, ...mismatch };
      await store.put(usage, verdict);
      this.#kept.set(usage, verdict);
      this.#waiting.delete(usage);
      if (verdict.status === 'no') log.warn({ usage, ...verdict }, 'a worker does not appraise');
      return verdict;
    } catch (error) {
      if (isCoded(error)) return this.#later(waiting, error.code);
      log.warn({ err: error, usage }, 'an appraisal failed');
      return this.#later(waiting, 'internal-error');
    }
  }

  #later(waiting: Waiting, code: string): RunVerdict {
    waiting.why = code;
    return { status: 'not-yet', code };
  }

  /**
   * What is wrong with the run's nodes, if it is so at every head that a receipt names: each was
   * the ledger's truth. What runs out between that head and the record is judged at the head's
   * time.
   */
  async #mismatch(waiting: Waiting): Promise<Mismatch | undefined> {
    let last: Mismatch = { code: 'appraisal-failed', wanted: 'receipts', got: 'none' };
    for (const size of headsOf(waiting)) {
      const collateral = this.#history.at(size);
      for (const clock of new Set([waiting.at, this.#history.clockAt(size)])) {
        const found = await this.#mismatchAt(waiting, size, {
          ...waiting.state,
          collateral,
          clock,
        });
        if (found === undefined) return undefined;
        last = found;
        if (found.code !== 'collateral-not-in-force') break;
      }
    }
    return last;
  }

  async #mismatchAt(
    { roster, receipts, size: last }: Waiting,
    size: number,
    state: AppraisedState,
  ): Promise<Mismatch | undefined> {
    const used: Uint8Array[] = [];
    for (const join of roster) {
      const appraised = await this.#ports.appraiser.appraise(state, join);
      if (!appraised.ok) return appraised.mismatch;
      used.push(...appraised.parts);
    }
    // One keeper may lie; of t that signed, one does not.
    const here = receipts.filter((receipt) => Math.min(receipt.size, last) === size);
    const told = here.some(({ parts }) => {
      return used.every((part) => parts.some((one) => equal(one, part)));
    });
    if (told) return undefined;
    const wanted = `a receipt of head ${size} that names ${used.map(short).join(', ')}`;
    return { code: 'receipt-parts-differ', wanted, got: `${here.length} that do not` };
  }

  /** A record counts as cosigned when each owner's own witness signed a head that has it. */
  async #cosigned({ owners, size }: Waiting): Promise<void> {
    await this.#witness?.checkpointOf(size, owners);
  }
}

function short(digest: Uint8Array): string {
  return toHex(digest).slice(0, 16);
}

/** Sizes that receipts name, none past the record itself. */
function headsOf({ receipts, size }: Waiting): number[] {
  return [...new Set(receipts.map((receipt) => Math.min(receipt.size, size)))];
}

function waitingFor(
  me: string,
  state: FoldState,
  runKey: string,
  receipts: readonly SignedReceipt[],
): Waiting | undefined {
  const run = state.runs.get(runKey);
  const task = state.tasks.get(run?.task ?? '');
  const { charter, genesis, clock, seq } = state;
  if (run?.usage == null || task === undefined || charter === null) return undefined;
  const owned = task.body.inputs.some((input) => ownerOf(state, input) === me);
  const gets = task.body.outputs.some(({ recipients }) => recipients.includes(me));
  if (task.proposer !== me && !owned && !gets) return undefined;
  const roster = [...run.roster].sort(([a], [b]) => a - b).map(([, key]) => key);
  const joins = new Map(roster.flatMap((key) => [...pick(state.joins, key)]));
  const tasks = new Map(pick(state.tasks, run.task));
  const { keys } = requiredWitnesses(state, run.task);
  const owners = witnessesOf(charter)
    .filter(({ key }) => keys.some((one) => equal(one, key)))
    .map(({ name }) => name);
  return {
    usage: run.usage.event,
    size: seq,
    at: clock,
    roster,
    receipts,
    state: { genesis, charter, clock, joins, tasks, collateral: new Map() },
    owners,
    why: 'evidence-not-judged',
    trying: undefined,
  };
}

function* pick<V>(map: ReadonlyMap<string, V>, key: string): Iterable<[string, V]> {
  const found = map.get(key);
  if (found !== undefined) yield [key, found];
}
