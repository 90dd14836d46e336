// SPDX-License-Identifier: Apache-2.0
// The lane `life`: what takes real processes long: docs/walkthrough.md, docs/operations.md and
// docs/dataset-life.md as they stand, an upgrade without downtime, a result larger than memory.

/** @type {import('../lane-table.js').Lane} */
export const lane = {
  needs: 'nothing: it is only long',
  tells: [],
  minutes: { setUp: 0, tests: 3 },
  setUp: () => ({}),
};
