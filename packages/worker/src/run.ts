// SPDX-License-Identifier: Apache-2.0
// One run of one task, from fresh keys to a released result. Read top to bottom, `execute` is the
// protocol: no receipt, no key; no receipt, no result.
//
// Invariants
// - Before the join is on the ledger nothing is asked of anybody; a join that is void ends the run.
// - Uses are recomputed from the code, and must be equal, before any key is asked for.
// - The result leaves only after a checkpoint that q witnesses cosigned, every opened column's
//   owner's among them, includes the usage record.
// - A run that fails after its join says so on the ledger with a code; the engine's words never do.
// - Whatever happens, the run's folder and keys are gone when it returns.
import { mkdtemp, rm } from 'node:fs/promises';
import { join as joinPath } from 'node:path';
import { HttpBlobs, type RunStatus } from '@cloister/api';
import {
  decodeTaskOpenings,
  type EventBody,
  openingsInfo,
  type Rights,
  readTaskOpenings,
  rightsOfJoin,
  type TaskContents,
  type TaskOpenings,
} from '@cloister/contract';
import { type EnginePlan, encodeUses, judge, type Suppression } from '@cloister/contract/policy';
import { CodedError, equal, fromHex, isCoded, toHex } from '@cloister/core';
import { hpkeOpen } from '@cloister/threshold/node';
import { workerError } from './errors.ts';
import { awaitReceipt } from './freshness.ts';
import { attest, joinTask, newIdentity, publish, type RunIdentity } from './identity.ts';
import { type ReadyInput, readInputs } from './inputs.ts';
import { type InputKeys, obtainKeys } from './keys.ts';
import type { WorkerPorts } from './ports.ts';
import { type SealedResult, sealResult } from './result.ts';
import { patiently } from './wait.ts';

type Phase = RunStatus['state'];
type Allowed = Extract<Rights, { ok: true }>;

/** Told of each phase as it begins. */
export type OnPhase = (phase: Phase) => void;

/** Codes that a failed run may put on the ledger as they are: none depends on the data. */
const PUBLIC_KINDS = new Set(['policy', 'unsupported', 'verification', 'unavailable', 'malformed']);

/** Runs `task` once. @throws CodedError why it ended without a released result */
export async function execute(
  ports: WorkerPorts,
  about: { task: Uint8Array; run: Uint8Array },
  onPhase: OnPhase,
): Promise<void> {
  const identity = newIdentity(ports, about.task, about.run);
  const folder = await mkdtemp(joinPath(ports.config.scratch, 'cloister-run-'));
  try {
    onPhase('attesting');
    const attested = await attest(ports, identity);
    onPhase('joining');
    const join = await joinTask(ports, identity, attested);
    try {
      await runJoined(ports, identity, { join, folder, onPhase });
    } catch (error) {
      await recordFailure(ports, identity, join, error);
      throw error;
    }
    onPhase('released');
  } finally {
    identity.hpke.wipe();
    await rm(folder, { recursive: true, force: true });
  }
}

interface Joined {
  readonly join: Uint8Array;
  readonly folder: string;
  readonly onPhase: OnPhase;
}

async function runJoined(ports: WorkerPorts, identity: RunIdentity, joined: Joined): Promise<void> {
  const { join, folder, onPhase } = joined;
  onPhase('keys');
  const rights = requireRights(ports, join);
  const { openings, contents } = await fetchOpenings(ports, identity, join, rights);
  const planned = await planAgain(ports, contents);
  const request = { join, rights, openings, contents, suppression: planned.suppression };
  const keys = await obtainKeys(ports, identity, request);
  onPhase('reading');
  const { genesis, crypto } = ports;
  const { suppression } = planned;
  const { inputs } = rights;
  const reading = {
    genesis,
    crypto,
    blobs: identity.blobs,
    folder,
    inputs,
    contents,
    suppression,
    keys,
  };
  const ready = await readInputs(reading);
  wipe(keys);
  onPhase('computing');
  const started = performance.now();
  const resultFile = joinPath(folder, 'result.parquet');
  const { limits } = ports.config;
  const tables = ready.map((input) => input.table);
  const computed = await ports.engine.run({ plan: planned.plan, tables, limits, resultFile });
  const milliseconds = Math.ceil(performance.now() - started);
  onPhase('recording');
  const { charter } = ports.follower;
  const sealed = await sealResult({
    file: resultFile,
    genesis,
    task: identity.task,
    run: identity.run,
    outputs: rights.task.body.outputs,
    parameters: contents.parameters,
    charter,
    crypto,
    random: ports.random,
  });
  const peak = computed.metrics.find((metric) => metric.name === 'peak-memory-bytes')?.value ?? 0;
  const host = { milliseconds, peakMemoryBytes: Math.ceil(peak) };
  const usage = usageOf(identity, { join, rights, ready, sealed, rowsOut: computed.rows, host });
  await record(ports, identity, usage);
  onPhase('releasing');
  await release(ports, identity, rights, sealed);
}

/** The fold's word on the join, at the newest head that was followed. */
function requireRights(ports: WorkerPorts, join: Uint8Array): Allowed {
  const rights = rightsOfJoin(ports.follower.state, toHex(join));
  if (rights.ok) return rights;
  throw new CodedError(rights.code, 'policy', rights.sentence);
}

