// SPDX-License-Identifier: Apache-2.0
// DuckDB as a runner: every run has a locked-down child of its own, which plans the statements once
// more before it sees a file, and is gone when the run ends.
import { rm, stat } from 'node:fs/promises';
import { isAbsolute } from 'node:path';
import {
  type EngineMetric,
  type EnginePlan,
  type EngineTable,
  encodeUses,
  type RunLimits,
  type Runner,
  type RunRequest,
  type RunResult,
  type Use,
} from '@cloister/contract/policy';
import { equal } from '@cloister/core';
import { PLANNING_LIMITS, PLANNING_MS } from './bounds.ts';
import type { ChildLimits } from './child-limits.ts';
import { EngineChild } from './child-process.ts';
import { engineClosed, engineError, runFailed } from './errors.ts';
import { DUCKDB_KIND } from './kind.ts';
import {
  askWithin,
  type Bound,
  bindStatement,
  checkTables,
  inOnePlan,
  planningAsk,
  suppressionUses,
} from './planner.ts';

/** Options of the runner; each has a default. */
export interface DuckdbRunnerOptions {
  /** Longest that planning again may take, in ms (default 10,000). */
  readonly planTimeMs?: number;
  /**
   * Keeps one fresh child started ahead for runs with these limits, which saves a run the 0.2 s
   * that Node and DuckDB take to start. It has seen nothing, and is never used for a second run.
   */
  readonly spare?: RunLimits;
}

/** A runner of DuckDB's plans; `close` it, or its spare child keeps the process alive. */
export function createDuckdbRunner(options: DuckdbRunnerOptions = {}): Runner {
  return new DuckdbRunner(options);
}

class DuckdbRunner implements Runner {
  readonly kind = DUCKDB_KIND;
  readonly nodes = 'one';
  readonly #planTimeMs: number;
  readonly #runs = new Set<EngineChild>();
  readonly #spareLimits: RunLimits | undefined;
  #spare: Promise<EngineChild> | undefined;
  #closed = false;

  constructor(options: DuckdbRunnerOptions) {
    this.#planTimeMs = options.planTimeMs ?? PLANNING_MS;
    this.#spareLimits = options.spare;
    this.#startSpare();
  }

  async run(request: RunRequest): Promise<RunResult> {
    // Where something fails before the files are waited for, that is the error.
    request.ready?.catch(() => undefined);
    if (this.#closed) throw engineClosed();
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
  if (resultFiles.length !== plan.steps.length) throw wrong('a file a statement is wanted');
  const paths = [...resultFiles, ...tables.flatMap((table) => table.files)];
  const bad = paths.find(
    (path) => !isAbsolute(path) || path.includes('\u0000') || /[*?[\]{}]/.test(path),
  );
  if (bad !== undefined) throw wrong('paths must be absolute and without NUL or glob characters');
}

/** Plans the statements again in the run's own child: nothing is run that was not planned so. */
async function recheck(child: EngineChild, request: RunRequest, timeMs: number): Promise<void> {
  const { plan, tables } = request;
  const ask = planningAsk(askWithin(child, timeMs));
  const inputs = checkTables(tables);
  await ask({ op: 'tables', tables: schemas(tables), ...PLANNING_LIMITS });
  const bound: Bound[] = [];
  for (const sql of plan.steps) bound.push(await bindStatement(ask, sql, inputs));
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
function expectedUses({ uses, steps, suppression }: EnginePlan): Use[] {
  const added = steps.flatMap((_, statement) => {
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
  const statements = plan.steps.map((sql, at) => ({
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
