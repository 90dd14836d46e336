// SPDX-License-Identifier: Apache-2.0
// Approvals and what they are worth. An owner's people grant columns, runs and a window for each
// input of a task; a grant counts when it covers every column the task wants of that input, the
// clock is in [from, until) and, before a join, a run of it is left. An input is granted when as
// many distinct persons as its dataset asks for have such grants. An accepted join takes one run
// from every grant that counted. A person's newer grant replaces the older one; a decline takes
// away all of its owner's. spec/events.md, "approve".
import { toHex } from '@cloister/core';
import type { AdmittedEvent } from '../events/event.ts';
import type { Input } from '../shapes.ts';
import { schedule } from './due.ts';
import {
  activeEpochOf,
  charterOf,
  inputsOwnedBy,
  isMember,
  memberByIdentity,
  ownerOf,
  versionKey,
  versionOf,
} from './lookup.ts';
import { endRun, openRunsOf } from './runs.ts';
import type { FoldState, Grant, Run, Task } from './state.ts';
import { judgeTurn } from './statements.ts';
import { type Verdict, type VoidCode, voided } from './void-codes.ts';

/** The place in a run's roster whose join opens the run. */
export const DRIVER = 1;

/** The most persons of an owner that have grants on one input of a task. */
const PERSONS_MAX = 100;

export function foldApprove(state: FoldState, event: AdmittedEvent<'approve'>): Verdict {
  const { body } = event;
  const owner = memberByIdentity(state, event.signer);
  if (owner === undefined) return voided('not-a-member');
  const taskKey = toHex(body.task);
  const task = state.tasks.get(taskKey);
  if (task === undefined) return voided('task-unknown', taskKey.slice(0, 16));
  const outOfTurn = judgeTurn(body, task.said.get(owner.id));
  if (outOfTurn !== undefined) return outOfTurn;
  for (const granted of body.inputs) {
    const wrong = judgeGranted(state, task, owner.id, granted);
    if (wrong !== undefined) return wrong;
  }
  if (body.until <= body.from) return voided('approve-window-empty', `${body.from}..${body.until}`);
  if (body.until <= state.clock) {
    return voided('approve-expired', `ends at ${body.until}, the clock is ${state.clock}`);
  }
  for (const granted of body.inputs) {
    const persons = task.grants.get(versionKey(granted));
    if (persons === undefined || persons.has(toHex(body.person))) continue;
    if (persons.size < PERSONS_MAX) continue;
    return voided('approve-persons-many', `${persons.size} on ${versionKey(granted)}`);
  }
  for (const granted of body.inputs) {
    const key = versionKey(granted);
    const persons = task.grants.get(key) ?? new Map<string, Grant>();
    const { runs, from, until } = body;
    const whole = isWhole(task, granted);
    const grant = { event: event.key, owner: owner.id, whole, runs, used: 0, from, until };
    endUncovered(state, { taskKey, key, person: toHex(body.person), grant });
    persons.set(toHex(body.person), grant);
    task.grants.set(key, persons);
  }
  task.declines.delete(owner.id);
  task.said.set(owner.id, event.key);
  return undefined;
}

/** Ends the runs that this person's older grant paid for, where the newer one gives less. */
function endUncovered(
  state: FoldState,
  of: { taskKey: string; key: string; person: string; grant: Grant },
): void {
  const { taskKey, key, person, grant } = of;
  for (const run of openRunsOf(state, taskKey)) {
    const paidUntil = state.runs.get(run)?.paid.get(key)?.get(person);
    if (paidUntil === undefined) continue;
    const covers = grant.whole && grant.from <= state.clock && grant.until >= paidUntil;
    if (!covers) endRun(state, run, 'grant-replaced');
  }
}

function judgeGranted(state: FoldState, task: Task, owner: string, granted: Input): Verdict {
  const asked = task.body.inputs.find((input) => versionKey(input) === versionKey(granted));
  if (asked === undefined) return voided('approve-not-asked', versionKey(granted));
  if (ownerOf(state, granted) !== owner) {
    return voided('approve-not-owner', `${owner} does not own ${versionKey(granted)}`);
  }
  const wanted = new Set(asked.columns);
  const extra = granted.columns.find((column) => !wanted.has(column));
  return extra === undefined
    ? undefined
    : voided('approve-not-asked', `column ${extra} of ${versionKey(granted)}`);
}

/** Whether a grant of columns that were asked for leaves out none. */
function isWhole(task: Task, granted: Input): boolean {
  const asked = task.body.inputs.find((input) => versionKey(input) === versionKey(granted));
  return asked !== undefined && granted.columns.length === asked.columns.length;
}

