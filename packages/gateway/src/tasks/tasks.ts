// SPDX-License-Identifier: Apache-2.0
// Tasks: check, propose, approve, decline. A proposal goes on the ledger even when the check fails:
// what was tried is part of the record, and each owner's gateway declines by itself with the code.
import type { CheckAnswer, TaskRequest } from '@cloister/api';
import {
  commitTo,
  encodeParameters,
  type FoldState,
  grantsOf,
  type Input,
  inputsOwnedBy,
  inputsRead,
  ownerOf,
  readTaskOpenings,
  refuseForbidden,
  type Said,
  type Task,
  type TaskContents,
  type TaskOpenings,
  textCodeOf,
  versionKey,
  versionOf,
  versionsAsked,
} from '@cloister/contract';
import { encodeUses, type Policy } from '@cloister/contract/policy';
import { type CodedError, equal, isCoded, toHex, utf8 } from '@cloister/core';
import {
  type Gateway,
  historyOf,
  memberOf,
  publish,
  publishAccepted,
  stateInForce,
} from '../context.ts';
import { readDataset } from '../datasets/datasets.ts';
import { readDatasetOpenings, readTaskParts, sealForMembers } from '../datasets/openings.ts';
import { gatewayError } from '../errors.ts';
import type { EntryRecord } from '../ledger/follower.ts';
import { freshenClock } from '../ticking.ts';
import { type ApprovalStanding, approvalStanding, hasApproved } from './approval-standing.ts';
import { answerOf, inputsOf, malformed, planTask } from './plan.ts';

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;

/** What would happen: whose rule blocks what, and what it would cost. Nothing is recorded. */
export async function checkTask(gateway: Gateway, request: TaskRequest): Promise<CheckAnswer> {
  return answerOf(await planTask(gateway, request));
}

/** Puts the task on the ledger, whatever the check says. */
export async function proposeTask(
  gateway: Gateway,
  request: TaskRequest,
): Promise<{ record: EntryRecord; check: CheckAnswer }> {
  const planned = await planTask(gateway, request);
  await freshenClock(gateway);
  const { charter, clock } = stateInForce(gateway);
  const accepted = new Set(planned.request.workers);
  const workers = charter.environments.filter(
    (e) => e.role === 'worker' && (accepted.size === 0 || accepted.has(e.id)),
  );
  if (workers.length === 0) throw malformed('the charter has no worker environment of these names');
  const ports = { crypto: gateway.crypto, random: gateway.random };
  const outputs = planned.plan.outputs;
  const [code, parameters, uses, purpose] = [
    textCodeOf(planned.request.code),
    encodeParameters({ tables: planned.tables, params: {}, outputs }),
    encodeUses(planned.plan.uses),
    utf8(planned.request.purpose),
  ].map((value) => commitTo(value, ports)) as [Committed, Committed, Committed, Committed];
  const openings = {
    code: code.opening,
    parameters: parameters.opening,
    uses: uses.opening,
    purpose: purpose.opening,
  };
  const readers = new Set([
    gateway.card.id,
    ...planned.recipients,
    ...planned.inputs.map((i) => i.owner),
  ]);
  const body: Said<'task'> = {
    engine: planned.request.engine,
    statements: new Set(outputs.map(({ statement }) => statement)).size,
    budget: 0,
    code: code.commitment,
    parameters: parameters.commitment,
    uses: uses.commitment,
    purpose: purpose.commitment,
    inputs: inputsOf(planned),
    outputs: outputs.map(({ id }) => ({ id, recipients: [...planned.recipients] })),
    worker: {
      environments: workers.map((e) => e.id),
      operators: charter.operators.map((o) => o.id),
    },
    until: clock + planned.request.days * DAY_MS,
    prices: planned.inputs.map((i) => i.body.price),
    openings: await sealForMembers(
      gateway,
      [...readers].map((id) => memberOf(gateway, id)),
      openings,
    ),
  };
  const record = await publishAccepted(gateway, 'task', body);
  return { record, check: answerOf(planned) };
}

type Committed = ReturnType<typeof commitTo>;

/** What a person grants; `anyVersion` names tables of which later versions may be read. */
interface Grant {
  readonly runs: number;
  readonly from?: number | undefined;
  readonly until?: number | undefined;
  readonly person: string;
  readonly anyVersion?: readonly string[] | undefined;
}

/**
 * Grants a task's use of our datasets, within what their policies allow a grant. `person` never
 * reaches the ledger in clear, and the same name in another spelling is the same person.
 * @throws CodedError `grant-exceeds-policy`, `task-not-found`, `task-not-yours`, `task-malformed`,
 * `event-void`
 */
