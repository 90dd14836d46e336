// SPDX-License-Identifier: Apache-2.0
// What a worker needs before it asks a keeper, for this package's tests: datasets whose keys are
// sealed to the group, an approved task with its openings, a join with minted evidence.
import { decodeOpened, openAnswerInfo } from '@cloister/api';
import {
  commitTo,
  countersignJoin,
  type EventBody,
  encodeParameters,
  encodeSchema,
  encodeTaskOpenings,
  openingsInfo,
  type RunTicket,
  reportData,
  type Said,
  type TaskOpenings,
  textCodeOf,
} from '@cloister/contract';
import { encodePolicy, encodeUses, type Policy, type Use } from '@cloister/contract/policy';
import { type Signer, systemRandom, utf8 } from '@cloister/core';
import { ephemeralEd25519Signer, nodeCrypto } from '@cloister/core/node';
import { accepted } from '@cloister/testkit/world';
import { encodeLabel } from '@cloister/threshold';
import {
  combinePartials,
  generateHpkeKeyPair,
  type HpkeKeyPair,
  hpkeOpen,
  hpkeSeal,
  sealMasterKey,
} from '@cloister/threshold/node';
import type { Keeper } from '../src/keeper.ts';
import { type Committee, hardwareOf, WORKER_PROGRAM } from './committee.ts';

/** A dataset on the ledger, and what its owner knows of it. */
export interface TestDataset {
  readonly owner: string;
  readonly body: Said<'dataset'>;
  readonly keys: ReadonlyMap<number, Uint8Array>;
  readonly schema: { salt: Uint8Array; value: Uint8Array };
  readonly policy: { salt: Uint8Array; value: Uint8Array };
}

const ports = { crypto: nodeCrypto, random: systemRandom };
const ANY = { for: 'any', purpose: 'any', code: 'any' } as const;

/** Column 1 may be shown, column 2 is hidden, column 3 may be shown. */
export const POLICY: Policy = {
  version: 1,
  k: 'none',
  approvals: 1,
  limits: { runs: 'none', days: 'none' },
  columns: [
    { id: 1, name: 'A', rules: [{ rule: 'reveal', ...ANY }] },
    { id: 2, name: 'B', rules: [{ rule: 'hidden', ...ANY }] },
    { id: 3, name: 'C', rules: [{ rule: 'reveal', ...ANY }] },
  ],
};

/** Registers a dataset of three columns with its keys sealed to the group. */
export async function addDataset(
  committee: Committee,
  owner: string,
  change: { wrongLabelFor?: number } = {},
): Promise<TestDataset> {
  const { world, groupKey, blobs } = committee;
  const columns = POLICY.columns.map(({ id, name }) => ({ id, name, type: 'BIGINT' }));
  const schema = commitTo(encodeSchema({ name: 't', columns }), ports);
  const policy = commitTo(encodePolicy(POLICY), ports);
  const dataset = systemRandom.bytes(16);
  const keys = new Map<number, Uint8Array>();
  const sealed: { id: number; sealed: Uint8Array }[] = [];
  for (const id of [0, 1, 2, 3]) {
    const masterKey = systemRandom.bytes(32);
    keys.set(id, masterKey);
    const column = id === change.wrongLabelFor ? id + 1 : id;
    const about = { genesis: world.genesis, groupKey, owner, dataset, version: 1, column };
    const label = encodeLabel({ ...about, policy: policy.commitment });
    sealed.push({ id, sealed: await blobs.put(sealMasterKey({ groupKey, label, masterKey })) });
  }
  const commitments = { schema: schema.commitment, policy: policy.commitment };
  const body = await world.addDataset(owner, { dataset, columns: sealed, ...commitments });
  return { owner, body, keys, schema: schema.opening, policy: policy.opening };
}

/** A task over columns 1 and 3 of each dataset, with what its proposer knows of it. */
export interface TestTask {
  readonly id: Uint8Array;
  readonly openings: TaskOpenings;
  readonly datasets: readonly TestDataset[];
}

