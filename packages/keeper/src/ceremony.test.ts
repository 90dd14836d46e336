// SPDX-License-Identifier: Apache-2.0
// Keepers making a key on a ledger in memory: the happy path, a dealer that deals
// wrongly or dies, gateways that are dead or lie, and what is left after a stop. Seats that are not
// what the charter wants are in mismatch.test.ts.
import { inProcessAttester } from '@cloister/attester';
import { reportData, signEvent } from '@cloister/contract';
import { systemRandom, toHex, utf8 } from '@cloister/core';
import { ephemeralEd25519Signer, nodeCrypto } from '@cloister/core/node';
import { accepted } from '@cloister/testkit/world';
import { groupKeyOf, parseReveal } from '@cloister/threshold';
import {
  createDealing,
  generateHpkeKeyPair,
  type HpkeKeyPair,
  sealDeal,
} from '@cloister/threshold/node';
import { describe, expect, it, vi } from 'vitest';
import { type Committee, hardwareOf, OPERATORS, until } from '../testing/committee.ts';
import { committeeOfTest } from '../testing/committee-of-test.ts';
import { MemoryLedger } from '../testing/ledger.ts';
import { addDataset, joinTask, openWith, proposeTask } from '../testing/task.ts';
import { Ceremony } from './ceremony.ts';
import type { Keeper } from './keeper.ts';

/** Starts a keeper for each operator. */
async function startAll(committee: Committee): Promise<Keeper[]> {
  const keepers = Object.keys(OPERATORS).map((operator) => committee.keeper(operator));
  await Promise.all(keepers.map((keeper) => keeper.start()));
  return keepers;
}

function epochOf(committee: Committee, id: Uint8Array) {
  const epoch = committee.world.state.epochs.get(toHex(id));
  if (epoch === undefined) throw new Error('the epoch is not on the ledger');
  return epoch;
}

describe('three keepers of three makes', () => {
  it('share one key that none of them chose, and each knows its seat', async () => {
    const committee = await committeeOfTest();
    await committee.form();
    const { activeEpoch, epochs } = committee.world.state;
    const epoch = epochs.get(activeEpoch ?? '');
    const reveals = [...(epoch?.reveals.values() ?? [])].map(({ reveal }) => parseReveal(reveal));
    expect(toHex(epoch?.groupKey as Uint8Array)).toBe(toHex(groupKeyOf(reveals)));
    expect(committee.keepers.map((keeper) => keeper.seat?.seat)).toEqual([1, 2, 3]);
    expect(committee.keepers.map((keeper) => keeper.state)).toEqual(Array(3).fill('holding'));
    const steps = ['commit', 'reveal', 'ack'] as const;
    for (const step of steps) {
      const done = committee.logs.filter((line) => JSON.parse(line).event === step);
      expect(done.length).toBe(3);
    }
  });

  it('hold nothing after they stopped, and a keeper that starts again is another', async () => {
    const committee = await committeeOfTest();
    await committee.form();
    const [one] = committee.keepers as [Keeper];
    const join = toHex(one.join as Uint8Array);
    const bound = committee.world.state.joins.get(join)?.body.tls;
    expect(bound).toEqual(nodeCrypto.digest('sha256', one.tls.spki));
    expect(one.tls.privateKey).toBeDefined();
    await one.stop();
    expect(one.tls.privateKey).toBeUndefined();
    expect(one.state).toBe('stopping');
    expect(one.seat).toBeUndefined();
    const again = committee.keeper('insurer');
    await again.start();
    expect(toHex(again.join as Uint8Array)).not.toBe(join);
    expect(again.state).toBe('joined');
  });

  it('take the next key when a new epoch forms, and wipe the old shares', async () => {
    const shares = vi.spyOn(Ceremony.prototype, 'share');
    const committee = await committeeOfTest();
    await committee.form();
    const [before, old] = [toHex(committee.groupKey), committee.world.state.activeEpoch];
    const id = await committee.proposeEpoch(committee.keepers, 'hospital');
    await until(() => epochOf(committee, id).status === 'active', 'the second epoch');
    await until(
      () => committee.keepers.every((k) => toHex(k.seat?.epoch ?? new Uint8Array()) === toHex(id)),
      'all to hold the second',
    );
    expect(toHex(committee.groupKey)).not.toBe(before);
    expect(committee.world.state.epochs.get(old ?? '')?.status).toBe('superseded');
    const held = new Set(shares.mock.results.flatMap(({ value }) => value ?? []));
    const of = (epoch: string) => [...held].filter((share) => toHex(share.epoch) === epoch);
    expect(of(old ?? '').map((share) => share.wiped)).toEqual([true, true, true]);
    expect(of(toHex(id)).map((share) => share.wiped)).toEqual([false, false, false]);
    await committee.stop();
    expect([...held].every((share) => share.wiped)).toBe(true);
    shares.mockRestore();
  });
});

