// SPDX-License-Identifier: Apache-2.0
// Bills: a fold over usage records and the prices that proposers accepted. Each run of a task bills
// its proposer, for each input, to the input's owner: a price per run, per row read, per GB read
// (10^9 bytes) and per second of the run. Whole numbers only: money in millionths of the currency
// unit, quantities as recorded, and every line rounded down to a whole millionth, so that nobody
// pays for more than was used. A member owes itself nothing: inputs that the proposer owns have no
// lines. Rows and bytes were counted inside the TEE; seconds can be influenced by the host, and
// their lines say so. Seconds are sealed to those whom the run concerns: without their opening a
// line's quantity and amount are null, and the total leaves it out and says that it did. A recorded
// run is billed whether or not it was released; one whose worker the reader has not appraised
// itself has lines, and they are in no total.
import { toHex } from '@cloister/core';
import { ownerOf, versionKey } from './fold/lookup.ts';
import type { FoldState, Run, Task } from './fold/state.ts';
import { inputsRead } from './fold/versions.ts';
import type { Measures } from './openings/measures.ts';
import type { Price } from './shapes.ts';

export type Metric = 'run' | 'row' | 'gigabyte' | 'second';

/** Where a quantity was counted: by attested code, or where a host can influence it. */
export type Counted = 'inside' | 'host';

/** What the reader found of a run's worker. */
export type Appraised = 'yes' | 'no' | 'not-yet';

export interface BillLine {
  readonly task: string;
  readonly run: string;
  /** Event id of the usage record. */
  readonly usage: string;
  /** Its position in the ledger. */
  readonly seq: number;
  readonly dataset: string;
  readonly version: number;
  readonly metric: Metric;
  /** In the metric's recorded unit: runs, rows, bytes, milliseconds; null where it is sealed. */
  readonly quantity: bigint | null;
  /** Accepted price in millionths for one run, row, 10^9 bytes or 1,000 milliseconds. */
  readonly price: bigint;
  /** Millionths of the currency unit: quantity * price / unit, rounded down; null where sealed. */
  readonly amount: bigint | null;
  readonly counted: Counted;
  /** Whether the reader has appraised the run's worker itself; only then was it counted inside. */
  readonly appraised: Appraised;
}

export interface Bill {
  /** Member who proposed the tasks. */
  readonly payer: string;
  /** Member who owns the datasets. */
  readonly payee: string;
  readonly currency: string;
  readonly lines: readonly BillLine[];
  /** Sum of the lines' amounts that are known, in millionths. */
  readonly total: bigint;
  /** How many lines it leaves out, because their quantities are sealed. */
  readonly sealed: number;
  /** How many lines it leaves out, because their workers have not been appraised by the reader. */
  readonly unproved: number;
  /** True where the charter took simulated hardware when a run joined, or its own was. */
  readonly simulated: boolean;
}

/** How much of the recorded unit one price buys, and where the quantity was counted. */
const METRICS: Record<Metric, { readonly unit: bigint; readonly counted: Counted }> = {
  run: { unit: 1n, counted: 'inside' },
  row: { unit: 1n, counted: 'inside' },
  gigabyte: { unit: 1_000_000_000n, counted: 'inside' },
  second: { unit: 1_000n, counted: 'host' },
};

export interface BillFilter {
  /** Ledger clock of the usage record: at or after, in milliseconds. */
  readonly from?: number;
  /** Before. */
  readonly until?: number;
  readonly payer?: string;
  readonly payee?: string;
  /** Event id of a task in hexadecimal. */
  readonly task?: string;
}

/** What the usage record of this event id came to, where the reader has its opening. */
export type MeasuresOf = (usage: string) => Pick<Measures, 'milliseconds'> | undefined;

/** What a reader knows of usage records, by their event ids. */
export interface Known {
  /** Nothing where absent. */
  readonly measuresOf?: MeasuresOf;
  /** Of no run where absent. */
  readonly appraisedOf?: (usage: string) => Appraised;
}

