// SPDX-License-Identifier: Apache-2.0
// Reaching keepers: who says it holds which seat, a challenge from each, and one freshness note
// over all challenges. Begun as soon as the join is cosigned, so that it goes on while the code is
// planned; what is asked of a keeper for a key comes after that (keys.ts).
//
// Invariants: what a keeper says of its seat is believed only as far as its answer later holds, so
// two that claim one seat are both asked; a challenge that repeats another's is dropped; silent
// keepers are waited for only as long as fewer than t have answered, and a little more.
import {
  attestedError,
  type Gathered,
  gather,
  type Hedged,
  hedge,
  patiently,
} from '@cloister/attested';
import type { Epoch } from '@cloister/contract';
import { fromHex, type Timers, toHex } from '@cloister/core';
import type { TreeHead } from '@cloister/tlog';
import { freshnessNote } from './freshness.ts';
import type { RunIdentity } from './identity.ts';
import type { KeeperPeer, WorkerPorts } from './ports.ts';

/** How long keepers beyond t may take: little at first, more when those that answered failed. */
export const QUICK_MS = 150;
export const SLOW_MS = 5_000;
/** What the first t seats may take to open before the others are asked as well. */
const FIRST_ALONE_MS = 150;
const BOUND_MS = 12_000;
const JOIN_SEEN_MS = 5_000;

/** A keeper that says it holds a seat of the epoch. */
export interface Holder {
  readonly client: KeeperPeer;
  readonly base: string;
  /** Its join, in hexadecimal, which the epoch has at this seat. */
  readonly join: string;
  readonly seat: number;
}

export interface ReachRequest {
  readonly join: Uint8Array;
  /** A cosigned head that includes the join. */
  readonly head: TreeHead;
  /** The epoch's id in hexadecimal. */
  readonly epochKey: string;
  readonly epoch: Epoch;
  readonly owners: readonly string[];
  /** How long those beyond t may take. */
  readonly graceMs: number;
}

/** Keepers that drew a challenge, and the note that answers all of them. */
export interface Reached {
  readonly holders: readonly Holder[];
  readonly note: string | undefined;
  readonly failures: readonly unknown[];
  readonly pending: number;
  /** Of `timers.elapsed()`, when the challenges were drawn. */
  readonly since: number;
}

/** Distinct seats among holders or their answers. */
export function seatsOf(held: readonly { readonly seat: number }[]): number {
  return new Set(held.map(({ seat }) => seat)).size;
}

/** Asks the first holder of each of t seats now, and the others when one fails or is slow. */
export function askFirstSeats<T>(
  timers: Timers,
  holders: readonly Holder[],
  { threshold, ask }: { threshold: number; ask: (holder: Holder) => Promise<T> },
): Hedged<T> {
  const first = new Map<number, Holder>();
  for (const holder of holders) {
    if (first.size < threshold && !first.has(holder.seat)) first.set(holder.seat, holder);
  }
  const isFirst = (holder: Holder) => first.get(holder.seat) === holder;
  return hedge(holders, { timers, isFirst, aloneMs: FIRST_ALONE_MS, ask });
}

/** Answers with a note only where keepers of at least t seats drew challenges. */
export async function reachKeepers(
  ports: WorkerPorts,
  identity: RunIdentity,
  request: ReachRequest,
): Promise<Reached> {
  const { epoch, graceMs } = request;
  const { timers } = ports;
  const since = timers.elapsed();
  const asked = ports.config.keepers.map((base) => drawFrom(ports, identity, base, request));
  const drawn: Gathered<{ holder: Holder; challenge: Uint8Array }> = await gather(asked, {
    timers,
    enough: (got) => seatsOf(got.map(({ holder }) => holder)) >= epoch.threshold,
    graceMs,
    boundMs: BOUND_MS,
  });
  const { failures, pending } = drawn;
  const seen = new Map(drawn.got.map((one) => [toHex(one.challenge), one]));
  const ready = [...seen.values()];
  const holders = ready.map(({ holder }) => holder);
  if (seatsOf(holders) < epoch.threshold) {
    return { holders, note: undefined, failures, pending, since };
  }
  const challenges = ready.map(({ challenge }) => challenge);
  const { head, owners } = request;
  const note = await freshnessNote(ports, identity.gateways, { head, challenges, owners });
  return { holders, note, failures, pending, since };
}

async function drawFrom(
  { timers, random }: Pick<WorkerPorts, 'timers' | 'random'>,
  identity: RunIdentity,
  base: string,
  request: ReachRequest,
): Promise<{ holder: Holder; challenge: Uint8Array }> {
  const { epoch, epochKey } = request;
  const client = identity.keeper(base);
  const { join, seat, epoch: held } = await client.health();
  if (join === null || seat === null || held !== epochKey || epoch.joins[seat - 1] !== join) {
    throw notHolding(base);
  }
  const nonce = random.bytes(32);
  // A keeper that has not followed to the join yet says so, and does within moments.
  const challenge = await patiently('a challenge', { timers, patienceMs: JOIN_SEEN_MS }, () =>
    client.challenge({ join: request.join, keeper: fromHex(join), nonce }),
  );
  return { holder: { client, base, join, seat }, challenge };
}

function notHolding(base: string) {
  const message = `the keeper at ${base} holds no seat of the active epoch`;
  return attestedError('keeper-not-holding', message);
}
