// SPDX-License-Identifier: Apache-2.0
// Patience with bounds: try again while others catch up, give up with the last reason; ask many at
// once and go on when enough have answered. Nothing here waits for the slowest of a crowd.
import { type CodedError, isCoded, type Timers } from '@cloister/core';
import { attestedError } from './errors.ts';

const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 160;
const PASSING = new Set(['unavailable', 'not-found', 'conflict']);

/** Whether trying again may help. */
export function isPassing(error: unknown): error is CodedError {
  return isCoded(error) && PASSING.has(error.kind);
}

export interface PatienceBounds {
  readonly timers: Timers;
  readonly patienceMs: number;
  /** Ends the waiting at once. */
  readonly signal?: AbortSignal;
  /** A count that rises while something moves: patience begins anew with each rise. */
  readonly progress?: () => number;
}

/**
 * Calls `attempt` until it answers something else than undefined, with growing pauses. Errors of
 * kind `unavailable`, `not-found` and `conflict` are tried again; others pass.
 * @throws CodedError the last such error, or `timed-out`; `node-stopping` when the signal aborts
 */
export async function patiently<T>(
  what: string,
  bounds: PatienceBounds,
  attempt: () => Promise<T | undefined>,
): Promise<T> {
  const { timers, patienceMs, signal, progress = () => 0 } = bounds;
  let until = timers.elapsed() + patienceMs;
  let most = progress();
  let last: unknown;
  let pauseMs = FIRST_PAUSE_MS;
  do {
    try {
      const answer = await unlessStopped(signal, attempt);
      if (answer !== undefined) return answer;
    } catch (error) {
      if (!isPassing(error) || isCoded(error, 'node-stopping')) throw error;
      last = error;
    }
    await pause(timers, pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    const now = progress();
    if (now > most) until = timers.elapsed() + patienceMs;
    most = Math.max(most, now);
  } while (timers.elapsed() < until);
  throw last ?? timedOut(what, patienceMs);
}

/** Resolves after `ms`, or at once when the signal aborts. */
export function pause(timers: Timers, ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      cancel();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const cancel = timers.after(ms, done);
    signal?.addEventListener('abort', done);
  });
}

/** What `work` answers. @throws CodedError `node-stopping` as soon as the signal aborts */
export async function unlessStopped<T>(
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  if (signal === undefined) return work();
  const stopping = () => attestedError('node-stopping', 'this node is stopping');
  if (signal.aborted) throw stopping();
  let stop = () => {};
  const stopped = new Promise<never>((_, reject) => {
    stop = () => reject(stopping());
    signal.addEventListener('abort', stop);
  });
  return Promise.race([work(), stopped]).finally(() => signal.removeEventListener('abort', stop));
}

/** What a crowd answered. */
export interface Gathered<T> {
  readonly got: readonly T[];
  readonly failures: readonly unknown[];
  /** How many had not answered when the gathering ended; what they say later is dropped. */
  readonly pending: number;
}

export interface GatherBounds<T> {
  readonly timers: Timers;
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
    const { timers } = bounds;
    const end = () => {
      unbind();
      grace?.();
      const pending = asked.length - got.length - failures.length;
      resolve({ got: [...got], failures: [...failures], pending });
    };
    const unbind = timers.after(bounds.boundMs, end);
    let grace: (() => void) | undefined;
    const settled = () => {
      if (got.length + failures.length === asked.length) end();
    };
    const keep = (value: T) => {
      got.push(value);
      try {
        if (grace === undefined && bounds.enough(got)) grace = timers.after(bounds.graceMs, end);
        if (grace !== undefined && bounds.graceMs === 0) end();
      } catch (error) {
        unbind();
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

/** What was asked of each peer, and who decides about those that wait. */
export interface Hedged<T> {
  readonly asked: readonly Promise<T>[];
  /** Lets those that wait begin now. */
  readonly askOthers: () => void;
  /** Those that still wait never begin. */
  readonly cancel: () => void;
}

/**
 * Asks the first peers now, and the others when one of these fails or has taken `aloneMs`: where a
 * few answers are enough, the work of the others is spared.
 */
export function hedge<P, T>(
  peers: readonly P[],
  of: {
    readonly timers: Timers;
    readonly isFirst: (peer: P) => boolean;
    readonly aloneMs: number;
    readonly ask: (peer: P) => Promise<T>;
  },
): Hedged<T> {
  let askOthers = () => {};
  const needed = new Promise<void>((resolve) => {
    askOthers = resolve;
  });
  const cancel = of.timers.after(of.aloneMs, askOthers);
  const asked = peers.map(async (peer) => {
    if (!of.isFirst(peer)) await needed;
    try {
      return await of.ask(peer);
    } catch (error) {
      askOthers();
      throw error;
    }
  });
  return { asked, askOthers, cancel };
}

/** `work`, or `timed-out` after `limitMs`; the work itself is not ended by that. */
export function within<T>(
  what: string,
  bounds: { readonly timers: Timers; readonly limitMs: number },
  work: Promise<T>,
): Promise<T> {
  const { timers, limitMs } = bounds;
  let cancel = () => {};
  const late = new Promise<never>((_, reject) => {
    cancel = timers.after(limitMs, () => reject(timedOut(what, limitMs)));
  });
  return Promise.race([work, late]).finally(cancel);
}

function timedOut(what: string, limitMs: number): CodedError {
  return attestedError('timed-out', `waited ${limitMs} ms for ${what}`);
}
