// SPDX-License-Identifier: Apache-2.0
// What one member does by itself against the others, with its own keys: a tick far in the future,
// an epoch that nobody else wants, and what it may carry of a maker's collateral, old, early, half
// or another maker's; and a network that repeats what workers ask of keepers.
import type { EventKind, Said } from '@cloister/contract';
import { type Signer, toHex } from '@cloister/core';
import type { CollateralPart } from '@cloister/evidence';
import { mintParts } from '@cloister/evidence/mint';
import { namedBytes, namedMaker, START_MS } from '../world/index.ts';
import { CARRIERS } from './adversaries.ts';
import { amending } from './attackers/charters.ts';
import { squat } from './attackers/squatter.ts';
import type { Committee } from './committee.ts';
import type { KeeperNode } from './keeper-node.ts';
import type { Message } from './network.ts';
import { eventId, fromHexKey, MEMBERS, type Stage } from './stage.ts';
import { OWNER } from './tasks.ts';

const LATEST_MS = 4_000;
const POLL_MS = 100;
const REPEAT_MS = 120;
const YEARS_MS = 10 * 365 * 86_400_000;
const DAY_MS = 86_400_000;
/** Dates of makers are whole seconds. */
const LATER_MS = 2_000;
/** The operator that has no seat. */
const OUTSIDER = 'lab';
/** Both of one make, or the vendor rule alone would forbid a swap. */
const CHAIN = [
  { spare: OUTSIDER, leaves: 'insurer' },
  { spare: 'insurer', leaves: OUTSIDER },
] as const;
const MOVES = 6;
const RUBBISH = 60;
/** Time enough for an epoch to form, should it. */
const CHAIN_MS = 2_500;

/** Begins what the seed's adversary does by itself, if it is such a one. */
export function scheme(stage: Stage, committee: Committee): void {
  const { network, adversary } = stage;
  if (adversary === 'repeats-requests') network.onDelivered = (message) => repeat(stage, message);
  if (adversary === 'squats-keys') squat(stage);
  // Collateral is there before keepers are: an epoch does not wait for it.
  const carries = (CARRIERS as readonly (string | undefined)[]).includes(adversary);
  const at = carries ? 0 : Math.floor(network.choose() * LATEST_MS);
  const work = WORK[adversary ?? ''];
  if (work !== undefined) network.after(at, () => network.go(work(stage, committee)));
}

type Work = (stage: Stage, committee: Committee) => Promise<void>;

