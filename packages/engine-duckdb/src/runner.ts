// SPDX-License-Identifier: Apache-2.0
// DuckDB as a runner: every run has a locked-down child of its own, which plans the statements once
// more before it sees a file, and is gone when the run ends.
import { rm, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { type Held, MEASURES, thisCage } from '@cloister/cage';
import {
  type Cage,
  type CageReached,
  cageHolds,
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
import { z } from 'zod';
import { PLANNING_LIMITS, PLANNING_MS } from './bounds.ts';
import type { ChildLimits } from './child-limits.ts';
import { EngineChild } from './child-process.ts';
import { ResultReader } from './child-results.ts';
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

/** Writing a part takes several times what it has. */
const PARTS_OF_MEMORY = 16;

const count = z.number().int().min(0);
/** What the child answers: it has met data, so nothing of it is taken for granted. */
const ready = z.object({ rowsIn: count });
const made = z.object({ statement: count, rows: count, end: z.boolean(), peakBytes: count });

/** Options of the runner; each has a default. */
export interface DuckdbRunnerOptions {
  /** Longest that planning again may take, in ms (default 10,000). */
  readonly planTimeMs?: number;
  /**
   * Keeps one fresh child started ahead for runs with these limits, which saves a run the 0.2 s
   * that Node and DuckDB take to start. It has seen nothing, and is never used for a second run.
   */
  readonly spare?: RunLimits;
  /** Where children's folders are made: best on the file system that inputs lie on. */
  readonly scratch?: string;
}

/** A runner of DuckDB's plans; `close` it, or its spare child keeps the process alive. */
export function createDuckdbRunner(options: DuckdbRunnerOptions = {}): Runner {
  return new DuckdbRunner(options);
}

/** What the charter calls it: a sandbox is the full level, anything less is a process. */
function reached({ level, measures }: Held): CageReached {
  const lacks = MEASURES.filter((measure) => !measures.includes(measure));
  return { cage: level === 'full' ? 'sandbox' : 'process', lacks };
}

class DuckdbRunner implements Runner {
  readonly kind = DUCKDB_KIND;
  readonly nodes = 'one';
  readonly #planTimeMs: number;
  readonly #runs = new Set<EngineChild>();
  readonly #spareLimits: RunLimits | undefined;
  readonly #scratch: string | undefined;
  #spare: Promise<EngineChild> | undefined;
  #closed = false;

  constructor(options: DuckdbRunnerOptions) {
    this.#planTimeMs = options.planTimeMs ?? PLANNING_MS;
    this.#spareLimits = options.spare;
    this.#scratch = options.scratch;
    this.#startSpare();
  }

  async cage(): Promise<CageReached> {
    return reached(await thisCage());
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
      checkHeld(child, request.cage ?? 'process');
      await recheck(child, request, this.#planTimeMs);
      await request.ready;
      return await runIn(child, request);
    } finally {
      await child.kill();
      await rm(partFile(request), { force: true });
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
    return EngineChild.start(childLimits(limits), { scratch: this.#scratch });
  }

  #startSpare(): void {
    if (this.#spareLimits === undefined || this.#closed) return;
    const limits = childLimits(this.#spareLimits);
    this.#spare = EngineChild.start(limits, { scratch: this.#scratch });
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
  const { memoryBytes, threads, outputBytes } = limits;
  // A part is in memory before it is in a file.
  const fileBytes = Math.min(outputBytes, memoryBytes);
  return { memoryBytes, threads, fileBytes, cpuSeconds };
}

/** A child that was started ahead is judged as itself, not by what the machine could do. */
function checkHeld({ held }: EngineChild, least: Cage): void {
  const { cage, lacks } = reached(held);
  if (cageHolds(cage, least)) return;
  const message = `the engine's process is held by ${cage} (without ${lacks.join(', ')})`;
  throw engineError('engine-cage-weak', `${message}, wanted ${least}`);
}

function checkRun({ tables, limits, folder }: RunRequest): void {
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
  const paths = [folder, ...tables.flatMap((table) => table.files)];
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

/** Where each part lies in its turn. */
function partFile({ folder }: RunRequest): string {
  return join(folder, 'cloister-part.parquet');
}

async function runIn(child: EngineChild, request: RunRequest): Promise<RunResult> {
  const { plan, limits, take } = request;
  let bytesIn = 0;
  const files = request.tables.flatMap((table) => table.files);
  try {
    for (const path of files) bytesIn += (await stat(path)).size;
  } catch {
    throw runFailed();
  }
  const shown = await child.room.bring(files).catch(() => {
    throw runFailed();
  });
  const tables = request.tables.map((table) => ({
    name: table.name,
    files: shown.splice(0, table.files.length),
    columns: table.columns.map((column) => ({
      name: column.name,
      type: column.type,
      granted: table.granted.includes(column.id),
    })),
  }));
  const statements = plan.steps.map((sql, at) => ({
    sql,
    outputs: plan.outputs.filter(({ statement }) => statement === at),
  }));
  const { timeMs, ...limit } = limits;
  const file = partFile(request);
  const own = child.room.result;
  const allowed = [...tables.flatMap((table) => table.files), own];
  const asking = within(child, timeMs);
  const partBytes = Math.min(limits.partBytes, Math.ceil(limits.memoryBytes / PARTS_OF_MEMORY));
  const begin = { op: 'run', tables, statements, ...limit, partBytes, allowed, file: own };
  const { rowsIn } = await asking.ask(begin, ready);
  const results = new ResultReader(child.results);
  let [rows, bytes, peakBytes] = [0, 0, 0];
  for (let next = 0, end = false; !end; ) {
    const coming = results.receive(file, limits.outputBytes - bytes);
    coming.catch(() => undefined);
    const part = await asking.ask({ op: 'part' }, made);
    const { statement } = part;
    // A part of the statement that the last one was of, or the first one of the next.
    const first = statement === next;
    if (!first && statement !== next - 1) throw runFailed();
    if (part.end && statement !== statements.length - 1) throw runFailed();
    next = statement + 1;
    // All of it was on its way before the answer: what does not come any more was never sent.
    const overstays = setTimeout(() => void child.kill(), limits.timeMs);
    const size = await coming.catch(() => undefined).finally(() => clearTimeout(overstays));
    if (size === undefined) throw runFailed();
    rows += part.rows;
    bytes += size;
    if (rows > limits.outputRows || bytes > limits.outputBytes) throw runFailed();
    peakBytes = part.peakBytes;
    await take({ statement, file, rows: part.rows });
    await rm(file, { force: true });
    end = part.end;
  }
  const metric = (
    name: EngineMetric['name'],
    value: number,
    trust: EngineMetric['trust'] = 'counted-inside',
  ): EngineMetric => ({ name, value, trust });
  return {
    rows,
    bytes,
    cage: reached(child.held).cage,
    metrics: [
      metric('rows-in', rowsIn),
      metric('bytes-in', bytesIn),
      metric('rows-out', rows),
      metric('bytes-out', bytes),
      metric('run-ms', Math.ceil(asking.spentMs()), 'host-influenced'),
      metric('peak-memory-bytes', peakBytes, 'host-influenced'),
    ],
  };
}

/** Asks a child that may spend so long in all; whoever takes its parts spends none of it. */
function within(child: EngineChild, timeMs: number) {
  let spent = 0;
  return {
    spentMs: () => spent,
    /** @throws CodedError `engine-run-failed` */
    async ask<T>(request: Record<string, unknown>, form: z.ZodType<T>): Promise<T> {
      const started = performance.now();
      const answer = await child.ask(request, Math.max(1, timeMs - spent));
      spent += performance.now() - started;
      if (answer === undefined || 'failed' in answer) throw runFailed();
      const read = form.safeParse(answer.ok);
      if (!read.success) throw runFailed();
      return read.data;
    },
  };
}
