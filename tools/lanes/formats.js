// SPDX-License-Identifier: Apache-2.0
// The lane `formats`: plain Parquet as seven libraries write it, into a gateway; and what a gateway
// writes, as six libraries read it.
import { peerProgram } from '../peers.js';
import { program } from '../programs.js';
import { PARQUET_LIBRARIES, pythonWith } from '../python.js';

/** @type {import('../lane-table.js').Lane} */
export const lane = {
  needs: 'what `direct` and `interop` need; installs pinned polars, DuckDB and fastparquet too',
  tells: ['CLOISTER_FORMATS_PYTHON', 'CLOISTER_GO_PARQUET', 'CLOISTER_RUST_PARQUET'],
  minutes: { setUp: 3, tests: 2 },
  setUp: () => {
    program(['java'], ['default-jdk-headless']);
    return {
      CLOISTER_FORMATS_PYTHON: pythonWith(PARQUET_LIBRARIES),
      CLOISTER_GO_PARQUET: peerProgram('arrow-go', program(['go'], ['golang-go'])),
      CLOISTER_RUST_PARQUET: peerProgram('arrow-rs', program(['cargo'], ['cargo'])),
    };
  },
};
