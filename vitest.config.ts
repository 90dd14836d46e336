// SPDX-License-Identifier: Apache-2.0
// Tests run from source: every workspace package resolves through its `source` export condition.
// Workers are shared between files (isolate: false) because tests keep no global state; whatever a
// test starts, it stops itself. A file named `x.real.<lane>.test.ts` needs a program from outside
// and runs only in that lane, which `npm run test:real` sets up and names in CLOISTER_LANE.
import { defineConfig } from 'vitest/config';
import { WorldsFirst } from './tools/sequencer.ts';

const lane = process.env['CLOISTER_LANE'];

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'], externalConditions: ['source'] } },
  test: {
    include:
      lane === undefined
        ? ['packages/*/src/**/*.test.ts', 'tools/**/*.test.ts']
        : [`packages/*/src/**/*.real.${lane}.test.ts`],
    exclude: lane === undefined ? ['**/node_modules/**', '**/*.real.*.test.ts'] : [],
    isolate: false,
    pool: 'forks',
    testTimeout: lane === undefined ? 60_000 : 300_000,
    hookTimeout: lane === undefined ? 60_000 : 300_000,
    maxWorkers: '100%',
    sequence: { sequencer: WorldsFirst },
    globalSetup: ['./tools/build-once.ts'],
    setupFiles: ['./tools/property-seed.ts'],
    reporters: ['default', './tools/reporter.ts'],
  },
});
