// SPDX-License-Identifier: Apache-2.0
// The port of a runner: it does what a planner of its kind planned, over plain files that hold
// granted columns only. Workers hold runners by kind. A runner believes its caller for nothing that
// it can see itself: it runs no plan that the code behind it would not have, and puts out no more
// than the limits. A result leaves it in parts, so that none has to lie anywhere whole.
// docs/design/planners-and-runners.md.
import type { Cage } from '../charter/body.ts';
import type { EnginePlan, EngineTable } from './planner.ts';

/** An input of a run: files hold the granted columns, under their schema names. */
export interface RunTable extends EngineTable {
  /** Ids of the columns that the files hold. */
  readonly granted: readonly number[];
  /** Absolute paths of plain Parquet files. */
  readonly files: readonly string[];
}

/** Limits of one run, of all its statements together. */
export interface RunLimits {
  readonly memoryBytes: number;
  readonly threads: number;
  readonly timeMs: number;
  readonly outputRows: number;
  readonly outputBytes: number;
  /** About how many bytes of values one part of a result has at most. */
  readonly partBytes: number;
}

/** Some rows of a statement's result, in the order of its rows. */
export interface ResultPart {
  /** Position of the statement, from 0. */
  readonly statement: number;
  /** Absolute path of plain Parquet with the statement's outputs as columns. */
  readonly file: string;
  readonly rows: number;
}

/** What is to be run. */
export interface RunRequest {
  readonly plan: EnginePlan;
  readonly tables: readonly RunTable[];
  readonly limits: RunLimits;
  /**
   * Settles when the files are there, or will not be; meanwhile the runner makes ready. They are
   * there already where this is absent.
   */
  readonly ready?: Promise<unknown>;
  /** A folder of the run's own, absolute: what the runner writes lies there. */
  readonly folder: string;
  /**
   * Takes a result part by part: statements in order, one part of each at least, the next part made
   * when this one has been taken. The file is the taker's to read until it answers; then it goes.
   */
  readonly take: (part: ResultPart) => Promise<void>;
  /** The least that holds the code before it meets data; `process` where absent. */
  readonly cage?: Cage;
}

/** What holds a runner's code on this machine. */
export interface CageReached {
  readonly cage: Cage;
  /** What a stronger one has and this one lacks, for people to read. */
  readonly lacks: readonly string[];
}

/** One measured number, and whom to believe for it. */
export interface EngineMetric {
  readonly name: 'rows-in' | 'rows-out' | 'bytes-in' | 'bytes-out' | 'run-ms' | 'peak-memory-bytes';
  readonly value: number;
  /** `counted-inside` is computed from data in the enclave; the host can bend the other. */
  readonly trust: 'counted-inside' | 'host-influenced';
}

/** A finished run; rows and bytes of all results together. */
export interface RunResult {
  readonly rows: number;
  readonly bytes: number;
  readonly metrics: readonly EngineMetric[];
  /** What held the code, as it was seen while it ran. */
  readonly cage: Cage;
}

/** A runner. Every failure is a CodedError; one that met data never says why. */
export interface Runner {
  /** The kind of the planner whose plans it runs. */
  readonly kind: string;
  /** Whether a run is of one worker, or of several that join it together. */
  readonly nodes: 'one' | 'many';
  /** What will hold a run's code here. */
  cage(): Promise<CageReached>;
  run(request: RunRequest): Promise<RunResult>;
  /** Ends runs under way. */
  close(): Promise<void>;
}

/** A worker's limits with what the plan itself declares to put out at most. */
export function limitsFor({ bounds }: Pick<EnginePlan, 'bounds'>, limits: RunLimits): RunLimits {
  if (bounds === undefined) return limits;
  return {
    ...limits,
    outputRows: Math.min(limits.outputRows, bounds.rows),
    outputBytes: Math.min(limits.outputBytes, bounds.bytes),
  };
}
