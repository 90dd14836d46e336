// SPDX-License-Identifier: Apache-2.0
// The lane `direct`: encrypted Parquet under data keys that are given directly, between ours,
// Arrow's Go library and arrow-rs.
import { peerProgram } from '../peers.js';
import { program } from '../programs.js';

/** @type {import('../lane-table.js').Lane} */
export const lane = {
  needs: 'Go 1.25 or later and cargo 1.88 or later; builds `arrow-go` and `arrow-rs`',
  tells: ['CLOISTER_GO_PARQUET', 'CLOISTER_RUST_PARQUET'],
  minutes: { setUp: 2, tests: 0.5 },
  setUp: () => ({
    CLOISTER_GO_PARQUET: peerProgram('arrow-go', program(['go'], ['golang-go'])),
    CLOISTER_RUST_PARQUET: peerProgram('arrow-rs', program(['cargo'], ['cargo'])),
  }),
};