/** Every bill by payer, payee and currency, sorted by these; lines in the ledger's order. */
export function bills(state: FoldState, filter: BillFilter = {}, known: Known = {}): Bill[] {
  if (state.charter === null) return [];
  const byParties = new Map<string, Bill & { lines: BillLine[] }>();
  const recorded = [...state.runs].filter(([, run]) => isAsked(run, filter));
  recorded.sort(([, a], [, b]) => (a.usage?.seq ?? 0) - (b.usage?.seq ?? 0));
  for (const [runKey, run] of recorded) {
    const task = state.tasks.get(run.task);
    if (task === undefined) continue;
    if (filter.payer !== undefined && filter.payer !== task.proposer) continue;
    const measures = known.measuresOf?.(run.usage?.event ?? '');
    const appraised = known.appraisedOf?.(run.usage?.event ?? '') ?? 'not-yet';
    addRun(state, byParties, { runKey, run, task, measures, appraised }, filter.payee);
  }
  return [...byParties.entries()]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, bill]) => {
      const proved = bill.lines.filter(({ appraised }) => appraised === 'yes');
      const total = proved.reduce((sum, { amount }) => sum + (amount ?? 0n), 0n);
      const sealed = proved.filter(({ amount }) => amount === null).length;
      return { ...bill, total, sealed, unproved: bill.lines.length - proved.length };
    });
}

/** A run whose record is billed. */
interface Billed {
  readonly runKey: string;
  readonly run: Run;
  readonly task: Task;
  readonly measures: ReturnType<MeasuresOf>;
  readonly appraised: Appraised;
}

function isAsked(run: Run, { from, until, task }: BillFilter): boolean {
  if (run.usage === null) return false;
  if (from !== undefined && run.usage.at < from) return false;
  if (until !== undefined && run.usage.at >= until) return false;
  return task === undefined || run.task === task;
}

function addRun(
  state: FoldState,
  byParties: Map<string, Bill & { lines: BillLine[] }>,
  of: Billed,
  onlyPayee: string | undefined,
): void {
  const { run, task } = of;
  for (const [i, input] of inputsRead(task, run.versions).entries()) {
    const payee = ownerOf(state, input);
    const price = task.body.prices[i];
    if (payee === undefined || price === undefined || payee === task.proposer) continue;
    if (onlyPayee !== undefined && onlyPayee !== payee) continue;
    const { currency } = price;
    const parties = JSON.stringify([task.proposer, payee, currency]);
    const bill = byParties.get(parties) ?? {
      payer: task.proposer,
      payee,
      currency,
      lines: [],
      total: 0n,
      sealed: 0,
      unproved: 0,
      simulated: false,
    };
    bill.lines.push(...linesOf(of, versionKey(input), price));
    const simulated = bill.simulated || run.simulated;
    byParties.set(parties, { ...bill, simulated });
  }
}

function linesOf(of: Billed, version: string, price: Price): BillLine[] {
  const { runKey, run, measures, appraised } = of;
  const usage = run.usage;
  const input = usage?.body.inputs.find((one) => versionKey(one) === version);
  if (usage == null || input === undefined) return [];
  const quantities: Record<Metric, number | undefined> = {
    run: 1,
    row: input.rows,
    gigabyte: input.bytes,
    second: measures?.milliseconds,
  };
  return (Object.keys(METRICS) as Metric[]).map((metric) => {
    const { unit, counted } = METRICS[metric];
    const used = quantities[metric];
    const quantity = used === undefined ? null : BigInt(used);
    const each = BigInt(price[metric]);
    return {
      task: run.task,
      run: runKey,
      usage: usage.event,
      seq: usage.seq,
      dataset: toHex(input.dataset),
      version: input.version,
      metric,
      quantity,
      price: each,
      amount: amountOf(quantity, each, unit),
      counted,
      appraised,
    };
  });
}

/** What costs nothing costs nothing, sealed or not. */
function amountOf(quantity: bigint | null, each: bigint, unit: bigint): bigint | null {
  if (each === 0n) return 0n;
  return quantity === null ? null : (quantity * each) / unit;
}

/** What one run over one input costs, in millionths, before it has happened. */
export function costOf(
  price: Price,
  used: { readonly rows: number; readonly bytes: number; readonly milliseconds: number },
): bigint {
  const { rows, bytes, milliseconds } = used;
  const quantities = { run: 1, row: rows, gigabyte: bytes, second: milliseconds };
  return (Object.keys(METRICS) as Metric[]).reduce((sum, metric) => {
    const whole = BigInt(quantities[metric]) * BigInt(price[metric]);
    return sum + whole / METRICS[metric].unit;
  }, 0n);
}

/** An amount in millionths as a decimal with six places: 1500000n is `1.500000`. */
export function formatAmount(millionths: bigint): string {
  const sign = millionths < 0n ? '-' : '';
  const digits = (millionths < 0n ? -millionths : millionths).toString().padStart(7, '0');
  return `${sign}${digits.slice(0, -6)}.${digits.slice(-6)}`;
}
