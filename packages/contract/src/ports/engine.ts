// SPDX-License-Identifier: Apache-2.0
// The port of a computing engine. `plan` says what a code does with each column, without any data;
// `run` runs planned statements over plain Parquet files that hold granted columns only. An engine
// refuses what it cannot account for. A code is one or several statements over the same inputs,
// each with a result of its own. design.md, "Engines"; spec/policy.md, "Uses".
import type { Suppression } from '../policy/judge.ts';
import type { Use } from '../policy/use.ts';

/** The most statements that a code may have. */
export const STATEMENTS_MAX = 100;

/** A column of an input's schema. */
export interface EngineColumn {
  /** Position in the schema, from 1. */
  readonly id: number;
  readonly name: string;
  /** The engine's type name, e.g. `BIGINT`, `DECIMAL(12,2)`. */
  readonly type: string;
}

/** An input as the code sees it: every schema column, whether granted or not. */
export interface EngineTable {
  /** The name that the code uses. */
  readonly name: string;
  readonly columns: readonly EngineColumn[];
}

/** Values for the code's parameters (`$1`, `$name`); they enter as constants, never as text. */
export type EngineParams = Readonly<Record<string, string | number | boolean | null>>;

/** What is to be planned. */
export interface PlanRequest {
  readonly code: string;
  readonly params?: EngineParams;
  /** In the order of the task's inputs. */
  readonly tables: readonly EngineTable[];
  /** The judge's suppressions; absent or empty, nothing is added. */
  readonly suppress?: readonly Suppression[];
}

/** An output column. */
export interface EngineOutput {
  /** Position among the outputs of the whole code, from 1. */
  readonly id: number;
  /** Position of the statement that it is of, from 0; every statement has one output at least. */
  readonly statement: number;
  readonly name: string;
  readonly type: string;
}

/** A planned code. */
export interface EnginePlan {
  /** What the code itself does, canonical; suppression predicates are not among them. */
  readonly uses: readonly Use[];
  readonly outputs: readonly EngineOutput[];
  /** The suppressions that `statements` carry; the re-planned uses differ by exactly these. */
  readonly suppression: readonly Suppression[];
  /** What the engine will run, in order: for `run` only. */
  readonly statements: readonly string[];
}

/** A grouping bound on its owner's own table: what a policy stores and uses are compared with. */
export interface BoundGrouping {
  readonly bound: string;
  /** The columns in it. */
  readonly columns: readonly number[];
}

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
}

/** What is to be run. */
export interface RunRequest {
  readonly plan: EnginePlan;
  readonly tables: readonly RunTable[];
  readonly limits: RunLimits;
  /**
   * Settles when the files are there, or will not be; meanwhile the engine makes ready. They are
   * there already where this is absent.
   */
  readonly ready?: Promise<unknown>;
  /** A path for each statement, absolute, that does not exist yet: plain Parquet goes there. */
  readonly resultFiles: readonly string[];
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
}

/** A computing engine. Every failure is a CodedError; a run's never says why. */
export interface EnginePort {
  readonly kind: string;
  readonly version: string;
  plan(request: PlanRequest): Promise<EnginePlan>;
  bindGrouping(table: EngineTable, sql: string): Promise<BoundGrouping>;
  run(request: RunRequest): Promise<RunResult>;
  close(): Promise<void>;
}
