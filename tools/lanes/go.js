// SPDX-License-Identifier: Apache-2.0
// The lane `go`: the Go libraries of others judge the evidence that ours judges.
import { peerProgram } from '../peers.js';
import { program } from '../programs.js';

/** @type {import('../lane-table.js').Lane} */
export const lane = {
  needs: 'Go 1.19 or later; builds `packages/evidence/interop/go-guests`',
  tells: ['CLOISTER_GO_PEER'],
  minutes: { setUp: 1, tests: 0.5 },
  setUp: () => ({ CLOISTER_GO_PEER: peerProgram('go-guests', program(['go'], ['golang-go'])) }),
};
