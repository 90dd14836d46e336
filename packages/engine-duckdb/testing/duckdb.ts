// SPDX-License-Identifier: Apache-2.0
// A planner and a runner of DuckDB side by side, for tests that plan and then run.
import type { Planner, Runner } from '@cloister/contract/policy';
import { createDuckdbPlanner } from '../src/duckdb-planner.ts';
import { createDuckdbRunner, type DuckdbRunnerOptions } from '../src/runner.ts';

export type Duckdb = Required<Pick<Planner, 'plan' | 'bindGrouping'>> &
  Pick<Runner, 'run' | 'close'>;

/** Both ports as one; `close` ends both. */
export function duckdb(options: DuckdbRunnerOptions = {}): Duckdb {
  const planner = createDuckdbPlanner() as Planner & Required<Pick<Planner, 'bindGrouping'>>;
  const runner = createDuckdbRunner(options);
  return {
    plan: (request) => planner.plan(request),
    bindGrouping: (table, sql) => planner.bindGrouping(table, sql),
    run: (request) => runner.run(request),
    close: async () => {
      await Promise.all([planner.close(), runner.close()]);
    },
  };
}
