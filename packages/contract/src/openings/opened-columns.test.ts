// SPDX-License-Identifier: Apache-2.0
// Which columns open: the footer and what a run reads, never more than was asked for, each by the
// newest event's sealed key and a label that names dataset, version and column.
import { isCoded } from '@cloister/core';
import { encodeLabel } from '@cloister/threshold';
import { deriveHpkeKeyPair } from '@cloister/threshold/node';
import { describe, expect, it } from 'vitest';
import type { RightInput } from '../fold/rights.ts';
import type { Use } from '../policy/index.ts';
import { columnsOpened, openedColumns } from './opened-columns.ts';

const genesis = new Uint8Array(32).fill(9);
const groupKey = deriveHpkeKeyPair(new Uint8Array(32).fill(7)).publicKey;
const input = (seed: number, asked: number[], sealed: number[]): RightInput => {
  const dataset = new Uint8Array(16).fill(seed);
  const columns = sealed.map((id) => ({ id, sealed: new Uint8Array(32).fill(seed * 10 + id) }));
  const body = { groupKey, policy: new Uint8Array(32), columns };
  return {
    input: { dataset, version: 3, columns: asked },
    owner: 'bank',
    event: '',
    body: body as unknown as RightInput['body'],
  };
};
const use = (at: number, column: number) => ({ input: at, column }) as Use;
const opened = (inputs: RightInput[], uses: Use[]) =>
  openedColumns({ genesis, inputs, contents: { uses }, suppression: [] });
const codeOf = (act: () => unknown): string => {
  try {
    act();
  } catch (error) {
    return isCoded(error) ? error.code : 'uncoded';
  }
  return 'opened';
};

describe('the columns that a run opens', () => {
  it('are the footer and what it reads, input by input', () => {
    const inputs = [input(1, [1, 2, 3], [0, 1, 2, 3]), input(2, [1, 2], [0, 1, 2])];
    const all = opened(inputs, [use(0, 3), use(0, 1), use(1, 2)]);
    expect(all.map((one) => [one.input, one.column])).toEqual([
      [0, 0],
      [0, 1],
      [0, 3],
      [1, 0],
      [1, 2],
    ]);
    expect(all.map(({ sealed }) => sealed[0])).toEqual([10, 11, 13, 20, 22]);
    const labels = all.map(({ input: at, column }) => {
      const { owner, body, input: of } = inputs[at] as RightInput;
      const { dataset, version } = of;
      const { policy } = body;
      return encodeLabel({ genesis, groupKey, owner, dataset, version, column, policy });
    });
    expect(all.map(({ label }) => label)).toEqual(labels);
  });

  it('are none that the task did not ask for', () => {
    const inputs = [input(1, [1], [0, 1, 2])];
    expect(codeOf(() => opened(inputs, [use(0, 2)]))).toBe('column-not-granted');
  });

  it.each([
    ['a column', [0, 1], 2],
    ['the footer', [1, 2], 2],
  ])('are none while the newest event has no sealed key of %s', (_what, sealed, column) => {
    const inputs = [input(1, [1, 2], sealed)];
    expect(codeOf(() => opened(inputs, [use(0, column)]))).toBe('column-not-sealed');
  });

  it('are put on record input by input, in order and without the footers', () => {
    const inputs = [input(1, [1, 2, 3], [0, 1, 2, 3]), input(2, [1, 2], [0, 1, 2])];
    const all = opened(inputs, [use(0, 3), use(0, 1), use(1, 2)]).reverse();
    expect(columnsOpened(inputs, all)).toEqual([
      { dataset: inputs[0]?.input.dataset, version: 3, columns: [1, 3] },
      { dataset: inputs[1]?.input.dataset, version: 3, columns: [2] },
    ]);
  });
});
