// SPDX-License-Identifier: Apache-2.0
// Events that use what no rule judges yet, or what another part of the charter does not have: each
// is void by a code of its own. Scenarios of fold/void-codes.test.ts.
import type { CharterBody, EventBody, Said, VoidCode } from '@cloister/contract';
import { equal, toHex } from '@cloister/core';
import {
  accepted,
  type Node,
  namedSigner,
  START_MS,
  type Submitted,
  type World,
} from '@cloister/testkit/world';

type Environment = CharterBody['environments'][number];

/** What the scenarios need of the told history. */
export interface Told {
  readonly world: World;
  readonly claims: Said<'dataset'>;
  readonly task: Uint8Array;
  /** Joined for that task. */
  readonly worker: Node;
}

type Scenario = (told: Told) => Promise<Submitted>;

/** The charter in force with one environment of this role changed, the name of a second one. */
export function environmentChanged(
  world: World,
  role: 'keeper' | 'worker',
  change: Partial<Environment>,
): void {
  const charter = structuredClone(world.charter);
  const at = charter.environments.findIndex((environment) => environment.role === role);
  charter.environments[at] = { ...(charter.environments[at] as Environment), ...change };
  world.state.charter = charter;
}

function asked({ world, claims }: Told, change: Partial<EventBody<'task'>>): Promise<Submitted> {
  return world.put(world.identity('bank'), 'task', world.taskBody([claims], change));
}

/** The dataset sealed again under another policy, with files that it did not have. */
async function otherFiles(
  { world, claims }: Told,
  change: Partial<Said<'dataset'>['files']>,
): Promise<Submitted> {
  const files = { ...claims.files, ...change };
  const policy = world.freshBytes(32);
  return world.put(world.identity('insurer'), 'dataset', { ...claims, policy, files });
}

const ALSO = {
  tee: 'nvidia-gpu',
  root: new Uint8Array(32),
  tcb: 'any',
  advisories: 'any',
  minimumSvn: 'any',
} as const;

/** The insurer withdraws its dataset, or says so of a version. */
function withdrawn(
  { world, claims }: Told,
  change: Partial<Said<'withdraw'>> = {},
  member = 'insurer',
): Promise<Submitted> {
  const said = { dataset: claims.dataset, ...change };
  return world.put(world.identity(member), 'withdraw', said);
}

/** The same, then what follows on it. */
function afterwards(change: Partial<Said<'withdraw'>>, then: Scenario): Scenario {
  return async (told) => {
    accepted(await withdrawn(told, change));
    return then(told);
  };
}

const joins: Scenario = async ({ world, task }) =>
  (await world.tryJoinWorker('bank', task)).submitted;

const reseals: Scenario = async ({ world, claims }) => {
  const policy = world.freshBytes(32);
  return world.put(world.identity('insurer'), 'dataset', { ...claims, policy });
};

/** The charter asks something of an environment's programs; the worker of the told history acts. */
function inEnvironment(change: Partial<Environment>, then: Scenario = joins): Scenario {
  return async (told) => {
    environmentChanged(told.world, 'worker', change);
    return then(told);
  };
}

function approves({ world, claims, task }: Told, change: Partial<Said<'approve'>>) {
  const body = { ...world.approveBody(task, [claims]), ...change };
  return world.put(world.identity('insurer'), 'approve', body);
}

/** The dataset has a second version, and the proposer's ticket names this one. */
function readsVersion(version: number): Scenario {
  return async ({ world, claims, task }) => {
    await world.addDataset('insurer', { ...claims, version: 2 });
    const inputs = world.state.tasks.get(toHex(task))?.body.inputs ?? [];
    const versions = inputs.map(({ dataset }) => (equal(dataset, claims.dataset) ? version : 1));
    const asked = { task, run: world.freshBytes(16), operator: 'bank', versions };
    const change = { run: asked.run, ticket: await world.ticket(asked) };
    return (await world.tryJoinWorker('bank', task, change)).submitted;
  };
}

function registers({ world }: Told, change: Partial<Said<'dataset'>>): Promise<Submitted> {
  return world.put(world.identity('insurer'), 'dataset', world.datasetBody(change));
}

async function records(
  { world, worker }: Told,
  cage: EventBody<'usage'>['cage'],
): Promise<Submitted> {
  return world.put(worker.signer, 'usage', await world.usageBody(worker, { cage }));
}

/** A task of two statements, and a grant for one. */
const forOne: Scenario = async ({ world, claims }) => {
  const task = await world.propose('bank', [claims], { statements: 2 });
  const grant = { ...world.approveBody(task, [claims]), statements: 1 };
  return world.put(world.identity('insurer'), 'approve', grant);
};

