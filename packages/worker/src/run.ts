// SPDX-License-Identifier: Apache-2.0
// One run of one task, from fresh keys to a released result. Read top to bottom, `execute` is the
// protocol: no receipt, no key; no receipt, no result.
//
// Invariants
// - Before the join is on the ledger nothing is asked of anybody; a join that is void ends the run.
// - Uses are recomputed from the code, and must be equal, before any key is asked for. What is done
//   while that goes on (challenges, the witnesses' answer, fetching sealed keys) opens nothing.
// - The result leaves only after a checkpoint that q witnesses cosigned, every opened column's
// owner's among them, includes the usage record; `released` follows when every recipient's gateway
//   has the blobs. A run that dies between the two stays used and billed, unreleased.
// - A run that fails after its join says so on the ledger with a code; the engine's words never do.
// - Whatever happens, the run's folder and keys are gone when it returns.
import type { RunStatus } from '@cloister/api';
import { crossed, errorFields, isPassing, patiently, tidyCode } from '@cloister/attested';
import {
  decodeTaskOpenings,
  type Measures,
  type MeasuresSaid,
  openingsInfo,
  planToRun,
  type Rights,
  readTaskOpenings,
  rightsOfJoin,
  type Said,
  sealMeasures,
  type TaskContents,
  type TaskOpenings,
  voidError,
} from '@cloister/contract';
import {
  type EnginePlan,
  limitsFor,
  ofKind,
  type ResultPart,
  type Runner,
  type RunResult,
  type RunTable,
} from '@cloister/contract/policy';
import { type BlobStore, type CodedError, firstOf, fromHex, isCoded, toHex } from '@cloister/core';
import { hpkeOpen, hpkeSeal } from '@cloister/threshold/node';
import type { TreeHead } from '@cloister/tlog';
import { leastCage } from './cage.ts';
import type { InputKeys, ReadyInput, ResultSealer, SealedResult } from './data-plane.ts';
import { deliver } from './deliver.ts';
import { Directory } from './directory.ts';
import { type AskedRun, attest, joinTask, newIdentity, type RunIdentity } from './identity.ts';
import { filesOf, inputTables } from './inputs.ts';
import {
  type KeyRequest,
  type KeyStart,
  type ObtainedKeys,
  obtainKeys,
  startKeys,
} from './keys.ts';
import type { WorkerPorts } from './ports.ts';

const NO_AAD = new Uint8Array(0);

type Phase = RunStatus['state'];
type Allowed = Extract<Rights, { ok: true }>;

/** Told of each phase as it begins. */
export type OnPhase = (phase: Phase) => void;

/** Codes that a failed run may put on the ledger as they are: none depends on the data. */
const PUBLIC_KINDS = new Set(['policy', 'unsupported', 'verification', 'unavailable', 'malformed']);

/** How long one gateway may take for the openings before the next is asked, too. */
const OPENINGS_MS = 1_500;

/** A failure that cannot be recorded at once is given up sooner than a result would be. */
const FAILURE_MS = 20_000;

/** Runs `task` once. @throws CodedError why it ended without a released result */
export async function execute(
  ports: WorkerPorts,
  about: AskedRun,
  onPhase: OnPhase,
): Promise<void> {
  const { environment, scratch, spool: disk } = ports.config;
  const { makeScratch, dropScratch } = ports.data;
  const place = ports.follower.charter.environments.find(({ id }) => id === environment);
  // A simulation protects nothing: its folder may be anywhere.
  const folder = await makeScratch(scratch, place?.trust !== 'simulated');
  const identity = newIdentity(ports, about);
  let spool: string | undefined;
  try {
    spool = await makeScratch(disk, false);
    onPhase('attesting');
    const directory = new Directory(identity.gateways, ports);
    const attested = await attest(ports, identity);
    onPhase('joining');
    const head = await joinTask(ports, identity, attested);
    const join = attested.id;
    try {
      await runJoined(ports, identity, { join, head, folder, spool, directory, onPhase });
    } catch (error) {
      await recordFailure(ports, identity, join, error);
      throw error;
    }
  } finally {
    identity.hpke.wipe();
    identity.tls.wipe();
    await dropScratch(folder);
    if (spool !== undefined) await dropScratch(spool);
  }
}

interface Joined {
  readonly join: Uint8Array;
  /** A cosigned head that includes the join. */
  readonly head: TreeHead;
  readonly folder: string;
  readonly spool: string;
  readonly directory: Directory;
  readonly onPhase: OnPhase;
}