describe('a reshare', () => {
  it('keeps the group key, gives a new keeper a share, opens what is already sealed', async () => {
    const committee = await committeeOfTest();
    await committee.form();
    const [insurer, hospital, gone] = committee.keepers as [Keeper, Keeper, Keeper];
    const dataset = await addDataset(committee, 'hospital');
    const [groupKey, from] = [toHex(committee.groupKey), insurer.seat?.epoch as Uint8Array];
    await gone.stop();
    const fresh = committee.keeper('bank');
    await fresh.start();
    const seats = [fresh, insurer, hospital];
    const joins = seats.map((keeper) => keeper.join as Uint8Array);
    const { world } = committee;
    const id = await world.nameEpoch({ joins, from }, 'bank');
    await until(() => epochOf(committee, id).status === 'active', 'the reshared epoch');
    const all = () => seats.every((k) => toHex(k.seat?.epoch ?? new Uint8Array()) === toHex(id));
    await until(all, 'everybody to hold it');
    expect(epochOf(committee, id).dealers).toEqual([1, 2]);
    expect(toHex(committee.groupKey)).toBe(groupKey);
    expect(seats.map((keeper) => keeper.seat?.seat)).toEqual([1, 2, 3]);
    const task = await proposeTask(committee, [dataset]);
    const worker = await joinTask(committee, task);
    for (const pair of [seats.slice(0, 2), seats.slice(1)]) {
      const key = await openWith(committee, { keepers: pair, task, worker, column: 3 });
      expect(toHex(key)).toBe(toHex(dataset.keys.get(3) as Uint8Array));
    }
  });

  it('that fails leaves the old shares where they are', async () => {
    const committee = await committeeOfTest();
    await committee.form();
    const [insurer, hospital] = committee.keepers as [Keeper, Keeper, Keeper];
    const before = insurer.seat?.epoch as Uint8Array;
    const hardware = hardwareOf('optee', utf8('something else'));
    const wrong = committee.keeper('bank', { duties: { hardware } });
    await wrong.start();
    const joins = [insurer, hospital, wrong].map((keeper) => keeper.join as Uint8Array);
    const { world } = committee;
    const body = { joins, from: before };
    const id = await world.nameEpoch(body, 'bank');
    await until(() => epochOf(committee, id).status === 'ended', 'the end of the attempt');
    expect(epochOf(committee, id).end?.code).toBe('measurement-not-allowed');
    expect(insurer.seat?.epoch).toEqual(before);
    expect(insurer.state).toBe('holding');
  });
});

type Bend = (bytes: Uint8Array, seat: number) => Uint8Array;

/** The bank's seat played by hand: `wrong` changes its values, `bend` what it has sealed. */
async function playDealer(
  committee: Committee,
  { wrong = (deal) => deal, bend = (sealed) => sealed }: { wrong?: Bend; bend?: Bend },
) {
  const { world, blobs, ledger } = committee;
  const duties = committee.duties('bank', 'keeper');
  const attester = inProcessAttester(duties);
  const signer = ephemeralEd25519Signer();
  const body = {
    role: 'keeper' as const,
    operator: 'bank',
    charter: 1,
    environment: duties.environment,
    hardware: attester.hardware,
    measurement: attester.measurement,
    tls: systemRandom.bytes(32),
    hpke: generateHpkeKeyPair().publicKey,
    checkpoint: utf8((await ledger.checkpoint()).note),
  };
  const input = { genesis: world.genesis, signing: signer.key, join: body };
  const { evidence } = await attester.quote(reportData(input, 64, nodeCrypto));
  const join = { ...body, evidence: await blobs.put(evidence) };
  const outer = await attester.signJoin(await world.sign(signer, 'join', join));
  const id = accepted(await world.submit(outer));
  return {
    id,
    async play(epoch: Uint8Array): Promise<void> {
      const { genesis } = world;
      const about = { genesis, epoch, seat: 3, n: 3, t: 2, random: systemRandom };
      const dealing = createDealing(about);
      await ledger.append(await world.sign(signer, 'commit', world.commitBody(epoch, 3, dealing)));
      await until(() => epochOf(committee, epoch).phase === 'reveal', 'all commits');
      const deals = dealing.deals.map(({ seat: recipient, deal }) => {
        const recipientKey = epochOf(committee, epoch).receiving.get(recipient) as Uint8Array;
        const context = { genesis, epoch, dealer: 3, recipient, recipientKey };
        return bend(
          sealDeal({ ...context, deal: wrong(deal, recipient), random: systemRandom }),
          recipient,
        );
      });
      const reveal = { epoch, seat: 3, reveal: dealing.reveal, deals };
      await ledger.append(await world.sign(signer, 'reveal', reveal));
    },
  };
}

