// SPDX-License-Identifier: Apache-2.0
// Readers of charter and state: a key is found by what it signs and by nothing else, and what is
// not there, or not yet, is undefined.
import { World } from '@cloister/testkit/world';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  activeEpochOf,
  environmentById,
  inputsOwnedBy,
  memberById,
  memberByKey,
  operatorById,
  operatorByKey,
  ownerOf,
  versionOf,
} from './lookup.ts';

let world: World;
beforeAll(async () => {
  world = await World.create();
});

describe('a charter', () => {
  it('knows a member by the keys that it signs with, and not by the one that is sealed to', () => {
    const { charter } = world;
    for (const member of charter.members) {
      expect(memberById(charter, member.id)).toBe(member);
      expect(memberByKey(charter, member.identity)).toBe(member);
      expect(memberByKey(charter, member.witness)).toBe(member);
      expect(memberByKey(charter, member.hpke)).toBeUndefined();
      expect(operatorByKey(charter, member.identity)).toBeUndefined();
    }
  });

  it('knows operators and environments by their ids, operators by their keys', () => {
    const { charter } = world;
    for (const operator of charter.operators) {
      expect(operatorById(charter, operator.id)).toBe(operator);
      expect(operatorByKey(charter, operator.key)).toBe(operator);
      expect(memberByKey(charter, operator.key)).toBeUndefined();
    }
    for (const environment of charter.environments) {
      expect(environmentById(charter, environment.id)).toBe(environment);
    }
    const unknown = [memberById, operatorById, environmentById].map((read) =>
      read(charter, 'constructor'),
    );
    expect(unknown).toEqual([undefined, undefined, undefined]);
  });
});

describe('the state', () => {
  it('has an active epoch from its last acknowledgement on, and then the newest', async () => {
    expect(activeEpochOf(world.state)).toBeUndefined();
    const first = await world.formEpoch();
    const { key, epoch, groupKey } = activeEpochOf(world.state) ?? {};
    expect(groupKey).toEqual(first.groupKey);
    expect(epoch?.status).toBe('active');
    expect(key).toBe(world.state.activeEpoch);
    const second = await world.formEpoch();
    expect(activeEpochOf(world.state)?.groupKey).toEqual(second.groupKey);
  });

  it('tells whose inputs are whose, and their newest events', async () => {
    const [one, two] = [await world.addDataset('hospital'), await world.addDataset('insurer')];
    await world.propose('bank', [one, two]);
    const task = [...world.state.tasks.values()].at(-1);
    if (task === undefined) throw new Error('no task');
    const [first, second] = task.body.inputs;
    expect(inputsOwnedBy(world.state, task, 'hospital')).toEqual([first]);
    expect(inputsOwnedBy(world.state, task, 'insurer')).toEqual([second]);
    expect(inputsOwnedBy(world.state, task, 'bank')).toEqual([]);
    expect(ownerOf(world.state, one)).toBe('hospital');
    expect(versionOf(world.state, one)?.body.rows).toBe(one.rows);
    expect(versionOf(world.state, { ...one, version: 2 })).toBeUndefined();
    expect(ownerOf(world.state, { dataset: new Uint8Array(16) })).toBeUndefined();
  });
});
