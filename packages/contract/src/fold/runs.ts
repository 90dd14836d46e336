// SPDX-License-Identifier: Apache-2.0
// What becomes of a run: a keeper's refusal, the worker's usage record, its release, or its
// failure. A run is recorded once, released once, and a failed one is neither. spec/events.md,
// "usage".
import { equal, toHex } from '@cloister/core';
import { cageHolds } from '../charter/body.ts';
import type { EventBody } from '../events/bodies.ts';
import type { AdmittedEvent } from '../events/event.ts';
import { firstUnknown } from '../shapes.ts';
import { LASTING_REFUSALS } from './lasting-refusals.ts';
import { addUsage } from './load.ts';
import { indexOf, joinBySigner, versionKey } from './lookup.ts';
import { judgeStanding } from './places.ts';
import { isBuilt, judgeReserved } from './reserved.ts';
import type { Epoch, FoldState, Join, Run, Task } from './state.ts';
import { inputsRead } from './versions.ts';
import { type Verdict, type Voided, voided } from './void-codes.ts';

export function foldUsage(state: FoldState, event: AdmittedEvent<'usage'>): Verdict {
  const found = ownRun(state, event.signer, event.body);
  if ('sentence' in found) return found;
  const { run, task, join } = found;
  if (toHex(event.body.join) !== run.join) return voided('run-unknown', 'another join');
  const ended = judgeOpen(run);
  if (ended !== undefined) return ended;
  const loose = judgeCage(state, join, event.body);
  if (loose !== undefined) return loose;
  const wanted = inputsRead(task, run.versions).map(versionKey).sort().join();
  if (event.body.inputs.map(versionKey).sort().join() !== wanted) {
    return voided('usage-inputs-differ');
  }
  const epoch = state.epochs.get(toHex(event.body.epoch));
  const during =
    epoch !== undefined &&
    epoch.activeSeq !== null &&
    (epoch.supersededSeq === null || epoch.supersededSeq > join.seq);
  if (!during) return voided('usage-epoch', toHex(event.body.epoch).slice(0, 16));
  const gone = judgeStanding(state, join.body);
  if (gone !== undefined) return voided('usage-place-gone', `the worker: ${gone.code}`);
  const unproved =
    judgeColumns(run, task, event.body) ?? judgeReceipts(state, { run, task, join, epoch }, event);
  if (unproved !== undefined) return unproved;
  // Who opened did not refuse: its receipt is its word.
  for (const { seat } of event.receipts ?? []) run.refusals.delete(epoch.joins[seat - 1] ?? '');
  close(state, run, toHex(event.body.run));
  run.status = 'recorded';
  addUsage(state, task, event.size);
  run.usage = { event: event.key, body: event.body, seq: state.seq, at: state.clock };
  return undefined;
}

/** Whether the code was held at least as its environment wants, and by what is built. */
function judgeCage(state: FoldState, join: Join, { cage }: EventBody<'usage'>): Verdict {
  const later = judgeReserved({ 'usage.cage': !isBuilt(cage) });
  if (later !== undefined) return later;
  const least = indexOf(state).environments.get(join.body.environment)?.cage ?? 'machine';
  if (cageHolds(cage, least)) return undefined;
  return voided('usage-cage', `got ${cage}, wanted ${least}`);
}

/** Whether what was opened of each input is what the task asked for, or less. */
function judgeColumns(run: Run, task: Task, body: EventBody<'usage'>): Verdict {
  const read = inputsRead(task, run.versions);
  for (const used of body.inputs) {
    const asked = read.find((input) => versionKey(input) === versionKey(used));
    const extra = firstUnknown(used.columns, asked?.columns ?? []);
    if (extra === undefined) continue;
    return voided('usage-columns-not-asked', `column ${extra} of ${versionKey(used)}`);
  }
  return undefined;
}

/** Whether t seats of the epoch signed that they opened, to this roster, after the join. */
function judgeReceipts(
  state: FoldState,
  { run, task, join, epoch }: { run: Run; task: Task; join: Join; epoch: Epoch },
  event: AdmittedEvent<'usage'>,
): Verdict {
  const roster = [...run.roster]
    .sort(([a], [b]) => a - b)
    .map(([, key]) => key)
    .join();
  if (run.roster.size < (task.body.worker.nodes ?? 1)) {
    return voided('usage-receipt-wrong', 'nodes of the run have not joined');
  }
  const seats = new Set<number>();
  for (const receipt of event.receipts ?? []) {
    const { seat, size, signer } = receipt;
    const holder = state.joins.get(epoch.joins[seat - 1] ?? '');
    const own = holder !== undefined && equal(holder.signer, signer);
    if (!own || size <= join.seq || receipt.roster.map(toHex).join() !== roster) {
      return voided('usage-receipt-wrong', `seat ${seat}`);
    }
    const gone = judgeStanding(state, holder.body);
    if (gone !== undefined) return voided('usage-place-gone', `seat ${seat}: ${gone.code}`);
    if (seats.has(seat)) return voided('usage-receipt-wrong', `seat ${seat} twice`);
    seats.add(seat);
  }
  if (seats.size >= epoch.threshold) return undefined;
  return voided('usage-receipts-few', `got ${seats.size}, wanted ${epoch.threshold}`);
}

