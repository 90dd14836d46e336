// SPDX-License-Identifier: Apache-2.0
// What the state has forgotten, for those who bill and audit: a gateway keeps it, a keeper and a
// worker do not. It is filled by the same fold over the same entries, so it is as true as the
// state. spec/events.md, "Lifetimes".
import type { FoldState, Join, Run, Task } from './state.ts';

export class Archive {
  readonly #tasks = new Map<string, Task>();
  readonly #runs = new Map<string, Run>();
  readonly #joins = new Map<string, Join>();
  #whole: FoldState | undefined;

  /** Takes what the newest entry made `state` forget; called after each. */
  take({ forgotten }: FoldState): void {
    this.#whole = undefined;
    for (const { task, runs, joins } of forgotten) {
      if (task !== null) this.#tasks.set(...task);
      for (const run of runs) this.#runs.set(...run);
      for (const join of joins) this.#joins.set(...join);
    }
  }

  /** Everything that ever was, as a state to read from until the next entry: never to fold on. */
  over<S extends FoldState>(state: S): S {
    if (this.#tasks.size + this.#joins.size === 0) return state;
    this.#whole ??= {
      ...state,
      tasks: new Map([...this.#tasks, ...state.tasks]),
      runs: new Map([...this.#runs, ...state.runs]),
      joins: new Map([...this.#joins, ...state.joins]),
    };
    return this.#whole as S;
  }
}
