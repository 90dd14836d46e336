// SPDX-License-Identifier: Apache-2.0
// The lane `life`: what changes while real processes work under it: docs/operations.md and
// docs/dataset-life.md as they stand, and an upgrade without downtime.

/** @type {import('../lane-table.js').Lane} */
export const lane = {
  needs: 'nothing: it is only long',
  tells: [],
  minutes: { setUp: 0, tests: 2 },
  setUp: () => ({}),
};