/** These members say that the ledger ends, on in the ledger of this genesis. */
function closing(members: readonly string[], next?: Uint8Array): Scenario {
  return async ({ world }) => {
    let last: Submitted | undefined;
    const said = next === undefined ? {} : { next };
    for (const id of members) last = await world.put(world.identity(id), 'close', said);
    return last as Submitted;
  };
}

const ALL = ['insurer', 'hospital', 'bank'];
const closed = (then: Scenario): Scenario => {
  return async (told) => {
    accepted(await closing(ALL)(told));
    return then(told);
  };
};

const ID = new Uint8Array(32);
const SIGNER = { key: ID, tag: 'v1' };
const STANDING = { dataset: ID.slice(16), schema: ID, policy: ID, columns: [1] };

const stranger = namedSigner('room', 'stranger');

export const ROOM_SCENARIOS: [VoidCode, Scenario][] = [
  [
    'not-a-member',
    ({ world, claims: { dataset } }) => world.put(stranger, 'withdraw', { dataset }),
  ],
  ['not-a-member', ({ world }) => world.put(stranger, 'close', {})],
  ['close-repeated', closing(['bank', 'bank'])],
  ['close-repeated', closing(['bank', 'bank'], ID)],
  ['ledger-ended', closed(joins)],
  ['ledger-ended', closed(closing(['bank'], ID))],
  [
    'ledger-ended',
    closed(({ world }) => world.put(world.witness('bank'), 'tick', { time: START_MS })),
  ],
  ['field-reserved', (told) => registers(told, { kind: 'images' })],
  ['field-reserved', (told) => registers(told, { unique: [{ columns: [1], proof: ID }] })],
  ['field-reserved', (told) => asked(told, { budget: 1 })],
  ['field-reserved', (told) => approves(told, { budget: 1 })],
  ['field-reserved', (told) => approves(told, { only: {} })],
  ['field-reserved', (told) => approves(told, { only: { recipients: ['bank'] } })],
  ['field-reserved', (told) => approves(told, { only: { parameters: ID } })],
  ['field-reserved', (told) => approves(told, { only: { windows: [{ from: 0, until: 1 }] } })],
  ['field-reserved', (told) => records(told, 'machine')],
  ['usage-cage', (told) => records(told, 'none')],
  [
    'usage-cage',
    (told) => {
      environmentChanged(told.world, 'worker', { cage: 'sandbox' });
      return records(told, 'process');
    },
  ],
  ['approve-standing', (told) => approves(told, { standing: [STANDING] })],
  ['approve-statements', forOne],
  ['join-version', readsVersion(3)],
  ['join-version-not-granted', readsVersion(2)],
  ['join-hardware-not-enrolled', inEnvironment({ tee: 'sev-snp' })],
  ['join-cage', inEnvironment({ cage: 'machine' })],
  ['join-signers', inEnvironment({ signers: [SIGNER] })],
  ['dataset-not-owner', (told) => withdrawn(told, {}, 'bank')],
  ['dataset-not-owner', (told) => withdrawn(told, { dataset: new Uint8Array(16) })],
  ['withdraw-version-unknown', (told) => withdrawn(told, { version: 2 })],
  ['statement-not-next', (told) => withdrawn(told, { previous: new Uint8Array(32) })],
  ...[{}, { version: 1 }].flatMap((change): [VoidCode, Scenario][] => [
    ['dataset-retired', afterwards(change, reseals)],
    ['dataset-retired', afterwards(change, (told) => withdrawn(told, change))],
    ['task-input-retired', afterwards(change, (told) => asked(told, {}))],
    ['join-dataset-retired', afterwards(change, joins)],
  ]),
  ['dataset-reseal-content', (told) => otherFiles(told, { manifest: told.world.freshBytes(32) })],
  ['dataset-reseal-content', (told) => otherFiles(told, { count: 2 })],
  ['dataset-reseal-content', (told) => otherFiles(told, { length: 1 })],
  ['task-engine-unknown', (told) => asked(told, { engine: 'spark' })],
  [
    'join-engine',
    async ({ world, task }) => {
      environmentChanged(world, 'worker', { engines: ['spark'] });
      return (await world.tryJoinWorker('bank', task)).submitted;
    },
  ],
  [
    'join-evidence-also',
    async ({ world, task }) => {
      environmentChanged(world, 'worker', { also: [ALSO] });
      return (await world.tryJoinWorker('bank', task)).submitted;
    },
  ],
];
