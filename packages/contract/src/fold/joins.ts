// SPDX-License-Identifier: Apache-2.0
// Joins. A node enters by name: its operator signed it, its environment and hardware are in the
// charter, its keys are new. A keeper's join waits for a seat; a worker's is judged against its
// task at this position and, accepted, consumes one run; the executors of a distributed task enter
// the run that their driver opened. spec/events.md, "join".
import { equal, toHex } from '@cloister/core';
import type { EventBody } from '../events/bodies.ts';
import type { AdmittedEvent } from '../events/event.ts';
import { runNotAccepted } from './acceptance.ts';
import { restsAt, takeJoins } from './due.ts';
import { consumeRun, DRIVER, judgeRun } from './grants.ts';
import { takeForTask } from './load.ts';
import { charterOf, indexOf, ownerOf } from './lookup.ts';
import { judgePlace, judgeStanding } from './places.ts';
import type { FoldState, Run, Task } from './state.ts';
import { versionsAsked } from './versions.ts';
import { type Verdict, voided } from './void-codes.ts';

/** Entries after its end for which joins may still name a charter's version. */
const CHARTER_WINDOW = 4_096;
/** Joins of keepers on one machine that are kept without a seat. */
const KEEPERS_MAX = 4;

export function foldJoin(state: FoldState, event: AdmittedEvent<'join'>): Verdict {
  const wrong = judgeNode(state, event) ?? judgeKeys(state, event);
  if (wrong !== undefined) return wrong;
  const { body } = event;
  if (body.role === 'worker') {
    const unfit = judgeWorker(state, event);
    if (unfit !== undefined) return unfit;
    const task = state.tasks.get(toHex(body.task as Uint8Array)) as Task;
    const heavy = takeForTask(state, task, event.size);
    if (heavy !== undefined) return heavy;
    if ((body.place ?? DRIVER) === DRIVER) consumeRun(state, event, versionsWanted(state, event));
    else runOf(state, body)?.roster.set(body.place as number, event.key);
  }
  if (body.role === 'keeper') succeed(state, event.key, body);
  state.nodeKeys.set(toHex(event.signer), event.key);
  state.joins.set(event.key, {
    body,
    signer: event.signer,
    seq: state.seq,
    at: state.clock,
    excluded: null,
  });
  return undefined;
}

/**
 * A machine has a few keepers' joins at most, but for those in use: the oldest of the others is
 * forgotten. Whoever holds an operator's key could otherwise fill every reader's memory.
 */
function succeed(state: FoldState, key: string, body: EventBody<'join'>): void {
  const machine = `${body.operator}/${toHex(body.hardware)}`;
  const joins = [...(state.machines.get(machine) ?? []), key];
  const over = joins.length - KEEPERS_MAX;
  const idle = over > 0 ? joins.filter((one) => one !== key && !inUse(state, one)) : [];
  const gone = idle.slice(0, Math.max(over, 0));
  state.machines.set(
    machine,
    joins.filter((one) => !gone.includes(one)),
  );
  if (gone.length > 0) {
    state.forgotten.push({ task: null, runs: [], joins: takeJoins(state, gone) });
  }
}

/** Whether a keeper has a seat, or had one so lately that its receipts still count. */
function inUse(state: FoldState, key: string): boolean {
  for (const { status, joins, supersededAt } of state.epochs.values()) {
    if (status === 'ended' || !joins.includes(key)) continue;
    if (status !== 'superseded' || restsAt(state, supersededAt ?? 0) > state.clock) return true;
  }
  return false;
}

function judgeNode(state: FoldState, event: AdmittedEvent<'join'>): Verdict {
  const { body } = event;
  const outdated = judgeCharter(state, body.charter);
  if (outdated !== undefined) return outdated;
  const operator = indexOf(state).operators.get(body.operator);
  if (operator === undefined) return voided('join-operator-unknown', body.operator);
  if (event.operator === undefined || toHex(operator.key) !== toHex(event.operator)) {
    return voided('join-operator-key', body.operator);
  }
  const worker = body.role === 'worker';
  const placed = body.place !== undefined && !worker;
  const about = [body.task, body.run, body.ticket];
  if (about.some((field) => (field !== undefined) !== worker) || placed) {
    return voided('join-fields', `a ${body.role}`);
  }
  return judgePlace(state, body);
}

/** The version in force, or one that was until not long ago: the node made its evidence then. */
function judgeCharter(state: FoldState, named: number): Verdict {
  const { version } = charterOf(state);
  const ended = state.charterSeqs[named];
  const recent = ended !== undefined && state.seq - ended <= CHARTER_WINDOW;
  if (named === version || (named < version && recent)) return undefined;
  return voided('join-charter-version', `got ${named}, wanted ${version}`);
}

/**
 * The signing key is no other node's, and none of the three is the charter's. Of other nodes' keys
 * the signing key alone is compared: it alone is proved here, and whoever names another's TLS or
 * HPKE key gains nothing by it, but would keep the other out if its join landed first.
 */
function judgeKeys(state: FoldState, event: AdmittedEvent<'join'>): Verdict {
  const signer = toHex(event.signer);
  const mine = [signer, toHex(event.body.tls), toHex(event.body.hpke)];
  const { keys } = indexOf(state);
  const reused = state.nodeKeys.has(signer) ? signer : mine.find((key) => keys.has(key));
  if (reused !== undefined) return voided('join-key-reused', `${reused.slice(0, 16)}...`);
  return undefined;
}

