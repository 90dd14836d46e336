// SPDX-License-Identifier: Apache-2.0
// docs/walkthrough.md is true: its shell blocks give the output that the page states
// (testing/walk.ts). Nothing that the page started is left when it ends.
import { expect } from 'vitest';
import { Walk } from '../testing/walk.ts';
import { pageIsTrue } from '../testing/walked-page.ts';

const walk = new Walk();

pageIsTrue('docs/walkthrough.md', walk, () => {
  expect(walk.blocks.length).toBeGreaterThan(10);
  expect(walk.blocks.filter((b) => b.expected.length > 0).length).toBeGreaterThan(9);
  expect(walk.ports.length).toBe(8);
});
