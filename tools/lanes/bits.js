// SPDX-License-Identifier: Apache-2.0
// The lane `bits`: every bit of evidence and of encrypted files turned in its turn.

/** @type {import('../lane-table.js').Lane} */
export const lane = {
  needs: 'nothing: it is only long',
  tells: [],
  minutes: { setUp: 0, tests: 1 },
  setUp: () => ({}),
};
