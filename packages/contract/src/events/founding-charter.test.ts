// SPDX-License-Identifier: Apache-2.0
// A founding charter is believed for its hash and nothing else, and only as what it should be.
import { encodeCbor } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { charterSpecimen } from '@cloister/testkit/world';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeEvent } from './event.ts';
import { decodeFoundingCharter, encodeFoundingCharter } from './founding-charter.ts';

const body = charterSpecimen();
const { payload, genesis } = encodeFoundingCharter(body, nodeCrypto);

/** Bytes whose genesis is pinned: the hash holds whatever they are. */
function pinned(bytes: Uint8Array) {
  return () => decodeFoundingCharter(bytes, nodeCrypto.digest('sha256', bytes), nodeCrypto);
}

describe('a founding charter', () => {
  it('comes back whole under its genesis', () => {
    expect(decodeFoundingCharter(payload, genesis, nodeCrypto)).toEqual(body);
    expect(genesis).toEqual(nodeCrypto.digest('sha256', payload));
  });

  it('is refused when one bit of it or of the genesis differs', () => {
    const at = fc.nat({ max: payload.length - 1 });
    const code = 'founding-charter-mismatch';
    fc.assert(
      fc.property(at, fc.nat({ max: 7 }), (position, bit) => {
        const bent = Uint8Array.from(payload);
        bent[position] = (bent[position] ?? 0) ^ (1 << bit);
        const decode = () => decodeFoundingCharter(bent, genesis, nodeCrypto);
        expect(decode).toThrow(expect.objectContaining({ code }));
      }),
    );
    const other = genesis.slice().fill(0, 0, 1);
    const decode = () => decodeFoundingCharter(payload, other, nodeCrypto);
    expect(decode).toThrow(expect.objectContaining({ code }));
  });

  const { members: _, ...without } = body;
  const parts = (value: unknown) => encodeCbor(value as Parameters<typeof encodeCbor>[0]);
  const wrong: Record<string, Uint8Array> = {
    'of another format version': parts([2, null, 'charter', body]),
    'that names a genesis': encodeEvent(genesis, 'charter', body),
    'of another kind': parts([1, null, 'task', body]),
    'without a body': parts([1, null, 'charter']),
    'without members': parts([1, null, 'charter', without]),
    'with an unknown field': parts([1, null, 'charter', { ...body, more: 1 }]),
    'that is no array': parts({ charter: 1 }),
  };
  for (const [what, bytes] of Object.entries(wrong)) {
    it(`is refused when it is one ${what}, though its hash is pinned`, () => {
      const code = 'founding-charter-malformed';
      expect(pinned(bytes)).toThrow(expect.objectContaining({ code }));
    });
  }

  it('never fails with something uncoded', () => {
    const code = expect.stringMatching(
      /^(founding-charter-malformed|cbor-malformed|cbor-not-deterministic)$/,
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (junk) => {
        expect(pinned(junk)).toThrow(expect.objectContaining({ code }));
      }),
    );
    for (let end = 0; end < payload.length; end += 13) {
      expect(pinned(payload.slice(0, end))).toThrow(expect.objectContaining({ code }));
    }
  });
});
