// SPDX-License-Identifier: Apache-2.0
// The engine of a gateway: it plans what a task's code really uses, and runs nothing.
import type { EnginePort } from '@cloister/contract/policy';
import { CodedError } from '@cloister/core';
import type { Stage } from './stage.ts';
import { OUTPUTS } from './tasks.ts';

export function planner(stage: Stage): EnginePort {
  return {
    kind: 'duckdb',
    version: '0',
    plan: async ({ code }) => {
      const uses = stage.plans.get(code);
      if (uses === undefined) throw new CodedError('plan-failed', 'policy', 'no such code');
      return { uses, outputs: OUTPUTS, suppression: [], statements: [code] };
    },
    bindGrouping: async () => ({ bound: '', columns: [] }),
    run: () => Promise.reject(new Error('a gateway runs nothing')),
    close: async () => {},
  };
}
