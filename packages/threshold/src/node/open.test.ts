// SPDX-License-Identifier: Apache-2.0
// Sealing to the group and opening by t of n: properties over n, and the attacks on openings.
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { blame, verifyPartial } from '../partials.ts';
import { parseSealedKey, verifySealedKey } from '../sealed-key.ts';
import { codeOf, committee, filled, GENESIS, labelOf, seeded } from '../testing.ts';
import { combinePartials, partialOpen, provePartials, sealMasterKey } from './open.ts';
import type { KeyShare } from './share.ts';

describe('t of n open', () => {
  test('any t of n, for n from 2 to 7', () => {
    const shape = fc.integer({ min: 2, max: 7 }).chain((n) =>
      fc.record({
        n: fc.constant(n),
        t: fc.integer({ min: 1, max: n }),
        order: fc.shuffledSubarray(
          Array.from({ length: n }, (_, i) => i + 1),
          { minLength: n },
        ),
        key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
        seed: fc.string(),
      }),
    );
    fc.assert(
      fc.property(shape, ({ n, t, order, key, seed }) => {
        const { shares, groupKey } = committee({ n, t, seed });
        const label = labelOf(groupKey);
        const sealed = sealMasterKey({ groupKey, label, masterKey: key, random: seeded(seed) });
        expect(verifySealedKey({ sealed, label })).toBe(true);
        const partials = order.slice(0, t).map((seat) => {
          return {
            seat,
            point: partialOpen({ share: shares[seat - 1] as KeyShare, sealed, label }),
          };
        });
        expect(combinePartials({ t, partials, groupKey, sealed, label })).toEqual(key);
        if (t > 1) {
          const few = partials.slice(0, t - 1);
          const code = codeOf(() =>
            combinePartials({ t: t - 1, partials: few, groupKey, sealed, label }),
          );
          expect(code).toBe('opening-tag-invalid');
        }
      }),
      { numRuns: 12 },
    );
  });
});