export async function approveTask(
  gateway: Gateway,
  task: Uint8Array,
  grant: Grant,
): Promise<ApprovalStanding & { readonly record: EntryRecord; readonly replaced: boolean }> {
  const inputs = ownInputs(gateway, task);
  const limits = await limitsOf(gateway, inputs);
  await freshenClock(gateway);
  const from = grant.from ?? stateInForce(gateway).clock;
  // A grant that begins in the past has lasted since then.
  const begins = Math.max(from, gateway.clock.now());
  const days = Math.min(DEFAULT_DAYS, limits.days);
  const until = grant.until ?? Math.min(begins + days * DAY_MS, from + limits.days * DAY_MS);
  if (limits.runs !== Number.POSITIVE_INFINITY) await refuseTooMany(gateway, task, grant, limits);
  if (until - from > limits.days * DAY_MS) {
    const asked = Math.ceil((until - from) / DAY_MS);
    throw exceeds(`${limits.days} days in one approval, asked for ${asked}`);
  }
  const person = gateway.keys.tag(task, utf8(personName(grant.person)));
  const key = toHex(task);
  const replaced = hasApproved(stateInForce(gateway).tasks.get(key), inputs, person);
  const record = await publishAccepted(gateway, 'approve', {
    task,
    inputs,
    statements: statementsOf(gateway, task),
    budget: 0,
    ...(await standingOf(gateway, task, grant.anyVersion ?? [])),
    runs: grant.runs,
    from,
    until,
    person,
  });
  return { record, replaced, ...approvalStanding(gateway, key, inputs) };
}

/** What an approval says of later versions of these tables. @throws CodedError `task-malformed` */
async function standingOf(
  gateway: Gateway,
  task: Uint8Array,
  tables: readonly string[],
): Promise<Pick<Said<'approve'>, 'standing'>> {
  if (tables.length === 0) return {};
  const state = stateInForce(gateway);
  const { task: known, contents } = await readTask(gateway, toHex(task));
  const standing = new Map<string, NonNullable<Said<'approve'>['standing']>[number]>();
  for (const at of placesOf(contents, tables)) {
    const { dataset, version, columns } = known.body.inputs[at] as Input;
    const found = state.datasets.get(toHex(dataset));
    const named = found?.versions.get(version)?.body;
    const newest = found?.versions.get(found.newest)?.body ?? named;
    if (named === undefined || newest === undefined) throw taskNotFound(toHex(task));
    const { schema } = named;
    const { policy } = equal(newest.schema, schema) ? newest : named;
    standing.set(toHex(dataset), { dataset, schema, policy, columns });
  }
  return { standing: [...standing.values()] };
}

/** The inputs that a task's code knows by these names. @throws CodedError `task-malformed` */
export function placesOf({ parameters }: TaskContents, tables: readonly string[]): number[] {
  return tables.map((table) => {
    const at = parameters.tables.indexOf(table);
    if (at >= 0) return at;
    const message = `the task has no table ${table}: it has ${parameters.tables.join(', ')}`;
    throw malformed(message);
  });
}

function statementsOf(gateway: Gateway, task: Uint8Array): number {
  return stateInForce(gateway).tasks.get(toHex(task))?.body.statements ?? 1;
}

/** Each statement is an answer, so it counts as a run. @throws `grant-exceeds-policy` */
async function refuseTooMany(
  gateway: Gateway,
  task: Uint8Array,
  grant: { runs: number },
  limits: { runs: number },
): Promise<void> {
  const { contents } = await readTask(gateway, toHex(task));
  const statements = new Set(contents.parameters.outputs.map(({ statement }) => statement)).size;
  if (grant.runs * statements <= limits.runs) return;
  const each = statements === 1 ? '' : ` of ${statements} statements, each of which counts`;
  throw exceeds(`${limits.runs} runs in one approval, asked for ${grant.runs}${each}`);
}

/** What the policies of these inputs allow one grant: the strictest wins. */
async function limitsOf(
  gateway: Gateway,
  inputs: readonly Input[],
): Promise<{ runs: number; days: number }> {
  const limits = { runs: Number.POSITIVE_INFINITY, days: Number.POSITIVE_INFINITY };
  for (const input of inputs) {
    const known = versionOf(stateInForce(gateway), input);
    if (known === undefined) continue;
    const { runs, days } = (await readDataset(gateway, known.body)).policy.limits;
    if (runs !== 'none') limits.runs = Math.min(limits.runs, runs);
    if (days !== 'none') limits.days = Math.min(limits.days, days);
  }
  return limits;
}

/** How what is left of grants goes beyond what these limits allow one; undefined: it does not. */
export function exceeding(
  { runs, days }: Policy['limits'],
  of: { task: Task; input: Input; now: number },
): string | undefined {
  const { statements } = of.task.body;
  for (const grant of grantsOf(of.task, of.input)) {
    const left = grant.runs - grant.used;
    if (runs !== 'none' && left * statements > runs) {
      const each = statements === 1 ? '' : ` of ${statements} statements`;
      return `${left} granted runs${each} are left, the policy allows ${runs} in one approval`;
    }
    if (days !== 'none' && grant.until - Math.max(grant.from, of.now) > days * DAY_MS) {
      return `more is left of a grant than the ${days} days that the policy allows`;
    }
  }
  return undefined;
}

