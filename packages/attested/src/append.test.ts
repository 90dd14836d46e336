// SPDX-License-Identifier: Apache-2.0
// Appending by way of gateways that drop, lie and fail: an event has landed when our own fold has
// it under a cosigned head, and is void when that head shows its bytes and the fold has them not.
import { eventId, type Follower } from '@cloister/contract';
import { CodedError, equal, systemTimers, toHex, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { World } from '@cloister/testkit/world';
import {
  cosign,
  formatCheckpoint,
  formatNote,
  logOrigin,
  type TreeHead,
  verifyCheckpoint,
} from '@cloister/tlog';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { Appender } from './append.ts';
import { cosignedHead, followPast, witnessRule } from './cosigned-head.ts';
import type { LedgerPeer, LedgerPorts } from './ports.ts';

let world: World;
let event: Uint8Array;
let entries: Uint8Array[];
let voids: Set<string>;
let asked: string[];
let followed: number;
let ports: LedgerPorts;

beforeAll(async () => {
  world = await World.create();
  const body = { task: new Uint8Array(32), code: 'no' };
  event = await world.sign(world.identity('bank'), 'decline', body as never);
});

const idOf = (bytes: Uint8Array) => toHex(eventId(bytes, nodeCrypto));
const root = new Uint8Array(32).fill(3);

/** A checkpoint that these members' witnesses signed. */
async function note(size: number, members: readonly string[], genesis = world.genesis) {
  const checkpoint = { origin: logOrigin(genesis), size, root };
  const lines = members.map((name) =>
    cosign(nodeCrypto, { name, signer: world.witness(name), timeSeconds: 1 }, checkpoint),
  );
  return formatNote(formatCheckpoint(checkpoint), await Promise.all(lines));
}

const everyone = () => world.charter.members.map(({ id }) => id);

/** An honest gateway, but for what is changed. */
function peer(name: string, change: Partial<LedgerPeer> = {}): LedgerPeer {
  const append: LedgerPeer['append'] = async (bytes) => {
    entries.push(bytes);
    const seq = entries.length - 1;
    const id = idOf(bytes);
    if (!voids.has(id)) return { seq, id, status: 'accepted' };
    return { seq, id, status: 'void', code: 'not-a-member', sentence: 'nobody knows the signer' };
  };
  const answers = { append, ...change };
  return {
    ...answers,
    append: (bytes: Uint8Array) => {
      asked.push(name);
      return answers.append(bytes);
    },
    checkpoint:
      change.checkpoint ?? (async () => ({ note: await note(entries.length, everyone()) })),
    cosign: change.cosign ?? (async (head: TreeHead) => note(head.size, [name])),
  } as unknown as LedgerPeer;
}

const drops = async () => ({ seq: 2, id: '', status: 'accepted' as const });
const fails = () => Promise.reject(new CodedError('peer-unreachable', 'unavailable', 'gone'));

beforeEach(() => {
  [entries, voids, asked, followed] = [[utf8('a'), utf8('b'), utf8('c')], new Set(), [], 0];
  const follower = {
    charter: world.charter,
    get state() {
      const ids = entries.slice(3, followed).map((bytes, i) => [idOf(bytes), i + 3] as const);
      return { seen: new Map(ids.filter(([id]) => !voids.has(id))) };
    },
    step: async () => false,
    isAt: (seq: number, bytes: Uint8Array) => {
      return seq < followed && equal(entries[seq] ?? new Uint8Array(), bytes);
    },
    syncTo: async (head: TreeHead) => {
      followed = Math.max(followed, head.size);
    },
  };
  const { genesis } = world;
  ports = {
    genesis,
    crypto: nodeCrypto,
    timers: systemTimers,
    follower: follower as unknown as Follower,
  };
});

function appender(...peers: LedgerPeer[]): Appender {
  const options = { name: 'bank', signer: world.identity('bank'), peers, patienceMs: 400 };
  return new Appender(ports, options);
}

describe('an event', () => {
  it('has landed under a head that our fold follows, and one word of it is passed on', async () => {
    const told: string[] = [];
    const onAppended = (status: string) => told.push(status);
    const head = await appender(peer('bank')).bytes('decline', event, { onAppended });
    expect([head.size, told]).toEqual([4, ['accepted']]);
  });

  it.each(['policy', 'usage', 'malformed', 'verification'] as const)(
    'that one gateway refuses with a %s error is given to the next; all of them are believed',
    async (kind) => {
      const append = () => Promise.reject(new CodedError('no-such-node', kind, 'go away'));
      const by = appender(peer('liar', { append }), peer('bank'));
      expect((await by.bytes('usage', event)).size).toBe(4);
      [entries.length, followed] = [3, 0];
      const all = appender(peer('liar', { append }), peer('other', { append }));
      await expect(all.bytes('usage', event)).rejects.toMatchObject({ code: 'no-such-node', kind });
    },
  );

  it('that no gateway can take now is asked for until one can', async () => {
    let away = 4;
    const append: LedgerPeer['append'] = async (bytes) => {
      if (away-- > 0) return fails();
      entries.push(bytes);
      return { seq: entries.length - 1, id: '', status: 'accepted' };
    };
    const by = appender(peer('one', { append }), peer('two', { append }));
    expect((await by.bytes('usage', event)).size).toBe(4);
  });

  it('that one refuses while the honest are away waits for them', async () => {
    let away = 1;
    const append: LedgerPeer['append'] = async (bytes) => {
      if (away-- > 0) return fails();
      entries.push(bytes);
      return { seq: entries.length - 1, id: '', status: 'accepted' };
    };
    const no = () => Promise.reject(new CodedError('no-such-node', 'policy', 'go away'));
    const by = appender(peer('liar', { append: no }), peer('bank', { append }));
    expect((await by.bytes('usage', event)).size).toBe(4);
  });

  it('meets a fault of ours as it is, wherever it happens', async () => {
    const ours = () => Promise.reject(new TypeError('a fault of ours'));
    const appending = appender(peer('one', { append: ours }), peer('bank'));
    await expect(appending.bytes('usage', event)).rejects.toThrow(TypeError);
    const reading = appender(peer('one', { checkpoint: ours as never }));
    await expect(reading.bytes('usage', event)).rejects.toThrow(TypeError);
  });

  it('that too few witnesses sign is given up with that code', async () => {
    const few = { checkpoint: async () => ({ note: await note(entries.length, ['bank']) }) };
    const by = appender(peer('bank', few as never));
    await expect(by.bytes('usage', event)).rejects.toMatchObject({ code: 'quorum-missing' });
  });

  it('that is shown under a note of no form is asked for until an honest one is back', async () => {
    let away = 3;
    const bad = { checkpoint: async () => ({ note: 'no note' }) as never };
    const rest = async () => {
      if (away-- > 0) return fails();
      return { note: await note(entries.length, everyone()) };
    };
    const by = appender(peer('bank', { checkpoint: rest as never }), peer('liar', bad));
    expect((await by.bytes('usage', event)).size).toBe(4);
  });

  it('has not landed while a witness that must sign signed only a head without it', async () => {
    const hasty = { ...world.charter.deadlines, epochPhase: 400 };
    const charter = { ...world.charter, deadlines: hasty };
    ports = { ...ports, follower: { ...ports.follower, charter, syncTo: ports.follower.syncTo } };
    Object.defineProperty(ports.follower, 'state', {
      get: () => ({ seen: new Map(entries.length > 3 ? [[idOf(event), 3]] : []) }),
    });
    // It orders the event, says a position far ahead, and shows the last head that all signed.
    const append: LedgerPeer['append'] = async (bytes) => {
      entries.push(bytes);
      return { seq: 9_999, id: '', status: 'accepted' };
    };
    const old = await note(3, everyone());
    const liar = peer('liar', { append, checkpoint: async () => ({ note: old }) as never });
    let signers = everyone().filter((name) => name !== 'hospital');
    const rest = peer('bank', {
      append: fails,
      checkpoint: async () => ({ note: await note(entries.length, signers) }) as never,
    });
    const owners = ['hospital'];
    const landing = appender(liar, rest).bytes('usage', event, { owners });
    await expect(landing).rejects.toMatchObject({ kind: 'unavailable' });
    entries.length = 3;
    signers = everyone();
    expect((await appender(liar, rest).bytes('usage', event, { owners })).size).toBe(4);
  });

  it('that a gateway drops or cannot take is given to the next, who stays the first', async () => {
    for (const append of [drops, fails]) {
      [entries.length, asked.length, followed] = [3, 0, 0];
      const by = appender(peer('liar', { append }), peer('bank'));
      expect((await by.bytes('decline', event)).size).toBe(4);
      expect(ports.follower.state.seen.has(idOf(event))).toBe(true);
      await by.bytes('decline', event);
      expect(asked).toEqual(['liar', 'bank', 'bank']);
    }
  });

  it('that all gateways drop has not landed, and it is said why', async () => {
    const dropped = appender(peer('liar', { append: drops })).bytes('decline', event);
    await expect(dropped).rejects.toMatchObject({ code: 'gateway-lied', kind: 'unavailable' });
    const gone = appender(peer('gone', { append: fails })).bytes('decline', event);
    await expect(gone).rejects.toMatchObject({ code: 'peer-unreachable' });
  });

  it.each(['decline', 'join'] as const)(
    'is void where our fold does not have it: %s',
    async (kind) => {
      voids.add(idOf(event));
      await expect(appender(peer('bank')).bytes(kind, event)).rejects.toMatchObject({
        code: kind === 'join' ? 'join-void' : 'event-void',
        details: { code: 'not-a-member' },
      });
      expect(asked).toEqual(['bank']);
    },
  );

  it('that a gateway calls void without having it goes to another', async () => {
    const lies = async () => ({ ...(await drops()), status: 'void' as const, code: 'run-limit' });
    const by = appender(peer('liar', { append: lies }), peer('bank'));
    expect((await by.bytes('decline', event)).size).toBe(4);
  });

  it('whose head did not come in time is asked of another the next time', async () => {
    const slow = peer('slow', { checkpoint: fails, cosign: fails });
    const by = appender(slow, peer('bank', { checkpoint: fails, cosign: fails }));
    await expect(by.bytes('decline', event)).rejects.toMatchObject({ kind: 'unavailable' });
    await expect(by.bytes('decline', event)).rejects.toMatchObject({ kind: 'unavailable' });
    expect(asked).toEqual(['slow', 'bank']);
  });
});

describe('a head', () => {
  const rule = (...owners: string[]) => witnessRule(ports, owners);
  const of = (checkpoint: LedgerPeer['checkpoint'], change: Partial<LedgerPeer> = {}) =>
    peer('bank', { checkpoint, ...change });
  const shows = (size: number, members: readonly string[], genesis?: Uint8Array) =>
    of((async () => ({ note: await note(size, members, genesis) })) as never, { cosign: fails });
  const head = (peers: LedgerPeer[], least = 0, by = rule()) =>
    cosignedHead(ports, peers, { least, rule: by });

  it('is one that the rule’s witnesses signed', async () => {
    expect(await head([shows(7, everyone())], 7)).toEqual({ size: 7, root });
    const policy = { ...rule(), origin: logOrigin(world.genesis) };
    await verifyCheckpoint(nodeCrypto, await note(7, everyone()), policy);
  });

  it('smaller than was asked for, or of another ledger, is a lie', async () => {
    const lie = { code: 'gateway-lied' };
    await expect(head([shows(6, everyone())], 7)).rejects.toMatchObject(lie);
    const elsewhere = shows(7, everyone(), new Uint8Array(32));
    await expect(head([elsewhere], 7)).rejects.toMatchObject(lie);
    expect(await head([elsewhere, shows(7, everyone())], 7)).toMatchObject({ size: 7 });
  });

  it('that too few or not the owner’s witness signed is none', async () => {
    const few = everyone().slice(0, ports.follower.charter.witnesses.quorum - 1);
    const missing = { code: 'quorum-missing' };
    await expect(head([shows(7, few)])).rejects.toMatchObject(missing);
    const loose = { ...rule('insurer'), quorum: 2 };
    const others = ['hospital', 'bank'];
    await expect(head([shows(7, others)], 0, loose)).rejects.toMatchObject(missing);
    expect(await head([shows(7, ['hospital', 'insurer'])], 0, loose)).toMatchObject({ size: 7 });
  });

  it('that lacks some is signed again by those who are asked', async () => {
    const [first, ...others] = everyone();
    const signs = (name: string) => peer(name, { checkpoint: fails });
    const { quorum, faulty } = ports.follower.charter.witnesses;
    const lacking = of((async () => ({
      note: await note(7, others.slice(0, quorum - 1)),
    })) as never);
    expect(await head([lacking, signs(first as string)])).toEqual({ size: 7, root });
    // A root that no honest witness signed is shown to nobody.
    let shown = 0;
    const cosign = async (tree: TreeHead) => {
      shown += 1;
      return note(tree.size, everyone());
    };
    const odd = of((async () => ({ note: await note(7, everyone().slice(0, faulty)) })) as never, {
      cosign: cosign as never,
    });
    await expect(head([odd])).rejects.toMatchObject({ code: 'quorum-missing' });
    expect(shown).toBe(0);
  });

  it('is followed to', async () => {
    const past = { seq: 6, rule: rule() };
    expect(await followPast(ports, [shows(7, everyone())], past)).toEqual({ size: 7, root });
    expect(followed).toBe(7);
  });

  it('that too few signed has the fold go on: the witnesses may be others by now', async () => {
    let steps = 0;
    const step = async () => {
      steps += 1;
      return true;
    };
    Object.assign(ports.follower, { step });
    const past = { seq: 6, rule: rule() };
    const few = followPast(ports, [shows(7, ['bank'])], past);
    await expect(few).rejects.toMatchObject({ code: 'quorum-missing' });
    expect(steps).toBe(1);
  });

  it('at which others are the witnesses is none: theirs count', async () => {
    const { charter } = ports.follower;
    const syncTo = async () => {
      const witnesses = { faulty: 0, quorum: charter.witnesses.quorum - 1 };
      Object.assign(ports.follower, { charter: { ...charter, witnesses } });
    };
    Object.assign(ports.follower, { syncTo });
    const past = followPast(ports, [shows(7, everyone())], { seq: 6, rule: rule() });
    await expect(past).rejects.toMatchObject({ code: 'quorum-missing' });
  });
});
