// SPDX-License-Identifier: Apache-2.0
// Which parts of collateral the ledger had at which size, and what its clock was. The fold keeps
// the newest only; who judges again what was judged at an older head asks here. Taken from the
// state after each entry, so it says nothing that the fold did not.
import type { FoldState, KeptPart } from '../fold/state.ts';

interface Span {
  readonly key: string;
  readonly part: KeptPart;
  /** Sizes at which it is the newest: from this one, to before that one. */
  readonly from: number;
  to: number;
}

export class PartHistory {
  readonly #spans: Span[] = [];
  readonly #newest = new Map<string, Span>();
  readonly #clocks: { readonly size: number; readonly clock: number }[] = [];

  /** Takes note of the state after an entry; called after each. */
  take({ seq: size, clock, collateral }: FoldState, changed: 'clock' | 'collateral'): void {
    if (changed === 'clock') {
      if (this.#clocks.at(-1)?.clock !== clock) this.#clocks.push({ size, clock });
      return;
    }
    for (const [key, span] of this.#newest) {
      if (collateral.get(key) === span.part) continue;
      span.to = size;
      this.#newest.delete(key);
    }
    for (const [key, part] of collateral) {
      if (this.#newest.has(key)) continue;
      const span = { key, part, from: size, to: Number.POSITIVE_INFINITY };
      this.#newest.set(key, span);
      this.#spans.push(span);
    }
  }

  /** The state's table of parts as it was at this size. */
  at(size: number): Map<string, KeptPart> {
    const then = this.#spans.filter(({ from, to }) => from <= size && size < to);
    return new Map(then.map(({ key, part }) => [key, part]));
  }

  /** The ledger's clock as it was at this size. */
  clockAt(size: number): number {
    return this.#clocks.findLast((one) => one.size <= size)?.clock ?? 0;
  }
}