export function foldDecline(state: FoldState, event: AdmittedEvent<'decline'>): Verdict {
  const owner = memberByIdentity(state, event.signer);
  if (owner === undefined) return voided('not-a-member');
  const taskKey = toHex(event.body.task);
  const task = state.tasks.get(taskKey);
  if (task === undefined) return voided('task-unknown', taskKey.slice(0, 16));
  const mine = inputsOwnedBy(state, task, owner.id);
  if (mine.length === 0) return voided('decline-not-owner', owner.id);
  const outOfTurn = judgeTurn(event.body, task.said.get(owner.id));
  if (outOfTurn !== undefined) return outOfTurn;
  for (const input of mine) task.grants.delete(versionKey(input));
  for (const key of openRunsOf(state, taskKey)) endRun(state, key, 'declined');
  task.declines.set(owner.id, event.body.code);
  task.said.set(owner.id, event.key);
  return undefined;
}

/**
 * Whether a task may run now: members, group key, and every input granted. Without `run`, whether
 * one may begin; with it, whether that one may go on, on the grants that paid for it.
 */
export function judgeRun(state: FoldState, task: Task, run?: Run): Verdict {
  if (!isMember(state, task.proposer)) return voided('join-proposer-removed', task.proposer);
  for (const { recipients } of task.body.outputs) {
    const gone = recipients.find((id) => !isMember(state, id));
    if (gone !== undefined) return voided('join-recipient-removed', gone);
  }
  const active = activeEpochOf(state);
  if (active === undefined) return voided('no-active-epoch');
  for (const input of task.body.inputs) {
    const wrong = judgeInput(state, task, input, run);
    if (wrong !== undefined) return wrong;
    const sealedTo = versionOf(state, input)?.body.groupKey;
    if (sealedTo === undefined || toHex(sealedTo) !== toHex(active.groupKey)) {
      return voided('join-dataset-not-resealed', versionKey(input));
    }
  }
  return undefined;
}

/**
 * Whether one input is granted: the steps in the order in which a code is chosen. A run goes on by
 * the grants that paid for it; a newer one of the same person stands in where it gives as much.
 */
export function judgeInput(state: FoldState, task: Task, input: Input, run?: Run): Verdict {
  const version = versionOf(state, input);
  const owner = ownerOf(state, input);
  if (version === undefined || owner === undefined) return voided('join-unapproved');
  if (!isMember(state, owner)) return voided('join-owner-removed', owner);
  if (state.datasets.get(toHex(input.dataset))?.retired === true) {
    return voided('join-dataset-retired', versionKey(input));
  }
  const wanted = version.body.approvals;
  const paid = run?.paid.get(versionKey(input));
  const steps: [VoidCode, (grant: Grant, person: string) => boolean][] = [
    ['join-unapproved', (_, person) => run === undefined || paid?.has(person) === true],
    ['join-columns-not-granted', (g) => g.whole],
    ['join-expired', (g, person) => state.clock < Math.min(g.until, paid?.get(person) ?? g.until)],
    ['join-not-yet-valid', (g) => state.clock >= g.from],
    ['join-run-limit', (g) => run !== undefined || g.used < g.runs],
  ];
  let grants = [...(task.grants.get(versionKey(input)) ?? [])];
  for (const [code, keep] of steps) {
    grants = grants.filter(([person, grant]) => keep(grant, person));
    if (grants.length < wanted) {
      const got = `input ${versionKey(input)} of ${owner}`;
      return voided(code, `${got}: ${grants.length} of ${wanted} approvals`);
    }
  }
  return undefined;
}

/** Takes one run from every grant that counted, and opens the run. Called once, at the join. */
export function consumeRun(state: FoldState, event: AdmittedEvent<'join'>): void {
  const taskKey = toHex(event.body.task as Uint8Array);
  const runKey = toHex(event.body.run as Uint8Array);
  const task = state.tasks.get(taskKey) as Task;
  let until = Number.MAX_SAFE_INTEGER;
  const paid = new Map<string, Map<string, number>>();
  for (const input of task.body.inputs) {
    const payers = new Map<string, number>();
    paid.set(versionKey(input), payers);
    for (const [person, grant] of task.grants.get(versionKey(input)) ?? []) {
      const valid = state.clock >= grant.from && state.clock < grant.until;
      if (!grant.whole || !valid || grant.used >= grant.runs) continue;
      grant.used += 1;
      payers.set(person, grant.until);
      until = Math.min(until, grant.until);
    }
  }
  task.runs.push(runKey);
  task.open.add(runKey);
  const deadline = state.clock + charterOf(state).deadlines.run;
  schedule(state, { at: deadline + 1, what: 'run', key: runKey });
  state.runs.set(runKey, {
    task: taskKey,
    join: event.key,
    roster: new Map([[DRIVER, event.key]]),
    status: 'joined',
    at: state.clock,
    until,
    deadline,
    paid,
    usage: null,
    releasedSeq: null,
    failure: null,
    refusals: new Map(),
  });
}
