// SPDX-License-Identifier: Apache-2.0
// Pairs of words, as a trace takes them, whoever has read the values.
import { PAIR } from './column-trace.ts';

const BIGGEST = 2 ** 53;

/** Room for the pairs of so many values. `values` are the pairs, as doubles. */
export class Pairs {
  readonly values: Float64Array;
  readonly pairs: Int32Array;
  readonly kinds: Uint8Array;

  constructor(count: number) {
    this.values = new Float64Array(count);
    this.pairs = new Int32Array(this.values.buffer);
    this.kinds = new Uint8Array(count);
  }
}

/**
 * The pairs of whole numbers of 64 bits, given as words, low half first: doubles where these keep
 * them.
 */
export function wholeAsDoubles(words: Int32Array, count: number, to: Pairs): Int32Array {
  const { pairs, values, kinds } = to;
  for (let i = 0; i < count; i++) {
    const low = words[2 * i] as number;
    const high = words[2 * i + 1] as number;
    const value = high * 0x1_0000_0000 + (low >>> 0);
    if (value > -BIGGEST && value < BIGGEST) values[i] = value;
    else {
      pairs[2 * i] = low;
      pairs[2 * i + 1] = high;
      kinds[i] = PAIR.whole;
    }
  }
  return pairs;
}