/** Row by row, `columns` of every input shown. */
function showing(columns: readonly number[], inputs: number): Use[] {
  return Array.from({ length: inputs }, (_, input) => [
    {
      statement: 0,
      input,
      column: 0,
      role: 'output' as const,
      function: 'row-by-row',
      expression: '',
      output: 0,
    },
    ...columns.map((column, i) => ({
      statement: 0,
      input,
      column,
      role: 'output' as const,
      function: '',
      expression: `#${column}`,
      output: i + 1,
    })),
  ]).flat();
}

export async function proposeTask(
  committee: Committee,
  datasets: readonly TestDataset[],
  change: {
    /** Columns that the uses name; 1 and 3 by default. */
    used?: readonly number[];
    /** Columns asked for; 1 and 3 by default. */
    columns?: number[];
    approve?: readonly string[];
    /** Nodes of a distributed task. */
    nodes?: number;
  } = {},
): Promise<TestTask> {
  const { world } = committee;
  const columns = change.columns ?? [1, 3];
  const code = commitTo(textCodeOf('SELECT A, C FROM t'), ports);
  const outputs = [1, 2].map((id) => ({ id, statement: 0, name: `o${id}`, type: 'BIGINT' }));
  const tables = datasets.map((_, i) => `t${i}`);
  const parameters = commitTo(encodeParameters({ tables, params: {}, outputs }), ports);
  const uses = commitTo(encodeUses(showing(change.used ?? [1, 3], datasets.length)), ports);
  const purpose = commitTo(utf8('testing'), ports);
  const inputs = datasets.map(({ body: { dataset, version } }) => ({ dataset, version, columns }));
  const { measurement } = hardwareOf('sgx', WORKER_PROGRAM);
  const id = await world.propose(
    'bank',
    datasets.map((dataset) => dataset.body),
    {
      code: code.commitment,
      parameters: parameters.commitment,
      uses: uses.commitment,
      purpose: purpose.commitment,
      inputs,
      worker: {
        measurements: [measurement],
        operators: ['insurer', 'hospital', 'bank'],
        ...(change.nodes === undefined ? {} : { nodes: change.nodes }),
      },
    },
  );
  for (const owner of change.approve ?? datasets.map((dataset) => dataset.owner)) {
    const own = datasets.filter((dataset) => dataset.owner === owner);
    const granted = inputs.filter((input) => own.some((d) => d.body.dataset === input.dataset));
    const bodies = own.map((dataset) => dataset.body);
    await world.approve(owner, id, bodies, { inputs: granted, runs: 1 });
  }
  const openings = {
    code: code.opening,
    parameters: parameters.opening,
    uses: uses.opening,
    purpose: purpose.opening,
    inputs: datasets.map(({ schema, policy }) => ({ schema, policy })),
  };
  return { id, openings, datasets };
}

/** A worker with its keys; `join` is its event's id, whatever became of it. */
export interface TestWorker {
  readonly signer: Signer;
  readonly hpke: HpkeKeyPair;
  readonly join: Uint8Array;
  readonly status: 'accepted' | 'void';
  readonly code: string | undefined;
}

