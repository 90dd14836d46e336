// SPDX-License-Identifier: Apache-2.0
// Each single bit of every statement, list and certificate of a bundle, one bundle a vendor's kind.
// A flipped one is refused by its code. Needs no other program; it is a lane because it is long.
// Azure's kinds are verified with the bundles of the hardware under them.
import { isCoded } from '@cloister/core';
import { describe, expect, it } from 'vitest';
import {
  BITS_TIMEOUT_MS,
  bitsAccepted,
  insidePem,
  type Specimen,
  specimen,
} from '../testing/specimens.ts';
import { makeCollateral } from './collateral.ts';
import type { Collateral } from './types.ts';

/** No verdict depends on it: the issuer of a PCK CRL is the CA in the quote itself. */
const UNREAD = 'pck-crl-issuer-chain';

/** The verdict on `s` with one item of its collateral exchanged. */
async function withItem(s: Specimen, name: string, item: Uint8Array): Promise<string> {
  const { kind, items } = s.collateral as Collateral;
  try {
    return await s.verify(s.bytes, makeCollateral(kind, { ...items, [name]: item }));
  } catch (error) {
    if (isCoded(error)) return error.code;
    throw error;
  }
}

const jobs = (['sgx-dcap', 'tdx-dcap', 'sev-snp'] as const).flatMap((kind) => {
  const s = specimen(kind);
  const items = Object.entries((s.collateral as Collateral).items);
  return items
    .filter(([name]) => name !== UNREAD)
    .map(([name, item]) => [kind, name, s, item] as const);
});

describe.each(jobs)('%s with %s', (_kind, name, s, item) => {
  it(
    'flipped in any bit is refused',
    async () => {
      const verdict = (changed: Uint8Array) => withItem(s, name, changed);
      expect(await verdict(item)).toBe('accepted');
      // The last certificate of a chain is a copy of the root.
      const chain = insidePem(item).slice(0, -1);
      if (chain.length === 0) expect(await bitsAccepted(item, verdict)).toEqual([]);
      for (const { der, replaced } of chain) {
        expect(await bitsAccepted(der, (changed) => verdict(replaced(changed)))).toEqual([]);
      }
    },
    BITS_TIMEOUT_MS,
  );
});