export function foldReleased(state: FoldState, event: AdmittedEvent<'released'>): Verdict {
  const found = ownRun(state, event.signer, event.body);
  if ('sentence' in found) return found;
  const { run } = found;
  if (run.status === 'released') return voided('run-already-released');
  if (run.status === 'failed') return voided('run-already-failed');
  if (run.usage === null || run.usage.event !== toHex(event.body.usage)) {
    return voided('released-usage-unknown');
  }
  run.status = 'released';
  run.releasedSeq = state.seq;
  return undefined;
}

/** Any node of a distributed run ends it for all: a part that fails leaves no result. */
export function foldRunFailed(state: FoldState, event: AdmittedEvent<'run-failed'>): Verdict {
  const node = joinBySigner(state, event.signer);
  if (node === undefined) return voided('not-a-node');
  const run = findRun(state, event.body);
  if (run === undefined) return voided('run-unknown');
  if (!inRoster(run, node.key)) return voided('run-not-signer');
  if (toHex(event.body.join) !== node.key) return voided('run-unknown', 'another join');
  const ended = judgeOpen(run);
  if (ended !== undefined) return ended;
  endRun(state, toHex(event.body.run), event.body.code);
  return undefined;
}

export function foldRefusal(state: FoldState, event: AdmittedEvent<'refusal'>): Verdict {
  const keeper = joinBySigner(state, event.signer);
  if (keeper === undefined) return voided('not-a-node');
  const gone = judgeStanding(state, keeper.join.body);
  if (gone !== undefined) return gone;
  const seated = [...state.epochs.values()].some(
    (epoch) => epoch.activeSeq !== null && epoch.joins.includes(keeper.key),
  );
  if (!seated) return voided('refusal-not-seated');
  const run = findRun(state, event.body);
  if (run === undefined || !inRoster(run, toHex(event.body.join))) return voided('run-unknown');
  const ended = judgeOpen(run);
  if (ended !== undefined) return ended;
  if (!LASTING_REFUSALS.has(event.body.code)) {
    return voided('refusal-not-lasting', event.body.code);
  }
  if (run.refusals.has(keeper.key)) return voided('refusal-repeated');
  run.refusals.set(keeper.key, event.body.code);
  return undefined;
}

/** Ends a run that is open, as failed; one that has recorded or failed stays as it is. */
export function endRun(state: FoldState, key: string, code: string): void {
  const run = state.runs.get(key);
  if (run === undefined || !close(state, run, key)) return;
  run.status = 'failed';
  run.failure = code;
}

/** Whether the run was open; what paid for it has done so. */
function close(state: FoldState, run: Run, key: string): boolean {
  const task = state.tasks.get(run.task);
  if (task?.open.delete(key) !== true) return false;
  releaseGrants(task, run.paid);
  run.paid = [];
  if (task.open.size > 0) return true;
  for (const { dataset } of task.body.inputs) {
    state.datasets.get(toHex(dataset))?.reading.delete(run.task);
  }
  return true;
}

/** One of what each of these grants is kept for is gone; with the last one it is forgotten. */
export function releaseGrants(task: Task, positions: Iterable<number>): void {
  for (const at of positions) {
    const grant = task.approvals.get(at);
    if (grant !== undefined) grant.holds -= 1;
    if (grant?.holds === 0) task.approvals.delete(at);
  }
}

/** The runs of a task (by event key) that have neither recorded nor failed. */
export function openRunsOf(state: FoldState, taskKey: string): string[] {
  return [...(state.tasks.get(taskKey)?.open ?? [])];
}

function inRoster(run: Run, join: string): boolean {
  return [...run.roster.values()].includes(join);
}

function findRun(state: FoldState, of: { task: Uint8Array; run: Uint8Array }): Run | undefined {
  const run = state.runs.get(toHex(of.run));
  return run?.task === toHex(of.task) ? run : undefined;
}

/** The run that the signing worker's own join opened. */
function ownRun(
  state: FoldState,
  signer: Uint8Array,
  of: Pick<EventBody<'released'>, 'task' | 'run'>,
): { run: Run; task: Task; join: Join } | Voided {
  const node = joinBySigner(state, signer);
  if (node === undefined) return voided('not-a-node');
  const run = findRun(state, of);
  const task = run === undefined ? undefined : state.tasks.get(run.task);
  if (run === undefined || task === undefined) return voided('run-unknown');
  if (run.join !== node.key) return voided('run-not-signer');
  return { run, task, join: node.join };
}

function judgeOpen(run: Run): Verdict {
  if (run.status === 'failed') return voided('run-already-failed');
  return run.status === 'joined' ? undefined : voided('run-already-recorded');
}