/** Spaces, case and the form of accents make no other person. @throws CodedError */
function personName(name: string): string {
  const plain = name.normalize('NFKC').trim().replace(/\s+/gu, ' ').toLowerCase();
  if (plain === '') throw malformed('say who approves: the person is empty');
  return plain;
}

function exceeds(rule: string): CodedError {
  const message = `the policy of your dataset allows ${rule}: ask for less`;
  return gatewayError('grant-exceeds-policy', message);
}

/** @throws CodedError `task-not-found`, `task-not-yours` */
export async function declineTask(
  gateway: Gateway,
  task: Uint8Array,
  code: string,
): Promise<EntryRecord> {
  ownInputs(gateway, task);
  return publishAccepted(gateway, 'decline', { task, code });
}

/**
 * Judges a task on the ledger as the owner of one of its inputs: plans the opened code again, so
 * that uses which the code does not have deceive nobody, and declines with the code of the first
 * rule of ours that forbids it. What was hidden from us or does not match its commitments is
 * declined too; what cannot be had now is left for people. What was approved is judged again once
 * the dataset has been sealed since, perhaps under another policy: its grants too, by the limits.
 * Answers undefined when nothing of ours forbids it, or we have answered before.
 */
export async function declineIfForbidden(
  gateway: Gateway,
  task: Uint8Array,
): Promise<EntryRecord | undefined> {
  const key = toHex(task);
  const state = stateInForce(gateway);
  const found = state.tasks.get(key);
  const me = gateway.card.id;
  const mine = found === undefined ? [] : inputsOwnedBy(state, found, me);
  if (found === undefined || mine.length === 0 || found.declines.has(me)) return undefined;
  const granted = mine.filter((input) => grantsOf(found, input).length > 0);
  const since = granted.some((input) => isSealedSince(state, found, input));
  if (granted.length > 0 && !since) return undefined;
  let code: string | undefined;
  try {
    const { contents, owners } = await readTask(gateway, key);
    await refuseForbidden(gateway.planners, contents, (input) => owners[input] === me);
    const over = found.body.inputs.some((input, i) => {
      const { limits } = contents.policies[i] as Policy;
      if (owners[i] !== me) return false;
      const now = gateway.clock.now();
      return exceeding(limits, { task: found, input, now }) !== undefined;
    });
    if (over) code = 'grant-exceeds-policy';
  } catch (error) {
    if (!isCoded(error) || error.kind === 'unavailable' || error.kind === 'not-found') throw error;
    code = error.code;
  }
  return code === undefined ? undefined : publish(gateway, 'decline', { task, code });
}

/** Whether a version was sealed after a grant on it was given: perhaps under another policy. */
function isSealedSince(state: FoldState, task: Task, input: Input): boolean {
  const sealed = versionOf(state, input)?.seq ?? 0;
  return [...(task.grants.get(versionKey(input))?.values() ?? [])].some((at) => at < sealed);
}

/** This member's inputs of a task. @throws CodedError `task-not-found`, `task-not-yours` */
function ownInputs(gateway: Gateway, task: Uint8Array): Input[] {
  const state = stateInForce(gateway);
  const found = state.tasks.get(toHex(task));
  if (found === undefined) throw taskNotFound(toHex(task));
  const own = inputsOwnedBy(state, found, gateway.card.id);
  if (own.length > 0) return own;
  const message = 'this task uses no dataset of yours: there is nothing for you to approve';
  throw gatewayError('task-not-yours', message);
}

/**
 * A task's event and, where this member may read them, its opened contents; schemas and policies
 * are those of the versions that the task names, or that a run of it reads.
 */
export async function readTask(
  gateway: Gateway,
  key: string,
  versions?: readonly number[],
): Promise<{ task: Task; contents: TaskContents; openings: TaskOpenings; owners: string[] }> {
  const state = historyOf(gateway);
  const task = state.tasks.get(key);
  if (task === undefined) throw taskNotFound(key);
  const datasets = inputsRead(task, versions ?? versionsAsked(task)).map((input) => {
    const owner = ownerOf(state, input);
    const body = versionOf(state, input)?.body;
    if (owner === undefined || body === undefined) throw taskNotFound(key);
    return { owner, body };
  });
  const own = await readTaskParts(gateway, task.body);
  const inputs = await Promise.all(datasets.map((d) => readDatasetOpenings(gateway, d.body)));
  const openings = { ...own, inputs };
  const events = { task: task.body, datasets: datasets.map((d) => d.body) };
  const contents = readTaskOpenings(openings, events, gateway.crypto);
  return { task, contents, openings, owners: datasets.map((d) => d.owner) };
}

/** The error of a task that is not on the ledger. */
export function taskNotFound(key: string): CodedError {
  const message = `no task ${key.slice(0, 16)} is on the ledger`;
  return gatewayError('task-not-found', message);
}
