// SPDX-License-Identifier: Apache-2.0
// A slip finds the name that was meant; another name finds none.
import { expect, it } from 'vitest';
import { meant, nearest } from './nearest.ts';

const KNOWN = ['age', 'income', 'postcode', 'Date_of_Birth', 'id'];

it.each([
  ['aeg', 'age'],
  ['AGE', 'age'],
  ['incone', 'income'],
  ['incom', 'income'],
  ['post_code', 'postcode'],
  ['date of birth', 'Date_of_Birth'],
  ['ids', 'id'],
  ['salary', undefined],
  ['x', undefined],
  ['', undefined],
  ['a'.repeat(5_000), undefined],
])('%s: %s', (name, found) => {
  expect(nearest(name, KNOWN)).toBe(found);
});

it('takes the nearest of several', () => {
  expect(nearest('colmns', ['column', 'columns'])).toBe('columns');
});

it('is a part of a message, or nothing', () => {
  expect(meant('aeg', KNOWN)).toBe(' (did you mean age?)');
  expect(meant('salary', KNOWN)).toBe('');
});
