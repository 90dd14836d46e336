// SPDX-License-Identifier: Apache-2.0
// DuckDB as an engine of the contract's port.
export {
  createDuckdbEngine,
  DUCKDB_VERSION,
  type DuckdbEngineOptions,
  isRunFailure,
} from './engine.ts';
export type { EngineErrorCode } from './errors.ts';
export {
  type ExportFacts,
  type ExportFormat,
  type ExportLimits,
  type ExportRequest,
  exportParquet,
} from './parquet-export.ts';
