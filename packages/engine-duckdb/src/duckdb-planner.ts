// SPDX-License-Identifier: Apache-2.0
// DuckDB as a planner: one locked-down child plans, whose tables are always empty, and is reused.
import type {
  BoundGrouping,
  EnginePlan,
  EngineTable,
  Planner,
  PlanRequest,
} from '@cloister/contract/policy';
import { EngineChild } from './child-process.ts';
import { engineClosed, engineError } from './errors.ts';
import { DUCKDB_KIND, DUCKDB_VERSION } from './kind.ts';
import {
  bindStatement,
  checkTables,
  PLANNING_LIMITS,
  PLANNING_MS,
  planningAsk,
  planWith,
} from './planner.ts';
import { quoteName } from './statement.ts';
import { columnsOf, print } from './term.ts';

/** Options of the planner; each has a default. */
export interface DuckdbPlannerOptions {
  /** Longest that one step of planning may take, in ms (default 10,000). */
  readonly planTimeMs?: number;
}

/** A planner of DuckDB's SQL; `close` it, or its child keeps the process alive. */
export function createDuckdbPlanner(options: DuckdbPlannerOptions = {}): Planner {
  return new DuckdbPlanner(options);
}

class DuckdbPlanner implements Planner {
  readonly kind = DUCKDB_KIND;
  readonly version = DUCKDB_VERSION;
  readonly #planTimeMs: number;
  #planner: Promise<EngineChild> | undefined;
  /** Requests plan one after another: they share the child's one database. */
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: DuckdbPlannerOptions) {
    this.#planTimeMs = options.planTimeMs ?? PLANNING_MS;
  }

  plan(request: PlanRequest): Promise<EnginePlan> {
    return this.#planning((child) => planWith(planningAsk(child, this.#planTimeMs), request));
  }

  bindGrouping(table: EngineTable, sql: string): Promise<BoundGrouping> {
    return this.#planning((child) => this.#bindGrouping(child, table, sql));
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#planner?.then(
      (child) => child.close(),
      () => undefined,
    );
  }

  async #bindGrouping(child: EngineChild, table: EngineTable, sql: string): Promise<BoundGrouping> {
    const ask = planningAsk(child, this.#planTimeMs);
    const code = `SELECT count(*) FROM ${quoteName(table.name)} GROUP BY (${sql}\n)`;
    const inputs = checkTables([table]);
    const plan = await planWith(ask, { code, tables: [table] });
    const { lineage } = await bindStatement(ask, plan.steps[0] ?? '', inputs);
    const [group, ...more] = lineage.groups;
    const columns = group === undefined ? [] : columnsOf(group).map(({ column }) => column);
    const only = plan.uses.every((use) => use.role === 'group' || use.function === 'count_star');
    const one = group !== undefined && more.length === 0 && lineage.having.length === 0;
    if (lineage.shape !== 'grouped' || !one || !only) {
      throw groupingRefused(sql, 'it must be one expression');
    }
    if (columns.length === 0) throw groupingRefused(sql, 'it must use a column');
    return { bound: print(group, 0), columns: [...new Set(columns)].sort((a, b) => a - b) };
  }

  #planning<T>(work: (child: EngineChild) => Promise<T>): Promise<T> {
    const result = this.#turn.then(async () => {
      if (this.#closed) throw engineClosed();
      return work(await this.#child());
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }

  async #child(): Promise<EngineChild> {
    const current = await this.#planner?.catch(() => undefined);
    if (current !== undefined && !current.dead) return current;
    const { memoryBytes, threads } = PLANNING_LIMITS;
    this.#planner = EngineChild.start({ memoryBytes, threads, fileBytes: 0 });
    return this.#planner;
  }
}

function groupingRefused(sql: string, why: string) {
  const message = `${sql} cannot be a grouping: ${why} over the dataset's own columns`;
  return engineError('engine-grouping-refused', message);
}
