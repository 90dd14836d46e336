// SPDX-License-Identifier: Apache-2.0
// A trace of a Parquet column by our own reading of its pages, where they are written in the usual
// encodings and codecs: a third of what a reader costs that makes a value of everything.
import {
  type LeafColumn,
  type RandomAccess,
  type StoredPage,
  storedPages,
} from '@cloister/parquet-crypto';
import { ColumnTrace, PAIR } from './column-trace.ts';
import { PageBytes, type PageForm, readHybrid, readPlain, settleWholes } from './page-values.ts';
import type { PairForm } from './pair-form.ts';
import { Pairs } from './pairs.ts';
import { decompress } from './parquet-values.ts';

/** More values than pages have; a header that claims more is for the other reader to judge. */
const PAGE_VALUES_MOST = 1 << 22;
const PLAIN_BYTES_MOST = 1 << 28;

/** Told to whoever asked: this column is not one for this reader. */
class Unusual extends Error {}

/**
 * The trace of a column; undefined where it is written in another way than usual, or damaged: a
 * reader that knows more has to say.
 * @param onRows called with how many of its rows have been read
 */
export async function traceOfPages(
  source: RandomAccess,
  of: { readonly leaf: LeafColumn; readonly pairs: PairForm },
  onRows: (rows: number) => void,
): Promise<ColumnTrace | undefined> {
  const { leaf, pairs } = of;
  if (leaf.parts.length !== 1 || leaf.repetition === 'REPEATED') return undefined;
  const { physicalType, typeLength = 0 } = leaf;
  const reader = new PageValues({ physicalType, typeLength, pairs }, leaf.nullable);
  const trace = new ColumnTrace();
  try {
    for await (const page of storedPages(source, leaf.ordinal)) {
      const count = reader.read(page);
      trace.addPairs(reader.out.pairs, reader.out.kinds, count);
      onRows(trace.rows);
    }
  } catch (error) {
    // Reading past the end of a page, a codec's complaint, damage: the other reader tells it.
    if (error instanceof TypeError) throw error;
    return undefined;
  }
  trace.end();
  return trace;
}

class PageValues {
  out = new Pairs(0);
  readonly #form: PageForm;
  readonly #nullable: boolean;
  #dictionary = new Pairs(0);
  #dictionarySize = 0;
  #numbers = new Uint32Array(0);
  #rows = new Uint32Array(0);

  constructor(form: PageForm, nullable: boolean) {
    this.#form = form;
    this.#nullable = nullable;
  }

  /** Reads a page to `out`; answers how many values it has, none if it is a dictionary. */
  read(page: StoredPage): number {
    const { values: count, plainBytes } = page;
    if (count > PAGE_VALUES_MOST || plainBytes > PLAIN_BYTES_MOST) throw new Unusual();
    if (page.isDictionary) {
      this.#readDictionary(page);
      return 0;
    }
    this.#makeRoom(count);
    const body = this.#afterLevels(page);
    const present = this.#presentRows(count);
    this.#readValues(page.encoding, body, present);
    if (this.#form.pairs === 'whole' && page.encoding === 'PLAIN') settleWholes(this.out, count);
    return count;
  }

  #makeRoom(count: number): void {
    if (this.out.kinds.length >= count) return;
    this.out = new Pairs(count);
    this.#numbers = new Uint32Array(count);
    this.#rows = new Uint32Array(count);
  }

  #readDictionary({ values: count, ...page }: StoredPage): void {
    this.#dictionary = new Pairs(count);
    this.#dictionarySize = count;
    const bytes = decompress(page.codec, page.body, page.plainBytes);
    readPlain(new PageBytes(bytes), this.#form, this.#dictionary, { count, rows: undefined });
    if (this.#form.pairs === 'whole') settleWholes(this.#dictionary, count);
  }

  /** Where values begin; which are there is left in `#numbers`, if some may be absent. */
  #afterLevels({ values: count, levels, codec, body, plainBytes }: StoredPage): PageBytes {
    if (levels !== undefined) {
      const { repetition, definition } = levels;
      const length = repetition + definition;
      if (repetition > 0 || length > body.length) throw new Unusual();
      if (this.#nullable) readHybrid(new PageBytes(body), 1, this.#numbers, count);
      const rest = body.subarray(length);
      return new PageBytes(decompress(codec, rest, plainBytes - length));
    }
    const plain = new PageBytes(decompress(codec, body, plainBytes));
    if (!this.#nullable) return plain;
    const end = plain.uint32() + plain.at;
    readHybrid(plain, 1, this.#numbers, count);
    return new PageBytes(plain.bytes, end);
  }

  /** Marks what is absent; answers how many values are there, and in which rows. */
  #presentRows(rows: number): { count: number; rows: Uint32Array | undefined } {
    const { kinds } = this.out;
    if (!this.#nullable) {
      kinds.fill(PAIR.value, 0, rows);
      return { count: rows, rows: undefined };
    }
    let count = 0;
    for (let row = 0; row < rows; row++) {
      const isThere = this.#numbers[row] === 1;
      kinds[row] = isThere ? PAIR.value : PAIR.absent;
      if (isThere) this.#rows[count++] = row;
    }
    return { count, rows: count === rows ? undefined : this.#rows };
  }

  #readValues(
    encoding: string,
    from: PageBytes,
    present: { count: number; rows: Uint32Array | undefined },
  ): void {
    const { out } = this;
    const { count, rows } = present;
    if (encoding === 'PLAIN') readPlain(from, this.#form, out, present);
    else if (encoding === 'RLE' && this.#form.physicalType === 'BOOLEAN') {
      from.at += 4;
      readHybrid(from, 1, this.#numbers, count);
      for (let i = 0; i < count; i++) {
        out.values[rows === undefined ? i : (rows[i] as number)] = this.#numbers[i] as number;
      }
    } else if (encoding === 'RLE_DICTIONARY' || encoding === 'PLAIN_DICTIONARY') {
      if (count > 0) readHybrid(from, from.byte(), this.#numbers, count);
      const { pairs, kinds } = this.#dictionary;
      for (let i = 0; i < count; i++) {
        const index = this.#numbers[i] as number;
        if (index >= this.#dictionarySize) throw new Unusual();
        const row = rows === undefined ? i : (rows[i] as number);
        out.pairs[2 * row] = pairs[2 * index] as number;
        out.pairs[2 * row + 1] = pairs[2 * index + 1] as number;
        if (kinds[index] !== PAIR.value) out.kinds[row] = kinds[index] as number;
      }
    } else throw new Unusual();
  }
}
