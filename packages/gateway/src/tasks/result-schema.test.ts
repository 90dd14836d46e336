// SPDX-License-Identifier: Apache-2.0
// Statements of one task may name their columns alike, and type them otherwise.
import { expect, it } from 'vitest';
import { typesOf } from './result-schema.ts';

it('a column has the type that the task gives it in its own statement', () => {
  const outputs = [
    { statement: 0, name: 'a', type: 'BIGINT' },
    { statement: 1, name: 'a', type: 'VARCHAR' },
    { statement: 1, name: 'b', type: 'DATE' },
  ];
  expect([...typesOf(outputs, 0)]).toEqual([['a', 'BIGINT']]);
  expect(typesOf(outputs, 1).get('a')).toBe('VARCHAR');
  expect(typesOf(outputs, 2).size).toBe(0);
});
