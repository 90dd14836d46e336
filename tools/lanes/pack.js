// SPDX-License-Identifier: Apache-2.0
// The lane `pack`: what is shipped, installed in empty folders and used there.
import { program } from '../programs.js';

/** @type {import('../lane-table.js').Lane} */
export const lane = {
  needs: 'npm and chromium',
  tells: ['CLOISTER_CHROMIUM'],
  minutes: { setUp: 0, tests: 1 },
  setUp: () => {
    const names = ['chromium', 'chromium-browser', 'google-chrome'];
    return { CLOISTER_CHROMIUM: program(names, ['chromium']) };
  },
};
