// SPDX-License-Identifier: Apache-2.0
// The ledger in readable form: status, tasks, events, verification. Views are computed from the
// fold each time and never stored, so they cannot disagree with it. What this member may not read
// (another's task) or cannot (a garbled one) is shown by its ids only, and hides nothing else.
import type { Status, TaskJson, VerifyAnswer } from '@cloister/api';
import {
  type AnyEvent,
  activeEpochOf,
  emptyState,
  encodeState,
  environmentById,
  type FoldState,
  foldEntry,
  grantsOf,
  type Input,
  joinBySigner,
  memberByKey,
  missingGrants,
  operatorByKey,
  ownerOf,
  runState,
  type Task,
  type TaskContents,
  taskState,
  versionKey,
} from '@cloister/contract';
import { equal, isCoded, toHex } from '@cloister/core';
import { logOrigin, MerkleTree, verifyCheckpoint } from '@cloister/tlog';
import { type Gateway, historyOf, stateInForce } from '../context.ts';
import type { RunVerdict } from '../verdicts/own-appraisals.ts';
import { measuresOfRun } from './measures.ts';
import { readTask, taskNotFound } from './tasks.ts';

const PAGE = 500;

export function statusOf(gateway: Gateway): Status {
  const state = stateInForce(gateway);
  const { charter } = state;
  const active = activeEpochOf(state);
  const { id, name, identity } = gateway.card;
  return {
    member: { id, name, identity },
    charter: charter.name,
    genesis: toHex(gateway.genesis),
    simulated: charter.simulated,
    ledger: {
      size: gateway.follower.size,
      root: toHex(gateway.follower.tree.root()),
      clock: state.clock,
      closed: state.closed?.next ?? null,
    },
    epoch:
      active === undefined
        ? null
        : {
            id: active.key,
            groupKey: toHex(active.groupKey),
            threshold: active.epoch.threshold,
            seats: active.epoch.joins.map((key, i) => seatOf(gateway, key, i + 1)),
          },
    endedEpoch: endedEpoch(gateway),
    datasets: state.datasets.size,
    tasks: historyOf(gateway).tasks.size,
  };
}

function endedEpoch(gateway: Gateway): Status['endedEpoch'] {
  const ended = [...stateInForce(gateway).epochs].filter(([, epoch]) => epoch.end !== null);
  const [id, epoch] = ended.sort(([, a], [, b]) => a.seq - b.seq).at(-1) ?? [];
  return id === undefined || epoch?.end == null ? null : { id, ...epoch.end };
}

function seatOf(gateway: Gateway, key: string, seat: number) {
  const state = stateInForce(gateway);
  const join = state.joins.get(key)?.body;
  const environment = environmentById(state.charter, join?.environment ?? '');
  return {
    seat,
    operator: join?.operator ?? '',
    environment: join?.environment ?? '',
    tee: environment?.tee ?? '',
    family: environment?.family ?? '',
  };
}

/** Every task, newest first. */
export async function listTasks(gateway: Gateway): Promise<TaskJson[]> {
  const newestFirst = [...historyOf(gateway).tasks].sort(([, a], [, b]) => b.seq - a.seq);
  return Promise.all(newestFirst.map(([key]) => taskView(gateway, key)));
}

export async function taskView(gateway: Gateway, key: string): Promise<TaskJson> {
  const state = historyOf(gateway);
  const known = state.tasks.get(key);
  if (known === undefined) throw taskNotFound(key);
  const { contents, unread } = await readableTask(gateway, key);
  const missing = new Set(missingGrants(state, key).map(({ input }) => input));
  return {
    task: key,
    proposer: known.proposer,
    state: taskState(state, key) ?? 'proposed',
    purpose: contents?.facts.purpose ?? unread,
    code: contents?.code ?? unread,
    inputs: known.body.inputs.map((input, i) => {
      const names = contents?.schemas[i]?.columns ?? [];
      return {
        table: contents?.parameters.tables[i] ?? '',
        dataset: toHex(input.dataset),
        version: input.version,
        ...newestOf(state, key, i),
        owner: ownerOf(state, input) ?? '',
        columns: input.columns.map((id) => names[id - 1]?.name ?? `#${id}`),
        approved: !missing.has(versionKey(input)),
        runsLeft: runsLeft(known, input),
      };
    }),
    outputs: known.body.outputs.map(({ id, recipients }) => {
      const named = contents?.parameters.outputs.find((output) => output.id === id);
      const statement = (named?.statement ?? 0) + 1;
      return { id, statement, name: named?.name ?? `#${id}`, type: named?.type ?? '', recipients };
    }),
    declines: [...known.declines].map(([by, code]) => ({ by, code })),
    refusals: known.runs.flatMap((run) =>
      [...(state.runs.get(run)?.refusals ?? [])].map(([join, code]) => ({
        by: state.joins.get(join)?.body.operator ?? join,
        code,
      })),
    ),
    runs: await Promise.all(known.runs.map((id) => runView(gateway, id))),
  };
}

