// SPDX-License-Identifier: Apache-2.0
// Approvals and what they are worth. An owner's people grant columns, runs and a window for each
// input of a task; a grant counts when it covers every column the task wants of that input, the
// clock is in [from, until) and, before a join, a run of it is left. An input is granted when as
// many distinct persons as its dataset asks for have such grants. An accepted join takes one run
// from every grant that counted. A person's newer grant replaces the older one; a decline takes
// away all of its owner's. spec/events.md, "approve".
import { toHex } from '@cloister/core';
import type { EventBody } from '../events/bodies.ts';
import type { AdmittedEvent } from '../events/event.ts';
import { firstUnknown, type Input, type Price } from '../shapes.ts';
import { schedule } from './due.ts';
import { judgeInputAsked } from './inputs-asked.ts';
import {
  activeEpochOf,
  charterOf,
  indexOf,
  inputsOwnedBy,
  isMember,
  memberByIdentity,
  ownerOf,
  versionKey,
  versionOf,
} from './lookup.ts';
import { judgeReserved } from './reserved.ts';
import { endRun, openRunsOf, releaseGrants } from './runs.ts';
import type { FoldState, Grant, Run, Task } from './state.ts';
import { judgeTurn } from './statements.ts';
import {
  coversRun,
  coversVersions,
  inputsRead,
  judgeFollowing,
  judgeVersions,
  noteFollowing,
  versionsAsked,
} from './versions.ts';
import { type Verdict, type VoidCode, voided } from './void-codes.ts';
import { isRetired } from './withdrawals.ts';

/** The place in a run's roster whose join opens the run. */
export const DRIVER = 1;

/** The most persons of an owner that have grants on one input of a task. */
const PERSONS_MAX = 40;
/** The most runs of a task that are under way at once. */
const OPEN_RUNS_MAX = 1_000;

