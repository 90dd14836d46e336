// SPDX-License-Identifier: Apache-2.0
// Tests run from source: every workspace package resolves through its `source` export condition,
// so no build is needed. Workers are shared between files (isolate: false) because tests keep no
// global state; whatever a test starts, it stops itself.
import { defineConfig } from 'vitest/config';

export default defineConfig({
  resolve: { conditions: ['source'] },
  ssr: { resolve: { conditions: ['source'], externalConditions: ['source'] } },
  test: {
    include: ['packages/*/src/**/*.test.ts', 'tools/**/*.test.ts'],
    isolate: false,
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 60_000,
    reporters: ['default', './tools/reporter.ts'],
  },
});
