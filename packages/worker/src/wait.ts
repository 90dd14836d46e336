// SPDX-License-Identifier: Apache-2.0
// Patience with bounds: try again while others catch up, give up with the last reason; ask many at
// once and go on when enough have answered. Nothing here waits for the slowest of a crowd.
import { setTimeout as sleep } from 'node:timers/promises';
import { type CodedError, isCoded } from '@cloister/core';
import { workerError } from './errors.ts';

const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 160;
const PASSING = new Set(['unavailable', 'not-found', 'conflict']);

/** Whether trying again may help. */
export function isPassing(error: unknown): error is CodedError {
  return isCoded(error) && PASSING.has(error.kind);
}

/**
 * Calls `attempt` until it answers something else than undefined, with growing pauses. Errors of
 * kind `unavailable`, `not-found` and `conflict` are tried again; others pass.
 * @throws CodedError the last such error, or `timed-out`
 */
export async function patiently<T>(
  what: string,
  patienceMs: number,
  attempt: () => Promise<T | undefined>,
): Promise<T> {
  const until = performance.now() + patienceMs;
  let last: unknown;
  let pauseMs = FIRST_PAUSE_MS;
  do {
    try {
      const answer = await attempt();
      if (answer !== undefined) return answer;
    } catch (error) {
      if (!isPassing(error)) throw error;
      last = error;
    }
    await sleep(pauseMs);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
  } while (performance.now() < until);
  throw last ?? timedOut(what, patienceMs);
}

/** What a crowd answered. */
export interface Gathered<T> {
  readonly got: readonly T[];
  readonly failures: readonly unknown[];
  /** How many had not answered when the gathering ended; what they say later is dropped. */
  readonly pending: number;
}

export interface GatherBounds<T> {
  /** Whether these answers are enough; called after each. */
  readonly enough: (got: readonly T[]) => boolean;
  /** How long the others may still take once there are enough. */
  readonly graceMs: number;
  /** How long it may take in all. */
  readonly boundMs: number;
}

/** Settles `asked` until there is enough of it, nothing left to wait for, or no time. */
export function gather<T>(
  asked: readonly Promise<T>[],
  bounds: GatherBounds<T>,
): Promise<Gathered<T>> {
  const got: T[] = [];
  const failures: unknown[] = [];
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(bound);
      clearTimeout(grace);
      const pending = asked.length - got.length - failures.length;
      resolve({ got: [...got], failures: [...failures], pending });
    };
    const bound = setTimeout(end, bounds.boundMs);
    let grace: NodeJS.Timeout | undefined;
    const settled = () => {
      if (got.length + failures.length === asked.length) end();
    };
    const keep = (value: T) => {
      got.push(value);
      try {
        if (grace === undefined && bounds.enough(got)) grace = setTimeout(end, bounds.graceMs);
        if (grace !== undefined && bounds.graceMs === 0) end();
      } catch (error) {
        clearTimeout(bound);
        reject(error);
      }
      settled();
    };
    for (const one of asked) {
      one.then(keep, (error) => {
        failures.push(error);
        settled();
      });
    }
    settled();
  });
}

/**
 * Asks in turn, and the next one already when the last takes longer than `stepMs`; the first that
 * answers wins. `peers` are at least one. @throws CodedError the last failure when all failed
 */
export function firstOf<P, T>(
  peers: readonly P[],
  stepMs: number,
  ask: (peer: P) => Promise<T>,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let next = 0;
    let failed = 0;
    let step: NodeJS.Timeout | undefined;
    const askNext = () => {
      clearTimeout(step);
      const peer = peers[next++];
      if (peer === undefined) return;
      if (next < peers.length) step = setTimeout(askNext, stepMs);
      ask(peer).then(
        (value) => {
          clearTimeout(step);
          next = peers.length;
          resolve(value);
        },
        (error: unknown) => {
          failed += 1;
          if (failed === peers.length) reject(error);
          else askNext();
        },
      );
    };
    askNext();
  });
}

/** `work`, or `timed-out` after `limitMs`; the work itself is not ended by that. */
export function within<T>(what: string, limitMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(timedOut(what, limitMs)), limitMs);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

function timedOut(what: string, limitMs: number): CodedError {
  return workerError('timed-out', 'unavailable', `waited ${limitMs} ms for ${what}`);
}