const WORK: Readonly<Record<string, Work>> = {
  'old-parts': (stage) =>
    around(stage, async (made) => {
      for (const days of [1, 20]) await carry(stage, minted(stage, made - days * DAY_MS));
    }),
  'future-parts': (stage) =>
    around(stage, async (made) => {
      await carry(stage, minted(stage, made + 3 * DAY_MS));
      await carry(stage, minted(stage, made + 3 * DAY_MS, 9));
    }),
  'stranger-parts': (stage) =>
    around(stage, (made) => carry(stage, minted(stage, made, 1, 'a stranger'))),
  // The maker's next numbers are out early; one half of each is kept back.
  'withheld-part': (stage) =>
    around(stage, async (made) => {
      const early = (number: number, part: string) =>
        minted(stage, made, number).filter((one) => one.part === part);
      await carry(stage, early(2, 'tcb-info'));
      await carry(stage, early(3, 'qe-identity'));
    }),
  'future-tick': async (stage) => {
    const time = stage.clock.now() + YEARS_MS;
    await put(stage, stage.traitor, 'tick', { time });
  },
  'closes-alone': async (stage) => {
    for (let i = 0; i < MOVES; i++) {
      const next = namedBytes(stage.label, `next/${i % 2}`);
      await put(stage, stage.traitor, 'close', i % 3 === 0 ? {} : { next });
      await stage.network.sleep(POLL_MS);
    }
  },
  'amends-alone': async (stage) => {
    for (let i = 0; i < MOVES; i++) {
      const change = AMENDMENTS[i % AMENDMENTS.length] as (typeof AMENDMENTS)[number];
      const { body, keys } = change(stage);
      const amend = await put(stage, stage.traitor, 'amend', body);
      for (const signer of [stage.key(stage.traitor, 'identity'), ...keys]) {
        await stage.order(await stage.world.sign(signer, 'sign', { amend }));
      }
      await stage.network.sleep(POLL_MS);
    }
  },
  'moves-key': async (stage, committee) => {
    const { state } = stage.world;
    await settled(stage);
    // A keeper of the fourth operator, whom nobody else wants.
    const join = await joined(stage, committee.extra(OUTSIDER));
    for (let tries = 0; tries < MOVES; tries++) {
      await settled(stage);
      const active = state.activeEpoch as string;
      const { joins } = state.epochs.get(active) as { joins: readonly string[] };
      const seats = [...joins.slice(1).map(fromHexKey), join];
      const from = tries % 2 === 0 ? { from: fromHexKey(active) } : {};
      await put(stage, stage.traitor, 'epoch', { joins: seats, ...from });
      await stage.network.sleep(10 * POLL_MS);
    }
  },
  'rubbish-epochs': async (stage) => {
    const { state } = stage.world;
    for (let i = 0; i < RUBBISH; i++) {
      await stage.network.sleep(POLL_MS);
      const keepers = [...state.joins].filter(([, { body }]) => body.role === 'keeper');
      const names = keepers.map(([key]) => fromHexKey(key));
      const { seats } = stage.world.charter.keepers;
      if (names.length < seats || state.clock === 0) continue;
      const first = i % (names.length - seats + 1);
      const from =
        state.activeEpoch === null || i % 3 === 0 ? {} : { from: fromHexKey(state.activeEpoch) };
      const joins = names.slice(first, first + seats).reverse();
      await put(stage, stage.traitor, 'epoch', { joins, ...from });
    }
  },
  'consents-blindly': async (stage) => {
    const { state } = stage.world;
    for (;;) {
      await stage.network.sleep(POLL_MS);
      for (const [key, { consents }] of state.proposals) {
        if (consents.has(stage.traitor)) continue;
        await put(stage, stage.traitor, 'consent', { epoch: fromHexKey(key) });
      }
    }
  },
};

/** The next charter as one member would have it, and keys of its own that sign for others. */
const AMENDMENTS: readonly ((stage: Stage) => { body: Said<'amend'>; keys: Signer[] })[] = [
  (stage) => {
    const environments = stage.world.inForce.environments.map((one) => {
      const measurement = namedBytes('other', 'program');
      const more = { measurement, source: 'mine', recipe: 'none' };
      return { ...one, measurements: [...one.measurements, more] };
    });
    return { body: amending(stage, { environments }), keys: [] };
  },
  (stage) => {
    const members = stage.world.inForce.members.filter(({ id }) => id !== OWNER);
    const witnesses = { faulty: 0, quorum: 2 };
    return { body: amending(stage, { members, witnesses }), keys: [] };
  },
  (stage) => {
    const own = stage.key(`${stage.traitor}/as-owner`, 'identity');
    const members = stage.world.inForce.members.map((one) =>
      one.id === OWNER ? { ...one, identity: own.key } : one,
    );
    return { body: { ...amending(stage, { members }), replaces: [OWNER] }, keys: [own] };
  },
];

/** Waits until a key is in force and no epoch forms. */
async function settled({ world: { state }, network }: Stage): Promise<void> {
  while (state.activeEpoch === null || state.formingEpoch !== null) await network.sleep(POLL_MS);
}

async function joined({ network, world }: Stage, node: KeeperNode): Promise<Uint8Array> {
  const there = () => world.state.joins.has(toHex(node.keeper.join ?? new Uint8Array()));
  while (!there()) await network.sleep(POLL_MS);
  return node.keeper.join as Uint8Array;
}

