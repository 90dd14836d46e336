// SPDX-License-Identifier: Apache-2.0
// When this member's witness ticks: when something waits for the ledger's clock, and once an hour
// otherwise, so that a quiet ledger stays short. Whoever waits asks by ticking itself: a tick that
// is a minute ahead of the clock has the other witnesses tick, too, each once for it and at most
// once a minute, so that one far in the future moves nobody again and again.
// docs/design/ticks-when-needed.md.
import { awaitsTick, type FoldState, memberById, nextEdge } from '@cloister/contract';
import { equal } from '@cloister/core';
import { type Gateway, publish } from './context.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** How long an event that is judged by time waits for the others' ticks. */
const FRESHEN_MS = 3_000;

/** Why a witness ticks; for logs and tests. */
export type TickReason = 'first' | 'awaited' | 'wrong' | 'forming' | 'asked' | 'hourly' | 'edge';

/**
 * Why the witness of `member`, whose own clock says `now`, should tick; undefined: it need not.
 * While an epoch forms it ticks every `tickMs`.
 */
export function wantsTick(
  state: FoldState,
  of: { member: string; now: number; tickMs: number },
): TickReason | undefined {
  const { member, now, tickMs } = of;
  const mine = state.ticks.get(member);
  if (mine === undefined) return 'first';
  const since = now - mine.time;
  if (awaitsTick(state, member)) return 'awaited';
  if (since <= -MINUTE_MS) return 'wrong';
  if (state.formingEpoch !== null && since >= tickMs) return 'forming';
  if (since >= MINUTE_MS && isAsked(state, member, now)) return 'asked';
  return since >= HOUR_MS ? 'hourly' : passedEdge(state, { mine: mine.time, now });
}

/** Something that the state knows of is due by this witness's clock, and it has not said so. */
function passedEdge(state: FoldState, of: { mine: number; now: number }): 'edge' | undefined {
  const edge = nextEdge(state);
  return edge !== undefined && edge <= of.now && of.mine < edge ? 'edge' : undefined;
}

/** Another witness has ticked a minute ahead of the clock, and this one not since. */
function isAsked(state: FoldState, member: string, now: number): boolean {
  const mine = state.ticks.get(member)?.size ?? 0;
  return [...state.ticks].some(([other, { time, size }]) => {
    return other !== member && time >= state.clock + MINUTE_MS && mine <= size && now > state.clock;
  });
}

/** Whether this gateway's witness is the member's in the charter in force, and signs. */
export function mayTick({ follower, witness, card, keys }: Gateway): boolean {
  const { charter, closed } = follower.state;
  if (charter === null || closed !== null || witness.stopped !== undefined) return false;
  const mine = memberById(charter, card.id)?.witness;
  return mine !== undefined && equal(mine, keys.witness.key);
}

/** Gateways whose clock is being freshened. */
const freshening = new WeakMap<Gateway, Promise<void>>();

/**
 * Before what is judged by time: moves the clock if it lags a minute and the others answer. All who
 * ask meanwhile wait for one tick.
 */
export function freshenClock(gateway: Gateway): Promise<void> {
  const begun = freshening.get(gateway);
  if (begun !== undefined) return begun;
  const done = freshen(gateway).finally(() => freshening.delete(gateway));
  freshening.set(gateway, done);
  return done;
}

async function freshen(gateway: Gateway): Promise<void> {
  const { follower, timers, clock } = gateway;
  const lags = () => clock.now() - follower.state.clock >= MINUTE_MS;
  if (follower.state.clock === 0 || !lags() || !mayTick(gateway)) return;
  const end = timers.elapsed() + FRESHEN_MS;
  await publish(gateway, 'tick', { time: clock.now() });
  for (let left = FRESHEN_MS; lags() && left > 0; left = end - timers.elapsed()) {
    if (!(await follower.reached(follower.size + 1, left))) return;
  }
}
