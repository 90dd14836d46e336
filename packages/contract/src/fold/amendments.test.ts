// SPDX-License-Identifier: Apache-2.0
// Charters that change on a ledger: when an amendment is in force, what it voids, and whom a
// widening touches. Long because all of it is told over one small history.
import { equal, fromHex, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { accepted, amending, START_MS, World } from '@cloister/testkit/world';
import { describe, expect, it } from 'vitest';
import { alsoTakes, takesOnly } from '../../testing/amend-scenarios.ts';
import { charterDigest } from '../charter/body.ts';
import { rightsOfJoin } from './rights.ts';
import { decodeState, encodeState } from './state-codec.ts';

const { amend, keysNamed, memberNamed, nextCharter, propose, sign } = amending;
type Draft = amending.CharterDraft;

const renamed = (name: string) => (draft: Draft) => {
  draft.name = name;
};
const twoSign = (draft: Draft) => {
  draft.witnesses = { faulty: 0, quorum: 2 };
};
const withBranch = (world: World) => (draft: Draft) => {
  draft.members = [...draft.members, memberNamed(world, 'branch')];
};
const without = (member: string) => (draft: Draft) => {
  draft.members = draft.members.filter(({ id }) => id !== member);
};
const OTHER = new Uint8Array(32).fill(9);

function voidCode({ outcome }: { outcome: { status: string; code?: string } }): string {
  return outcome.status === 'void' ? (outcome.code ?? '') : outcome.status;
}

/** Owners insurer and hospital, a task of the bank's over both, and a quorum of two. */
async function joint(change: { worker?: object } = {}) {
  const world = await World.create();
  await amend(world, twoSign);
  const epoch = await world.formEpoch();
  const claims = await world.addDataset('insurer');
  const visits = await world.addDataset('hospital');
  const { operators } = world.taskBody([claims]).worker;
  const worker = { environments: ['worker-sgx'], operators, ...change.worker };
  const task = await world.propose('bank', [claims, visits], { worker });
  await world.approve('insurer', task, [claims]);
  await world.approve('hospital', task, [visits]);
  return { world, epoch, claims, visits, task };
}

describe('an amendment', () => {
  it('is in force from the last signature on, and signed charters chain', async () => {
    const world = await World.create();
    const first = world.inForce;
    const amendment = accepted(await propose(world, nextCharter(world, renamed('Second'))));
    accepted(await sign(world, amendment, { signer: world.identity('bank') }));
    expect(world.state.charter).toBe(first);
    accepted(await sign(world, amendment, { signer: world.identity('hospital') }));
    expect(world.state.charter).toMatchObject({ name: 'Second', version: 2 });
    expect(world.state.charterSeqs).toEqual([2, world.state.seq - 1]);
    const digest = charterDigest(world.inForce, nodeCrypto);
    expect(equal(world.state.charterDigest as Uint8Array, digest)).toBe(true);
    expect([...world.state.accepted.values()]).toEqual([2, 2, 2]);
  });

  it('voids the others that were open, and can be signed no more by who is late', async () => {
    const world = await World.create();
    const slow = nextCharter(world, renamed('Slow'));
    const other = accepted(await propose(world, slow, { author: 'bank' }));
    await amend(world, renamed('Quick'));
    expect(voidCode(await sign(world, other, { signer: world.identity('insurer') }))).toBe(
      'sign-unknown',
    );
    const again = await propose(world, { ...slow, version: 3 }, { author: 'bank' });
    expect(again.outcome.status).toBe('accepted');
    const stale = { author: 'hospital', before: charterDigest(world.charter, nodeCrypto) };
    expect(voidCode(await propose(world, slow, stale))).toBe('amend-before');
  });

  it('dies at the size that it named, and its author has one at a time', async () => {
    const world = await World.create();
    const within = world.state.seq + 2;
    const first = await propose(world, nextCharter(world, renamed('a')), { within });
    await world.tickAll(START_MS + 1);
    const late = await sign(world, accepted(first), { signer: world.identity('bank') });
    expect(voidCode(late)).toBe('sign-unknown');
    const second = accepted(await propose(world, nextCharter(world, renamed('b'))));
    accepted(await propose(world, nextCharter(world, renamed('c'))));
    expect(world.state.amendments.size).toBe(1);
    expect(voidCode(await sign(world, second, { signer: world.identity('bank') }))).toBe(
      'sign-unknown',
    );
  });

  it('is void from a stranger, a member alone brings none into force', async () => {
    const world = await World.create();
    const after = nextCharter(world, renamed('x'));
    const signer = world.operator('bank');
    expect(voidCode(await propose(world, after, { signer }))).toBe('not-a-member');
    accepted(await propose(world, after));
    expect(world.inForce.version).toBe(1);
  });

  it('of a lone member is in force at once, and late ones are forgotten', async () => {
    const alone = await World.create({ members: ['one'], seats: 1 });
    accepted(await propose(alone, nextCharter(alone, renamed('x'))));
    expect(alone.inForce.version).toBe(2);
    const world = await World.create();
    const within = world.state.seq + 1;
    accepted(await propose(world, nextCharter(world, renamed('a')), { within }));
    accepted(await propose(world, nextCharter(world, renamed('b')), { author: 'bank' }));
    expect([...world.state.amendments.values()].map(({ author }) => author)).toEqual(['bank']);
  });

  it('may keep keys that a node has brought since they came', async () => {
    const world = await World.create();
    const { signer, witness } = keysNamed(world, 'branch');
    const amendment = await amend(world, withBranch(world));
    const body = world.joinBody('bank', 'keeper', world.fresh('keeper/bank'));
    accepted(await world.submit(await world.joinBytes(witness, body)));
    accepted(await sign(world, amendment, { signer, witness }));
    expect(world.inForce.version).toBe(2);
    accepted(await propose(world, nextCharter(world, renamed('x'))));
  });

  it('ends an attempt at a key, and what members wanted under the charter before', async () => {
    const world = await World.create();
    const joins = [];
    for (const { id } of world.charter.operators) joins.push((await world.joinKeeper(id)).id);
    const epoch = toHex(await world.nameEpoch({ joins }));
    await amend(world, renamed('x'));
    expect(world.state.formingEpoch).toBeNull();
    expect(world.state.epochs.get(epoch)?.end).toMatchObject({
      code: 'charter-amended',
      faults: [],
    });
    await world.must(world.identity('bank'), 'epoch', { joins });
    await amend(world, renamed('y'));
    expect(world.state.proposals.size).toBe(0);
  });

  it('that asks for unknown rules is folded, and nothing after it', async () => {
    const { world, task } = await joint();
    const worker = await world.joinWorker('bank', task);
    await amend(world, (draft) => {
      draft.fold = 2;
    });
    const code = 'fold-version-unknown';
    await expect(world.tickAll(START_MS + 1)).rejects.toMatchObject({ code });
    expect(rightsOfJoin(world.state, toHex(worker.id))).toMatchObject({ code: 'fold-unknown' });
  });
});

describe('an amendment of its author’s', () => {
  it('that was kept back replaces no newer one, nor what others signed of it', async () => {
    const world = await World.create();
    const wish = (name: string) => ({
      before: charterDigest(world.inForce, nodeCrypto),
      charter: nextCharter(world, renamed(name)),
    });
    const kept = await world.sign(world.identity('bank'), 'amend', wish('old'));
    const now = accepted(await world.put(world.identity('bank'), 'amend', wish('new')));
    accepted(await sign(world, now, { signer: world.identity('insurer') }));
    expect(voidCode(await world.submit(kept))).toBe('statement-not-next');
    accepted(await sign(world, now, { signer: world.identity('hospital') }));
    expect(world.inForce.name).toBe('new');
  });
});

describe('members', () => {
  it('join by the quorum’s word and their own', async () => {
    const world = await World.create();
    const amendment = await amend(world, withBranch(world));
    expect(world.inForce.version).toBe(1);
    const { signer, witness } = keysNamed(world, 'branch');
    accepted(await sign(world, amendment, { signer }));
    expect(world.inForce.version).toBe(1);
    accepted(await sign(world, amendment, { signer, witness }));
    expect(world.inForce.members.map(({ id }) => id)).toContain('branch');
    expect(world.state.accepted.get('branch')).toBe(2);
    accepted(await world.put(witness, 'tick', { time: START_MS + 5 }));
  });

  it('who are replaced take along what is theirs, and nothing else', async () => {
    const { world, claims, visits } = await joint();
    const to = (id: string) => ({ outputs: [{ id: 1, recipients: [id] }] });
    const owned = await world.propose('bank', [claims], to('bank'));
    await world.approve('insurer', owned, [claims]);
    const received = await world.propose('bank', [visits], to('insurer'));
    await world.approve('hospital', received, [visits]);
    const others = await world.propose('bank', [visits], to('bank'));
    await world.approve('hospital', others, [visits]);
    accepted(await world.put(world.identity('insurer'), 'close', {}));
    const amendment = await amend(
      world,
      (draft) => {
        draft.members = draft.members.map((one) =>
          one.id === 'insurer' ? memberNamed(world, 'insurer', 'insurer-2') : one,
        );
      },
      { signers: ['hospital', 'bank'], replaces: ['insurer'] },
    );
    accepted(await sign(world, amendment, keysNamed(world, 'insurer-2')));
    const { tasks, ticks, closings } = world.state;
    const granted = [owned, received, others].map((id) => tasks.get(toHex(id))?.grants.size);
    expect(granted).toEqual([0, 0, 1]);
    expect([ticks.has('insurer'), closings.has('insurer')]).toEqual([false, false]);
  });

  it('say no word twice', async () => {
    const world = await World.create();
    const amendment = await amend(world, withBranch(world), { signers: ['insurer'] });
    const keys = keysNamed(world, 'branch');
    accepted(await sign(world, amendment, keys));
    accepted(await sign(world, amendment, { signer: world.identity('bank') }));
    expect(world.state.amendments.get(toHex(amendment))?.shown.size).toBe(2);
    expect(voidCode(await sign(world, amendment, keys))).toBe('sign-repeated');
  });

  it('leave: data retired, grants and open runs gone, ticks count no more', async () => {
    const { world, task, claims } = await joint();
    const worker = await world.joinWorker('bank', task);
    await amend(world, without('insurer'), { signers: ['hospital', 'bank'] });
    const run = toHex(worker.body.run as Uint8Array);
    expect(world.state.runs.get(run)).toMatchObject({ status: 'failed', failure: 'member-left' });
    expect(world.state.tasks.get(toHex(task))?.grants.size).toBe(0);
    expect(world.state.datasets.get(toHex(claims.dataset))?.retired).toBe(true);
    const tick = await world.put(world.witness('insurer'), 'tick', { time: START_MS + 5 });
    expect(voidCode(tick)).toBe('tick-not-a-witness');
    const still = await world.put(world.identity('insurer'), 'decline', { task, code: 'no' });
    expect(voidCode(still)).toBe('not-a-member');
  });

  it('whose keys others replace get none of their old data, nor does anybody else', async () => {
    const { world, task, claims } = await joint();
    const amendment = await amend(
      world,
      (draft) => {
        draft.members = draft.members.map((one) =>
          one.id === 'insurer' ? memberNamed(world, 'insurer', 'insurer-2') : one,
        );
      },
      { signers: ['hospital', 'bank'], replaces: ['insurer'] },
    );
    const { signer, witness } = keysNamed(world, 'insurer-2');
    accepted(await sign(world, amendment, { signer, witness }));
    expect(world.state.datasets.get(toHex(claims.dataset))?.retired).toBe(true);
    accepted(await world.put(signer, 'approve', world.approveBody(task, [claims])));
    const { submitted } = await world.tryJoinWorker('bank', task);
    expect(voidCode(submitted)).toBe('join-dataset-retired');
  });

  it('who change their own keys keep data and grants; the old key is nobody’s', async () => {
    const { world, task } = await joint();
    const amendment = await amend(
      world,
      (draft) => {
        draft.members = draft.members.map((one) =>
          one.id === 'insurer' ? memberNamed(world, 'insurer', 'insurer-2') : one,
        );
      },
      { signers: ['insurer', 'bank'] },
    );
    const { signer, witness } = keysNamed(world, 'insurer-2');
    accepted(await sign(world, amendment, { signer, witness }));
    await world.joinWorker('bank', task);
    const old = await world.put(world.identity('insurer'), 'decline', { task, code: 'no' });
    expect(voidCode(old)).toBe('not-a-member');
    accepted(await world.put(signer, 'decline', { task, code: 'no' }));
  });
});

describe('a widening', () => {
  const newProgram = { measurement: OTHER };

  it('reaches the data of owners who signed, and of the others when they sign late', async () => {
    const { world, task } = await joint();
    const amendment = await amend(world, alsoTakes('worker'), { signers: ['bank', 'hospital'] });
    const { submitted } = await world.tryJoinWorker('bank', task, newProgram);
    expect(submitted.outcome).toMatchObject({
      code: 'join-owner-not-accepted',
      sentence: expect.stringMatching(/insurer: measurement\/worker-sgx\/0909/),
    });
    // On the program that it knows, the owner's data is computed on as before.
    await world.joinWorker('bank', task);
    const late = { signer: world.identity('insurer') };
    accepted(await sign(world, amendment, late));
    expect(voidCode(await sign(world, amendment, late))).toBe('sign-repeated');
    const stranger = { signer: world.operator('bank') };
    expect(voidCode(await sign(world, amendment, stranger))).toBe('not-a-member');
    accepted((await world.tryJoinWorker('bank', task, newProgram)).submitted);
  });

  it('that comes back after it was retired has to be accepted again', async () => {
    const { world, task } = await joint();
    const known = nextCharter(world, () => undefined).environments;
    await amend(world, alsoTakes('worker'));
    await amend(world, takesOnly('worker'), { signers: ['bank', 'hospital'] });
    await amend(world, (draft) => Object.assign(draft, { environments: known }), {
      signers: ['bank', 'hospital'],
    });
    const { submitted } = await world.tryJoinWorker('bank', task);
    expect(voidCode(submitted)).toBe('join-owner-not-accepted');
  });

  it('leaves the running key alone until every owner under it has signed', async () => {
    const { world, epoch } = await joint();
    const amendment = await amend(world, alsoTakes('keeper'), { signers: ['bank', 'hospital'] });
    const name = world.fresh('keeper/insurer');
    const body = { ...world.joinBody('insurer', 'keeper', name), measurement: OTHER };
    const { signer } = keysNamed(world, name);
    const join = accepted(await world.submit(await world.joinBytes(signer, body)));
    const joins = [join, ...epoch.nodes.slice(1).map(({ id }) => id)];
    const reshare = () => world.put(world.identity('bank'), 'epoch', { joins, from: epoch.id });
    expect(voidCode(await reshare())).toBe('epoch-owner-not-accepted');
    accepted(await sign(world, amendment, { signer: world.identity('insurer') }));
    accepted(await reshare());
  });

  /** A keeper on the insurer's machine, of a program that only the bank and the hospital took. */
  async function unaccepted(world: World) {
    await amend(world, alsoTakes('keeper'), { signers: ['bank', 'hospital'] });
    const name = world.fresh('keeper/insurer');
    const body = { ...world.joinBody('insurer', 'keeper', name), measurement: OTHER };
    return accepted(await world.submit(await world.joinBytes(keysNamed(world, name).signer, body)));
  }

  it('goes by what a member whose keys were replaced had accepted', async () => {
    const { world, epoch } = await joint();
    const join = await unaccepted(world);
    const joins = [join, ...epoch.nodes.slice(1).map(({ id }) => id)];
    const reshare = () => world.put(world.identity('bank'), 'epoch', { joins, from: epoch.id });
    expect(voidCode(await reshare())).toBe('epoch-owner-not-accepted');
    const others = { signers: ['hospital', 'bank'], replaces: ['insurer'] };
    const replaced = await amend(
      world,
      (draft) => {
        const own = memberNamed(world, 'insurer', 'insurer-2');
        draft.members = draft.members.map((one) => (one.id === 'insurer' ? own : one));
      },
      others,
    );
    accepted(await sign(world, replaced, keysNamed(world, 'insurer-2')));
    expect(world.state.accepted.get('insurer')).toBe(world.inForce.version);
    // Whoever has the name has accepted all of it; the data of before is still another's.
    expect(voidCode(await reshare())).toBe('epoch-owner-not-accepted');
    const old = world.state.keyOwners.find(({ owner }) => owner === 'insurer');
    expect(old?.accepted).toBeLessThan(world.inForce.version);
    const anew = world.identity('insurer-2');
    expect(voidCode(await world.put(anew, 'epoch', { joins, from: epoch.id }))).toBe(
      'epoch-owner-not-accepted',
    );
  });

  it('is asked about by data that comes while the running key is dealt again', async () => {
    const world = await World.create();
    await amend(world, twoSign);
    const epoch = await world.formEpoch();
    const joins = [await unaccepted(world), ...epoch.nodes.slice(1).map(({ id }) => id)];
    await world.nameEpoch({ joins, from: epoch.id });
    expect(world.state.formingEpoch).not.toBeNull();
    const seal = (owner: string) =>
      world.put(world.identity(owner), 'dataset', world.datasetBody());
    expect(voidCode(await seal('insurer'))).toBe('dataset-key-not-accepted');
    accepted(await seal('hospital'));
  });

  it.each([
    [
      'withdrawn',
      async (world: World, dataset: Uint8Array) => {
        await world.must(world.identity('insurer'), 'withdraw', { dataset });
      },
    ],
    [
      'of a member who has left',
      async (world: World) => {
        await amend(world, without('insurer'), { signers: ['bank', 'hospital'] });
      },
    ],
  ])('is asked about for data that is %s: its key could still be computed', async (_what, over) => {
    const { world, epoch } = await joint();
    const [owned] = [...world.state.datasets].find(([, { owner }]) => owner === 'insurer') ?? [];
    const join = await unaccepted(world);
    await over(world, fromHex(owned ?? ''));
    const joins = [join, ...epoch.nodes.slice(1).map(({ id }) => id)];
    const reshare = await world.put(world.identity('bank'), 'epoch', { joins, from: epoch.id });
    expect(voidCode(reshare)).toBe('epoch-owner-not-accepted');
  });

  it('may be answered by a new key, to which only consenting owners seal', async () => {
    const { world } = await joint();
    await amend(
      world,
      (draft) => {
        draft.keepers = { ...draft.keepers, vendors: 1 };
      },
      { signers: ['bank', 'hospital'] },
    );
    const formed = await world.formEpoch();
    const { groupKey } = formed;
    const seal = (owner: string) =>
      world.put(world.identity(owner), 'dataset', world.datasetBody({ groupKey }));
    expect(voidCode(await seal('insurer'))).toBe('dataset-key-not-accepted');
    accepted(await seal('hospital'));
    // The insurer's data is under the old key: the new one is none of its business.
    await world.reshare(formed, formed.nodes);
  });
});

describe('a join', () => {
  it('stays good while its place is in the newest charter', async () => {
    const { world, task } = await joint();
    const worker = await world.joinWorker('bank', task);
    const rights = () => rightsOfJoin(world.state, toHex(worker.id));
    await amend(world, renamed('x'));
    expect(rights().ok).toBe(true);
    await amend(world, takesOnly('worker'));
    expect(rights()).toMatchObject({ code: 'join-measurement-unknown' });
  });

  it('names the charter that was in force when its evidence was made, not long ago', async () => {
    const { world, task } = await joint();
    await amend(world, renamed('x'));
    const named = async (charter: number) => {
      const copy = world.fork();
      return voidCode((await copy.tryJoinWorker('bank', task, { charter })).submitted);
    };
    expect(await named(2)).toBe('accepted');
    expect(await named(4)).toBe('join-charter-version');
    world.state.seq += 4_097;
    expect(await named(2)).toBe('join-charter-version');
  });
});

it('the state with open amendments has one encoding', async () => {
  const world = await World.create();
  accepted(await propose(world, nextCharter(world, renamed('x'))));
  const bytes = encodeState(world.state);
  expect(toHex(encodeState(decodeState(bytes)))).toBe(toHex(bytes));
});
