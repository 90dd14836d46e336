// SPDX-License-Identifier: Apache-2.0
// Datasets whose keys are sealed to the group, and tasks over them with their openings, put on the
// ledger by their honest owners. Column 1 and 3 may be shown, column 2 is hidden.
import {
  commitTo,
  type EventBody,
  encodeParameters,
  encodeSchema,
  type TaskOpenings,
} from '@cloister/contract';
import { encodePolicy, encodeUses, type Policy, type Use } from '@cloister/contract/policy';
import { seededRandom } from '@cloister/contract/testing';
import { toHex, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { encodeLabel } from '@cloister/threshold';
import { sealMasterKey } from '@cloister/threshold/node';
import { submit } from './gateways.ts';
import type { Stage } from './stage.ts';

export const OWNER = 'hospital';
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

export interface Dataset {
  readonly body: EventBody<'dataset'>;
  readonly keys: ReadonlyMap<number, Uint8Array>;
  readonly schema: { salt: Uint8Array; value: Uint8Array };
  readonly policy: { salt: Uint8Array; value: Uint8Array };
}

export interface Task {
  readonly id: Uint8Array;
  readonly dataset: Dataset;
  readonly openings: TaskOpenings;
  readonly columns: readonly number[];
}

/** `copyOf`: the attack E' = rE in its simplest form, another dataset's sealed keys. */
export async function addDataset(stage: Stage, copyOf?: Dataset): Promise<Dataset> {
  const { world } = stage;
  const random = seededRandom(`${stage.label}/dataset/${stage.world.log.length}`);
  const ports = { crypto: nodeCrypto, random };
  const columns = POLICY.columns.map(({ id, name }) => ({ id, name, type: 'BIGINT' }));
  const schema = commitTo(encodeSchema({ name: 't', columns }), ports);
  const policy = commitTo(encodePolicy(POLICY), ports);
  const dataset = random.bytes(16);
  const groupKey = world.state.epochs.get(world.state.activeEpoch ?? '')?.groupKey as Uint8Array;
  const keys = new Map<number, Uint8Array>();
  const sealed = [0, 1, 2, 3].map((id) => {
    const masterKey = random.bytes(32);
    keys.set(id, masterKey);
    const about = { genesis: world.genesis, groupKey, owner: OWNER, dataset, version: 1 };
    const label = encodeLabel({ ...about, column: id, policy: policy.commitment });
    const known = copyOf?.body.columns.find((column) => column.id === id)?.sealed;
    return {
      id,
      sealed: known ?? stage.putBlob(sealMasterKey({ groupKey, label, masterKey, random })),
    };
  });
  const commitments = { schema: schema.commitment, policy: policy.commitment };
  const body = world.datasetBody({ dataset, columns: sealed, ...commitments });
  await submit(stage, await world.sign(world.identity(OWNER), 'dataset', body));
  return { body, keys, schema: schema.opening, policy: policy.opening };
}

export async function addTask(
  stage: Stage,
  dataset: Dataset,
  change: { columns?: number[]; used?: readonly number[]; approve?: boolean } = {},
): Promise<Task> {
  const { world } = stage;
  const random = seededRandom(`${stage.label}/task/${stage.world.log.length}`);
  const ports = { crypto: nodeCrypto, random };
  const columns = change.columns ?? [1, 3];
  const code = commitTo(utf8('SELECT A, C FROM t'), ports);
  const outputs = [1, 2].map((id) => ({ id, statement: 0, name: `o${id}`, type: 'BIGINT' }));
  const parameters = commitTo(encodeParameters({ tables: ['t0'], params: {}, outputs }), ports);
  const uses = commitTo(encodeUses(showing(change.used ?? [1, 3])), ports);
  const purpose = commitTo(utf8('testing'), ports);
  const inputs = [{ dataset: dataset.body.dataset, version: 1, columns }];
  const body = world.taskBody([dataset.body], {
    code: code.commitment,
    parameters: parameters.commitment,
    uses: uses.commitment,
    purpose: purpose.commitment,
    inputs,
  });
  const event = await world.sign(world.identity('bank'), 'task', body);
  const { outcome, event: read } = await submitted(stage, event);
  if (outcome !== 'accepted') throw new Error('the simulator’s own task is void');
  if (change.approve !== false) {
    const grant = world.approveBody(read, [dataset.body], { inputs, runs: 1 });
    await submit(stage, await world.sign(world.identity(OWNER), 'approve', grant));
  }
  const openings = {
    code: code.opening,
    parameters: parameters.opening,
    uses: uses.opening,
    purpose: purpose.opening,
    inputs: [{ schema: dataset.schema, policy: dataset.policy }],
  };
  return { id: read, dataset, openings, columns };
}

async function submitted(stage: Stage, bytes: Uint8Array) {
  await submit(stage, bytes);
  const outcome = stage.world.outcomes.at(-1)?.status;
  const id = [...stage.world.state.tasks.keys()].at(-1) ?? '';
  return { outcome, event: Uint8Array.from(Buffer.from(id, 'hex')) };
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
export function mayOpen(task: Task): Set<string> {
  const shown = task.columns.filter((id) => id === 1 || id === 3);
  return new Set([0, ...shown].map((id) => `${toHex(task.dataset.body.dataset)}/${id}`));
}
