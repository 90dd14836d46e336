// SPDX-License-Identifier: Apache-2.0
// DuckDB as a planner: one locked-down child plans, whose tables are always empty, and one thread
// judges what it answers. Both are reused until one code takes too long: that ends them.
import type {
  BoundGrouping,
  EnginePlan,
  EngineTable,
  Planner,
  PlanRequest,
} from '@cloister/contract/policy';
import { isCoded } from '@cloister/core';
import { PLANNING_LIMITS, PLANNING_MS } from './bounds.ts';
import { EngineChild } from './child-process.ts';
import { engineClosed } from './errors.ts';
import { DUCKDB_KIND, DUCKDB_VERSION } from './kind.ts';
import { askWithin } from './planner.ts';
import { PlanningThread } from './planning.ts';
import type { PlanningJob } from './planning-thread.ts';

/** How much longer than the child its thread may take, which may be busy with the last answer. */
const GRACE_MS = 500;

/** Options of the planner; each has a default. */
export interface DuckdbPlannerOptions {
  /** Longest that planning one code may take, in ms (default 10,000). */
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
  #thread: PlanningThread | undefined;
  /** Requests plan one after another: they share the child's one database. */
  #turn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(options: DuckdbPlannerOptions) {
    this.#planTimeMs = options.planTimeMs ?? PLANNING_MS;
  }

  plan(request: PlanRequest): Promise<EnginePlan> {
    return this.#inTurn({ op: 'plan', request });
  }

  bindGrouping(table: EngineTable, sql: string): Promise<BoundGrouping> {
    return this.#inTurn({ op: 'grouping', table, sql });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#thread?.stop();
    await this.#planner?.then(
      (child) => child.close(),
      () => undefined,
    );
  }

  #inTurn<T>(job: PlanningJob): Promise<T> {
    const result = this.#turn.then(async () => {
      if (this.#closed) throw engineClosed();
      return (await this.#planning(job)) as T;
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }

  /** Within one deadline, which ends the child and the thread. */
  async #planning(job: PlanningJob): Promise<unknown> {
    const child = await this.#child();
    if (this.#thread?.isLost !== false) this.#thread = new PlanningThread();
    const thread = this.#thread;
    await thread.ready;
    const timer = setTimeout(() => void thread.stop(), this.#planTimeMs + GRACE_MS);
    try {
      return await thread.run(job, askWithin(child, this.#planTimeMs));
    } catch (error) {
      // It may still be at work on what nobody waits for.
      if (isCoded(error, 'engine-plan-timeout')) await child.kill();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #child(): Promise<EngineChild> {
    const current = await this.#planner?.catch(() => undefined);
    if (current !== undefined && !current.dead) return current;
    const { memoryBytes, threads } = PLANNING_LIMITS;
    this.#planner = EngineChild.start({ memoryBytes, threads, fileBytes: 0 });
    return this.#planner;
  }
}
