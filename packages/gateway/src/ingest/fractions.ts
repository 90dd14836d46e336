// SPDX-License-Identifier: Apache-2.0
// Whether two texts of a column could be one value written with more or fewer zeros at the end:
// 1.5 and 1.50, 10:00:00 and 10:00:00.000.

/** Gathers the digits after the point of every text of a column. */
export class Fractions {
  /** By how many digits there are, the most zeros at the end that a text with so many has. */
  readonly #zeros = new Map<number, number>();

  add(digits: string): void {
    const { length } = digits;
    const known = this.#zeros.get(length);
    if (known === length) return;
    let zeros = 0;
    while (zeros < length && digits[length - 1 - zeros] === '0') zeros++;
    if (known === undefined || zeros > known) this.#zeros.set(length, zeros);
  }

  merge(other: Fractions): void {
    for (const [length, zeros] of other.#zeros) {
      this.#zeros.set(length, Math.max(zeros, this.#zeros.get(length) ?? 0));
    }
  }

  /** The most digits that a text has. */
  get most(): number {
    return Math.max(0, ...this.#zeros.keys());
  }

  /** Whether some value may be there in two forms. */
  areMixed(): boolean {
    const lengths = [...this.#zeros].sort(([a], [b]) => a - b);
    return lengths.some(([length, zeros], i) => {
      const [shorter] = lengths[i - 1] ?? [];
      return shorter !== undefined && zeros >= length - shorter;
    });
  }
}
