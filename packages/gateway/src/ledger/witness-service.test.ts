// SPDX-License-Identifier: Apache-2.0
// Gathering cosignatures among peers of whom some lie, stall or are gone: only signatures that hold
// count, whoever delivers them, and nobody honest waits for a liar.
import type { GatewayClient } from '@cloister/api';
import { witnessesOf } from '@cloister/contract';
import { CodedError, systemClock, systemTimers as timers } from '@cloister/core';
import { nodeCrypto as crypto } from '@cloister/core/node';
import { namedSigner, World } from '@cloister/testkit/world';
import {
  cosign,
  type ForkEvidence,
  formatCheckpoint,
  formatNote,
  logOrigin,
  parseNote,
  type TreeHead,
  Witness,
  type WitnessAnswer,
  type WitnessRequest,
} from '@cloister/tlog';
import { beforeEach, describe, expect, it } from 'vitest';
import { codeOf } from '../../testing/federation.ts';
import { MemoryLedger } from '../../testing/memory-ledger.ts';
import { Follower } from './follower.ts';
import { WitnessService } from './witness-service.ts';

const world = await World.create();
const origin = logOrigin(world.genesis);
const peers = new Map<string, GatewayClient>();
let insurer: WitnessService;

type Cosign = (head: TreeHead) => Promise<string>;

function peer(answer: Cosign): GatewayClient {
  return { cosign: answer } as unknown as GatewayClient;
}

/** A cosignature by the key named `key`, under `name`. */
async function signed(head: TreeHead, name: string, key: string): Promise<string> {
  const checkpoint = { origin, ...head };
  const by = { name, signer: namedSigner(world.seed, `${key}/witness`), timeSeconds: 1 };
  const line = await cosign(crypto, by, checkpoint);
  return formatNote(formatCheckpoint(checkpoint), [line]);
}

const honest =
  (id: string): Cosign =>
  (head) =>
    signed(head, id, id);

beforeEach(async () => {
  peers.clear();
  const copy = new MemoryLedger(world.log);
  const { genesis } = world;
  const follower = new Follower({ ledger: copy, copy, genesis, crypto, timers });
  await follower.replay();
  let kept: Uint8Array | undefined;
  const witness = await Witness.create({
    crypto,
    clock: systemClock,
    name: 'insurer',
    signer: world.witness('insurer'),
    origin,
    store: {
      load: async () => kept,
      save: async (bytes) => {
        kept = bytes;
      },
    },
    tree: follower.tree,
  });
  insurer = new WitnessService({
    witness,
    origin,
    follower,
    peers,
    crypto,
    timers,
    catchUpMs: 300,
  });
});

function hospitalAnswers(answer: Cosign): void {
  peers.set('hospital', peer(answer));
  peers.set('bank', peer(honest('bank')));
}

const absent = () =>
  Promise.reject(new CodedError('peer-unreachable', 'unavailable', 'nobody there'));

const lies: [string, Cosign][] = [
  ['garbage', async () => '\u0000\u0001 not a note'],
  ['an empty note', async () => ''],
  ["its own note under the bank's name", (head) => signed(head, 'bank', 'hospital')],
  ['its own name with another key', (head) => signed(head, 'hospital', 'stranger')],
  ['a note of another root', (head) => honest('hospital')({ ...head, root: new Uint8Array(32) })],
  [
    'a broken signature',
    async (head) => {
      const { text, signatures } = parseNote(await signed(head, 'hospital', 'hospital'));
      const [line] = signatures;
      if (line === undefined) throw new Error('no line');
      const bent = line.signature.map((byte, i) => (i === 20 ? byte ^ 1 : byte));
      return formatNote(text, [{ ...line, signature: bent }]);
    },
  ],
];

describe('a head that certain members must have signed', () => {
  const rule = () => {
    const witnesses = witnessesOf(world.charter);
    return { witnesses, quorum: 2, required: ['hospital'] };
  };

  it('is not there before they have, though a quorum has', async () => {
    hospitalAnswers(absent);
    await expect(insurer.gatherUnder(rule())).rejects.toMatchObject({
      code: 'quorum-unreachable',
      details: { signers: ['insurer', 'bank'] },
    });
    hospitalAnswers(honest('hospital'));
    const { signers } = await insurer.gatherUnder(rule());
    expect(signers).toContain('hospital');
  });

  it('has the entries that were asked for, and needs no witness that is none', async () => {
    hospitalAnswers(honest('hospital'));
    const { size, signers } = await insurer.checkpointOf(world.log.length, ['hospital', 'gone']);
    expect(size).toBe(world.log.length);
    expect(signers).toContain('hospital');
    const beyond = insurer.checkpointOf(world.log.length + 1, ['hospital']);
    expect(await codeOf(beyond)).toBe('gateway-behind');
  });
});

