// SPDX-License-Identifier: Apache-2.0
// Wakes whoever waits for new events. A waiter that gives up leaves nothing behind.

export class NewEvents {
  readonly #waiting = new Set<() => void>();

  /** Wakes everyone who waits. */
  announce(): void {
    const all = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of all) wake();
  }

  /** Resolves at the next announcement or when `signal` aborts. */
  wait(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const wake = () => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}
