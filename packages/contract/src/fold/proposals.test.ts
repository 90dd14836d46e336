// SPDX-License-Identifier: Apache-2.0
// What makes an epoch begin to form: q members that want exactly it, then q witnesses that have
// ticked since. Nobody alone takes the one place for forming, or moves a key; one seat may go to a
// spare that the charter names, once.
import { fromHex, toHex } from '@cloister/core';
import { type CharterOptions, type Node, START_MS, World } from '@cloister/testkit/world';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Said } from '../events/bodies.ts';
import { awaitsTick } from './proposals.ts';
import { decodeState, encodeState } from './state-codec.ts';

const FIVE: CharterOptions = { members: [...'abcde'], seats: 5, threshold: 3, vendors: 2 };
const QUORUM = 4;

let world: World;
let nodes: Node[];
const joins = () => nodes.map(({ id }) => id);

beforeEach(async () => {
  world = await World.create(FIVE);
  expect(world.charter.witnesses.quorum).toBe(QUORUM);
  nodes = [];
  for (const id of 'abcde') nodes.push(await world.joinKeeper(id));
});

function propose(by: string, body: Said<'epoch'> = { joins: joins() }) {
  return world.must(world.identity(by), 'epoch', body);
}

function consent(by: string, epoch: Uint8Array) {
  return world.put(world.identity(by), 'consent', { epoch });
}

async function tick(by: string, time = world.state.clock) {
  await world.must(world.witness(by), 'tick', { time });
}

const forming = () => world.state.formingEpoch;

describe('an epoch begins to form', () => {
  it('when q members want it and q witnesses have ticked since, and not before', async () => {
    const id = await propose('a');
    for (const by of 'abcde') await tick(by);
    for (const by of 'bc') await consent(by, id);
    for (const by of 'abcde') await tick(by);
    expect(forming()).toBeNull();
    expect(awaitsTick(world.state, 'a')).toBe(false);
    await consent('d', id);
    for (const by of 'abcde') expect(awaitsTick(world.state, by)).toBe(true);
    for (const by of 'abc') await tick(by);
    expect(forming()).toBeNull();
    expect([awaitsTick(world.state, 'a'), awaitsTick(world.state, 'd')]).toEqual([false, true]);
    await tick('e');
    expect(forming()).toBe(toHex(id));
    expect(world.state.proposals.size).toBe(0);
    expect(world.state.epochs.get(toHex(id))?.phase).toBe('commit');
  });

  it('with deadlines from the clock of then, however long the members took', async () => {
    const id = await propose('a');
    for (const by of 'bcd') await consent(by, id);
    const late = START_MS + 86_400_000;
    for (const by of 'abcd') await tick(by, late);
    const deadline = late + world.charter.deadlines.epochPhase;
    expect(world.state.epochs.get(toHex(id))?.deadline).toBe(deadline);
  });

  it('the same when the state was written and read in between', async () => {
    const id = await propose('a');
    for (const by of 'bcd') await consent(by, id);
    world.state = decodeState(encodeState(world.state));
    for (const by of 'abcd') await tick(by);
    expect(forming()).toBe(toHex(id));
  });

  it('for members alone: nobody counts twice, and whoever has gone does not count', async () => {
    const id = await propose('a');
    expect((await consent('a', id)).outcome).toMatchObject({ code: 'consent-repeated' });
    for (const by of 'bcd') await consent(by, id);
    const members = world.charter.members.filter((m) => m.id !== 'd');
    world.state.charter = { ...world.charter, members };
    for (const by of 'abce') await tick(by);
    expect(forming()).toBeNull();
    expect(world.state.proposals.size).toBe(0);
  });
});

describe('a proposal', () => {
  it('takes no place from others: each member has one, and a newer one replaces it', async () => {
    const mine = await propose('a');
    for (let i = 0; i < 3; i++) await propose('b', { joins: joins().reverse() });
    const other = await propose('b', { joins: joins().reverse() });
    expect([...world.state.proposals.keys()]).toEqual([toHex(mine), toHex(other)]);
    for (const by of 'cde') await consent(by, mine);
    for (const by of 'abcd') await tick(by);
    expect(forming()).toBe(toHex(mine));
    const late = await consent('c', other);
    expect(late.outcome).toMatchObject({ code: 'consent-unknown' });
  });

  it('dies at the size that it names', async () => {
    const within = world.state.seq + 4;
    const id = await world.must(world.identity('a'), 'epoch', { joins: joins(), within });
    for (const by of 'bcd') await consent(by, id);
    expect(awaitsTick(world.state, 'a')).toBe(false);
    expect((await consent('e', id)).outcome).toMatchObject({ code: 'consent-unknown' });
    for (const by of 'abcd') await tick(by);
    expect(forming()).toBeNull();
    const next = await propose('b');
    expect([...world.state.proposals.keys()]).toEqual([toHex(next)]);
  });

  it('forms before another where it was agreed to before it', async () => {
    const one = await propose('a');
    const two = await propose('b', { joins: joins().reverse() });
    for (const by of 'cde') await consent(by, two);
    for (const by of 'cde') await consent(by, one);
    for (const by of 'abcd') await tick(by);
    expect(forming()).toBe(toHex(two));
  });

  it('waits for nobody to tick before it is agreed to, though a witness never has', async () => {
    await propose('a');
    world.state.ticks.delete('b');
    expect(awaitsTick(world.state, 'b')).toBe(false);
  });

  it('begins nothing that the charter has no place for any more', async () => {
    const id = await propose('a');
    for (const by of 'bcd') await consent(by, id);
    const environments = world.charter.environments.filter((e) => e.id !== 'keeper-sgx');
    world.state.charter = { ...world.charter, environments };
    for (const by of 'abcd') await tick(by);
    expect(forming()).toBeNull();
    expect(world.state.proposals.size).toBe(0);
  });
});