function judgeWorker(state: FoldState, event: AdmittedEvent<'join'>): Verdict {
  const { body } = event;
  if (state.clock === 0) return voided('clock-not-set');
  const taskKey = toHex(body.task as Uint8Array);
  const task = state.tasks.get(taskKey);
  if (task === undefined) return voided('join-task-unknown', taskKey.slice(0, 16));
  const uninvited = judgeTicket(state, task, event);
  if (uninvited !== undefined) return uninvited;
  const unfit = judgeStanding(state, body) ?? judgeConsent(state, task, [body]);
  if (unfit !== undefined) return unfit;
  const { nodes } = task.body.worker;
  const { place } = body;
  if ((place === undefined) !== (nodes === undefined) || (place ?? 0) > (nodes ?? 0)) {
    return voided('join-place', `got ${place ?? 'none'}, the task has ${nodes ?? 'one worker'}`);
  }
  if ((place ?? DRIVER) !== DRIVER) return judgeExecutor(state, event, taskKey);
  if (runOf(state, body) !== undefined) return voided('join-run-reused');
  const versions = versionsWanted(state, event);
  return judgeAgainstTask(state, body, taskKey) ?? judgeRun(state, task, versions);
}

/** The versions that the proposer's ticket asks for: the task's, where it names none. */
function versionsWanted(
  state: FoldState,
  { body, ticket }: AdmittedEvent<'join'>,
): readonly number[] {
  const task = state.tasks.get(toHex(body.task as Uint8Array)) as Task;
  return ticket?.versions ?? versionsAsked(task);
}

/** Whether the proposer has asked this operator for this run, and the ticket is still good. */
function judgeTicket(
  state: FoldState,
  task: Task,
  { body, ticket }: AdmittedEvent<'join'>,
): Verdict {
  const proposer = indexOf(state).members.get(task.proposer);
  if (proposer === undefined) return voided('join-proposer-removed', task.proposer);
  const same =
    ticket !== undefined &&
    equal(ticket.signer, proposer.identity) &&
    equal(ticket.task, body.task as Uint8Array) &&
    equal(ticket.run, body.run as Uint8Array) &&
    ticket.operator === body.operator &&
    ticket.place === body.place;
  if (!same) return voided('join-ticket');
  if (state.clock < ticket.until) return undefined;
  return voided('join-ticket-expired', `ended at ${ticket.until}, the clock is ${state.clock}`);
}

/** An executor enters a run that its driver has opened and that has not ended. */
function judgeExecutor(state: FoldState, event: AdmittedEvent<'join'>, taskKey: string): Verdict {
  const { body } = event;
  const run = runOf(state, body);
  if (run === undefined) return voided('join-run-unknown');
  if (run.task !== taskKey) return voided('join-run-reused');
  if (run.status !== 'joined') return voided('join-run-ended', run.status);
  if (run.roster.has(body.place as number)) return voided('join-place-taken', `${body.place}`);
  const wanted = versionsWanted(state, event).join();
  if (wanted !== run.versions.join()) {
    return voided('join-version', `got ${wanted}, the run reads ${run.versions.join()}`);
  }
  const task = state.tasks.get(taskKey) as Task;
  return judgeAgainstTask(state, body, taskKey) ?? judgeRun(state, task, run);
}

function runOf(state: FoldState, body: EventBody<'join'>): Run | undefined {
  return body.run === undefined ? undefined : state.runs.get(toHex(body.run));
}

/** Operator, measurement and engine against the task's; evidence is for keepers to appraise. */
export function judgeAgainstTask(
  state: FoldState,
  body: EventBody<'join'>,
  taskKey: string,
): Verdict {
  const task = state.tasks.get(taskKey);
  if (task === undefined) return voided('join-task-unknown', taskKey.slice(0, 16));
  const { operators, environments, measurements } = task.body.worker;
  if (!operators.includes(body.operator)) {
    return voided(
      'join-operator-not-allowed',
      `got ${body.operator}, wanted ${operators.join(', ')}`,
    );
  }
  if (environments !== undefined && !environments.includes(body.environment)) {
    const got = `got ${body.environment}, wanted ${environments.join(', ')}`;
    return voided('join-environment-not-allowed', got);
  }
  if (measurements?.some((m) => equal(m, body.measurement)) === false) {
    const got = toHex(body.measurement).slice(0, 32);
    return voided('join-measurement-not-allowed', `got ${got} in ${body.environment}`);
  }
  const environment = indexOf(state).environments.get(body.environment);
  const { engine } = task.body;
  if (environment?.engines.includes(engine) === true) return undefined;
  const got = `got ${environment?.engines.join(', ') ?? 'none'}, wanted ${engine}`;
  return voided('join-engine', got);
}

/** Whether every owner of an input has accepted what would touch its columns. */
export function judgeConsent(
  state: FoldState,
  task: Task,
  nodes: readonly EventBody<'join'>[],
): Verdict {
  const owners = new Set(task.body.inputs.flatMap((input) => ownerOf(state, input) ?? []));
  for (const owner of owners) {
    const item = runNotAccepted(state, owner, nodes);
    if (item !== undefined) return voided('join-owner-not-accepted', `${owner}: ${item}`);
  }
  return undefined;
}
