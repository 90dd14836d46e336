// SPDX-License-Identifier: Apache-2.0
// What tasks and charters call this engine, and which DuckDB it is.

export const DUCKDB_KIND = 'duckdb';
/** DuckDB's version, whose library a charter's worker measurement pins. */
export const DUCKDB_VERSION = '1.5.6';
