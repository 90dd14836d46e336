// SPDX-License-Identifier: Apache-2.0
// How a node enters: only where the charter has a place for it, and with its evidence at more
// gateways than may lie.
import type { Attester } from '@cloister/attester/node';
import { BLOB_MOST, countersignJoin } from '@cloister/contract';
import { type BlobStore, CodedError, systemTimers as timers, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { namedSigner, World } from '@cloister/testkit/world';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Appender } from './append.ts';
import { enter, type JoinFacts, makeJoin } from './join.ts';

const evidence = utf8('evidence');
let world: World;
let facts: JoinFacts;

beforeAll(async () => {
  world = await World.create();
  const { environment, hpke } = world.joinBody('bank', 'worker', 'any');
  facts = {
    role: 'worker',
    name: 'worker',
    genesis: world.genesis,
    operator: 'bank',
    environment,
    charter: world.charter,
    hpke,
    tls: new Uint8Array(91),
    checkpoint: 'a note',
    state: world.state,
    of: { task: new Uint8Array(32), run: new Uint8Array(16), ticket: new Uint8Array(9) },
  };
});

function make(change: Partial<JoinFacts>, tee?: Attester['tee'], quoted = evidence) {
  const of = facts.charter.environments.find(({ id }) => id === facts.environment);
  const attester: Attester = {
    tee: tee ?? (of?.tee as Attester['tee']),
    reportDataLength: 64,
    hardware: new Uint8Array(16),
    measurement: new Uint8Array(32),
    quote: async () => ({ evidence: quoted }),
    signJoin: (inner) => countersignJoin(world.operator('bank'), 'bank', inner),
  };
  const signer = namedSigner('join', 'node');
  return makeJoin({ ...facts, ...change }, { attester, crypto: nodeCrypto, signer });
}

describe('a join', () => {
  it('is made for a place that the charter has', async () => {
    expect((await make({})).evidence).toEqual(evidence);
  });

  it('is not made over evidence that nobody would read', async () => {
    const most = new Uint8Array(BLOB_MOST.evidence);
    expect((await make({}, undefined, most)).evidence).toHaveLength(most.length);
    const making = make({}, undefined, new Uint8Array(most.length + 1));
    await expect(making).rejects.toMatchObject({ code: 'blob-too-large' });
  });

  const others = (role: string) =>
    facts.charter.environments.find((e) => e.role === role)?.id ?? '';
  it.each<[string, () => Promise<unknown>]>([
    ['an environment that is not there', () => make({ environment: 'nowhere' })],
    ['an environment of keepers', () => make({ environment: others('keeper') })],
    ['another make of hardware', () => make({}, 'op-tee')],
    ['an operator that is not there', () => make({ operator: 'nobody' })],
  ])('is not made for %s', async (_what, making) => {
    await expect(making()).rejects.toMatchObject({ code: 'environment-mismatch' });
  });
});

describe('the evidence of a join', () => {
  const takes = { put: async () => new Uint8Array(32) } as unknown as BlobStore;
  const full = {
    put: () => Promise.reject(new CodedError('blob-refused', 'unavailable', 'no')),
  } as unknown as BlobStore;
  const head = { size: 4, root: new Uint8Array(32) };
  /** Calls back as a gateway that appended, and ends as it is told. */
  const appending = (end: () => Promise<typeof head>) => {
    const bytes: Appender['bytes'] = async (_kind, _event, landing) => {
      landing?.onAppended?.('accepted');
      await new Promise((done) => setTimeout(done, 20));
      return end();
    };
    return { bytes } as unknown as Appender;
  };
  const entering = (blobsOf: readonly BlobStore[], end = async () => head) => {
    const made = { event: utf8('join'), evidence, id: new Uint8Array(32) };
    return enter(appending(end), made, { timers, patienceMs: 60, blobsOf, faulty: 1 });
  };

  it('is at one gateway more than may lie, whoever the others are', async () => {
    expect(await entering([full, takes, takes])).toEqual(head);
    expect(await entering([takes])).toEqual(head);
  });

  it('is nowhere safe while fewer have it', async () => {
    const failing = entering([full, takes, full]);
    await expect(failing).rejects.toMatchObject({ code: 'timed-out', kind: 'unavailable' });
  });

  it('matters no more once the join is void', async () => {
    const end = () => Promise.reject(new CodedError('join-void', 'policy', 'void'));
    await expect(entering([full, full], end)).rejects.toMatchObject({ code: 'join-void' });
    // Nobody waits for the evidence any more; that it fails ends no process.
    await new Promise((done) => setTimeout(done, 150));
  });
});
