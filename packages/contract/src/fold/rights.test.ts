// SPDX-License-Identifier: Apache-2.0
// What a keeper is told of a join at a head, each reason to refuse by itself. The fold would let
// few of these states come about; a keeper asks nevertheless.
import { toHex } from '@cloister/core';
import { World } from '@cloister/testkit/world';
import { beforeAll, describe, expect, it } from 'vitest';
import { requiredWitnesses, rightsOfJoin } from './rights.ts';
import { cloneState, type Epoch, type FoldState, type Join, type Run, type Task } from './state.ts';

let world: World;
let joinKey: string;
let runKey: string;
let taskKey: string;

beforeAll(async () => {
  world = await World.create();
  await world.formEpoch();
  const claims = await world.addDataset('insurer');
  const task = await world.propose('bank', [claims]);
  await world.approve('insurer', task, [claims]);
  const worker = await world.joinWorker('bank', task);
  [joinKey, taskKey] = [toHex(worker.id), toHex(task)];
  runKey = toHex(worker.body.run ?? new Uint8Array());
});

/** The parts of a state that the cases change. */
interface Parts {
  readonly state: FoldState;
  readonly join: Join;
  readonly run: Run;
  readonly task: Task;
  readonly epoch: Epoch;
}

function partsOf(state: FoldState): Parts {
  return {
    state,
    join: state.joins.get(joinKey) as Join,
    run: state.runs.get(runKey) as Run,
    task: state.tasks.get(taskKey) as Task,
    epoch: state.epochs.get(state.activeEpoch ?? '') as Epoch,
  };
}

function after(change: (parts: Parts) => void): string {
  const state = cloneState(world.state);
  change(partsOf(state));
  const rights = rightsOfJoin(state, joinKey);
  return rights.ok ? 'ok' : rights.code;
}

/** Without inputs nothing of the task is sealed to a key, so only the epoch is left to judge. */
function noInputs({ task }: Parts): void {
  task.body.inputs.length = 0;
}

describe('rights of a join', () => {
  it('are there while nothing has changed', () => {
    expect(after(() => {})).toBe('ok');
  });

  it.each<[string, (parts: Parts) => void, string]>([
    [
      'no charter is in force',
      ({ state }) => Object.assign(state, { charter: null }),
      'join-not-accepted',
    ],
    ['the join is not there', ({ state }) => state.joins.clear(), 'join-not-accepted'],
    ['its task is not there', ({ state }) => state.tasks.clear(), 'join-not-accepted'],
    ['its run is not there', ({ state }) => state.runs.clear(), 'join-not-accepted'],
    ['it names no task', ({ join }) => delete join.body.task, 'join-not-worker'],
    ['it names no run', ({ join }) => delete join.body.run, 'join-not-worker'],
    ['the run has ended', ({ run }) => Object.assign(run, { status: 'failed' }), 'run-ended'],
    [
      'a node is missing',
      ({ task }) => Object.assign(task.body.worker, { nodes: 2 }),
      'roster-incomplete',
    ],
    ['nobody has joined', ({ run }) => run.roster.clear(), 'roster-incomplete'],
    [
      'its environment takes its measurement no more',
      ({ join }) => Object.assign(join.body, { measurement: new Uint8Array(32) }),
      'join-measurement-unknown',
    ],
    [
      'the charter asks for rules that are not known here',
      ({ state }) => Object.assign(state, { charter: { ...state.charter, fold: 2 } }),
      'fold-unknown',
    ],
    [
      'an owner has not accepted its environment',
      ({ state }) => state.gained.set('environment/worker-sgx', 2),
      'join-owner-not-accepted',
    ],
    [
      'an owner has not accepted the numbers of witnesses',
      ({ state }) => state.gained.set('witnesses', 2),
      'join-owner-not-accepted',
    ],
    [
      'an owner has not accepted a seat of the epoch',
      ({ state }) => state.gained.set('operator/hospital', 2),
      'join-owner-not-accepted',
    ],
    [
      'its input is retired',
      ({ state }) => {
        for (const dataset of state.datasets.values()) dataset.retired = true;
      },
      'join-dataset-retired',
    ],
    [
      'its operator left the charter',
      ({ join }) => Object.assign(join.body, { operator: 'nobody' }),
      'join-operator-unknown',
    ],
    [
      'the task is not for its operator',
      ({ task }) => Object.assign(task.body.worker, { operators: ['insurer'] }),
      'join-operator-not-allowed',
    ],
    ['its approval is gone', ({ task }) => task.grants.clear(), 'join-unapproved'],
    [
      'no epoch is active',
      ({ state }) => Object.assign(state, { activeEpoch: null }),
      'no-active-epoch',
    ],
    [
      'the active epoch is not there',
      (parts) => {
        noInputs(parts);
        parts.state.epochs.clear();
      },
      'no-active-epoch',
    ],
    [
      'the active epoch has no key',
      (parts) => {
        noInputs(parts);
        parts.epoch.groupKey = null;
      },
      'no-active-epoch',
    ],
  ])('are refused where %s', (_what, change, code) => {
    expect(after(change)).toBe(code);
  });
});

describe('the witnesses that must have signed', () => {
  it('are those of the owners of the inputs, and of nobody else', () => {
    const { keys, missing } = requiredWitnesses(world.state, taskKey);
    expect(keys).toEqual([world.witness('insurer').key]);
    expect(missing).toEqual([]);
  });

  it.each<[string, (parts: Parts) => void, () => string]>([
    ['a task that is not there', ({ state }) => state.tasks.clear(), () => taskKey],
    ['no charter', ({ state }) => Object.assign(state, { charter: null }), () => taskKey],
    ['an owner who has left', ({ state }) => state.charter?.members.shift(), () => 'insurer'],
  ])('are missing with %s', (_what, change, missing) => {
    const state = cloneState(world.state);
    change(partsOf(state));
    expect(requiredWitnesses(state, taskKey).missing).toEqual([missing()]);
  });
});