describe('a peer that lies', () => {
  it.each(lies)('with %s does not count, and the others are named', async (_, lie) => {
    hospitalAnswers(lie);
    await expect(insurer.checkpoint()).rejects.toMatchObject({
      code: 'quorum-unreachable',
      details: { signers: ['insurer', 'bank'] },
    });
  });

  it.each(lies)('with %s does not spoil what others deliver', async (_, lie) => {
    hospitalAnswers(lie);
    // The bank's gateway hands on the hospital's true line along with its own.
    const both = async (head: TreeHead) => {
      const notes = await Promise.all(['bank', 'hospital'].map((id) => honest(id)(head)));
      const parsed = notes.map((note) => parseNote(note));
      const text = parsed[0]?.text ?? '';
      return formatNote(
        text,
        parsed.flatMap((note) => [...note.signatures]),
      );
    };
    peers.set('bank', peer(both));
    const { signers } = await insurer.checkpoint();
    expect(signers).toEqual(['insurer', 'hospital', 'bank']);
  });

  it('by saying that it is ahead costs one wait at most', async () => {
    const stale = new CodedError('witness-head-stale', 'conflict', 'ahead', {
      details: { size: Number.MAX_SAFE_INTEGER, root: '' },
    });
    hospitalAnswers(() => Promise.reject(stale));
    const began = performance.now();
    expect(await codeOf(insurer.checkpoint())).toBe('quorum-unreachable');
    expect(performance.now() - began).toBeLessThan(2_200);
  });

  it('by never answering is not waited for when the others are enough', async () => {
    hospitalAnswers(honest('hospital'));
    peers.set(
      'slow',
      peer(() => new Promise(() => undefined)),
    );
    const { signers } = await insurer.checkpoint();
    expect(signers.length).toBe(3);
  });
});

it('names who signed when a peer is down', async () => {
  hospitalAnswers(absent);
  await expect(insurer.checkpoint()).rejects.toMatchObject({
    code: 'quorum-unreachable',
    message: expect.stringMatching(/2 of 3 witnesses signed \(insurer, bank\)/),
  });
});

/** The service over a follower and a witness that answer as they are told. */
function told(of: {
  answer?: (request: WitnessRequest) => WitnessAnswer;
  reached?: (size: number) => boolean;
}) {
  const root = new Uint8Array(32).fill(2);
  const asked: WitnessRequest[] = [];
  const waited: number[] = [];
  const signs = (request: WitnessRequest): WitnessAnswer => {
    return { verdict: 'signed', head: request, checkpoint: 'a note' };
  };
  const answer = async (request: WitnessRequest) => {
    asked.push(request);
    return (of.answer ?? signs)(request);
  };
  const reached = async (size: number) => {
    waited.push(size);
    return of.reached?.(size) ?? true;
  };
  const follower = { size: 7, tree: { root: () => root }, state: world.state, reached };
  const service = new WitnessService({
    witness: { answer } as unknown as Witness,
    origin,
    follower: follower as unknown as Follower,
    peers,
    crypto,
    timers,
  });
  return { service, asked, waited, head: { size: 9, root } };
}

describe('a witness that does not sign', () => {
  const reason = new CodedError(
    'ledger-entry-differs',
    'verification',
    'another entry than before',
  );
  const evidence: ForkEvidence = {
    size: 4,
    own: new Uint8Array(32),
    other: new Uint8Array(32),
    source: 'followed',
  };

  it('waits until it has followed what it is asked to sign', async () => {
    const { service, waited, head } = told({});
    expect(await service.cosign(head)).toBe('a note');
    expect(waited).toEqual([9]);
  });

  it('is asked nothing more once it has stopped, nor if it stops meanwhile', async () => {
    const { service, asked, waited, head } = told({});
    service.stop(reason);
    await expect(service.cosign(head)).rejects.toBe(reason);
    await expect(service.freshness(head, [head.root])).rejects.toBe(reason);
    expect([asked, waited]).toEqual([[], []]);
    const stopping = told({
      reached: () => {
        stopping.service.stop(reason);
        return true;
      },
    });
    await expect(stopping.service.cosign(head)).rejects.toBe(reason);
    expect(stopping.asked).toEqual([]);
  });

  it.each<[string, WitnessAnswer, object]>([
    [
      'has signed more',
      { verdict: 'stale', head: { size: 12, root: new Uint8Array(32).fill(1) } },
      { code: 'witness-head-stale', details: { size: 12, root: '01'.repeat(32) } },
    ],
    [
      'has followed less',
      { verdict: 'lagging', head: { size: 3, root: new Uint8Array(32) }, followed: 5 },
      { code: 'gateway-behind', message: expect.stringContaining('followed 5 entries, wanted 9') },
    ],
    ['was shown two histories', { verdict: 'fork', evidence }, { code: 'ledger-two-histories' }],
    ['refuses', { verdict: 'refused', reason: 'no' }, { code: 'witness-refused' }],
  ])('says why: it %s', async (_what, answer, error) => {
    const { service, head } = told({ answer: () => answer });
    await expect(service.cosign(head)).rejects.toMatchObject(error);
  });

  it('gives no freshness note without one that it signed', async () => {
    const { service, head } = told({});
    await expect(service.freshness(head, [head.root])).rejects.toThrow(/no freshness note/);
  });

  it('gathers for no head that it has not followed', async () => {
    const { service, asked } = told({ reached: () => false });
    await expect(service.checkpoint(8)).rejects.toMatchObject({ code: 'gateway-behind' });
    expect(asked).toEqual([]);
  });

  it('gathers again where it was overtaken, and not where it refuses', async () => {
    let overtaken = 2;
    const head = { size: 8, root: new Uint8Array(32) };
    const again = told({
      answer: (request) => {
        overtaken -= 1;
        if (overtaken >= 0) return { verdict: 'stale', head };
        return { verdict: 'signed', head: request, checkpoint: '' };
      },
    });
    peers.set('bank', peer(absent));
    await expect(again.service.checkpoint()).rejects.toMatchObject({ code: 'quorum-unreachable' });
    expect(again.asked.length).toBe(3);
    const { service, asked } = told({ answer: () => ({ verdict: 'refused', reason: 'no' }) });
    await expect(service.checkpoint()).rejects.toMatchObject({ code: 'witness-refused' });
    expect(asked.length).toBe(1);
  });
});
