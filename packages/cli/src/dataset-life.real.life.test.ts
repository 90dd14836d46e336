// SPDX-License-Identifier: Apache-2.0
// docs/dataset-life.md is true: a dataset is replaced, gets another policy, is withdrawn and
// removed by the real command line, with the output that the page states (testing/walk.ts).
import { expect } from 'vitest';
import { DATASET_LIFE, Walk } from '../testing/walk.ts';
import { pageIsTrue } from '../testing/walked-page.ts';

const walk = new Walk((page) => page, DATASET_LIFE);

pageIsTrue('docs/dataset-life.md', walk, () => {
  expect(walk.blocks.length).toBe(8);
  expect(walk.blocks.every((block) => block.expected.length > 0)).toBe(true);
});
