// SPDX-License-Identifier: Apache-2.0
// The lane `guards`: refusals of changed sources off in turn, then others as far as two minutes go.

/** @type {import('../lane-table.js').Lane} */
export const lane = {
  needs: 'nothing: it is only long',
  tells: [],
  minutes: { setUp: 0, tests: 2 },
  setUp: () => ({}),
};
