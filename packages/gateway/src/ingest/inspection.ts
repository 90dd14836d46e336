// SPDX-License-Identifier: Apache-2.0
// What looking at a file answers, the same for every format.
import type { IngestFormat } from './detect.ts';
import type { ColumnTypes } from './infer.ts';
import type { RowLayout, RowOptions } from './rows.ts';

/** A remark about a column. */
export interface ColumnRemark {
  readonly column: string;
  /** Names the column, never a value. */
  readonly says: string;
  /** Whether choosing its type answers it. */
  readonly untilChosen: boolean;
}

export interface InspectedColumn {
  readonly name: string;
  /** A DuckDB type. */
  readonly type: string;
  readonly nulls: number;
  readonly samples?: readonly string[];
}

export interface Inspection {
  readonly format: IngestFormat;
  readonly bytes: number;
  /** Of Parquet: its values before compression, as it says itself. */
  readonly plainBytes?: number;
  readonly rows: number;
  readonly columns: readonly InspectedColumn[];
  /** Sentences for whoever adds the dataset; they name columns, never values. */
  readonly warnings: readonly string[];
  /** Of these, what would be cut or kept as text: what --strict refuses. */
  readonly inexact: readonly ColumnRemark[];
  /** Whether a text begins with a byte-order mark. */
  readonly byteOrderMark?: boolean;
  /** How the text was read; absent for Parquet. */
  readonly reading?: RowOptions;
  /** How the rows of a CSV file lie in it. */
  readonly layout?: RowLayout;
  /** By column, what its texts allow; absent for Parquet. */
  readonly evidence?: readonly ColumnTypes[];
}
