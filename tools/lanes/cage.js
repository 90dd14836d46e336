// SPDX-License-Identifier: Apache-2.0
// The lane `cage`: hostile programs at the full level, which takes bubblewrap, and system calls
// that no script of Node's can make, which takes Perl.
import { program } from '../programs.js';

/** @type {import('../lane-table.js').Lane} */
export const lane = {
  needs: 'bubblewrap and Perl',
  tells: ['CLOISTER_BWRAP', 'CLOISTER_PERL'],
  minutes: { setUp: 0, tests: 0.5 },
  setUp: () => ({
    CLOISTER_BWRAP: program(['bwrap'], ['bubblewrap']),
    CLOISTER_PERL: program(['perl'], ['perl-base']),
  }),
};
