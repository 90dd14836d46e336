// SPDX-License-Identifier: Apache-2.0
// Waiting of callers that poll: for news, but never longer than they asked for.

/** Resolves when `news` has settled, however it did, or after `ms`. Keeps no process alive. */
export async function settledWithin(news: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
    timer.unref();
  });
  const settled = news.then(
    () => undefined,
    () => undefined,
  );
  await Promise.race([settled, end]);
  clearTimeout(timer);
}
