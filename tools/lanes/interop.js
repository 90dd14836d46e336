// SPDX-License-Identifier: Apache-2.0
// The lane `interop`: encrypted Parquet between ours, pyarrow and Spark; results as pyarrow reads
// them.
import { program } from '../programs.js';
import { PYARROW, PYSPARK, pythonWith } from '../python.js';

/** @type {import('../lane-table.js').Lane} */
export const lane = {
  needs: 'Python 3 with venv and a JDK; installs a pinned pyarrow and pyspark',
  tells: ['CLOISTER_PYTHON'],
  minutes: { setUp: 1, tests: 1 },
  setUp: () => {
    program(['javac'], ['default-jdk-headless']);
    return { CLOISTER_PYTHON: pythonWith({ pyarrow: PYARROW, pyspark: PYSPARK }) };
  },
};
