// SPDX-License-Identifier: Apache-2.0
// Every byte is hostile. One minted specimen a kind: flipped bits in everything signed, truncations
// and appended bytes are refused with a CodedError; so is random and structured noise. Here bits
// are a choice: all of the first 48 and last 16 bytes, one of every third byte to 700, one of every
// thirteenth beyond. `npm run test:real bits` flips each.
import { concat, isCoded } from '@cloister/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { flipped, specimen, unsignedRanges } from '../testing/specimens.ts';
import { makeCollateral } from './collateral.ts';
import { MINTABLE_KINDS } from './minting.ts';
import type { Collateral } from './types.ts';

const RUNS = 200;
const specimens = MINTABLE_KINDS.map(specimen);

describe.each(specimens.map((s) => [s.kind, s] as const))('%s', (kind, s) => {
  it('is itself accepted', async () => {
    expect(await s.verify(s.bytes)).toBe('accepted');
  });

  it('refuses every flipped bit where something is signed', async () => {
    const accepted: number[] = [];
    const unsigned = unsignedRanges(kind, s.bytes);
    for (let byte = 0; byte < s.bytes.length; byte++) {
      if (unsigned.some(([from, to]) => byte >= from && byte < to)) continue;
      const dense = byte < 48 || byte >= s.bytes.length - 16;
      if (!dense && byte % (byte < 700 ? 3 : 13) !== 0) continue;
      for (let bit = 0; bit < 8; bit++) {
        if (!dense && bit !== byte % 8) continue;
        const at = 8 * byte + bit;
        if ((await s.verify(flipped(s.bytes, at))) === 'accepted') accepted.push(at);
      }
    }
    expect(accepted).toEqual([]);
  });

  it('refuses every truncation', async () => {
    const accepted: number[] = [];
    for (let length = 0; length < s.bytes.length; length += length < 1300 ? 1 : 7) {
      if ((await s.verify(s.bytes.subarray(0, length))) === 'accepted') accepted.push(length);
    }
    expect(accepted).toEqual([]);
  });

  it('refuses appended bytes, but for the zero padding that quotes may have', async () => {
    const padded = ['sgx-dcap', 'tdx-dcap', 'sev-snp'].includes(kind);
    expect(await s.verify(concat(s.bytes, Uint8Array.of(1)))).not.toBe('accepted');
    const zero = await s.verify(concat(s.bytes, new Uint8Array(70)));
    if (padded) expect(zero).toBe('accepted');
    else expect(zero).not.toBe('accepted');
    if (kind === 'sgx-dcap' || kind === 'tdx-dcap') {
      const tooMuch = await s.verify(concat(s.bytes, new Uint8Array(4097)));
      expect(tooMuch).toBe('evidence-trailing-bytes');
    }
  });

  it('survives noise', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), async (noise) => {
        expect(await s.verify(noise)).not.toBe('accepted');
      }),
      { numRuns: RUNS, seed: 1 },
    );
  });

  it('survives bytes overwritten with noise', async () => {
    const { length } = s.bytes;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(length - 1),
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        async (at, noise) => {
          const out = s.bytes.slice();
          out.set(noise.subarray(0, length - at), at);
          await s.verify(out);
        },
      ),
      { numRuns: RUNS, seed: 2 },
    );
  });
});

describe.each(specimens.filter((s) => s.collateral !== null).map((s) => [s.kind, s] as const))(
  '%s collateral',
  (kind, s) => {
    const items = (s.collateral as Collateral).items;

    it.each(Object.keys(items).map((name) => [name]))(
      '%s: a flipped bit is refused',
      async (name) => {
        const bytes = items[name] as Uint8Array;
        const free = name.endsWith('-chain');
        await fc.assert(
          fc.asyncProperty(fc.nat(bytes.length * 8 - 1), async (bit) => {
            const changed = { ...items, [name]: flipped(bytes, bit) };
            let code: string;
            try {
              code = await s.verify(s.bytes, makeCollateral(kind, changed));
            } catch (error) {
              if (!isCoded(error)) throw error;
              code = error.code;
            }
            if (!free) expect(code).not.toBe('accepted');
          }),
          { numRuns: 60, seed: 3 },
        );
      },
    );
  },
);