/**
 * One seat goes to a spare, as the charter allows. Its keeper comes again, so gateways agree to the
 * reshare unasked. Then another seat goes to the next, which the charter does not allow.
 */
export async function spareChain(stage: Stage, committee: Committee): Promise<void> {
  const { network } = stage;
  for (const { spare, leaves } of CHAIN) {
    const swapped = await seatInstead(stage, leaves, committee.extra(spare));
    network.count(swapped ? 'spare-seated' : 'spare-waits');
    if (!swapped) continue;
    const again = await seatInstead(stage, spare, committee.extra(spare));
    if (again) network.count('spare-comes-again');
  }
}

/** The traitor proposes that a keeper takes an operator's seat; answers whether it did. */
async function seatInstead(stage: Stage, leaves: string, keeper: KeeperNode): Promise<boolean> {
  const { state } = stage.world;
  await settled(stage);
  const before = state.activeEpoch as string;
  const join = await joined(stage, keeper);
  const { joins } = state.epochs.get(before) as { joins: readonly string[] };
  const seats = joins.map((key) => {
    return state.joins.get(key)?.body.operator === leaves ? join : fromHexKey(key);
  });
  await put(stage, stage.traitor, 'epoch', { joins: seats, from: fromHexKey(before) });
  await stage.network.sleep(CHAIN_MS);
  return state.activeEpoch !== before;
}

async function put<K extends EventKind>(
  stage: Stage,
  member: string,
  kind: K,
  said: Said<K>,
): Promise<Uint8Array> {
  stage.network.count(`adversary: ${kind}`);
  const signer = stage.key(member, kind === 'tick' ? 'witness' : 'identity');
  const event = await stage.world.sign(signer, kind, said);
  await stage.order(event);
  return eventId(event);
}

/** Honest members carry what the maker serves, before and after the one that does it harm. */
async function around(stage: Stage, harm: (made: number) => Promise<void>): Promise<void> {
  const { world, network } = stage;
  const other = MEMBERS.find((member) => member !== stage.traitor) as string;
  // A witness that lies may have set the first time.
  while (world.state.clock < START_MS) await network.sleep(POLL_MS);
  const from = world.state.clock;
  await publishParts(stage, other, minted(stage, from - DAY_MS));
  await harm(from - DAY_MS);
  while (world.state.clock < from + LATER_MS) {
    await network.sleep(10 * POLL_MS);
    for (const member of MEMBERS) {
      const time = stage.clock.now();
      await stage.order(await world.sign(stage.key(member, 'witness'), 'tick', { time }));
    }
  }
  await publishParts(stage, other, minted(stage, from));
  await harm(from);
}

const made = new Map<string, CollateralPart[]>();

/** Minted once: a signature of P-256 is another each time, and a seed is to replay. */
function minted(stage: Stage, at: number, number = 1, maker = stage.label): CollateralPart[] {
  const key = `${stage.label} ${maker} ${at} ${number}`;
  const known = made.get(key) ?? mintParts(namedMaker(maker), { at, number });
  made.set(key, known);
  return known;
}

async function carry(stage: Stage, parts: readonly CollateralPart[]): Promise<void> {
  for (const part of parts) await put(stage, stage.traitor, 'collateral', part);
}

async function publishParts(
  stage: Stage,
  member: string,
  parts: readonly CollateralPart[],
): Promise<void> {
  for (const part of parts) {
    await stage.order(await stage.world.sign(stage.key(member, 'identity'), 'collateral', part));
  }
}

/** The same request again, as the network has seen it. */
function repeat(stage: Stage, { from, to, kind, body }: Message): void {
  const asked = kind === 'open' || kind === 'challenge';
  if (!asked || !from.startsWith('worker') || body['repeated'] === true) return;
  const { network } = stage;
  network.count('repeated-request');
  const again = { ...body, call: network.call(), repeated: true };
  network.after(REPEAT_MS, () => network.send(from, to, kind, again));
}
