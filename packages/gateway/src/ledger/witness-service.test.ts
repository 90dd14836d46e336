// SPDX-License-Identifier: Apache-2.0
// Gathering cosignatures among peers of whom some lie, stall or are gone: only signatures that hold
// count, whoever delivers them, and nobody honest waits for a liar.
import type { GatewayClient } from '@cloister/api';
import { CodedError, systemClock, systemTimers as timers } from '@cloister/core';
import { nodeCrypto as crypto } from '@cloister/core/node';
import { namedSigner, World } from '@cloister/testkit/world';
import {
  cosign,
  formatCheckpoint,
  formatNote,
  logOrigin,
  parseNote,
  type TreeHead,
  Witness,
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
