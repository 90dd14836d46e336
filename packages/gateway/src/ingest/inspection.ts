// SPDX-License-Identifier: Apache-2.0
// What looking at a file answers, the same for every format.
import type { ColumnTrace } from './compare/column-trace.ts';
import type { IngestFormat } from './detect.ts';
import type { ColumnTypes } from './infer.ts';
import type { ColumnRemark } from './remarks.ts';
import type { RowLayout, RowOptions } from './rows.ts';

/** The trace of a column for a type of it; undefined where there is none. */
export type TraceFor = (type: string) => ColumnTrace | undefined;

export interface InspectedColumn {
  readonly name: string;
  /** A DuckDB type. */
  readonly type: string;
  readonly nulls: number;
  /** Some of its values, each once: where they were asked for. */
  readonly samples?: readonly string[];
}

export interface Inspection {
  readonly format: IngestFormat;
  readonly bytes: number;
  /** Of Parquet: its values before compression, as it says itself. */
  readonly plainBytes?: number;
  readonly rows: number;
  readonly columns: readonly InspectedColumn[];
  /** For whoever adds the dataset. */
  readonly remarks: readonly ColumnRemark[];
  /** Whether a text begins with a byte-order mark. */
  readonly byteOrderMark?: boolean;
  /** How the text was read; absent for Parquet. */
  readonly reading?: RowOptions;
  /** How the rows of a CSV file lie in it. */
  readonly layout?: RowLayout;
  /** By column, what its texts allow; absent for Parquet. */
  readonly evidence?: readonly ColumnTypes[];
  /** Whether each column of JSON lines has texts alone, or numbers, or true and false. */
  readonly ofOneKind?: boolean;
  /** By column, what its values are compared by later, where they were read in that way. */
  readonly traces?: readonly TraceFor[];
}
