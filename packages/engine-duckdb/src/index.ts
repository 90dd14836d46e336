// SPDX-License-Identifier: Apache-2.0
// DuckDB as a planner and a runner of the contract's ports.

export { engineFiles } from './child-limits.ts';
export { createDuckdbPlanner, type DuckdbPlannerOptions } from './duckdb-planner.ts';
export type { EngineErrorCode } from './errors.ts';
export { DUCKDB_KIND, DUCKDB_VERSION } from './kind.ts';
export {
  type ExportFacts,
  type ExportFormat,
  type ExportLimits,
  type ExportRequest,
  exportParquet,
} from './parquet-export.ts';
export { createDuckdbRunner, type DuckdbRunnerOptions } from './runner.ts';
