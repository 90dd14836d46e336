// SPDX-License-Identifier: Apache-2.0
// A planner and a runner of DuckDB side by side, for tests that plan and then run.
import { constants, copyFile } from 'node:fs/promises';
import type { Planner, ResultPart, Runner } from '@cloister/contract/policy';
import { createDuckdbPlanner } from '../src/duckdb-planner.ts';
import { createDuckdbRunner, type DuckdbRunnerOptions } from '../src/runner.ts';

export type Duckdb = Required<Pick<Planner, 'plan' | 'bindGrouping'>> &
  Pick<Runner, 'cage' | 'run' | 'close'>;

/** Keeps the one part of the one statement in `file`. */
export function into(file: string): (part: ResultPart) => Promise<void> {
  return (part) => copyFile(part.file, file, constants.COPYFILE_EXCL);
}

/** Both ports as one; `close` ends both. */
export function duckdb(options: DuckdbRunnerOptions = {}): Duckdb {
  const planner = createDuckdbPlanner() as Planner & Required<Pick<Planner, 'bindGrouping'>>;
  const runner = createDuckdbRunner(options);
  return {
    plan: (request) => planner.plan(request),
    bindGrouping: (table, sql) => planner.bindGrouping(table, sql),
    cage: () => runner.cage(),
    run: (request) => runner.run(request),
    close: async () => {
      await Promise.all([planner.close(), runner.close()]);
    },
  };
}
