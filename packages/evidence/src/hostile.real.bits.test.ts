// SPDX-License-Identifier: Apache-2.0
// Each single bit of everything that is signed in one minted specimen a kind: the evidence, and the
// certificates that it carries as PEM. A flipped one is refused by its code. Needs no other
// program; it is a lane because it is long. collateral.real.bits.test.ts has the other half.
import { describe, expect, it } from 'vitest';
import {
  BITS_TIMEOUT_MS,
  bitsAccepted,
  insidePem,
  specimen,
  unsignedRanges,
} from '../testing/specimens.ts';
import { MINTABLE_KINDS } from './minting.ts';

describe.each(MINTABLE_KINDS.map((kind) => [kind]))('%s', (kind) => {
  const s = specimen(kind);

  it('is itself accepted', async () => {
    expect(await s.verify(s.bytes)).toBe('accepted');
  });

  it(
    'with any bit of the evidence flipped is refused',
    async () => {
      const ranges = unsignedRanges(kind, s.bytes);
      expect(await bitsAccepted(s.bytes, (changed) => s.verify(changed), ranges)).toEqual([]);
    },
    BITS_TIMEOUT_MS,
  );

  // The last certificate of a chain is a copy of the root: it only says which one is meant.
  const carried = insidePem(s.bytes).slice(0, -1);
  if (carried.length === 0) return;
  it(
    'with any bit of a certificate flipped is refused',
    async () => {
      for (const { der, replaced } of carried) {
        expect(await s.verify(replaced(der))).toBe('accepted');
        expect(await bitsAccepted(der, (changed) => s.verify(replaced(changed)))).toEqual([]);
      }
    },
    BITS_TIMEOUT_MS,
  );
});
