// SPDX-License-Identifier: Apache-2.0
// What the scanners of bytes have in common: rows of fields as places in the bytes, a batch of them
// at a time.
import { BATCH_ROWS, type Batch } from './quick-column.ts';

export const MOST_FIELDS = 1 << 17;

/** Why no more rows were taken. */
export type Stop =
  /** There are no more in the bytes. */
  | 'empty'
  /** The batch is full, or there are names to take. */
  | 'full'
  /** Something that the scanner of texts has to look at. */
  | 'unusual';

export abstract class ByteRows {
  readonly starts = new Int32Array(MOST_FIELDS);
  readonly ends = new Int32Array(MOST_FIELDS);
  readonly kinds = new Uint8Array(MOST_FIELDS);
  /** Where the bytes of what was taken end. */
  end = 0;
  /** Whole rows that were taken. */
  rows = 0;

  abstract get width(): number;

  /**
   * Takes rows from `from` on, as many as fit; bytes end at `to`, and one more can be written
   * there. `last`: whether the file ends there. Within whole rows, what stands for a character is
   * made that character, in `bytes` itself.
   */
  abstract take(bytes: Buffer, from: number, to: number, last: boolean): Stop;

  /** Columns that were met and are not in the batch; the next one has them. */
  abstract takeNames(): readonly string[];

  batch(bytes: Buffer, lossy: boolean): Batch {
    const { starts, ends, kinds, rows, width } = this;
    return { bytes, starts, ends, kinds, width, rows, lossy };
  }

  /** How many rows a batch has room for. */
  protected mostRows(): number {
    return Math.min(BATCH_ROWS, Math.floor(MOST_FIELDS / Math.max(1, this.width)));
  }
}
