// SPDX-License-Identifier: Apache-2.0
// What the engine has in a column, some thousand values at a time, as the pairs that a trace takes:
// no value of its own is made for any of them. Texts come as the engine's hash, whole numbers and
// times as whole numbers, the others as doubles.
import { PAIR } from './column-trace.ts';
import { Pairs, wholeAsDoubles } from './pairs.ts';

/** A vector of values of eight bytes, as the engine's binding keeps it. */
interface EightBytes {
  readonly items: BigInt64Array | BigUint64Array | Float64Array;
  readonly validity: { readonly data: BigUint64Array | null; readonly offset: number };
}

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
  #out = new Pairs(0);

  /** Of the last answer. */
  get kinds(): Uint8Array {
    return this.#out.kinds;
  }

  /** The pairs; what they mean is in `kinds`. */
  of(vector: unknown, count: number): Int32Array {
    const { items, validity } = vector as EightBytes;
    if (!ArrayBuffer.isView(items) || validity.offset !== 0) {
      throw new TypeError('the engine gives values in another way than was expected');
    }
    if (this.kinds.length < count) this.#out = new Pairs(count);
    const words = new Int32Array(items.buffer, items.byteOffset, 2 * count);
    this.kinds.fill(PAIR.value, 0, count);
    const isWhole = items instanceof BigInt64Array;
    const pairs = isWhole ? wholeAsDoubles(words, count, this.#out) : words;
    if (validity.data !== null) this.#markAbsent(validity.data, count);
    return pairs;
  }

  #markAbsent(data: BigUint64Array, count: number): void {
    const { kinds } = this.#out;
    const bits = new Uint32Array(data.buffer, data.byteOffset, 2 * data.length);
    for (let i = 0; i < count; i++) {
      if (((bits[i >>> 5] as number) & (1 << (i & 31))) === 0) kinds[i] = PAIR.absent;
    }
  }
}
