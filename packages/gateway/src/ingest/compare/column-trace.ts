// SPDX-License-Identifier: Apache-2.0
// What a column held, in order, in a few words a block of rows: two columns that differ in one
// value have, but for one chance in 2^64, different traces. A check against mistakes, not against
// an attacker, who cannot reach it: both sides are read here.
import type { Form } from './value-form.ts';

/** A difference is found within a block, which is then read again. */
export const BLOCK_ROWS = 65_536;

const ONE = 0x9e37_79b1;
const TWO = 0x85eb_ca77;
const ABSENT = 0x5bd1_e995;
/** What says of a pair how it is meant. */
export const PAIR = { value: 0, absent: 1, whole: 2 } as const;
const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

export class ColumnTrace {
  /** Two words a block. */
  readonly #blocks: number[] = [];
  #rows = 0;
  #ended = false;
  #one = ONE;
  #two = TWO;

  add(value: Form | null): void {
    this.#rows += 1;
    if (value === null) this.#mix(ABSENT);
    else if (typeof value === 'number') {
      // One of the many that are no number stands for all.
      double[0] = Number.isNaN(value) ? Number.NaN : value;
      this.#mix(words[0] as number);
      this.#mix(words[1] as number);
    } else {
      this.#mix(value.length);
      for (let i = 0; i < value.length; i++) this.#mix(value.charCodeAt(i));
    }
    if (this.#rows % BLOCK_ROWS === 0) this.#close();
  }

  /**
   * Values as pairs of words, and of each what it is: a double, or a hash; none; or a whole number
   * that no double keeps. A trace has pairs alone, or none.
   */
  addPairs(pairs: Int32Array, kinds: Uint8Array, count: number): void {
    for (let from = 0; from < count; ) {
      const left = BLOCK_ROWS - (this.#rows % BLOCK_ROWS);
      const to = Math.min(count, from + left);
      let [one, two] = [this.#one, this.#two];
      for (let i = from; i < to; i++) {
        let low = pairs[2 * i] as number;
        let high = pairs[2 * i + 1] as number;
        if (kinds[i] !== PAIR.value) {
          if (kinds[i] === PAIR.absent) low = high = ABSENT;
          one = Math.imul(one ^ (kinds[i] as number), TWO);
        }
        one = Math.imul(one ^ low, ONE);
        one = (((one << 13) | (one >>> 19)) + high) | 0;
        two = Math.imul(two ^ high, TWO);
        two = ((two ^ (two >>> 15)) + low) | 0;
      }
      [this.#one, this.#two] = [one, two];
      this.#rows += to - from;
      if (this.#rows % BLOCK_ROWS === 0) this.#close();
      from = to;
    }
  }

  get rows(): number {
    return this.#rows;
  }

  /** After the last value. */
  end(): void {
    if (!this.#ended && this.#rows % BLOCK_ROWS !== 0) this.#close();
    this.#ended = true;
  }

  /** The first block in which the two differ, or undefined where they do not. */
  firstOther(other: ColumnTrace): number | undefined {
    const most = Math.max(this.#blocks.length, other.#blocks.length) / 2;
    for (let block = 0; block < most; block++) {
      const [one, two] = [2 * block, 2 * block + 1];
      const same =
        this.#blocks[one] === other.#blocks[one] && this.#blocks[two] === other.#blocks[two];
      if (!same) return block;
    }
    return undefined;
  }

  #mix(word: number): void {
    const one = Math.imul(this.#one ^ word, ONE);
    this.#one = (one << 13) | (one >>> 19);
    const two = Math.imul((this.#two + word) | 0, TWO);
    this.#two = two ^ (two >>> 15);
  }

  #close(): void {
    this.#blocks.push(this.#one, this.#two);
    this.#one = ONE;
    this.#two = TWO;
  }
}
