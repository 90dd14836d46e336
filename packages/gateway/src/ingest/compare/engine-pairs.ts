// SPDX-License-Identifier: Apache-2.0
// What the engine has in a column, some thousand values at a time, as the pairs that a trace takes:
// no value of its own is made for any of them. Texts come as the engine's hash, whole numbers and
// times as whole numbers, the others as doubles.
import { PAIR } from './column-trace.ts';

/** A vector of values of eight bytes, as the engine's binding keeps it. */
interface EightBytes {
  readonly items: BigInt64Array | BigUint64Array | Float64Array;
  readonly validity: { readonly data: BigUint64Array | null; readonly offset: number };
}

const BIGGEST = 2 ** 53;

/** What the engine is asked for, of the quoted name of a column of this type. */
export function askForPairs(type: string, column: string): string {
  if (type === 'VARCHAR' || type === 'BLOB')
    return `CASE WHEN ${column} IS NOT NULL THEN hash(${column}) END`;
  if (type === 'DATE') return `CAST(${column} - DATE '1970-01-01' AS BIGINT)`;
  if (type.startsWith('TIMESTAMP')) return `epoch_us(${column})`;
  if (/^(?:DOUBLE|FLOAT|DECIMAL)/.test(type)) return `CAST(${column} AS DOUBLE)`;
  return `CAST(${column} AS BIGINT)`;
}

/** Turns vectors into pairs; each answer is good until the next. */
export class EnginePairs {
  #pairs = new Int32Array(0);
  #values = new Float64Array(0);
  kinds = new Uint8Array(0);

  /** The pairs; what they mean is in `kinds`. */
  of(vector: unknown, count: number): Int32Array {
    const { items, validity } = vector as EightBytes;
    if (!ArrayBuffer.isView(items) || validity.offset !== 0) {
      throw new TypeError('the engine gives values in another way than was expected');
    }
    if (this.kinds.length < count) {
      this.kinds = new Uint8Array(count);
      this.#values = new Float64Array(count);
      this.#pairs = new Int32Array(this.#values.buffer);
    }
    const words = new Int32Array(items.buffer, items.byteOffset, 2 * count);
    this.kinds.fill(PAIR.value, 0, count);
    const isWhole = items instanceof BigInt64Array;
    const to = { pairs: this.#pairs, values: this.#values, kinds: this.kinds };
    const pairs = isWhole ? wholeAsDoubles(words, count, to) : words;
    if (validity.data !== null) this.#markAbsent(validity.data, count);
    return pairs;
  }

  #markAbsent(data: BigUint64Array, count: number): void {
    const bits = new Uint32Array(data.buffer, data.byteOffset, 2 * data.length);
    for (let i = 0; i < count; i++) {
      if (((bits[i >>> 5] as number) & (1 << (i & 31))) === 0) this.kinds[i] = PAIR.absent;
    }
  }
}

/**
 * The pairs of whole numbers of 64 bits, given as words, low half first: doubles where these keep
 * them. `values` are the pairs, as doubles.
 */
export function wholeAsDoubles(
  words: Int32Array,
  count: number,
  to: {
    readonly pairs: Int32Array;
    readonly values: Float64Array;
    readonly kinds: Uint8Array;
  },
): Int32Array {
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
