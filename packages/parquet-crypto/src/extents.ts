// SPDX-License-Identifier: Apache-2.0
// Ranges of a file, where those that touch are kept as one. A file has tens of thousands of modules
// side by side: their ranges are a few numbers.

/** The bytes [start, end). */
export interface Extent {
  readonly start: number;
  readonly end: number;
}

/** Ranges, added in any order; adding them in the order of the file costs the least. */
export class Extents {
  /** Start and end of each. */
  private readonly bounds: number[] = [];

  /** Adds a range; an empty one is nothing. */
  add({ start, end }: Extent): void {
    const { bounds } = this;
    if (start === end) return;
    if (bounds.length > 0 && bounds[bounds.length - 1] === start) bounds[bounds.length - 1] = end;
    else bounds.push(start, end);
  }

  addAll(others: Extents): void {
    for (const extent of others.list()) this.add(extent);
  }

  /** The ranges in the order of the file; those that overlap stay apart. */
  sorted(): Extent[] {
    const out = new Extents();
    for (const extent of this.list().sort((a, b) => a.start - b.start)) out.add(extent);
    return out.list();
  }

  private list(): Extent[] {
    const { bounds } = this;
    return Array.from({ length: bounds.length / 2 }, (_, i) => {
      return { start: bounds[2 * i] ?? 0, end: bounds[2 * i + 1] ?? 0 };
    });
  }
}
