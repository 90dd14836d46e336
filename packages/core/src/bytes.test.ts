// SPDX-License-Identifier: Apache-2.0
// Round trips as properties, and the exact refusal of every form that is not the canonical one.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CodedError,
  compare,
  concat,
  equal,
  fromBase64,
  fromBase64Url,
  fromHex,
  fromUtf8,
  toBase64,
  toBase64Url,
  toHex,
  utf8,
} from './index.ts';

const anyBytes = fc.uint8Array({ maxLength: 300 });

function codeOf(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    return error instanceof CodedError ? error.code : `not coded: ${String(error)}`;
  }
  return 'accepted';
}

describe('hex, base64 and UTF-8', () => {
  it('give back what went in', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        expect(fromHex(toHex(bytes))).toEqual(bytes);
        expect(fromBase64(toBase64(bytes))).toEqual(bytes);
        expect(fromBase64Url(toBase64Url(bytes))).toEqual(bytes);
        expect(toHex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
        expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
        expect(toBase64Url(bytes)).toBe(Buffer.from(bytes).toString('base64url'));
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(fromUtf8(utf8(text))).toBe(text);
      }),
    );
  });

  it('hold for lengths past the chunk of the base64 writer', () => {
    const bytes = Uint8Array.from({ length: 20_000 }, (_, i) => (i * 7) % 256);
    expect(toBase64(bytes)).toBe(Buffer.from(bytes).toString('base64'));
  });

  it.each(['a', 'zz', '0x00', ' 00', '00\n', 'é0'])('refuse %j as hex', (text) => {
    expect(codeOf(() => fromHex(text))).toBe('hex-malformed');
  });

  it('refuse hex of another length than asked for', () => {
    expect(codeOf(() => fromHex('0011', 3))).toBe('hex-malformed');
    expect(codeOf(() => fromHex('0011', 2))).toBe('accepted');
  });

  it.each(['A', 'AA', 'AA=', 'AB==', 'AA==AA==', 'AA==\n', ' AA==', 'A-_=', '💥'])(
    'refuse %j as base64',
    (text) => expect(codeOf(() => fromBase64(text))).toBe('base64-malformed'),
  );

  it.each(['A', 'AB', 'AA==', 'AA+/', 'AA A', '💥'])('refuse %j as base64url', (text) => {
    expect(codeOf(() => fromBase64Url(text))).toBe('base64-malformed');
  });

  it.each([
    ['a lone continuation byte', [0x80]],
    ['an overlong slash', [0xc0, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['a code point past U+10FFFF', [0xf4, 0x90, 0x80, 0x80]],
    ['a cut sequence', [0xe2, 0x82]],
  ])('refuse %s as UTF-8', (_, bytes) => {
    expect(codeOf(() => fromUtf8(Uint8Array.from(bytes)))).toBe('utf8-malformed');
  });

  it('keep a byte-order mark', () => {
    expect(fromUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x61))).toBe('\ufeffa');
  });
});

describe('concat, equal and compare', () => {
  it('agree with Node’s Buffer', () => {
    fc.assert(
      fc.property(anyBytes, anyBytes, (a, b) => {
        expect(concat(a, b)).toEqual(new Uint8Array(Buffer.concat([a, b])));
        expect(equal(a, b)).toBe(Buffer.compare(a, b) === 0);
        expect(Math.sign(compare(a, b))).toBe(Buffer.compare(a, b));
      }),
    );
  });

  it('copy: a later change of a part does not reach the whole', () => {
    const part = Uint8Array.of(1);
    const whole = concat(part);
    part[0] = 2;
    expect(whole).toEqual(Uint8Array.of(1));
  });

  it('see one changed bit anywhere', () => {
    const a = Uint8Array.from({ length: 40 }, (_, i) => i);
    for (let bit = 0; bit < a.length * 8; bit++) {
      const b = a.slice();
      b[bit >> 3] = (b[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(equal(a, b)).toBe(false);
    }
  });
});
