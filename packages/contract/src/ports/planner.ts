// SPDX-License-Identifier: Apache-2.0
// The port of a planner: what a code does with each column, said without any data. Gateways and
// workers hold planners by kind, and the engine that a task names decides which is asked; keepers
// judge what it says and plan nothing. A code is a text in the planner's own language, and puts out
// one or several tables (statements) over the same inputs. A planner refuses what it cannot account
// for. docs/design/planners-and-runners.md; spec/policy.md, "Uses".
import type { Suppression } from '../policy/judge.ts';
import type { Use } from '../policy/use.ts';

/** The most statements that a code may have. */
export const STATEMENTS_MAX = 100;

/** A column of an input's schema. */
export interface EngineColumn {
  /** Position in the schema, from 1. */
  readonly id: number;
  readonly name: string;
  /** One of the list of column-types.ts, e.g. `BIGINT`, `DECIMAL(12,2)`. */
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

/** An output column; those of one statement, in order, are the schema of its result. */
export interface EngineOutput {
  /** Position among the outputs of the whole code, from 1. */
  readonly id: number;
  /** Position of the statement that it is of, from 0; every statement has one output at least. */
  readonly statement: number;
  readonly name: string;
  readonly type: string;
}

/** The most that a run may put out, all statements together. */
export interface OutputBounds {
  readonly rows: number;
  /** Of the plain result. */
  readonly bytes: number;
}

/** A planned code. */
export interface EnginePlan {
  /** What the code itself does, canonical; suppression predicates are not among them. */
  readonly uses: readonly Use[];
  readonly outputs: readonly EngineOutput[];
  /** The suppressions that `steps` carry; the re-planned uses differ by exactly these. */
  readonly suppression: readonly Suppression[];
  /** What a runner of this kind runs; it means nothing to anybody else. */
  readonly steps: readonly string[];
  /** What the code itself declares to put out at most, where its kind declares that. */
  readonly bounds?: OutputBounds;
}

/** A grouping bound on its owner's own table: what a policy stores and uses are compared with. */
export interface BoundGrouping {
  readonly bound: string;
  /** The columns in it. */
  readonly columns: readonly number[];
}

/** A planner. Every failure is a CodedError, and explains itself: no data is there. */
export interface Planner {
  /** The engine that tasks and charters name. */
  readonly kind: string;
  readonly version: string;
  /**
   * Deterministic: the same request has the same plan, wherever this version plans it. A code that
   * ends in `-refused` says that the code was understood and is not allowed, which a gateway tells
   * as a finding; any other, that it is no code, or cannot be planned.
   */
  plan(request: PlanRequest): Promise<EnginePlan>;
  /** Absent where the kind knows no groupings: then no policy can name one for its codes. */
  bindGrouping?(table: EngineTable, sql: string): Promise<BoundGrouping>;
  /** Ends what plans; a request after it is refused. */
  close(): Promise<void>;
}

/** How many results a plan's code has. */
export function statementsOf({ outputs }: Pick<EnginePlan, 'outputs'>): number {
  return outputs.reduce((most, { statement }) => Math.max(most, statement + 1), 0);
}
