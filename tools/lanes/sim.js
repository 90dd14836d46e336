// SPDX-License-Identifier: Apache-2.0
// The lane `sim`: the simulator over hundreds of seeds, and every guard off in turn.

/** @type {import('../lane-table.js').Lane} */
export const lane = {
  needs: 'nothing: it is only long',
  tells: [],
  minutes: { setUp: 0, tests: 4 },
  setUp: () => ({}),
};