export function foldApprove(state: FoldState, event: AdmittedEvent<'approve'>): Verdict {
  const { body } = event;
  const owner = memberByIdentity(state, event.signer);
  if (owner === undefined) return voided('not-a-member');
  const taskKey = toHex(body.task);
  const task = state.tasks.get(taskKey);
  if (task === undefined) return voided('task-unknown', taskKey.slice(0, 16));
  const later = judgeReserved({
    'approve.budget': body.budget !== 0,
    'approve.only': body.only !== undefined,
  });
  if (later !== undefined) return later;
  const ended = judgeOpenTask(state, task);
  if (ended !== undefined) return ended;
  const outOfTurn = judgeTurn(body, task.said.get(owner.id));
  if (outOfTurn !== undefined) return outOfTurn;
  const asked = byVersion(task.body.inputs);
  for (const granted of body.inputs) {
    const wrong = judgeGranted(state, asked.get(versionKey(granted)), owner.id, granted);
    if (wrong !== undefined) return wrong;
  }
  const elsewhere = judgeFollowing(state, task, body.standing ?? []);
  if (elsewhere !== undefined) return elsewhere;
  if (body.statements < task.body.statements) {
    const got = `got ${body.statements}, the task has ${task.body.statements}`;
    return voided('approve-statements', got);
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
  const { runs, from, until } = body;
  const person = toHex(body.person);
  // All that is granted was asked for, so the number of columns says whether one is left out.
  const given = byVersion(body.inputs);
  const whole = task.body.inputs.map((input) => {
    return given.get(versionKey(input))?.columns.length === input.columns.length;
  });
  const standing = noteFollowing(state, task, body.standing);
  const holds = body.inputs.length;
  const grant = { owner: owner.id, person, whole, standing, runs, used: 0, from, until, holds };
  endUncovered(state, { taskKey, task, inputs: body.inputs, grant });
  task.approvals.set(state.seq, grant);
  for (const granted of body.inputs) {
    const persons = task.grants.get(versionKey(granted)) ?? new Map<string, number>();
    releaseGrants(task, [persons.get(person) ?? []].flat());
    task.grants.set(versionKey(granted), persons.set(person, state.seq));
  }
  task.declines.delete(owner.id);
  task.said.set(owner.id, event.key);
  return undefined;
}

/** Whether a task may still be approved and joined. */
function judgeOpenTask(state: FoldState, { body: { until } }: Task): Verdict {
  if (state.clock < until) return undefined;
  return voided('task-ended', `ended at ${until}, the clock is ${state.clock}`);
}

/** Whether another run of a task, over these versions, may begin, whoever asks. */
function judgeBeginning(state: FoldState, task: Task, versions: readonly number[]): Verdict {
  if (task.open.size >= OPEN_RUNS_MAX) return voided('join-runs-open', `${task.open.size}`);
  const wrong = judgeOpenTask(state, task) ?? judgeVersions(state, task, versions);
  if (wrong !== undefined) return wrong;
  for (const [i, input] of inputsRead(task, versions).entries()) {
    if (input.version === task.body.inputs[i]?.version) continue;
    const unfit = judgeInputAsked(state, input, task.body.prices[i] as Price);
    if (unfit !== undefined) return unfit;
  }
  return undefined;
}

/** Ends the runs that this person's older grants paid for, where the newer one gives less. */
function endUncovered(
  state: FoldState,
  of: { taskKey: string; task: Task; inputs: readonly Input[]; grant: Grant },
): void {
  const { taskKey, task, inputs, grant } = of;
  const replaced = new Set(inputs.map(versionKey));
  const told = task.body.inputs.map((input) => replaced.has(versionKey(input)));
  const less = new Set<number>();
  const older = new Map<number, Grant>();
  for (const [at, paid] of task.approvals) {
    if (paid.person !== grant.person || paid.owner !== grant.owner) continue;
    if (paid.whole.some((was, i) => was && told[i])) older.set(at, paid);
    const lasts = grant.from <= state.clock && grant.until >= paid.until;
    if (paid.whole.some((was, i) => was && told[i] && !(lasts && grant.whole[i]))) less.add(at);
  }
  for (const key of older.size === 0 ? [] : openRunsOf(state, taskKey)) {
    const run = state.runs.get(key) as Run;
    const ends = run.paid.some((at) => {
      const paid = older.get(at);
      return paid !== undefined && (less.has(at) || !coversRun(task, run, { paid, newer: grant }));
    });
    if (ends) endRun(state, key, 'grant-replaced');
  }
}

/** The grants that paid for a run. */
function payersOf(task: Task, run: Run | undefined): Grant[] {
  return (run?.paid ?? []).flatMap((at) => task.approvals.get(at) ?? []);
}

function byVersion(inputs: readonly Input[]): ReadonlyMap<string, Input> {
  return new Map(inputs.map((input) => [versionKey(input), input]));
}

function judgeGranted(
  state: FoldState,
  asked: Input | undefined,
  owner: string,
  granted: Input,
): Verdict {
  if (asked === undefined) return voided('approve-not-asked', versionKey(granted));
  if (ownerOf(state, granted) !== owner) {
    return voided('approve-not-owner', `${owner} does not own ${versionKey(granted)}`);
  }
  const extra = firstUnknown(granted.columns, asked.columns);
  return extra === undefined
    ? undefined
    : voided('approve-not-asked', `column ${extra} of ${versionKey(granted)}`);
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
  for (const input of mine) {
    releaseGrants(task, task.grants.get(versionKey(input))?.values() ?? []);
    task.grants.delete(versionKey(input));
  }
  for (const key of openRunsOf(state, taskKey)) endRun(state, key, 'declined');
  task.declines.set(owner.id, event.body.code);
  task.said.set(owner.id, event.key);
  return undefined;
}

/**
 * Whether a task may run now: members, group key, and every input granted. With versions, whether
 * a run over these may begin; with a run, whether that one may go on, on the grants that paid for
 * it.
 */
export function judgeRun(state: FoldState, task: Task, of: Run | readonly number[]): Verdict {
  if (!isMember(state, task.proposer)) return voided('join-proposer-removed', task.proposer);
  const versions = versionsOf(of);
  const closed = 'length' in of ? judgeBeginning(state, task, versions) : undefined;
  if (closed !== undefined) return closed;
  for (const { recipients } of task.body.outputs) {
    const gone = recipients.find((id) => !isMember(state, id));
    if (gone !== undefined) return voided('join-recipient-removed', gone);
  }
  const active = activeEpochOf(state);
  if (active === undefined) return voided('no-active-epoch');
  const covers = coversVersions(state, task, versions);
  for (const [at, input] of inputsRead(task, versions).entries()) {
    const wrong = judgeInput(state, task, at, of, covers);
    if (wrong !== undefined) return wrong;
    const sealedTo = versionOf(state, input)?.body.groupKey;
    if (sealedTo === undefined || toHex(sealedTo) !== toHex(active.groupKey)) {
      return voided('join-dataset-not-resealed', versionKey(input));
    }
  }
  return undefined;
}

/** The grants that stand on one input of a task. */
export function grantsOf(task: Task, input: { dataset: Uint8Array; version: number }): Grant[] {
  const positions = [...(task.grants.get(versionKey(input))?.values() ?? [])];
  return positions.flatMap((at) => task.approvals.get(at) ?? []);
}

function versionsOf(of: Run | readonly number[]): readonly number[] {
  return 'length' in of ? of : of.versions;
}

/**
 * Whether input `at` of a task is granted, for a run over these versions or one that is under way:
 * the steps in the order in which a code is chosen. A run goes on by the grants that paid for it; a
 * newer one of the same person stands in where it gives as much.
 */
export function judgeInput(
  state: FoldState,
  task: Task,
  at: number,
  of: Run | readonly number[] = versionsAsked(task),
  covers = coversVersions(state, task, versionsOf(of)),
): Verdict {
  const run = 'length' in of ? undefined : of;
  const asked = task.body.inputs[at] as Input;
  const input = { ...asked, version: versionsOf(of)[at] ?? asked.version };
  const version = versionOf(state, input);
  const owner = ownerOf(state, input);
  if (version === undefined || owner === undefined) return voided('join-unapproved');
  if (!isMember(state, owner)) return voided('join-owner-removed', owner);
  if (isRetired(state, input)) return voided('join-dataset-retired', versionKey(input));
  const wanted = version.body.approvals;
  const payers = payersOf(task, run).filter((paid) => paid.owner === owner && paid.whole[at]);
  const paidUntil = new Map(payers.map(({ person, until }) => [person, until]));
  const end = (g: Grant) => Math.min(g.until, paidUntil.get(g.person) ?? g.until);
  const steps: [VoidCode, (grant: Grant) => boolean][] = [
    ['join-unapproved', ({ person }) => run === undefined || paidUntil.has(person)],
    ['join-columns-not-granted', ({ whole }) => whole[at] === true],
    ['join-version-not-granted', covers],
    ['join-expired', (g) => state.clock < end(g)],
    ['join-not-yet-valid', ({ from }) => state.clock >= from],
    ['join-run-limit', ({ used, runs }) => run !== undefined || used < runs],
  ];
  // How many grants are good for each step and all before it; enough for the last are enough.
  const good = steps.map(() => 0);
  for (const grant of grantsOf(task, asked)) {
    for (let i = 0; i < steps.length && steps[i]?.[1](grant); i++) good[i] = (good[i] ?? 0) + 1;
    if (good.at(-1) === wanted) break;
  }
  const missed = good.findIndex((count) => count < wanted);
  const step = steps[missed];
  if (step === undefined) return undefined;
  const got = `input ${versionKey(input)} of ${owner}`;
  return voided(step[0], `${got}: ${good[missed]} of ${wanted} approvals`);
}

/** Whether what comes of a run in this place has to say so: later charters do not change it. */
function isSimulated(state: FoldState, { environment }: EventBody<'join'>): boolean {
  const { trust } = indexOf(state).environments.get(environment) ?? {};
  return charterOf(state).simulated || trust === 'simulated';
}

/** Takes one run from every grant that counted, and opens the run. Called once, at the join. */
export function consumeRun(
  state: FoldState,
  event: AdmittedEvent<'join'>,
  versions: readonly number[],
): void {
  const taskKey = toHex(event.body.task as Uint8Array);
  const runKey = toHex(event.body.run as Uint8Array);
  const task = state.tasks.get(taskKey) as Task;
  const paid = new Set<number>();
  const covers = coversVersions(state, task, versions);
  for (const [i, input] of task.body.inputs.entries()) {
    for (const at of task.grants.get(versionKey(input))?.values() ?? []) {
      const grant = task.approvals.get(at) as Grant;
      const valid = state.clock >= grant.from && state.clock < grant.until;
      const counts = grant.whole[i] && valid && covers(grant);
      if (counts && grant.used < grant.runs) paid.add(at);
    }
  }
  let until = Number.MAX_SAFE_INTEGER;
  for (const at of paid) {
    const grant = task.approvals.get(at) as Grant;
    grant.used += 1;
    grant.holds += 1;
    until = Math.min(until, grant.until);
  }
  task.runs.push(runKey);
  task.open.add(runKey);
  for (const { dataset } of task.body.inputs) {
    state.datasets.get(toHex(dataset))?.reading.add(taskKey);
  }
  const deadline = state.clock + charterOf(state).deadlines.run;
  schedule(state, { at: deadline + 1, what: 'run', key: runKey });
  state.runs.set(runKey, {
    task: taskKey,
    versions: [...versions],
    join: event.key,
    roster: new Map([[DRIVER, event.key]]),
    status: 'joined',
    at: state.clock,
    until,
    deadline,
    simulated: isSimulated(state, event.body),
    paid: [...paid].sort((a, b) => a - b),
    usage: null,
    releasedSeq: null,
    failure: null,
    refusals: new Map(),
  });
}
