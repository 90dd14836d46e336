// SPDX-License-Identifier: Apache-2.0
// Work that goes one after another: each begins when the one before has ended, well or not.
export class Lane {
  #last: Promise<unknown> = Promise.resolve();

  /** Runs `work` after everything that was given before; answers as it does. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }
}
