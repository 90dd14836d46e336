// SPDX-License-Identifier: Apache-2.0
// The columns of a Parquet file as they are stored, by hyparquet, which shares no code with the
// engine: without logical types, so that no value is rounded on the way. One column of one row
// group is in memory at a time.
import type { RandomAccess } from '@cloister/parquet-crypto';
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetRead } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { ingestError } from '../errors.ts';

/** A value as it is stored; INT96 as nanoseconds since 1970, or NO_MOMENT. */
export type Stored = number | bigint | boolean | Uint8Array | null | undefined;

/** A page of no bytes is what some of the decompressors fail at. */
const decompressors = Object.fromEntries(
  Object.entries(compressors).map(([codec, decompress]) => [
    codec,
    (input: Uint8Array, length: number) =>
      length === 0 ? new Uint8Array(0) : decompress(input, length),
  ]),
);

/** What a codec has made smaller, as it was. @throws what the codec says of bytes that are none */
export function decompress(codec: string, bytes: Uint8Array, length: number): Uint8Array {
  if (codec === 'UNCOMPRESSED') return bytes;
  const plain = decompressors[codec]?.(bytes, length);
  if (plain?.length !== length) throw new RangeError(`cannot read what ${codec} has written`);
  return plain;
}

/** What INT96 is whose nanoseconds are none of a day: before all moments that it can be. */
export const NO_MOMENT = -(2n ** 127n);
const DAY = 86_400_000_000_000n;
/** The Julian day of 1970-01-01. */
export const JULIAN_1970 = 2_440_588;
const INT96_BYTES = 12;

/** Nanoseconds of a day, then the Julian day. */
function momentOf(bytes: Uint8Array): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, INT96_BYTES);
  const nanos = view.getBigInt64(0, true);
  if (nanos < 0n || nanos > DAY) return NO_MOMENT;
  return BigInt(view.getInt32(8, true) - JULIAN_1970) * DAY + nanos;
}

export class StoredParquet {
  readonly #file: AsyncBuffer;
  readonly #metadata: FileMetaData;
  readonly #int96: ReadonlySet<string>;

  private constructor(file: AsyncBuffer, metadata: FileMetaData, int96: ReadonlySet<string>) {
    this.#file = file;
    this.#metadata = metadata;
    this.#int96 = int96;
  }

  /** @throws CodedError `parquet-malformed` */
  static async open({ size: byteLength, read }: RandomAccess): Promise<StoredParquet> {
    const slice = async (from: number, to = byteLength) => {
      const bytes = await read(from, to - from);
      if (bytes.length < to - from) throw new RangeError('the file ends early');
      return Uint8Array.from(bytes).buffer;
    };
    const file = { byteLength, slice };
    const metadata = await parquetMetadataAsync(file).catch(unreadable);
    const int96 = new Set<string>();
    for (const element of metadata.schema) {
      delete element.converted_type;
      delete element.logical_type;
      if (element.type !== 'INT96') continue;
      int96.add(element.name);
      // As bytes: the reader mixes up day and time where nanoseconds are negative.
      Object.assign(element, { type: 'FIXED_LEN_BYTE_ARRAY', type_length: INT96_BYTES });
    }
    for (const { meta_data: chunk } of metadata.row_groups.flatMap(({ columns }) => columns)) {
      if (chunk?.type === 'INT96') chunk.type = 'FIXED_LEN_BYTE_ARRAY';
    }
    return new StoredParquet(file, metadata, int96);
  }

  /** The values of a column in order, some at a time. @throws CodedError `parquet-malformed` */
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
        onChunk: (part) => parts.push(part as never),
      }).catch(unreadable);
      for (const { columnData } of parts.sort((a, b) => a.rowStart - b.rowStart)) {
        yield this.#int96.has(name) ? Array.from(columnData, moment) : columnData;
      }
      rowStart = rowEnd;
    }
  }
}

function moment(value: Stored): Stored {
  return value instanceof Uint8Array ? momentOf(value) : value;
}

/** What a reader that is not ours throws is told by its kind, not in its words. */
function unreadable(): never {
  const message = 'a second reader cannot read the Parquet file: it is damaged, or unusual';
  throw ingestError('parquet-malformed', message);
}
