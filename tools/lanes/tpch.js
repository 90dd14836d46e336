// SPDX-License-Identifier: Apache-2.0
// The lane `tpch`: the queries of TPC-H through the whole path.
import { tpch } from '../tpch.js';

/** @type {import('../lane-table.js').Lane} */
export const lane = {
  needs: 'Python 3 with venv; installs pinned packages of TPC-H, and makes its tables',
  tells: ['CLOISTER_TPCH'],
  minutes: { setUp: 1, tests: 1 },
  setUp: () => ({ CLOISTER_TPCH: JSON.stringify(tpch(0.01)) }),
};
