// SPDX-License-Identifier: Apache-2.0
// The lane `browser`: what must run in browsers, in a real one.
import { program } from '../programs.js';

/** @type {import('../lane-table.js').Lane} */
export const lane = {
  needs: 'chromium',
  tells: ['CLOISTER_CHROMIUM'],
  minutes: { setUp: 0, tests: 0.5 },
  setUp: () => {
    const names = ['chromium', 'chromium-browser', 'google-chrome'];
    return { CLOISTER_CHROMIUM: program(names, ['chromium']) };
  },
};
