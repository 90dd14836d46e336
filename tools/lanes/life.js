// SPDX-License-Identifier: Apache-2.0
// The lane `life`: charters that change while real processes work under them: docs/operations.md as
// it stands, and an upgrade without downtime.

/** @type {import('../lane-table.js').Lane} */
export const lane = {
  needs: 'nothing: it is only long',
  tells: [],
  minutes: { setUp: 0, tests: 1 },
  setUp: () => ({}),
};
