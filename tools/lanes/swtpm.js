// SPDX-License-Identifier: Apache-2.0
// The lane `swtpm`: nodes on a software TPM. Its programs must be on PATH, where the command looks.
import { program } from '../programs.js';

/** @type {import('../lane-table.js').Lane} */
export const lane = {
  needs: 'swtpm, swtpm-tools, tpm2-tools',
  tells: ['CLOISTER_SWTPM', 'CLOISTER_TPM2'],
  minutes: { setUp: 0, tests: 1 },
  setUp: () => {
    program(['swtpm_setup'], ['swtpm-tools']);
    return {
      CLOISTER_SWTPM: program(['swtpm'], ['swtpm']),
      CLOISTER_TPM2: program(['tpm2'], ['tpm2-tools']),
    };
  },
};
