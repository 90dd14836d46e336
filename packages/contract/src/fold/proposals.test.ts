// SPDX-License-Identifier: Apache-2.0
// What makes an epoch begin to form: q members that want exactly it, then q witnesses that have
// ticked since. Nobody alone takes the one place for forming, or moves a key; one seat may go to a
// spare that the charter names, once. Long because who wants what, and when, is told case by case.
import { fromHex, toHex } from '@cloister/core';
import { type CharterOptions, type Node, START_MS, World } from '@cloister/testkit/world';
import { beforeEach, describe, expect, it } from 'vitest';
import type { Said } from '../events/bodies.ts';
import { awaitsTick } from './proposals.ts';
import { secondSeat } from './seats.ts';
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

  it('by its id where two have waited for one attempt to end', async () => {
    const held = await world.formEpoch([...'abcde']);
    const joins = held.nodes.map(({ id }) => id);
    const reshare = await propose('a', { joins, from: held.id });
    for (const by of 'bcd') await consent(by, reshare);
    const anew = [
      await propose('b', { joins }),
      await propose('c', { joins: [...joins].reverse() }),
    ];
    for (const id of anew) for (const by of 'abcde') await consent(by, id);
    for (const by of 'abcde') await tick(by);
    expect(forming()).toBe(toHex(reshare));
    const { signer } = held.nodes[0] as Node;
    const abort = { epoch: reshare, seat: 1, against: 2, code: 'x', wanted: '', got: '' };
    await world.must(signer, 'epoch-abort', abort);
    for (const turn of [1, -1]) {
      const reader = world.fork();
      const kept = [...reader.state.proposals].sort(([a], [b]) => turn * (a < b ? -1 : 1));
      reader.state.proposals = new Map(kept);
      for (const by of 'abcde') {
        await reader.must(reader.witness(by), 'tick', { time: reader.state.clock });
      }
      expect(reader.state.formingEpoch).toBe(anew.map(toHex).sort()[0]);
    }
  });

  it('in time, or nobody can agree to it any more', async () => {
    const id = await propose('a', { joins: joins(), within: world.state.seq + 2 });
    await tick('a');
    await tick('b');
    expect((await consent('b', id)).outcome).toMatchObject({ code: 'consent-unknown' });
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

  it('that was kept back replaces no newer one of its author', async () => {
    const by = world.identity('a');
    const kept = await world.sign(by, 'epoch', { joins: joins().reverse() });
    const now = await propose('a');
    expect((await world.submit(kept)).outcome).toMatchObject({ code: 'statement-not-next' });
    expect([...world.state.proposals.keys()]).toEqual([toHex(now)]);
  });

  it('for another key outlives fresh shares of the running one', async () => {
    const held = await world.formEpoch([...'abcde']);
    const other = await propose('b', { joins: held.nodes.map(({ id }) => id) });
    const again = { joins: held.nodes.map(({ id }) => id), from: held.id };
    const replaced = await propose('c', again);
    await world.nameEpoch(again, 'a');
    expect([...world.state.proposals.keys()]).toEqual([toHex(other)]);
    expect(world.state.proposals.has(toHex(replaced))).toBe(false);
  });

  it('dies at the size that it names', async () => {
    const within = world.state.seq + 4;
    const id = await world.must(world.identity('a'), 'epoch', { joins: joins(), within });
    for (const by of 'bcd') await consent(by, id);
    expect(awaitsTick(world.state, 'a')).toBe(false);
    for (const by of 'abcd') await tick(by);
    expect(forming()).toBeNull();
    const next = await propose('b');
    expect([...world.state.proposals.keys()]).toEqual([toHex(next)]);
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

describe('a second seat', () => {
  /** Joins of these operators in this order; one that is there twice joins anew. */
  const named = async (ids: string) => {
    const taken = new Map(nodes.map((node) => [node.body.operator, node.id]));
    const seats: string[] = [];
    for (const [i, id] of [...ids].entries()) {
      const join = ids.indexOf(id) === i ? taken.get(id) : (await world.joinKeeper(id)).id;
      seats.push(toHex(join as Uint8Array));
    }
    return seats;
  };
  const live = () => nodes.map(({ id }) => toHex(id));

  it('is spared while a live keeper of an operator without one could take it', async () => {
    for (const ids of ['aabbc', 'aabce']) {
      expect(secondSeat(world.state, await named(ids), live())).toMatch(/a has 2, [de] none/);
    }
    expect(secondSeat(world.state, await named('abcde'), live())).toBeUndefined();
  });

  it('is free where those without one are not live, or the vendor rule shuts them', async () => {
    const dead = toHex((nodes[3] as Node).id);
    const others = live().filter((join) => join !== dead);
    expect(secondSeat(world.state, await named('aabce'), others)).toBeUndefined();
    expect(secondSeat(world.state, await named('aabce'), live())).toBe('a has 2, d none');
    world.state.charter = {
      ...world.charter,
      environments: world.charter.environments.map((e) => {
        return e.role === 'keeper' && e.id !== 'keeper-optee' ? { ...e, family: 'intel' } : e;
      }),
    };
    // Of one make too many: whoever came in beside a and b would be the third.
    expect(secondSeat(world.state, await named('acc'), live())).toBe('c has 2, b none');
    expect(secondSeat(world.state, await named('abcc'), live())).toBeUndefined();
  });

  it('is for members to agree to: no join that stands nowhere can hold them up', async () => {
    const seats = (await named('abbcd')).map((join) => fromHex(join));
    const id = await world.nameEpoch({ joins: seats }, 'a');
    expect(forming()).toBe(toHex(id));
  });
});

describe('an attempt that a word ended', () => {
  it('remembers whose: the author of an abort', async () => {
    const epoch = await world.nameEpoch({ joins: joins() }, 'a');
    const no = { epoch, seat: 4, against: 1, code: 'x', wanted: '', got: '' };
    await world.must((nodes[3] as Node).signer, 'epoch-abort', no);
    const doubted = [toHex((nodes[3] as Node).id)];
    expect(world.state.epochs.get(toHex(epoch))?.end).toMatchObject({ faults: [], doubted });
  });

  it.each([
    ['one against the others', [1, 1, 1, 2, 1], [4]],
    ['as many as agree', [1, 1, 2, 2, 3], [1, 2, 3, 4, 5]],
  ])('or who acknowledged something else: %s', async (_what, said, seats) => {
    const id = await world.nameEpoch({ joins: joins() }, 'a');
    const dealings = world.deal(id, 5);
    for (const [i, { signer }] of nodes.entries()) {
      await world.must(signer, 'commit', world.commitBody(id, i + 1, dealings[i]));
    }
    for (const [i, { signer }] of nodes.entries()) {
      await world.must(signer, 'reveal', world.revealBody(id, i + 1, dealings, 5));
    }
    const groupKey = (nodes[0] as Node).body.hpke;
    for (const [i, { signer }] of nodes.entries()) {
      const transcript = new Uint8Array(32).fill(said[i] as number);
      await world.must(signer, 'ack', { epoch: id, seat: i + 1, transcript, groupKey });
    }
    const doubted = seats.map((seat) => toHex((nodes[seat - 1] as Node).id));
    const { end } = world.state.epochs.get(toHex(id)) ?? {};
    expect(end).toMatchObject({ code: 'acks-differ', faults: [], doubted });
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

  it('is no haste: what was agreed to as another formed waits for fresh ticks again', async () => {
    const first = await propose('a', { joins: nodes.map(({ id }) => id), from: from() });
    const anew = await propose('b', { joins: nodes.map(({ id }) => id).reverse() });
    const { quorum } = world.charter.witnesses;
    const wanting = world.charter.members.map(({ id }) => id).slice(0, quorum);
    for (const by of wanting.filter((id) => id !== 'a')) await consent(by, first);
    for (const by of wanting.filter((id) => id !== 'b')) await consent(by, anew);
    await allTick();
    expect(forming()).toBe(toHex(first));
    const over = world.state.clock + world.charter.deadlines.epochPhase + 1;
    for (const by of wanting.slice(0, 2)) await tick(by, over);
    expect([forming(), world.state.proposals.size]).toEqual([null, 1]);
    const late = over + 3_600_000;
    for (const by of wanting.slice(0, quorum - 1)) await tick(by, late);
    expect(forming()).toBeNull();
    await tick(wanting[quorum - 1] as string, late);
    expect(forming()).toBe(toHex(anew));
    const deadline = late + world.charter.deadlines.epochPhase;
    expect(world.state.epochs.get(toHex(anew))?.deadline).toBe(deadline);
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

  it('takes no second one while its operators hold the key', async () => {
    const held = await world.formEpoch([...'abcde']);
    nodes = [...held.nodes];
    const again = world.fork();
    const kept = { joins: nodes.map(({ id }) => id), from: held.id };
    const before = await again.nameEpoch(kept, 'a');
    expect(again.state.epochs.get(toHex(before))?.maySwap).toBe(true);
    const spare = await world.joinKeeper('f');
    const seats = nodes.map((node, i) => (i === 4 ? spare : node));
    const swap = await propose('a', { joins: seats.map(({ id }) => id), from: held.id });
    await allTick();
    expect(forming()).toBe(toHex(swap));
    const swapTo = await world.finishReshare(held, seats, swap);
    expect(world.state.epochs.get(toHex(swap))?.maySwap).toBe(false);
    // Gateways agree unasked to each of these: who holds the key stays as the swap left it.
    const newest = await world.joinKeeper('f');
    const joins = seats.map(({ id }) => id);
    const unasked: [string, Said<'epoch'>][] = [
      ['fresh shares', { joins, from: swapTo.id }],
      ["the spare's next keeper", { joins: [...joins.slice(0, 4), newest.id], from: swapTo.id }],
      ['another key, as too few held it', { joins }],
    ];
    for (const [what, body] of unasked) {
      const other = world.fork();
      const epoch = await other.nameEpoch(body, 'a');
      expect(other.state.epochs.get(toHex(epoch))?.maySwap, what).toBe(false);
    }
    const back = await world.joinKeeper('e');
    const chosen = { joins: [...joins.slice(0, 4), back.id], from: swapTo.id };
    const epoch = await world.nameEpoch(chosen, 'a');
    expect(world.state.epochs.get(toHex(epoch))?.maySwap).toBe(true);
  });

  it.each<[string, () => void, boolean]>([
    ['has a keeper', () => undefined, false],
    [
      'has workers alone',
      () => {
        for (const { body } of world.state.joins.values()) {
          if (body.operator === 'f') body.role = 'worker';
        }
      },
      true,
    ],
    [
      'has one that is excluded',
      () => {
        for (const join of world.state.joins.values()) {
          if (join.body.operator === 'f') join.excluded = 'deadline';
        }
      },
      true,
    ],
    [
      'has one without a place',
      () => {
        const operators = world.charter.operators.map((o) => {
          return o.id === 'f' ? { ...o, hardware: [] } : o;
        });
        world.state.charter = { ...world.charter, operators };
      },
      true,
    ],
  ])('takes no seat beside its own where an operator without one %s', async (_w, so, free) => {
    const other = await world.joinKeeper('e');
    await world.joinKeeper('f');
    for (const join of world.state.joins.values()) {
      if (join.body.operator === 'b') join.excluded = 'deadline';
    }
    so();
    const id = await propose('a', { joins: swapped(2, other), from: from() });
    await allTick();
    expect(forming()).toBe(free ? toHex(id) : null);
    if (!free) await world.agreeTo(id, 'a');
    expect(forming()).toBe(toHex(id));
  });

  it('is no way to change two seats, the order, the key, or to bring in another', async () => {
    const [spare, other] = [await world.joinKeeper('f'), await world.joinKeeper('d')];
    const two = swapped(5, spare).map((id, i) => (i === 3 ? other.id : id));
    const turned = [...swapped(5, spare).slice(1), ...swapped(5, spare).slice(0, 1)];
    for (const body of [
      { joins: two, from: from() },
      { joins: swapped(4, spare).map((id, i) => (i === 4 ? other.id : id)), from: from() },
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
