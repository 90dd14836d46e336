// SPDX-License-Identifier: Apache-2.0
// Engines by kind: a task's engine finds its own port, or is refused with what is there; a policy's
// grouping is bound by the first planner that can.
import { isCoded } from '@cloister/core';
import { describe, expect, it } from 'vitest';
import { bindGrouping, byKind, ofKind } from './by-kind.ts';
import type { Planner } from './planner.ts';
import { limitsFor } from './runner.ts';

const refusal = async (act: () => unknown): Promise<string> => {
  try {
    await act();
  } catch (error) {
    if (isCoded(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'accepted';
};

describe('engines', () => {
  const [sql, wasm] = [{ kind: 'sql' }, { kind: 'wasm' }];

  it('are found by their kind, and by no other name', async () => {
    const there = byKind([wasm, sql]);
    expect(ofKind('planner', there, 'sql')).toBe(sql);
    const asked = 'the task is for the engine spark, of which no';
    expect(await refusal(() => ofKind('planner', there, 'spark'))).toBe(
      `engine-other: ${asked} planner is here: there are sql, wasm`,
    );
    expect(await refusal(() => ofKind('runner', byKind([]), 'spark'))).toBe(
      `engine-other: ${asked} runner is here: there are none`,
    );
    for (const kind of ['', 'constructor', 'SQL']) {
      expect(await refusal(() => ofKind('runner', there, kind))).toMatch(/^engine-other/);
    }
  });

  it('have one port of a kind', async () => {
    expect(await refusal(() => byKind([sql, wasm, { kind: 'sql' }]))).toMatch(
      /^engine-kind-twice: two engines of kind sql/,
    );
  });
});

describe('a grouping', () => {
  const table = { name: 't', columns: [{ id: 1, name: 'a', type: 'BIGINT' }] };
  const binding = (by: string) => ({
    bindGrouping: async (_: unknown, sql: string) => ({ bound: `${by}:${sql}`, columns: [1] }),
  });

  it('is bound by the first planner that binds any', async () => {
    const planners = new Map<string, Pick<Planner, 'bindGrouping'>>([
      ['wasm', {}],
      ['sql', binding('sql')],
      ['other', binding('other')],
    ]);
    expect(await bindGrouping(planners, table, 'a')).toEqual({ bound: 'sql:a', columns: [1] });
  });

  it('is refused where none does', async () => {
    const said = await refusal(() => bindGrouping(new Map([['wasm', {}]]), table, 'a // 10'));
    expect(said).toMatch(/^grouping-unbound: .*wasm.*a \/\/ 10/);
  });
});

it('a run has the smaller of the limits of its worker and of its code', () => {
  const most = { outputRows: 40, outputBytes: 500, partBytes: 6 };
  const limits = { memoryBytes: 1, threads: 2, timeMs: 3, ...most };
  expect(limitsFor({}, limits)).toEqual(limits);
  expect(limitsFor({ bounds: { rows: 50, bytes: 400 } }, limits)).toEqual({
    ...limits,
    outputBytes: 400,
  });
  expect(limitsFor({ bounds: { rows: 30, bytes: 600 } }, limits)).toEqual({
    ...limits,
    outputRows: 30,
  });
});