/** The proposer's gateway hands over the openings; each is checked against its commitment. */
async function fetchOpenings(
  ports: WorkerPorts,
  identity: RunIdentity,
  join: Uint8Array,
  rights: Allowed,
): Promise<{ openings: TaskOpenings; contents: TaskContents }> {
  const gateway = await gatewayOf(identity, rights.task.proposer);
  const sealed = await patiently('the openings', ports.config.patienceMs, () =>
    gateway.openings(join),
  );
  const info = openingsInfo(ports.genesis, 'worker');
  const opened = hpkeOpen({ keyPair: identity.hpke, info, aad: join, sealed });
  const openings = decodeTaskOpenings(opened);
  const datasets = rights.inputs.map((input) => input.body);
  const contents = readTaskOpenings(openings, { task: rights.task.body, datasets }, ports.crypto);
  return { openings, contents };
}

async function gatewayOf(identity: RunIdentity, member: string) {
  for (const gateway of identity.gateways) {
    const health = await gateway.health().catch(() => undefined);
    if (health?.role === 'gateway' && health.name === member) return gateway;
  }
  const message = `no configured gateway that answers is ${member}'s: is it running?`;
  throw workerError('gateway-unknown', 'unavailable', message);
}

/** Plans the code anew: its uses must be the task's, and the policies must allow them. */
async function planAgain(
  ports: WorkerPorts,
  contents: TaskContents,
): Promise<{ plan: EnginePlan; suppression: readonly Suppression[] }> {
  const tables = contents.parameters.tables.map((name, i) => ({
    name,
    columns: contents.schemas[i]?.columns ?? [],
  }));
  const { code } = contents;
  const { params } = contents.parameters;
  const bare = await ports.engine.plan({ code, params, tables });
  if (!equal(encodeUses(bare.uses), encodeUses(contents.uses))) {
    const message = 'the code does not use the columns as its task says';
    throw workerError('uses-differ', 'policy', message);
  }
  const { uses, policies, facts } = contents;
  const judged = judge({ uses, policies, task: facts });
  if (!judged.ok) {
    const code = judged.findings[0]?.code ?? 'policy-refused';
    throw new CodedError(code, 'policy', 'a policy does not allow these uses: see task check');
  }
  const { suppression } = judged;
  if (suppression.length === 0) return { plan: bare, suppression };
  return {
    plan: await ports.engine.plan({ code, params, tables, suppress: suppression }),
    suppression,
  };
}

function usageOf(
  identity: RunIdentity,
  of: {
    join: Uint8Array;
    rights: Allowed;
    ready: readonly ReadyInput[];
    sealed: SealedResult;
    rowsOut: number;
    host: EventBody<'usage'>['host'];
  },
): EventBody<'usage'> {
  const { ready, rights, sealed } = of;
  const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);
  return {
    task: identity.task,
    run: identity.run,
    join: of.join,
    epoch: fromHex(rights.epoch),
    inputs: ready.map(({ rows, bytes }, i) => {
      const { dataset, version } = (rights.inputs[i] as (typeof rights.inputs)[number]).input;
      return { dataset, version, rows, bytes };
    }),
    result: [...sealed.digests],
    counted: {
      rowsIn: sum(ready.map((input) => input.rows)),
      bytesIn: sum(ready.map((input) => input.bytes)),
      rowsOut: of.rowsOut,
      bytesOut: sum(sealed.blobs.map((blob) => blob.length)),
    },
    host: of.host,
  };
}

/** The usage record, and its receipt. */
async function record(
  ports: WorkerPorts,
  identity: RunIdentity,
  body: EventBody<'usage'>,
): Promise<void> {
  const seq = await publish(ports, identity, { kind: 'usage', body });
  const run = toHex(identity.run);
  await awaitReceipt(ports, {
    seq,
    task: identity.task,
    usage: (state) => state.runs.get(run)?.usage != null,
  });
}

/** The blobs to every recipient's gateway, then the event that says so. */
async function release(
  ports: WorkerPorts,
  identity: RunIdentity,
  rights: Allowed,
  sealed: SealedResult,
): Promise<void> {
  const recipients = new Set(rights.task.body.outputs.flatMap((output) => output.recipients));
  for (const member of recipients) {
    await patiently(`the gateway of ${member}`, ports.config.patienceMs, async () => {
      const gateway = await gatewayOf(identity, member);
      const blobs = new HttpBlobs([gateway.http], ports.crypto);
      for (const blob of sealed.blobs) await blobs.put(blob);
      return true;
    });
  }
  const { task, run } = identity;
  const usage = usageEventOf(ports, toHex(run));
  await publish(ports, identity, { kind: 'released', body: { task, run, usage } });
}

function usageEventOf(ports: WorkerPorts, run: string): Uint8Array {
  const event = ports.follower.state.runs.get(run)?.usage?.event ?? '';
  return fromHex(event);
}

async function recordFailure(
  ports: WorkerPorts,
  identity: RunIdentity,
  join: Uint8Array,
  error: unknown,
): Promise<void> {
  const { task, run } = identity;
  const status = ports.follower.state.runs.get(toHex(run))?.status;
  if (status === 'recorded' || status === 'released') return;
  const code = isCoded(error) && PUBLIC_KINDS.has(error.kind) ? failureCode(error) : 'run-failed';
  try {
    await publish(ports, identity, { kind: 'run-failed', body: { task, run, join, code } });
  } catch (cause) {
    ports.log.warn({ err: cause, run: toHex(run) }, 'the failure could not be recorded');
  }
}

/** A keeper's refusal says more than that too few opened. */
function failureCode(error: CodedError): string {
  const { refusal } = error.details;
  return typeof refusal === 'string' && refusal !== 'none' ? refusal : error.code;
}

function wipe(keys: readonly InputKeys[]): void {
  for (const input of keys) for (const key of input.values()) key.fill(0);
}
