// SPDX-License-Identifier: Apache-2.0
// Waiting of callers that poll: for news, but never longer than they asked for.
import type { Timers } from '@cloister/core';

/** Resolves when `news` has settled, however it did, or after `ms`. */
export async function settledWithin(
  timers: Timers,
  news: Promise<unknown>,
  ms: number,
): Promise<void> {
  let cancel = () => {};
  const end = new Promise<void>((resolve) => {
    cancel = timers.after(ms, resolve);
  });
  const settled = news.then(
    () => undefined,
    () => undefined,
  );
  await Promise.race([settled, end]);
  cancel();
}
