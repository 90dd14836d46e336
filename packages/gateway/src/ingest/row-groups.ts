// SPDX-License-Identifier: Apache-2.0
// How large the row groups of the Parquet file are that is made: as large as helps reading, and no
// larger than the engine can hold, which keeps a whole one in memory while it is written.
//
// Bytes are fetched in chunks of 256 KiB, so a column that is not read saves little where its pages
// are small: few columns have large row groups.
import type { Inspection } from './inspection.ts';

const USUAL_ROWS = 122_880;
const FEW_COLUMNS = 32;
/** Rows of one vector of the engine. */
const LEAST_ROWS = 2_048;
const MIB = 1 << 20;
/** About 200 bytes each are held for a value while it is written. */
const CELLS_MOST = 4 * MIB;
const TEXT_MOST = 192 * MIB;
/** The engine takes as much for each column of text at once. */
const DICTIONARY_BYTES = MIB;
const DICTIONARIES_MOST = 128 * MIB;

export interface RowGroups {
  readonly rows: number;
  /** The most that a column's dictionary of texts may have. */
  readonly dictionaryBytes: number;
}

/** What the columns and the average row of a file allow. */
export function rowGroupsFor({
  columns,
  rows,
  bytes,
  plainBytes,
}: Pick<Inspection, 'columns' | 'rows' | 'bytes' | 'plainBytes'>): RowGroups {
  const wide = columns.length > FEW_COLUMNS;
  const usual = wide ? USUAL_ROWS : 4 * USUAL_ROWS;
  // Few columns may have as many cells as they always had: their bytes bound them.
  const byCells = wide ? CELLS_MOST / columns.length : usual;
  const byBytes = TEXT_MOST / Math.max(1, (plainBytes ?? bytes) / Math.max(1, rows));
  const most = Math.trunc(Math.min(usual, byCells, byBytes));
  const dictionary = Math.trunc(DICTIONARIES_MOST / Math.max(1, columns.length));
  return {
    rows: Math.max(LEAST_ROWS, most),
    dictionaryBytes: Math.min(DICTIONARY_BYTES, dictionary),
  };
}