async function runJoined(ports: WorkerPorts, identity: RunIdentity, joined: Joined): Promise<void> {
  const { join, folder, spool, onPhase } = joined;
  onPhase('keys');
  const asked = requireRights(ports, join);
  const runner = ofKind('runner', ports.runners, asked.task.body.engine);
  const start = startKeys(ports, identity, { join, head: joined.head, rights: asked });
  const [{ openings, contents }, listed] = await Promise.all([
    fetchOpenings(ports, identity, joined, asked),
    filesOf(asked.inputs, identity.blobs),
  ]);
  const { plan, suppression } = await planToRun(ports.planners, contents);
  const { outputs } = asked.task.body;
  const { charter } = ports.follower;
  const { genesis, crypto, random, timers, data } = ports;
  const { blobs, task, run } = identity;
  const sealing = { outputs, parameters: contents.parameters, charter, crypto, random };
  const sealer = data.resultSealer({ ...sealing, spool, genesis, task, run });
  const request = { openings, contents, suppression };
  const { rights, keys, columns, receipts } = await obtain(ports, identity, start, request);
  onPhase('reading');
  const { inputs } = rights;
  const blobsOf = (member: string) => ownFirst(identity, joined.directory, member);
  const from = { genesis, crypto, timers, blobs, blobsOf };
  const reading = { ...from, folder, inputs, files: listed, contents, suppression, keys };
  const tables = inputTables(reading);
  const read = data.readInputs(reading).finally(() => wipe(keys));
  const computing = compute(ports, { runner, plan, tables, folder, read, sealer, onPhase });
  // Both are over, whatever they came to, before the folder goes.
  await Promise.allSettled([read, computing]).finally(() => sealer.close());
  const ready = await read;
  const { computed, milliseconds, sealed } = await computing;
  onPhase('recording');
  const peak = computed.metrics.find((metric) => metric.name === 'peak-memory-bytes')?.value ?? 0;
  const measures = {
    rowsOut: computed.rows,
    bytesOut: sealed.blobs.reduce((sum, blob) => sum + blob.length, 0),
    milliseconds,
    peakMemoryBytes: Math.max(0, Math.ceil(peak)),
  };
  const said = await sealFor(ports, rights, measures);
  const used = { join, rights, ready, computed, columns, receipts, sealed, said };
  const usage = usageOf(identity, used);
  await record(identity, rights, usage);
  onPhase('releasing');
  await release(ports, identity, joined, { rights, sealed });
}

/**
 * The keys, and the rights under which they were opened. Where the key is dealt again meanwhile,
 * those that answered cannot prove it any more: who holds it then is asked, once.
 */
async function obtain(
  ports: WorkerPorts,
  identity: RunIdentity,
  start: KeyStart,
  request: KeyRequest,
): Promise<ObtainedKeys & { rights: Allowed }> {
  try {
    return { ...(await obtainKeys(ports, identity, start, request)), rights: start.rights };
  } catch (error) {
    await crossed(ports);
    const rights = rightsOfJoin(ports.follower.state, toHex(start.join));
    if (!rights.ok || rights.epoch === start.rights.epoch) throw error;
    ports.log.warn('keys-dealt-again', { epoch: rights.epoch });
    const again = startKeys(ports, identity, { ...start, rights });
    return { ...(await obtainKeys(ports, identity, again, request)), rights };
  }
}

/**
 * The engine starts, and plans once more, while the inputs are read; what it puts out is sealed as
 * it comes. Milliseconds are from then on, without the sealing, by this machine's clock, which its
 * host can influence.
 */
async function compute(
  ports: WorkerPorts,
  of: {
    runner: Runner;
    plan: EnginePlan;
    tables: readonly RunTable[];
    folder: string;
    read: Promise<unknown>;
    sealer: ResultSealer;
    onPhase: OnPhase;
  },
): Promise<{ computed: RunResult; milliseconds: number; sealed: SealedResult }> {
  const { timers } = ports;
  const { plan, tables, folder, sealer } = of;
  const limits = limitsFor(plan, ports.config.limits);
  let started = timers.elapsed();
  const ready = of.read.then(() => {
    started = timers.elapsed();
    of.onPhase('computing');
  });
  // An engine that fails before it waits for this leaves nobody else to catch it.
  ready.catch(() => undefined);
  let sealing = 0;
  const take = async (part: ResultPart) => {
    const before = timers.elapsed();
    await sealer.take(part);
    sealing += timers.elapsed() - before;
  };
  const computed = await of.runner.run({
    ...{ plan, tables, limits, ready, folder, take },
    cage: leastCage(ports),
  });
  const milliseconds = Math.max(0, Math.ceil(timers.elapsed() - started - sealing));
  return { computed, milliseconds, sealed: await sealer.finish() };
}

/** Every gateway's blobs, those that say they are the member's first: it has its files for sure. */
async function ownFirst(
  { gateways, blobsOf }: RunIdentity,
  directory: Directory,
  member: string,
): Promise<BlobStore[]> {
  const own = new Set(await directory.of(member).catch(noneIfPassing));
  const isOwn = (at: number) => own.has(gateways[at] as (typeof gateways)[number]);
  const order = [...blobsOf.keys()].sort((a, b) => Number(isOwn(b)) - Number(isOwn(a)));
  return order.map((at) => blobsOf[at] as BlobStore);
}

function noneIfPassing(error: unknown): [] {
  if (isPassing(error)) return [];
  throw error;
}

/** The fold's word on the join, at the newest head that was followed. */
function requireRights(ports: WorkerPorts, join: Uint8Array): Allowed {
  const rights = rightsOfJoin(ports.follower.state, toHex(join));
  if (rights.ok) return rights;
  throw voidError(rights.code, rights.sentence);
}