const toSeat1 = (change: (bytes: Uint8Array) => Uint8Array): Bend => {
  return (bytes, seat) => (seat === 1 ? change(bytes) : bytes);
};

describe.each<[string, Parameters<typeof playDealer>[1]]>([
  [
    'whose deal does not fit its commitments',
    { wrong: toSeat1((deal) => deal.map((byte, i) => (i === 31 ? byte ^ 1 : byte))) },
  ],
  ['that deals bytes which are no deal', { bend: toSeat1(() => Uint8Array.of(7)) }],
  [
    'whose proof of what it sealed does not hold',
    { bend: toSeat1((sealed) => sealed.map((byte, i) => (i === 100 ? byte ^ 1 : byte))) },
  ],
])('a dealer %s', (_what, how) => {
  it('is complained about, judged by everyone, and takes no seat again', async () => {
    const committee = await committeeOfTest();
    const honest = [committee.keeper('insurer'), committee.keeper('hospital')];
    await Promise.all(honest.map((keeper) => keeper.start()));
    const dealer = await playDealer(committee, how);
    const joins = [...honest.map((keeper) => keeper.join as Uint8Array), dealer.id];
    const { world } = committee;
    const id = await world.nameEpoch({ joins }, 'bank');
    await dealer.play(id);
    await until(() => epochOf(committee, id).status === 'ended', 'the end of the attempt');
    const { end } = epochOf(committee, id);
    expect(end).toMatchObject({ code: 'complaint-upheld', faults: [toHex(dealer.id)] });
    expect(world.state.joins.get(toHex(dealer.id))?.excluded).toBe('complaint-upheld');
    const again = await world.put(world.identity('hospital'), 'epoch', { joins });
    expect(again.outcome).toMatchObject({ status: 'void', code: 'epoch-join-excluded' });
    const replacement = committee.keeper('bank');
    await replacement.start();
    const next = await committee.proposeEpoch([...honest, replacement]);
    await until(() => epochOf(committee, next).status === 'active', 'the next attempt');
  });
});

/** The private keys of pairs, or what reading one throws. */
function secretsOf(pairs: readonly HpkeKeyPair[]): string[] {
  return pairs.map((pair) => {
    try {
      return toHex(pair.privateKey);
    } catch (error) {
      return (error as { code: string }).code;
    }
  });
}

describe('what a recorded deal was sealed to', () => {
  async function recorded(committee: Committee) {
    const pairs: HpkeKeyPair[] = [];
    const receivingKey = () => {
      const pair = generateHpkeKeyPair();
      pairs.push(pair);
      return pair;
    };
    const keepers = Object.keys(OPERATORS).map((id) => committee.keeper(id, { receivingKey }));
    await Promise.all(keepers.map((keeper) => keeper.start()));
    return { pairs, keepers };
  }

  it('is wiped in every keeper once the share is in force, and is no key of the join', async () => {
    const committee = await committeeOfTest();
    const { pairs, keepers } = await recorded(committee);
    const id = await committee.proposeEpoch(keepers);
    await until(() => keepers.every(({ state }) => state === 'holding'), 'an active epoch');
    const { receiving, joins } = epochOf(committee, id);
    const published = [...receiving.values()].map(toHex).sort();
    expect(pairs.map(({ publicKey }) => toHex(publicKey)).sort()).toEqual(published);
    expect(secretsOf(pairs)).toEqual(Array(3).fill('secret-wiped'));
    const lasting = joins.map((join) => committee.world.state.joins.get(join)?.body.hpke);
    for (const key of lasting) expect(published).not.toContain(toHex(key as Uint8Array));
  });

  it('is wiped when the attempt ends, and another attempt has another', async () => {
    const committee = await committeeOfTest();
    const { pairs, keepers } = await recorded(committee);
    const [, , dead] = keepers as [Keeper, Keeper, Keeper];
    await dead.stop();
    const id = await committee.proposeEpoch(keepers);
    await until(() => epochOf(committee, id).receiving.size === 2, 'those that live');
    expect(secretsOf(pairs)).not.toContain('secret-wiped');
    const { world } = committee;
    await world.tickAll(world.state.clock + world.charter.deadlines.epochPhase + 1);
    await until(() => secretsOf(pairs).every((one) => one === 'secret-wiped'), 'a wipe');
    expect(epochOf(committee, id).status).toBe('ended');
    expect(pairs).toHaveLength(2);
  });
});

