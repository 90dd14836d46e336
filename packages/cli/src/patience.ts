// SPDX-License-Identifier: Apache-2.0
// What another member has just put on the ledger reaches our gateway a moment later. Commands that
// name such a thing ask again for a while before they say that it is not there.
import { isCoded } from '@cloister/core';

const POLL_MS = 100;
/** How long a command waits for what others have just recorded, unless told otherwise. */
export const MOMENT_SECONDS = 3;

/**
 * Asks until `ask` answers something; an error that `passing` calls passing is asked again until
 * the time is up, then thrown. Answers undefined when the time is up and nothing was answered.
 */
export async function patiently<T>(
  seconds: number,
  ask: () => Promise<T | undefined>,
  passing: (error: unknown) => boolean = isPassing,
): Promise<T | undefined> {
  const end = performance.now() + seconds * 1_000;
  for (;;) {
    try {
      const answer = await ask();
      if (answer !== undefined) return answer;
      if (performance.now() >= end) return undefined;
    } catch (error) {
      if (!passing(error) || performance.now() >= end) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}

/** Something could not be reached, or is not there yet. */
export function isPassing(error: unknown): boolean {
  return isCoded(error) && (error.kind === 'unavailable' || error.kind === 'not-found');
}

/** Not there yet; what cannot be reached is told at once. */
export function isAbsent(error: unknown): boolean {
  return isCoded(error) && error.kind === 'not-found';
}
