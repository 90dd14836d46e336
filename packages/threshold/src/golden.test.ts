// SPDX-License-Identifier: Apache-2.0
// The wire formats, pinned: digests of what fixed randomness gives. A change here is a change of
// format, and needs a new version number in it.

import { toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { expect, test } from 'vitest';
import {
  committee,
  dealsTo,
  EPOCH,
  filled,
  GENESIS,
  labelOf,
  seeded,
} from '../testing/committee.ts';
import { transcriptHash } from './committee.ts';
import { complain } from './node/complain.ts';
import { openDeal, sealDeal } from './node/deal.ts';
import { generateHpkeKeyPair, hpkeSeal } from './node/hpke.ts';
import { partialOpen, provePartials, sealMasterKey } from './node/open.ts';
import type { KeyShare } from './node/share.ts';
import { parseSealedKey } from './sealed-key.ts';

const digest = (bytes: Uint8Array) => toHex(nodeCrypto.digest('sha256', bytes)).slice(0, 16);

test('every format keeps its bytes', () => {
  const c = committee({ n: 3, t: 2, seed: 'golden' });
  const share = c.shares[1] as KeyShare;
  const { groupKey } = c;
  const label = labelOf(groupKey);
  const sealed = sealMasterKey({ groupKey, label, masterKey: filled(5), random: seeded('g1') });
  const point = partialOpen({ share, sealed, label });
  const openings = [{ enc: parseSealedKey(sealed).enc, point }];
  const proof = provePartials({ share, request: filled(6), openings, random: seeded('g2') });
  const keyPair = generateHpkeKeyPair(seeded('g3'));
  const context = { genesis: GENESIS, epoch: EPOCH, dealer: 1, recipient: 2 };
  const deal = dealsTo(2, c.dealings)[0]?.deal as Uint8Array;
  const recipientKey = keyPair.publicKey;
  const random = seeded('g4');
  const dealt = sealDeal({ ...context, recipientKey, deal, random });
  expect(openDeal({ ...context, sealed: dealt, keyPair })).toEqual(deal);
  const reveal = c.dealings[0]?.reveal as Uint8Array;
  const message = { info: filled(1, 3), aad: filled(2, 3), plaintext: filled(3, 3) };
  const hpke = hpkeSeal({ publicKey: recipientKey, ...message, random: seeded('g5') });
  const random6 = seeded('g6');
  const complaining = { ...context, reveal, sealed: dealt, keyPair, random: random6 };
  expect({
    label: digest(label),
    sealed: digest(sealed),
    point: digest(point),
    proof: digest(proof),
    reveal: digest(reveal),
    commit: digest(c.dealings[0]?.commit as Uint8Array),
    transcript: digest(transcriptHash({ reveals: c.reveals, n: 3 })),
    dealt: digest(dealt),
    complaint: digest(complain(complaining)),
    hpke: digest(hpke),
  }).toEqual({
    label: 'b23672479238df70',
    sealed: 'a68f499152be5a9e',
    point: 'b892501c5a2ed387',
    proof: 'c9a533d9465db4af',
    reveal: '470799691d838322',
    commit: '5926af9b6ebacafb',
    transcript: 'a5dd35dd0dec1aad',
    dealt: '7cec0e0fa3659921',
    complaint: '6fdf287be398aff6',
    hpke: '184cfbcc7860a23c',
  });
});
