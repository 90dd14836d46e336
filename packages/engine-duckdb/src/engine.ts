// SPDX-License-Identifier: Apache-2.0
// The DuckDB engine: the contract's engine port over locked-down child processes. One child plans
// (its tables are always empty) and is reused; every run has a child of its own, which plans the
// statements once more before it sees a file, and is gone when the run ends.
import { rm, stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import {
  type BoundGrouping,
  type EngineMetric,
  type EnginePlan,
  type EnginePort,
  type EngineTable,
  encodeUses,
  type PlanRequest,
  type RunLimits,
  type RunRequest,
  type RunResult,
  type Use,
} from '@cloister/contract/policy';
import { equal, isCoded } from '@cloister/core';
import type { ChildLimits } from './child-limits.ts';
import { EngineChild } from './child-process.ts';
import { engineError, runFailed } from './errors.ts';
import {
  type Bound,
  bindStatement,
  checkTables,
  inOnePlan,
  PLANNING_LIMITS,
  planningAsk,
  planWith,
  suppressionUses,
} from './planner.ts';
import { quoteName } from './statement.ts';
import { columnsOf, print } from './term.ts';

/** DuckDB's version, which a charter's worker measurement pins through the lockfile. */
export const DUCKDB_VERSION = '1.5.6';

/** Options of the engine; each has a default. */
export interface DuckdbEngineOptions {
  /** Longest that one step of planning may take, in ms (default 10,000). */
  readonly planTimeMs?: number;
  /**
   * Keeps one fresh child started ahead for runs with these limits, which saves a run the 0.2 s
   * that Node and DuckDB take to start. It has seen nothing, and is never used for a second run.
   */
  readonly spare?: RunLimits;
}

/** A DuckDB engine; `close` it, or its planning child keeps the process alive. */
export function createDuckdbEngine(options: DuckdbEngineOptions = {}): EnginePort {
  return new DuckdbEngine(options);
}

class DuckdbEngine implements EnginePort {
  readonly kind = 'duckdb';
  readonly version = DUCKDB_VERSION;
  readonly #planTimeMs: number;
  #planner: Promise<EngineChild> | undefined;
  /** Requests plan one after another: they share the child's one database. */
  #turn: Promise<unknown> = Promise.resolve();
  readonly #runs = new Set<EngineChild>();
  readonly #spareLimits: RunLimits | undefined;
  #spare: Promise<EngineChild> | undefined;
  #closed = false;

  constructor(options: DuckdbEngineOptions) {
    this.#planTimeMs = options.planTimeMs ?? 10_000;
    this.#spareLimits = options.spare;
    this.#startSpare();
  }

  plan(request: PlanRequest): Promise<EnginePlan> {
    return this.#planning((child) => planWith(planningAsk(child, this.#planTimeMs), request));
  }

  bindGrouping(table: EngineTable, sql: string): Promise<BoundGrouping> {
    return this.#planning((child) => this.#bindGrouping(child, table, sql));
  }

  async run(request: RunRequest): Promise<RunResult> {
    // Where something fails before the files are waited for, that is the error.
    request.ready?.catch(() => undefined);
    if (this.#closed) throw closed();
    checkRun(request);
    const child = await this.#runChild(request.limits);
    this.#runs.add(child);
    if (this.#closed) await child.kill();
    try {
      await recheck(child, request, this.#planTimeMs);
      await request.ready;
      return await runIn(child, request);
    } catch (error) {
      for (const file of request.resultFiles) await rm(file, { force: true });
      throw error;
    } finally {
      await child.kill();
      this.#runs.delete(child);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([...this.#runs].map((child) => child.kill()));
    await this.#spare?.then((child) => child.kill()).catch(() => undefined);
    await this.#planner?.then(
      (child) => child.close(),
      () => undefined,
    );
  }

  /** A child that has seen nothing: the spare if its limits are the same, or a new one. */
  async #runChild(limits: RunLimits): Promise<EngineChild> {
    const spare = this.#spare;
    if (spare !== undefined && sameLimits(limits, this.#spareLimits)) {
      this.#spare = undefined;
      const child = await spare.catch(() => undefined);
      this.#startSpare();
      if (child !== undefined && !child.dead) return child;
    }
    return EngineChild.start(childLimits(limits));
  }

  #startSpare(): void {
    if (this.#spareLimits === undefined || this.#closed) return;
    this.#spare = EngineChild.start(childLimits(this.#spareLimits));
    // Whoever takes it meets the failure; until then it must not end the process.
    this.#spare.catch(() => undefined);
  }

  async #bindGrouping(child: EngineChild, table: EngineTable, sql: string): Promise<BoundGrouping> {
    const ask = planningAsk(child, this.#planTimeMs);
    const code = `SELECT count(*) FROM ${quoteName(table.name)} GROUP BY (${sql}\n)`;
    const inputs = checkTables([table]);
    const plan = await planWith(ask, { code, tables: [table] });
    const { lineage } = await bindStatement(ask, plan.statements[0] ?? '', inputs);
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
      if (this.#closed) throw closed();
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

function closed() {
  return engineError('engine-closed', 'this engine has been closed');
}

function groupingRefused(sql: string, why: string) {
  const message = `${sql} cannot be a grouping: ${why} over the dataset's own columns`;
  return engineError('engine-grouping-refused', message);
}

function sameLimits(a: RunLimits, b: RunLimits | undefined): boolean {
  const text = (limits: ChildLimits) => JSON.stringify(limits);
  return b !== undefined && text(childLimits(a)) === text(childLimits(b));
}

function childLimits(limits: RunLimits): ChildLimits {
  const cpuSeconds = Math.ceil(limits.timeMs / 1000) * limits.threads + 30;
  const { memoryBytes, threads, outputBytes: fileBytes } = limits;
  return { memoryBytes, threads, fileBytes, cpuSeconds };
}

function checkRun({ plan, tables, limits, resultFiles }: RunRequest): void {
  const wrong = (message: string) => engineError('engine-run-invalid', message);
  checkTables(tables);
  for (const [name, value] of Object.entries(limits)) {
    if (!Number.isSafeInteger(value) || value < 1) throw wrong(`limit ${name} must be positive`);
  }
  for (const table of tables) {
    if (table.files.length === 0) throw wrong(`table ${table.name} has no files`);
    const unknown = table.granted.find((id) => table.columns[id - 1] === undefined);
    if (unknown !== undefined) throw wrong(`table ${table.name} has no column ${unknown}`);
  }
  if (resultFiles.length !== plan.statements.length) throw wrong('a file a statement is wanted');
  const paths = [...resultFiles, ...tables.flatMap((table) => table.files)];
  const bad = paths.find(
    (path) => !isAbsolute(path) || path.includes('\u0000') || /[*?[\]{}]/.test(path),
  );
  if (bad !== undefined) throw wrong('paths must be absolute and without NUL or glob characters');
}

/** Plans the statements again in the run's own child: nothing is run that was not planned so. */
async function recheck(child: EngineChild, request: RunRequest, timeMs: number): Promise<void> {
  const { plan, tables } = request;
  const ask = planningAsk(child, timeMs);
  const inputs = checkTables(tables);
  await ask({ op: 'tables', tables: schemas(tables), ...PLANNING_LIMITS });
  const bound: Bound[] = [];
  for (const sql of plan.statements) bound.push(await bindStatement(ask, sql, inputs));
  const { uses, outputs } = inOnePlan(bound);
  const same =
    equal(encodeUses(expectedUses(plan)), encodeUses(uses)) &&
    JSON.stringify(outputs) === JSON.stringify(plan.outputs);
  if (!same) {
    const message = 'the statements do not do what their plan says; plan them again';
    throw engineError('engine-plan-changed', message);
  }
  const granted = new Map(tables.map((table, at) => [at, new Set(table.granted)]));
  const missing = uses.find(
    (use) => use.column > 0 && granted.get(use.input)?.has(use.column) !== true,
  );
  if (missing !== undefined) {
    const message = `column ${missing.column} of input ${missing.input} is used but not granted`;
    throw engineError('engine-run-invalid', message);
  }
}

/** What the code does and what its suppressions add, statement by statement. */
function expectedUses({ uses, statements, suppression }: EnginePlan): Use[] {
  const added = statements.flatMap((_, statement) => {
    const own = suppression.filter((one) => one.statement === statement);
    const rows = uses.filter((use) => {
      return use.statement === statement && use.column === 0 && use.role === 'group';
    });
    const from = own.length === 0 ? [] : [...new Set(rows.map((use) => use.input))];
    return suppressionUses(from, own).map((use) => ({ ...use, statement }));
  });
  return [...uses, ...added];
}

function schemas(tables: readonly EngineTable[]): EngineTable[] {
  return tables.map(({ name, columns }) => ({ name, columns }));
}

async function runIn(child: EngineChild, request: RunRequest): Promise<RunResult> {
  const { plan, limits, resultFiles } = request;
  let bytesIn = 0;
  const files = request.tables.flatMap((table) => table.files);
  try {
    for (const file of files) bytesIn += (await stat(file)).size;
  } catch {
    throw runFailed();
  }
  const started = performance.now();
  const tables = request.tables.map((table) => ({
    name: table.name,
    files: table.files,
    columns: table.columns.map((column) => ({
      name: column.name,
      type: column.type,
      granted: table.granted.includes(column.id),
    })),
  }));
  const { timeMs, ...limit } = limits;
  const statements = plan.statements.map((sql, at) => ({
    sql,
    outputs: plan.outputs.filter(({ statement }) => statement === at),
    file: resultFiles[at],
  }));
  const allowed = [...files, ...resultFiles];
  const answer = await child.ask({ op: 'run', tables, statements, ...limit, allowed }, timeMs);
  if (answer === undefined || 'failed' in answer) throw runFailed();
  const sizes = await Promise.all(resultFiles.map((file) => stat(file))).catch(() => undefined);
  const bytes = sizes?.reduce((sum, { size }) => sum + size, 0) ?? Number.POSITIVE_INFINITY;
  if (bytes > limits.outputBytes) throw runFailed();
  const rows = Number(answer.ok['rowsOut']);
  const metric = (
    name: EngineMetric['name'],
    value: number,
    trust: EngineMetric['trust'] = 'counted-inside',
  ): EngineMetric => ({ name, value, trust });
  return {
    rows,
    bytes,
    metrics: [
      metric('rows-in', Number(answer.ok['rowsIn'])),
      metric('bytes-in', bytesIn),
      metric('rows-out', rows),
      metric('bytes-out', bytes),
      metric('run-ms', Math.ceil(performance.now() - started), 'host-influenced'),
      metric('peak-memory-bytes', Number(answer.ok['peakBytes']), 'host-influenced'),
    ],
  };
}

/** True for the one code that a run's data can cause. */
export function isRunFailure(error: unknown): boolean {
  return isCoded(error, 'engine-run-failed');
}
