// SPDX-License-Identifier: Apache-2.0
// A distributed run before three keepers of three makes: it opens for all of its nodes or for none.
import { isCoded, systemRandom, toHex } from '@cloister/core';
import { beforeAll, describe, expect, it } from 'vitest';
import { Committee } from '../testing/committee.ts';
import {
  addDataset,
  askKeeper,
  joinTask,
  openWith,
  proposeTask,
  type TestDataset,
  type TestTask,
  type TestWorker,
} from '../testing/task.ts';
import type { Keeper } from './keeper.ts';

let committee: Committee;
let hospital: TestDataset;

beforeAll(async () => {
  committee = await Committee.create();
  await committee.form();
  hospital = await addDataset(committee, 'hospital');
  return () => committee.stop();
});

describe('a distributed run', () => {
  const OTHER_PROGRAM = new Uint8Array([1]);

  async function nodes(programs: readonly (Uint8Array | undefined)[]) {
    const task = await proposeTask(committee, [hospital], { nodes: 3 });
    const run = systemRandom.bytes(16);
    const joined: TestWorker[] = [];
    for (const [i, program] of programs.entries()) {
      const of = program === undefined ? {} : { program };
      joined.push(await joinTask(committee, task, { ...of, at: { run, place: i + 1 } }));
    }
    return { task, run, joined };
  }

  function refusals(run: Uint8Array): string[] {
    return [...(committee.world.state.runs.get(toHex(run))?.refusals.values() ?? [])];
  }

  async function code(keeper: Keeper, task: TestTask, worker: TestWorker): Promise<string> {
    return askKeeper(committee, { keeper, task, worker }).then(
      () => 'opened',
      (error: unknown) => (isCoded(error) ? error.code : `not coded: ${String(error)}`),
    );
  }

  async function codes(task: TestTask, joined: readonly TestWorker[]): Promise<string[]> {
    const out: string[] = [];
    for (const worker of joined) {
      for (const keeper of committee.keepers) out.push(await code(keeper, task, worker));
    }
    for (const keeper of committee.keepers) await keeper.settled();
    return [...new Set(out)];
  }

  it('opens for nobody until all have joined, and says so to those who come early', async () => {
    const { task, run, joined } = await nodes([undefined, undefined]);
    expect(await codes(task, joined)).toEqual(['roster-incomplete']);
    expect(refusals(run)).toEqual([]);
    joined.push(await joinTask(committee, task, { at: { run, place: 3 } }));
    expect(await codes(task, joined)).toEqual(['opened']);
    for (const worker of joined) {
      const by = { keepers: committee.keepers.slice(0, 2), task, worker, column: 3 };
      expect(await openWith(committee, by)).toEqual(hospital.keys.get(3));
    }
  });

  it('opens for nobody when one node runs another program', async () => {
    for (const wrong of [0, 2]) {
      const programs = [0, 1, 2].map((i) => (i === wrong ? OTHER_PROGRAM : undefined));
      const { task, run, joined } = await nodes(programs);
      expect(joined.map(({ status }) => status)).toEqual(['accepted', 'accepted', 'accepted']);
      expect(await codes(task, joined)).toEqual(['measurement-not-allowed']);
      expect(new Set(refusals(run))).toEqual(new Set(['measurement-not-allowed']));
    }
  });

  it('does not take evidence for one place at another', async () => {
    const { task, run, joined } = await nodes([undefined, undefined]);
    const body = { place: 3 };
    joined.push(await joinTask(committee, task, { at: { run, place: 2 }, body }));
    expect(joined[2]?.status).toBe('accepted');
    expect(await codes(task, joined)).toEqual(['report-data-mismatch']);
  });

  it('takes no fourth node, and none in the place of another', async () => {
    const { task, run } = await nodes([undefined, undefined, undefined]);
    const fourth = await joinTask(committee, task, { at: { run, place: 4 } });
    const again = await joinTask(committee, task, { at: { run, place: 2 } });
    expect([fourth.code, again.code]).toEqual(['join-place', 'join-place-taken']);
  });
});
