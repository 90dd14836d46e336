// SPDX-License-Identifier: Apache-2.0
// How a rotation ends when it cannot end well: each end has its code and says who is waited for or
// whom to leave out. The gateway is scripted; real ones are in e2e/key-life.test.ts.
import type { AdminClient, Attempt, Resealing, RotationPlan } from '@cloister/api';
import { CodedError } from '@cloister/core';
import { describe, expect, it } from 'vitest';
import { type RotationOptions, rotate } from './rotation.ts';

const card = (operator: string) => ({
  join: operator.padEnd(64, '0'),
  operator,
  environment: `keeper-of-${operator}`,
  tee: 'sgx-dcap',
  family: 'intel',
});
const SEATS = ['a', 'b', 'c'].map((operator, i) => ({
  ...card(operator),
  seat: i + 1,
  holds: true,
}));
const PLAN: RotationPlan = {
  kind: 'reshare',
  why: 'because',
  from: 'ee'.repeat(32),
  threshold: 2,
  seats: SEATS,
  leaving: [],
  leftOut: [],
  holdings: [],
  reseal: [],
};
const ACTIVE: Attempt = {
  id: '11'.repeat(32),
  status: 'active',
  agreed: null,
  phase: 'ack',
  deadline: 0,
  clock: 0,
  waitsFor: [],
  groupKey: '04'.repeat(65),
  end: null,
};
const ENDED: Attempt = {
  ...ACTIVE,
  status: 'ended',
  groupKey: null,
  end: { code: 'deadline', wanted: 'w', got: 'g', faults: [card('c')], found: [] },
};
const SEALED = { owner: 'a', sealed: 2, waiting: [], answers: true, fault: null };
const WAITING = { dataset: '22'.repeat(16), version: 1, name: 'visits' };

interface Script {
  readonly plans?: (RotationPlan | Error)[];
  readonly named?: (string | Error)[];
  readonly attempts?: Attempt[];
  readonly resealing?: Resealing[];
}

/** A gateway that gives these answers in turn, the last again and again. */
function scripted(script: Script): { admin: AdminClient; asked: string[] } {
  const asked: string[] = [];
  const next =
    <T>(name: string, answers: (T | Error)[]) =>
    async () => {
      asked.push(name);
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      if (answer instanceof Error) throw answer;
      return answer as T;
    };
  const name = next('name', script.named ?? [ACTIVE.id]);
  const admin = {
    planRotation: next('plan', script.plans ?? [PLAN]),
    formEpoch: async () => ({ id: await name() }),
    attempt: next('attempt', script.attempts ?? [ACTIVE]),
    resealing: next('resealing', script.resealing ?? [[SEALED]]),
  };
  return { admin: admin as unknown as AdminClient, asked };
}

const coded = (code: string, details = {}) => new CodedError(code, 'conflict', code, { details });

async function run(script: Script, options: Partial<RotationOptions> = {}) {
  const { admin, asked } = scripted(script);
  const said: string[] = [];
  const wanted = { join: [], newKey: false, refresh: false, wait: 0, ...options };
  const tell = { plan: () => said.push('plan'), say: (line: string) => said.push(line) };
  const rotated = rotate(admin, wanted, tell);
  return { rotated, asked, said };
}

describe('a rotation', () => {
  it('plans again when another member was quicker', async () => {
    const overtaken = coded('event-void', { code: 'epoch-from-not-active' });
    const { rotated, asked } = await run({ named: [overtaken, ACTIVE.id] });
    expect((await rotated).attempts).toHaveLength(1);
    expect(asked).toEqual(['plan', 'name', 'plan', 'name', 'attempt']);
  });

  it('does not hide what the ledger refuses for another reason', async () => {
    const { rotated } = await run({ named: [coded('event-void', { code: 'epoch-vendor-rule' })] });
    await expect(rotated).rejects.toMatchObject({ code: 'event-void' });
  });

  it('waits for keepers that are to come, and says for whom', async () => {
    const plans = [coded('epoch-impossible'), coded('epoch-impossible'), PLAN];
    const { rotated, said } = await run({ plans }, { wait: 5 });
    await rotated;
    expect(said).toEqual(['waiting: epoch-impossible', 'plan']);
    const named = await run({ plans: [coded('epoch-impossible'), PLAN] }, { join: ['x'], wait: 5 });
    await expect(named.rotated).rejects.toMatchObject({ code: 'epoch-impossible' });
  });

  it('repeats an attempt whose silent seat was excluded, unless the joins were named', async () => {
    const again = await run({ attempts: [ENDED, ACTIVE] }, { wait: 5 });
    expect((await again.rotated).attempts.map(({ status }) => status)).toEqual(['ended', 'active']);
    expect(again.said.join()).toMatch(/\(deadline\).*at fault: c \(sgx-dcap\)/);
    const named = await run({ attempts: [ENDED] }, { wait: 5, join: ['x'] });
    await expect(named.rotated).rejects.toMatchObject({ code: 'epoch-ended', kind: 'policy' });
  });

  it("does not repeat on one keeper's word, and says what this gateway finds", async () => {
    const end = { code: 'debug-refused', wanted: 'never', got: 'true', faults: [], found: [] };
    const word = await run({ attempts: [{ ...ENDED, end }] }, { wait: 5 });
    await expect(word.rotated).rejects.toThrow(/word of one keeper.*finds every seat in order/);
    expect(word.asked.filter((what) => what === 'name')).toHaveLength(1);
    const found = [{ ...card('c'), code: 'debug-refused', wanted: 'never', got: 'true' }];
    const same = await run({ attempts: [{ ...ENDED, end: { ...end, found } }] }, { wait: 5 });
    await expect(same.rotated).rejects.toThrow(/finds the same: c: debug-refused/);
  });

  it('says whom an attempt waits for when the time is up', async () => {
    const forming = { ...ACTIVE, status: 'forming' as const, waitsFor: [card('b')] };
    const { rotated } = await run({ attempts: [forming] });
    await expect(rotated).rejects.toMatchObject({ code: 'epoch-timed-out', kind: 'unavailable' });
    await expect(rotated).rejects.toThrow(/waits for b \(sgx-dcap\)/);
  });

  it('to a new key ends when all that answer have sealed, and names the others', async () => {
    const plans = [{ ...PLAN, kind: 'new-key' as const, from: null }];
    const away = { ...SEALED, owner: 'b', waiting: [WAITING], answers: false };
    const { rotated } = await run({ plans, resealing: [[SEALED, away]] });
    expect((await rotated).resealing).toEqual([SEALED, away]);
    const fault = { code: 'keeper-not-standing', sentence: 'seat 2 fell' };
    const slow = { ...SEALED, waiting: [WAITING], fault };
    const pending = await run({ plans, resealing: [[slow, away]] });
    await expect(pending.rotated).rejects.toMatchObject({ code: 'reseal-pending' });
    await expect(pending.rotated).rejects.toThrow(
      /a \(visits version 1\), b \(visits version 1; its gateway does not answer\).*seat 2 fell/,
    );
  });
});