/**
 * The proposer's gateway hands over the openings; each is checked against its commitment. Where
 * several gateways say that they are the proposer's, the first whose openings hold is used, and
 * none is waited for alone.
 */
async function fetchOpenings(
  ports: WorkerPorts,
  identity: RunIdentity,
  { join, directory }: Joined,
  rights: Allowed,
): Promise<{ openings: TaskOpenings; contents: TaskContents }> {
  const gateways = await directory.of(rights.task.proposer);
  const info = openingsInfo(ports.genesis, 'worker');
  const datasets = rights.inputs.map((input) => input.body);
  const { timers } = ports;
  const { patienceMs } = ports.config;
  return firstOf(gateways, { timers, stepMs: OPENINGS_MS }, async (gateway, signal) => {
    const asked = () => gateway.openings(join);
    const sealed = await patiently('the openings', { timers, patienceMs, signal }, asked);
    const opened = hpkeOpen({ keyPair: identity.hpke, info, aad: join, sealed });
    const openings = decodeTaskOpenings(opened);
    const events = { task: rights.task.body, datasets };
    return { openings, contents: readTaskOpenings(openings, events, ports.crypto) };
  });
}

/** The measures as the record says them: sealed to owners, proposer and recipients. */
function sealFor(ports: WorkerPorts, rights: Allowed, measures: Measures): Promise<MeasuresSaid> {
  const { genesis, crypto, random } = ports;
  const { proposer, body } = rights.task;
  const recipients = body.outputs.flatMap((output) => output.recipients);
  const whom = new Set([proposer, ...rights.owners, ...recipients]);
  const { members } = ports.follower.charter;
  return sealMeasures({
    ...{ genesis, measures, crypto, random },
    recipients: members.filter(({ id }) => whom.has(id)),
    seal: (publicKey, info, plaintext) =>
      hpkeSeal({ publicKey, info, aad: NO_AAD, plaintext, random }),
  });
}

function usageOf(
  identity: RunIdentity,
  of: {
    join: Uint8Array;
    rights: Allowed;
    ready: readonly ReadyInput[];
    computed: RunResult;
    columns: ObtainedKeys['columns'];
    receipts: ObtainedKeys['receipts'];
    sealed: SealedResult;
    said: MeasuresSaid;
  },
): Said<'usage'> {
  const { ready, rights, sealed } = of;
  return {
    task: identity.task,
    run: identity.run,
    join: of.join,
    epoch: fromHex(rights.epoch),
    inputs: of.columns.map((opened, i) => {
      const { rows, bytes } = ready[i] as ReadyInput;
      return { ...opened, rows, bytes };
    }),
    result: sealed.result,
    cage: of.computed.cage,
    ...of.said,
    receipts: [...of.receipts],
  };
}

/** The usage record, and its receipt with every owner's witness on it. */
async function record(identity: RunIdentity, rights: Allowed, said: Said<'usage'>): Promise<void> {
  await identity.appender.event('usage', said, { owners: rights.owners });
}

/** The blobs to every recipient's gateway, then the event that says so. */
async function release(
  ports: WorkerPorts,
  identity: RunIdentity,
  { directory, onPhase }: Joined,
  of: { rights: Allowed; sealed: SealedResult },
): Promise<void> {
  const recipients = new Set(of.rights.task.body.outputs.flatMap((output) => output.recipients));
  const { sealed } = of;
  await Promise.all(
    [...recipients].map((member) => deliver(ports, identity, directory, { member, sealed })),
  );
  const { task, run } = identity;
  const key = toHex(run);
  const usage = fromHex(ports.follower.state.runs.get(key)?.usage?.event ?? '');
  let told = false;
  // The recipients have it all: the proposer need not wait for what a lying gateway would cost.
  const onAppended = (status: 'accepted' | 'void') => {
    if (status === 'accepted' && !told) onPhase('released');
    told ||= status === 'accepted';
  };
  await identity.appender.event('released', { task, run, usage }, { onAppended });
  if (!told) onPhase('released');
}

async function recordFailure(
  ports: WorkerPorts,
  identity: RunIdentity,
  join: Uint8Array,
  error: unknown,
): Promise<void> {
  const { task, run } = identity;
  const key = toHex(run);
  const status = () => ports.follower.state.runs.get(key)?.status;
  if (status() !== 'joined') return;
  const code = isCoded(error) && PUBLIC_KINDS.has(error.kind) ? failureCode(error) : 'run-failed';
  const body = { task, run, join, code };
  const patienceMs = Math.min(FAILURE_MS, ports.config.patienceMs);
  try {
    await identity.appender.event('run-failed', body, { patienceMs });
  } catch (cause) {
    ports.log.warn('failure-not-recorded', { run: key, ...errorFields(cause) });
  }
}

/** A keeper's refusal says more than that too few opened. */
function failureCode(error: CodedError): string {
  const { refusal } = error.details;
  const said = typeof refusal === 'string' && refusal !== 'none' ? refusal : error.code;
  return tidyCode(said, 'run-failed');
}

function wipe(keys: readonly InputKeys[]): void {
  for (const input of keys) for (const key of input.values()) key.fill(0);
}
