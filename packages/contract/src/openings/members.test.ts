// SPDX-License-Identifier: Apache-2.0
// Openings sealed to members: a round trip through HPKE, and everything that must not open.
import { type CodedError, encodeCbor } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { namedBytes, namedPoint, namedSecret, seededRandom } from '@cloister/testkit/world';
import { hpkeKeyPairFrom, hpkeOpen, hpkeSeal } from '@cloister/threshold/node';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { commitTo, type Opening } from './commitment.ts';
import {
  checkOpenings,
  decodeOpeningMap,
  decodeOpenings,
  encodeOpeningMap,
  encodeOpenings,
  openOpenings,
  type SealedOpenings,
  sealOpenings,
} from './members.ts';

const SEED = 'openings';
const genesis = namedBytes(SEED, 'genesis');
const random = seededRandom(SEED);
const none = new Uint8Array(0);
const recipients = ['bank', 'hospital'].map((id) => ({ id, hpke: namedPoint(SEED, id) }));
const ports = { crypto: nodeCrypto, random };
const policy = commitTo(new TextEncoder().encode('policy'), ports);
const schema = commitTo(none, ports);
const openings = { policy: policy.opening, schema: schema.opening };
let blob: Uint8Array;

beforeAll(async () => {
  blob = await sealOpenings({
    genesis,
    openings,
    recipients: [...recipients].reverse(),
    seal: (publicKey, info, plaintext) =>
      hpkeSeal({ publicKey, info, aad: none, plaintext, random }),
  });
});

function openAs(me: string, key = me, of: { genesis?: Uint8Array; blob?: Uint8Array } = {}) {
  const keyPair = hpkeKeyPairFrom(namedSecret(SEED, key));
  const open = (info: Uint8Array, sealed: Uint8Array) =>
    hpkeOpen({ keyPair, info, aad: none, sealed });
  return openOpenings({ genesis: of.genesis ?? genesis, blob: of.blob ?? blob, me, open });
}

async function codeOf(f: () => unknown): Promise<string> {
  try {
    await f();
    return 'no error';
  } catch (error) {
    return (error as CodedError).code ?? String(error);
  }
}

describe('openings', () => {
  it('open for each member they are sealed to, and match their commitments', async () => {
    for (const { id } of recipients) {
      const commitments = { policy: policy.commitment, schema: schema.commitment };
      const values = checkOpenings(await openAs(id), commitments, nodeCrypto);
      expect(values).toEqual({ policy: policy.opening.value, schema: none });
    }
  });

  it('do not open for others, under another charter, or as another', async () => {
    expect(await codeOf(() => openAs('insurer'))).toBe('openings-not-for-me');
    expect(await codeOf(() => openAs('bank', 'hospital'))).toBe('hpke-open-failed');
    expect(await codeOf(() => openAs('bank', 'bank', { genesis: none }))).toBe('hpke-open-failed');
    const [bank, hospital] = decodeOpenings(blob) as [SealedOpenings, SealedOpenings];
    const swapped = encodeOpenings([bank, { to: 'insurer', sealed: hospital.sealed }]);
    const as = () => openAs('insurer', 'hospital', { blob: swapped });
    expect(await codeOf(as)).toBe('hpke-open-failed');
  });

  it('are checked against the ledger', async () => {
    const wrong = { policy: schema.commitment };
    expect(await codeOf(() => checkOpenings(openings, wrong, nodeCrypto))).toBe('opening-mismatch');
    const missing = { toString: schema.commitment };
    expect(await codeOf(() => checkOpenings(openings, missing, nodeCrypto))).toBe(
      'opening-missing',
    );
    const short: Opening = { salt: new Uint8Array(15), value: none };
    const commitment = nodeCrypto.digest('sha256', short.salt);
    const checked = () => checkOpenings({ policy: short }, { policy: commitment }, nodeCrypto);
    expect(await codeOf(checked)).toBe('opening-mismatch');
  });

  it('have one encoding, and a code for every other', async () => {
    expect(decodeOpeningMap(encodeOpeningMap(openings))).toEqual(openings);
    const part = (to: string) => [to, Uint8Array.of(1)];
    const blobs = [
      [2, []],
      [1, [part('b'), part('a')]],
      [1, [part('a'), part('a')]],
      [1, [part('A')]],
      [1, [['a', none]]],
      [1],
    ];
    for (const value of blobs) {
      expect(await codeOf(() => decodeOpenings(encodeCbor(value as never)))).toBe(
        'openings-malformed',
      );
    }
    const maps = [{ a: [new Uint8Array(15), none] }, { 'a b': [new Uint8Array(16), none] }, [], 1];
    for (const value of maps) {
      expect(await codeOf(() => decodeOpeningMap(encodeCbor(value as never)))).not.toBe('no error');
    }
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), async (bytes) => {
        expect(await codeOf(() => decodeOpenings(bytes))).toMatch(/^(openings|cbor)-/);
        expect(await codeOf(() => decodeOpeningMap(bytes))).toMatch(/^(openings|cbor)-|no error/);
      }),
    );
  });
});