describe('no operator has a second seat', () => {
  const named = async (ids: string, by = 'a') => {
    const taken = new Map(nodes.map((node) => [node.body.operator, node.id]));
    const seats = [];
    for (const [i, id] of [...ids].entries()) {
      seats.push(ids.indexOf(id) === i ? taken.get(id) : (await world.joinKeeper(id)).id);
    }
    const put = await world.put(world.identity(by), 'epoch', { joins: seats as Uint8Array[] });
    return put.outcome.status === 'accepted' ? 'accepted' : put.outcome.code;
  };

  it('while another operator without one has a keeper that could take it', async () => {
    expect(await named('aabbc')).toBe('epoch-second-seat');
    expect(await named('aabce')).toBe('epoch-second-seat');
  });

  it('but for keepers that failed: who was at fault in an attempt is not waited for', async () => {
    const id = await world.nameEpoch({ joins: joins() }, 'a');
    const dealings = world.deal(id, 5);
    for (const seat of [1, 2, 3, 5]) {
      const body = world.commitBody(id, seat, dealings[seat - 1]);
      await world.must((nodes[seat - 1] as Node).signer, 'commit', body);
    }
    await world.tickAll(world.state.clock + world.charter.deadlines.epochPhase + 1);
    const faults = [toHex((nodes[3] as Node).id)];
    expect(world.state.epochs.get(toHex(id))?.end).toMatchObject({ code: 'deadline', faults });
    expect(await named('aabce')).toBe('accepted');
  });

  it('whatever workers the other has, too', async () => {
    const body = { ...(nodes[3] as Node).body, role: 'worker' as const, within: 1 };
    const of = { signer: new Uint8Array(32), seq: world.state.seq, at: 0, excluded: null };
    world.state.joins.set('f'.repeat(64), { body, ...of });
    expect(await named('aabce')).toBe('epoch-second-seat');
  });

  it('but for keepers without a place in the charter', async () => {
    const operators = world.charter.operators.map((o) => {
      return o.id === 'd' ? { ...o, hardware: [] } : o;
    });
    world.state.charter = { ...world.charter, operators };
    expect(await named('aabce')).toBe('accepted');
  });

  it('where the vendor rule keeps the other from it', async () => {
    // g is of the make of a and d, and two seats of a make are the most.
    world = await World.create({ ...FIVE, members: [...'abcdefg'] });
    nodes = [];
    for (const id of 'abcdg') nodes.push(await world.joinKeeper(id));
    expect(await named('adbbc')).toBe('accepted');
  });
});

describe('a spare that the charter names', () => {
  beforeEach(async () => {
    const options = { ...FIVE, members: [...'abcdef'], seats: 5, spares: ['f', 'e'] };
    world = await World.create(options);
    nodes = [...(await world.formEpoch([...'abcde'])).nodes];
  });

  const swapped = (seat: number, spare: Node) =>
    nodes.map(({ id }, i) => (i === seat - 1 ? spare.id : id));
  const from = () => fromHex(world.state.activeEpoch ?? '');
  const allTick = async () => {
    for (const { id } of world.charter.members) await tick(id);
  };

  it('takes one seat without consent, but not before q fresh ticks', async () => {
    const spare = await world.joinKeeper('f');
    const id = await propose('a', { joins: swapped(5, spare), from: from() });
    expect(forming()).toBeNull();
    await allTick();
    expect(forming()).toBe(toHex(id));
  });

  it('takes no second one before members have consented to an epoch', async () => {
    const formed = world.state.activeEpoch;
    const spare = await world.joinKeeper('f');
    await propose('a', { joins: swapped(5, spare), from: from() });
    await allTick();
    // The attempt fails; whoever proposed it has used up what the charter approved.
    await world.tickAll(world.state.clock + world.charter.deadlines.epochPhase + 1);
    expect([forming(), world.state.activeEpoch]).toEqual([null, formed]);
    const again = await world.joinKeeper('f');
    await propose('b', { joins: swapped(4, again), from: from() });
    await allTick();
    expect(forming()).toBeNull();
    const wanted = await propose('a', { joins: swapped(5, again), from: from() });
    await world.agreeTo(wanted, 'a');
    expect(forming()).toBe(toHex(wanted));
    expect(world.state.epochs.get(toHex(wanted))?.maySwap).toBe(true);
  });

  it('is no way to change two seats, the order, the key, or to bring in another', async () => {
    const [spare, other] = [await world.joinKeeper('f'), await world.joinKeeper('d')];
    const two = swapped(5, spare).map((id, i) => (i === 3 ? other.id : id));
    const turned = [...swapped(5, spare).slice(1), ...swapped(5, spare).slice(0, 1)];
    for (const body of [
      { joins: two, from: from() },
      { joins: turned, from: from() },
      { joins: swapped(5, spare) },
      { joins: swapped(4, other), from: from() },
    ]) {
      await propose('a', body);
      await allTick();
      expect(forming()).toBeNull();
    }
    // Where the charter has one seat more, the spare may not take it by itself.
    world.state.charter = { ...world.charter, keepers: { ...world.charter.keepers, seats: 6 } };
    await propose('a', { joins: [...nodes.map(({ id }) => id), spare.id], from: from() });
    await allTick();
    expect(forming()).toBeNull();
  });
});
