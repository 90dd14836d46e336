// SPDX-License-Identifier: Apache-2.0
// The lane `rust`: a Rust library of others judges the evidence that ours judges.
import { peerProgram } from '../peers.js';
import { program } from '../programs.js';

/** @type {import('../lane-table.js').Lane} */
export const lane = {
  needs: 'cargo 1.85 or later; builds `packages/evidence/interop/dcap-qvl`',
  tells: ['CLOISTER_RUST_PEER'],
  minutes: { setUp: 1, tests: 0.5 },
  setUp: () => ({ CLOISTER_RUST_PEER: peerProgram('dcap-qvl', program(['cargo'], ['cargo'])) }),
};