describe('a keeper that dies before it has done its part', () => {
  it('is excluded at the deadline, and the attempt repeats without it', async () => {
    const committee = await committeeOfTest();
    const keepers = await startAll(committee);
    const [one, two, dead] = keepers as [Keeper, Keeper, Keeper];
    await dead.stop();
    const id = await committee.proposeEpoch(keepers);
    await until(() => epochOf(committee, id).commits.size === 2, 'the commits of those that live');
    const { world } = committee;
    await world.tickAll(world.state.clock + world.charter.deadlines.epochPhase);
    expect(epochOf(committee, id).status).toBe('forming');
    await world.tickAll(world.state.clock + 1);
    const faults = [toHex(dead.join as Uint8Array)];
    expect(epochOf(committee, id).end).toMatchObject({ code: 'deadline', faults });
    const again = await world.put(world.identity('bank'), 'epoch', {
      joins: keepers.map((keeper) => keeper.join as Uint8Array).reverse(),
    });
    expect(again.outcome).toMatchObject({ status: 'void', code: 'epoch-join-excluded' });
    const replacement = committee.keeper('bank');
    await replacement.start();
    const next = await committee.proposeEpoch([one, two, replacement]);
    await until(() => epochOf(committee, next).status === 'active', 'the next attempt');
  });
});

describe('gateways', () => {
  it('may be dead, as long as one answers', async () => {
    const committee = await committeeOfTest();
    const dead = new MemoryLedger(committee.world);
    dead.dead = true;
    const keeper = committee.keeper('bank', { peers: [dead, committee.ledger] });
    await keeper.start();
    expect(keeper.state).toBe('joined');
  });

  it('that show other entries than were signed are passed over', async () => {
    const committee = await committeeOfTest();
    const lying = new MemoryLedger(committee.world);
    const entries = lying.entries.bind(lying);
    lying.entries = async (from, options) => {
      const answer = await entries(from, options);
      return { ...answer, events: answer.events.map((e, i) => (i === 0 ? e.slice(1) : e)) };
    };
    const keeper = committee.keeper('bank', { peers: [lying, committee.ledger] });
    await keeper.start();
    expect(keeper.follower.size).toBe(committee.world.log.length);
    const alone = committee.keeper('insurer', { peers: [lying], options: { patienceMs: 300 } });
    await expect(alone.start()).rejects.toMatchObject({ code: 'ledger-unreachable' });
    expect(alone.follower.size).toBe(0);
  });

  it('without a quorum of witnesses give a keeper nothing to believe', async () => {
    const committee = await committeeOfTest();
    committee.ledger.signers = ['bank', 'insurer'];
    const keeper = committee.keeper('bank', { options: { patienceMs: 300 } });
    await expect(keeper.start()).rejects.toMatchObject({
      code: 'ledger-unreachable',
      cause: { code: 'quorum-not-met' },
    });
    expect(keeper.follower.size).toBe(0);
  });
});

it('a commit by another key does not move an epoch', async () => {
  const committee = await committeeOfTest();
  const keepers = await startAll(committee);
  const id = await committee.proposeEpoch(keepers);
  const { world } = committee;
  const [dealing] = world.deal(id, 3);
  const body = world.commitBody(id, 1, dealing);
  const { genesis } = world;
  const signer = ephemeralEd25519Signer();
  const event = await signEvent(signer, 'nobody', { genesis, kind: 'commit', body });
  const answer = await committee.ledger.append(event);
  expect(answer).toMatchObject({ status: 'void', code: 'seat-not-signer' });
  await until(() => epochOf(committee, id).status === 'active', 'the epoch all the same');
});