async function runView(gateway: Gateway, id: string): Promise<TaskJson['runs'][number]> {
  const state = historyOf(gateway);
  const run = state.runs.get(id);
  if (run === undefined) return { run: id, state: 'unknown' };
  const measures = await measuresOfRun(gateway, id);
  const verdict = gateway.appraisals.known(run.usage?.event ?? '');
  const bytesIn = run.usage?.body.inputs.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    run: id,
    state: runState(state, run),
    ...(run.failure === null ? {} : { code: run.failure }),
    ...(measures === undefined ? {} : { rowsOut: measures.rowsOut }),
    ...(bytesIn === undefined ? {} : { bytesIn }),
    ...(verdict === undefined ? {} : { appraised: appraisedJson(verdict) }),
  };
}

/** A verdict of ours as the API tells it. */
function appraisedJson(verdict: RunVerdict): NonNullable<TaskJson['runs'][number]['appraised']> {
  if (verdict.status === 'yes') return { status: 'yes' };
  if (verdict.status === 'not-yet') return { status: 'not-yet', code: verdict.code };
  const { status, code, wanted, got } = verdict;
  return { status, code, wanted, got };
}

function runsLeft(task: Task, input: Input): number {
  const grants = grantsOf(task, input);
  return grants.length === 0 ? 0 : Math.min(...grants.map((g) => Math.max(g.runs - g.used, 0)));
}

/** The newest version of an input, and whether the grants are for it. */
function newestOf(
  state: FoldState,
  key: string,
  at: number,
): { newest: number; newestGranted: boolean } {
  const inputs = state.tasks.get(key)?.body.inputs ?? [];
  const { dataset = new Uint8Array(), version = 0 } = inputs[at] ?? {};
  const newest = state.datasets.get(toHex(dataset))?.newest ?? version;
  const versions = inputs.map((input, i) => (i === at ? newest : input.version));
  const missing = missingGrants(state, key, versions);
  const own = versionKey({ dataset, version });
  const newestGranted = !missing.some(
    ({ input, code }) => input === own || code === 'join-version-not-granted',
  );
  return { newest, newestGranted };
}

/** A task's contents, or why they cannot be shown. */
export async function readableTask(
  gateway: Gateway,
  key: string,
): Promise<{ contents?: TaskContents; unread: string }> {
  try {
    return { contents: (await readTask(gateway, key)).contents, unread: '' };
  } catch (error) {
    if (isCoded(error, 'openings-not-for-me')) return { unread: '(not yours to read)' };
    if (isCoded(error)) return { unread: `(not readable: ${error.code})` };
    throw error;
  }
}

/** A page of the ledger for people and auditors. */
export function eventsPage(gateway: Gateway, from: number, limit: number) {
  const { follower } = gateway;
  const events = [];
  for (let seq = from; seq < Math.min(from + limit, follower.size); seq++) {
    const record = follower.record(seq);
    if (record === undefined) break;
    const { event, status, code } = record;
    events.push({
      seq,
      id: event === undefined ? '0'.repeat(64) : event.key,
      kind: event?.kind ?? 'unreadable',
      signer: event === undefined ? 'nobody' : signerName(gateway, event),
      status,
      ...(code === undefined ? {} : { code }),
      summary: event === undefined ? `${record.size} bytes that are no event` : summaryOf(event),
    });
  }
  return { size: follower.size, events };
}

