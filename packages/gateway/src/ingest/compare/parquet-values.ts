// SPDX-License-Identifier: Apache-2.0
// The columns of a Parquet file as they are stored, by hyparquet, which shares no code with the
// engine: without logical types, so that no value is rounded on the way. One column of one row
// group is in memory at a time.
import type { FileHandle } from 'node:fs/promises';
import { type FileMetaData, parquetMetadataAsync, parquetRead } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

/** A value as it is stored; INT96 as nanoseconds since 1970. */
export type Stored = number | bigint | boolean | Uint8Array | null | undefined;

/** A page of no bytes is what some of the decompressors fail at. */
const decompressors = Object.fromEntries(
  Object.entries(compressors).map(([codec, decompress]) => [
    codec,
    (input: Uint8Array, length: number) =>
      length === 0 ? new Uint8Array(0) : decompress(input, length),
  ]),
);
const NANOSECONDS = { timestampFromNanoseconds: (nanos: bigint) => nanos };

export class StoredParquet {
  readonly #file: {
    byteLength: number;
    slice: (from: number, to?: number) => Promise<ArrayBuffer>;
  };
  readonly #metadata: FileMetaData;

  private constructor(
    file: { byteLength: number; slice: (from: number, to?: number) => Promise<ArrayBuffer> },
    metadata: FileMetaData,
  ) {
    this.#file = file;
    this.#metadata = metadata;
  }

  static async open(handle: FileHandle): Promise<StoredParquet> {
    const { size: byteLength } = await handle.stat();
    const slice = async (from: number, to = byteLength) => {
      const bytes = new Uint8Array(to - from);
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, from);
      if (bytesRead < bytes.length) throw new RangeError('the file ends early');
      return bytes.buffer;
    };
    const file = { byteLength, slice };
    const metadata = await parquetMetadataAsync(file);
    for (const element of metadata.schema) {
      delete element.converted_type;
      delete element.logical_type;
    }
    return new StoredParquet(file, metadata);
  }

  /** The values of a column in order, some at a time. */
  async *column(name: string): AsyncGenerator<ArrayLike<Stored>> {
    let rowStart = 0;
    for (const { num_rows: rows } of this.#metadata.row_groups) {
      const rowEnd = rowStart + Number(rows);
      const parts: { rowStart: number; columnData: ArrayLike<Stored> }[] = [];
      await parquetRead({
        file: this.#file,
        metadata: this.#metadata,
        columns: [name],
        rowStart,
        rowEnd,
        compressors: decompressors,
        utf8: false,
        parsers: NANOSECONDS as never,
        onChunk: (part) => parts.push(part as never),
      });
      for (const { columnData } of parts.sort((a, b) => a.rowStart - b.rowStart)) yield columnData;
      rowStart = rowEnd;
    }
  }
}
