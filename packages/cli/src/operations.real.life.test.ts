// SPDX-License-Identifier: Apache-2.0
// docs/operations.md is true: an amendment of every kind by the real command line, with the output
// that the page states (testing/walk.ts).
import { expect } from 'vitest';
import { OPERATIONS, Walk } from '../testing/walk.ts';
import { pageIsTrue } from '../testing/walked-page.ts';

const walk = new Walk((page) => page, OPERATIONS);

pageIsTrue('docs/operations.md', walk, () => {
  expect(walk.blocks.length).toBeGreaterThan(10);
  expect(walk.blocks.every((block) => block.expected.length > 0)).toBe(true);
});
