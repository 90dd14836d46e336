// SPDX-License-Identifier: Apache-2.0
// Datasets whose keys are sealed to the group, and tasks over them with their openings, put on the
// ledger by their honest owners. Column 1 and 3 may be shown, column 2 is hidden.
import {
  commitTo,
  encodeFileManifest,
  encodeParameters,
  encodeSchema,
  filesSaid,
  type OpeningMap,
  type Said,
  sealOpenings,
  textCodeOf,
} from '@cloister/contract';
import { encodePolicy, encodeUses, type Policy, type Use } from '@cloister/contract/policy';
import { type Random, toHex, utf8 } from '@cloister/core';
import type { Vault } from '@cloister/gateway/protocol';
import { encodeLabel } from '@cloister/threshold';
import { hpkeSeal, sealMasterKey } from '@cloister/threshold/node';
import { namedBytes } from '../world/index.ts';
import { fromHexKey, MEMBERS, OTHER_WORKER, type Stage } from './stage.ts';
import type { Dataset, Task } from './truth.ts';

export const OWNER = 'hospital';
export const PROPOSER = 'bank';
/** Of every result (world.taskBody). */
export const RECIPIENT = MEMBERS[0];
/** Runs that an honest grant pays for: a run that fails in bad weather is started again. */
const RUNS = 6;
/** What every task's code puts out. */
export const OUTPUTS = [1, 2].map((id) => {
  return { id, statement: 0, name: `o${id}`, type: 'BIGINT' };
});
const ANY = { for: 'any', purpose: 'any', code: 'any' } as const;
const POLICY: Policy = {
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

/** A dataset of fresh keys, sealed to `groupKey`; its owner's vault remembers them. */
export async function addDataset(
  stage: Stage,
  groupKey: Uint8Array,
  vault: Vault,
): Promise<Dataset> {
  const ports = { crypto: stage.shared.crypto, random: stage.random(`dataset/${stage.tree.size}`) };
  const columns = POLICY.columns.map(({ id, name }) => ({ id, name, type: 'BIGINT' }));
  const schema = commitTo(encodeSchema({ name: 't', columns }), ports);
  const policy = commitTo(encodePolicy(POLICY), ports);
  const dataset = ports.random.bytes(16);
  const keys = new Map([0, 1, 2, 3].map((id) => [id, ports.random.bytes(32)]));
  const commitments = { schema: schema.commitment, policy: policy.commitment };
  const plain = { dataset, groupKey, ...commitments };
  const opened = { schema: schema.opening, policy: policy.opening };
  const openings = await forMembers(stage, opened);
  const { columns: sealed } = seal(stage, plain, keys);
  const files = listed(stage, ports.random);
  const body = stage.world.datasetBody({ ...plain, files, columns: sealed, openings });
  await vault.put({ dataset, version: 1, name: 't', keys, ...opened });
  await put(stage, body);
  return { body, keys, ...opened };
}

/** The next version: other files and keys; another policy by its commitment where that is told. */
export async function replaceDataset(
  stage: Stage,
  { body: before, schema, policy: was }: Dataset,
  of: { vault: Vault; otherPolicy: boolean },
): Promise<void> {
  const random = stage.random(`dataset/${stage.tree.size}`);
  const ports = { crypto: stage.shared.crypto, random };
  const keys = new Map([0, 1, 2, 3].map((id) => [id, random.bytes(32)]));
  const fresh = commitTo(encodePolicy(POLICY), ports);
  const policy = of.otherPolicy ? fresh.opening : was;
  const commitment = of.otherPolicy ? fresh.commitment : before.policy;
  const plain = { ...before, version: 2, policy: commitment };
  const openings = await forMembers(stage, { schema, policy });
  const { columns } = seal(stage, plain, keys);
  const { dataset } = before;
  await of.vault.put({ dataset, version: 2, name: 't', keys, schema, policy });
  await put(stage, { ...plain, files: listed(stage, random), columns, openings });
}

/** A list of one file, which nobody reads. */
function listed(stage: Stage, random: Random) {
  const [blob, root, leaves] = [random.bytes(32), random.bytes(32), random.bytes(32)];
  const files = [{ blob, length: 65_536, root, leaves }];
  return filesSaid(files, stage.putBlob(encodeFileManifest(files)));
}

/** Openings sealed to these members, as a blob. */
async function forMembers(
  stage: Stage,
  openings: OpeningMap,
  readers: readonly string[] = MEMBERS,
): Promise<Uint8Array> {
  const { genesis, charter } = stage.world;
  const random = stage.random(`openings/${stage.tree.size}`);
  const aad = new Uint8Array(0);
  const blob = await sealOpenings({
    genesis,
    openings,
    recipients: charter.members.filter(({ id }) => readers.includes(id)),
    seal: (publicKey, info, plaintext) => hpkeSeal({ publicKey, info, aad, plaintext, random }),
  });
  return stage.putBlob(blob);
}

/** As the ledger has it now: its owner's gateway seals it again by itself. */
export function asRecorded(stage: Stage, known: Dataset): Dataset {
  const { dataset, version } = known.body;
  const recorded = stage.world.state.datasets.get(toHex(dataset))?.versions.get(version);
  return { ...known, body: recorded?.body ?? known.body };
}

/** Its owner ends it for good. */
export async function withdraw(stage: Stage, { body }: Dataset): Promise<void> {
  const { dataset } = body;
  await stage.order(await stage.world.sign(stage.key(OWNER, 'identity'), 'withdraw', { dataset }));
}

/** The attack E' = rE in its simplest form: a dataset with another's sealed keys. */
export async function copyDataset(stage: Stage, of: Dataset): Promise<Dataset> {
  const dataset = namedBytes(stage.label, `copy/${stage.tree.size}`).slice(0, 16);
  const body = { ...of.body, dataset };
  await put(stage, body);
  const { sealed } = seal(stage, body, of.keys);
  const mended = new Map(
    body.columns.map(({ id, sealed: digest }) => {
      return [toHex(digest), sealed.get(id) as Uint8Array];
    }),
  );
  return { ...of, body, mended };
}

/** The exponent of each is drawn from its column alone, so that a copy can be mended. */
function seal(
  stage: Stage,
  body: Pick<Said<'dataset'>, 'dataset' | 'groupKey' | 'policy'> & { version?: number },
  keys: ReadonlyMap<number, Uint8Array>,
) {
  const { groupKey, dataset, policy, version = 1 } = body;
  const { genesis } = stage.world;
  const sealed = new Map<number, Uint8Array>();
  for (const [column, masterKey] of keys) {
    const about = { genesis, groupKey, owner: OWNER, dataset, version, policy };
    const label = encodeLabel({ ...about, column });
    const random = stage.random(`sealing/${column}/${toHex(masterKey)}`);
    sealed.set(column, sealMasterKey({ groupKey, label, masterKey, random }));
  }
  const columns = [...sealed].map(([id, bytes]) => ({ id, sealed: stage.putBlob(bytes) }));
  return { sealed, columns };
}

async function put(stage: Stage, body: Said<'dataset'>): Promise<void> {
  await stage.order(await stage.world.sign(stage.key(OWNER, 'identity'), 'dataset', body));
}

export async function addTask(
  stage: Stage,
  dataset: Dataset,
  change: {
    columns?: number[];
    used?: readonly number[];
    approve?: boolean;
    runs?: number;
    engine?: string;
    /** A driver and its executors. */
    nodes?: number;
    /** Columns that the code really shows. */
    really?: readonly number[];
    proposer?: string;
    /** Whether the grant is for any version of its schema and policy. */
    anyVersion?: boolean;
    /** What it asks of its workers, in the place of what every task does. */
    worker?: Said<'task'>['worker'];
  } = {},
): Promise<Task> {
  const { world } = stage;
  const ports = { crypto: stage.shared.crypto, random: stage.random(`task/${stage.tree.size}`) };
  const columns = change.columns ?? [1, 3];
  const used = change.used ?? [1, 3];
  const { proposer = PROPOSER, runs = RUNS } = change;
  const code = `SELECT A, C FROM t -- ${stage.tree.size}`;
  const parts = {
    code: commitTo(textCodeOf(code), ports),
    parameters: commitTo(encodeParameters({ tables: ['t0'], params: {}, outputs: OUTPUTS }), ports),
    uses: commitTo(encodeUses(showing(used)), ports),
    purpose: commitTo(utf8('testing'), ports),
  };
  const opened = {
    code: parts.code.opening,
    parameters: parts.parameters.opening,
    uses: parts.uses.opening,
    purpose: parts.purpose.opening,
  };
  const inputs = [{ dataset: dataset.body.dataset, version: 1, columns }];
  const body = world.taskBody([dataset.body], {
    code: parts.code.commitment,
    parameters: parts.parameters.commitment,
    uses: parts.uses.commitment,
    purpose: parts.purpose.commitment,
    openings: await forMembers(stage, opened, [OWNER, proposer]),
    inputs,
  });
  const uses = showing(change.really ?? used);
  stage.plans.set(code, uses);
  const { nodes, engine = body.engine } = change;
  const measurements = [...(body.worker.measurements ?? []), OTHER_WORKER];
  const asked = { ...body.worker, measurements, ...(nodes === undefined ? {} : { nodes }) };
  const worker = change.worker ?? asked;
  const event = await world.sign(stage.key(proposer, 'identity'), 'task', {
    ...body,
    engine,
    worker,
  });
  const outcome = await stage.order(event);
  if (outcome.status === 'void') throw new Error(`the simulator’s own task: ${outcome.code}`);
  const id = fromHexKey([...world.state.tasks.keys()].at(-1) ?? '');
  if (change.approve !== false) {
    const { schema, policy } = dataset.body;
    const standing = [{ dataset: dataset.body.dataset, schema, policy, columns }];
    const later = change.anyVersion === true ? { standing } : {};
    const grant = world.approveBody(id, [dataset.body], { inputs, runs, ...later });
    await stage.order(await world.sign(stage.key(OWNER, 'identity'), 'approve', grant));
  }
  const openings = {
    ...opened,
    inputs: [{ schema: dataset.schema, policy: dataset.policy }],
  };
  const versions = new Set([1]);
  const task = { id, proposer, dataset, openings, columns, runs, uses, versions };
  stage.tasks.set(toHex(id), task);
  return task;
}

function showing(columns: readonly number[]): Use[] {
  const role = 'output' as const;
  const of = { statement: 0, input: 0, role };
  return [
    { ...of, column: 0, function: 'row-by-row', expression: '', output: 0 },
    ...columns.map((column, i) => {
      return { ...of, column, function: '', expression: `#${column}`, output: i + 1 };
    }),
  ];
}

/** What a task may open: the footer and its columns. */
export function mayOpen(task: Task): Set<number> {
  return new Set([0, ...task.columns.filter((id) => id === 1 || id === 3)]);
}