/** Makes keys and evidence and joins the task, on the ledger of the committee. */
export async function joinTask(
  committee: Committee,
  task: TestTask,
  change: {
    program?: Uint8Array;
    /** Makes the evidence in the place of the worker's own machine. */
    quote?: (reportData: Uint8Array) => Promise<Uint8Array>;
    /** Applied to the join after the evidence is made. */
    body?: Partial<EventBody<'join'>>;
    /** Run and place in a distributed run; the evidence is over them. */
    at?: { run: Uint8Array; place: number };
    bendEvidence?: (evidence: Uint8Array) => Uint8Array;
  } = {},
): Promise<TestWorker> {
  const { world } = committee;
  const signer = ephemeralEd25519Signer();
  const hpke = generateHpkeKeyPair();
  const hardware = hardwareOf('sgx', change.program ?? WORKER_PROGRAM);
  const body = {
    role: 'worker' as const,
    operator: 'insurer',
    charter: 1,
    environment: 'worker-sgx',
    hardware: hardware.hardware,
    // What another program would claim, too.
    measurement: hardwareOf('sgx', WORKER_PROGRAM).measurement,
    task: task.id,
    run: systemRandom.bytes(16),
    tls: systemRandom.bytes(32),
    hpke: hpke.publicKey,
    checkpoint: utf8((await committee.ledger.checkpoint()).note),
    ...change.at,
  };
  const ticket = await world.ticket({ ...body, ...change.body } as unknown as RunTicket);
  const input = { genesis: world.genesis, signing: signer.key, join: body };
  const quote = await (change.quote ?? hardware.quote)(reportData(input, 64, nodeCrypto));
  const evidence = await committee.blobs.put(change.bendEvidence?.(quote) ?? quote);
  const join = { ...body, ticket, evidence, ...change.body };
  const inner = await world.sign(signer, 'join', join);
  const outer = await countersignJoin(world.operator('insurer'), 'insurer', inner);
  const submitted = await world.submit(outer);
  const { outcome, event } = submitted;
  const code = outcome.status === 'void' ? outcome.code : undefined;
  const id = event?.id ?? accepted(submitted);
  return { signer, hpke, join: id, status: outcome.status, code };
}

/** The task's openings sealed to a keeper. */
export function sealOpenings(
  committee: Committee,
  keeper: Keeper,
  openings: TaskOpenings,
): Uint8Array {
  return sealOpeningsTo(committee, keeper.hpkeKey, openings);
}

export function sealOpeningsTo(
  committee: Committee,
  publicKey: Uint8Array,
  openings: TaskOpenings,
): Uint8Array {
  return hpkeSeal({
    publicKey,
    info: openingsInfo(committee.world.genesis, 'keeper'),
    aad: new Uint8Array(0),
    plaintext: encodeTaskOpenings(openings),
  });
}

/** Whose keys are asked for, and of whom. */
export function namesOf(keeper: Keeper, worker: TestWorker) {
  return { join: worker.join, keeper: keeper.join ?? new Uint8Array(32) };
}

/** Asks a keeper with everything as it should be, once its fold has the join. */
export async function askKeeper(
  committee: Committee,
  { keeper, task, worker }: { keeper: Keeper; task: TestTask; worker: TestWorker },
): ReturnType<Keeper['open']> {
  await keeper.signerOfJoin(worker.join);
  const { challenge } = keeper.challenge(worker.join);
  const freshness = await committee.ledger.freshness([challenge]);
  const openings = sealOpenings(committee, keeper, task.openings);
  return keeper.open({ ...namesOf(keeper, worker), freshness, openings });
}

/** The master key of one column of the task's first input, opened by these keepers. */
export async function openWith(
  committee: Committee,
  by: { keepers: readonly Keeper[]; task: TestTask; worker: TestWorker; column: number },
): Promise<Uint8Array> {
  const { task, worker, column } = by;
  const { genesis } = committee.world;
  const { owner, body } = task.datasets[0] as TestDataset;
  const { groupKey, dataset, version, policy } = body;
  const partials = [];
  for (const keeper of by.keepers) {
    const { epoch, seat, sealed } = await askKeeper(committee, { keeper, task, worker });
    const info = openAnswerInfo(genesis, { join: worker.join, epoch, seat });
    const aad = new Uint8Array(0);
    const opened = hpkeOpen({ keyPair: worker.hpke, info, aad, sealed });
    const list = decodeOpened(opened).partials;
    const point = list.find((one) => one.input === 0 && one.column === column)?.point;
    partials.push({ seat, point: point as Uint8Array });
  }
  const digest = body.columns.find(({ id }) => id === column)?.sealed as Uint8Array;
  const label = encodeLabel({ genesis, groupKey, owner, dataset, version, column, policy });
  const sealed = await committee.blobs.get(digest);
  return combinePartials({ t: 2, partials, groupKey, sealed, label });
}
