// SPDX-License-Identifier: Apache-2.0
// Wakes whoever waits for new events.

export class NewEvents {
  #wake: () => void = () => undefined;
  #next: Promise<void> = Promise.resolve();

  constructor() {
    this.#renew();
  }

  #renew(): void {
    this.#next = new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Wakes everyone who waits. */
  announce(): void {
    this.#wake();
    this.#renew();
  }

  /** Resolves at the next announcement or when `signal` aborts. */
  async wait(signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const next = this.#next;
    let onAbort: (() => void) | undefined;
    const aborted = new Promise<void>((resolve) => {
      onAbort = resolve;
      signal.addEventListener('abort', onAbort, { once: true });
    });
    try {
      await Promise.race([next, aborted]);
    } finally {
      if (onAbort !== undefined) signal.removeEventListener('abort', onAbort);
    }
  }
}
