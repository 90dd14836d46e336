// SPDX-License-Identifier: Apache-2.0
// The planner of a gateway: it says what a task's code really uses.
import type { Planner } from '@cloister/contract/policy';
import { CodedError } from '@cloister/core';
import type { Stage } from './stage.ts';
import { OUTPUTS } from './tasks.ts';

export function planner(stage: Stage): Planner {
  return {
    kind: 'duckdb',
    version: '0',
    plan: async ({ code }) => {
      const uses = stage.plans.get(code);
      if (uses === undefined) throw new CodedError('plan-failed', 'policy', 'no such code');
      return { uses, outputs: OUTPUTS, suppression: [], steps: [code] };
    },
    close: async () => {},
  };
}