function signerName(gateway: Gateway, event: AnyEvent): string {
  const { state } = gateway.follower;
  const { charter } = state;
  const signer = event.kind === 'join' ? (event.operator ?? event.signer) : event.signer;
  const listed =
    charter === null ? undefined : (memberByKey(charter, signer) ?? operatorByKey(charter, signer));
  if (listed !== undefined) return listed.id;
  const body = joinBySigner(state, signer)?.join.body;
  return body === undefined ? toHex(signer).slice(0, 16) : `${body.role} of ${body.operator}`;
}

function summaryOf(event: AnyEvent): string {
  const short = (bytes: Uint8Array) => toHex(bytes).slice(0, 12);
  switch (event.kind) {
    case 'charter':
      return event.body.name;
    case 'tick':
      return new Date(event.body.time).toISOString();
    case 'collateral':
      return `${event.body.part} of ${event.made?.subject}`;
    case 'join':
      return `${event.body.role} in ${event.body.environment}`;
    case 'epoch':
      return `${event.body.joins.length} seats`;
    case 'consent':
      return `epoch ${short(event.body.epoch)}`;
    case 'dataset':
      return `${short(event.body.dataset)} version ${event.body.version}, ${event.body.rows} rows`;
    case 'close':
      return event.body.next === undefined ? 'for good' : `on in ${short(event.body.next)}`;
    case 'withdraw':
      return `${short(event.body.dataset)} ${event.body.version ?? 'whole'}`;
    case 'task':
      return `${event.body.inputs.length} inputs, ${event.body.outputs.length} outputs`;
    case 'approve':
      return `task ${short(event.body.task)}, ${event.body.runs} runs`;
    case 'decline':
    case 'refusal':
    case 'run-failed':
      return `task ${short(event.body.task)}: ${event.body.code}`;
    case 'epoch-abort':
      return `seat ${event.body.against}: ${event.body.code}`;
    case 'amend':
      return `charter version ${event.body.charter.version}`;
    case 'sign':
      return `amendment ${short(event.body.amend)}`;
    case 'usage':
      return `run ${short(event.body.run)}, fewer than 2^${event.body.classes.rowsOut} rows out`;
    case 'released':
      return `run ${short(event.body.run)}`;
    default:
      return `seat ${event.body.seat}`;
  }
}

/**
 * Reads the whole local copy again: tree, fold and cosignatures are computed anew and compared with
 * what this gateway has been serving.
 */
export async function verifyLedger(gateway: Gateway): Promise<VerifyAnswer> {
  const { follower, witness, genesis } = gateway;
  const findings: string[] = [];
  const checkpoint = await witness.checkpoint();
  const tree = new MerkleTree(gateway.crypto);
  const state = emptyState(genesis);
  let accepted = 0;
  while (tree.size < checkpoint.size) {
    const page = await follower.read(tree.size, Math.min(PAGE, checkpoint.size - tree.size));
    if (page.length === 0) break;
    for (const bytes of page) {
      tree.append(bytes);
      const { outcome } = await foldEntry(state, bytes, gateway.crypto);
      if (outcome.status === 'accepted') accepted++;
    }
  }
  if (tree.size !== checkpoint.size)
    findings.push(`only ${tree.size} of ${checkpoint.size} entries are here`);
  else if (!equal(tree.root(), checkpoint.root))
    findings.push('the entries do not have the root that was cosigned');
  if (tree.size === follower.size && !equal(encodeState(state), encodeState(follower.state))) {
    findings.push('folding again gives another state');
  }
  const { members, witnesses } = stateInForce(gateway).charter;
  const signed = await verifyCheckpoint(gateway.crypto, checkpoint.note, {
    origin: logOrigin(genesis),
    witnesses: members.map(({ id, witness: key }) => ({ name: id, key })),
    quorum: witnesses.quorum,
    required: [],
  });
  return {
    ok: findings.length === 0,
    size: tree.size,
    root: toHex(tree.root()),
    cosignatures: signed.times.map(({ name }) => name),
    quorum: witnesses.quorum,
    accepted,
    void: tree.size - accepted,
    findings,
  };
}
