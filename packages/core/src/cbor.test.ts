// SPDX-License-Identifier: Apache-2.0
// One value, one encoding: RFC 8949 examples, round trips as properties, and every way in which an
// encoding can stray from the deterministic one or a value from what CBOR holds, with its code.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  CBOR_MAX_DEPTH,
  type Cbor,
  CodedError,
  concat,
  decodeCbor,
  decodeCborLenient,
  encodeCbor,
  fromHex,
  toHex,
} from './index.ts';

function codeOf(f: () => unknown): string {
  try {
    f();
  } catch (error) {
    return error instanceof CodedError ? error.code : `not coded: ${String(error)}`;
  }
  return 'accepted';
}

/** Any value of `Cbor` in its object form. */
const anyCbor: fc.Arbitrary<Cbor> = fc.letrec<{ item: Cbor }>((tie) => ({
  item: fc.oneof(
    { maxDepth: 5, withCrossShrink: true },
    fc.constantFrom<Cbor>(null, true, false),
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 64n - 1n }),
    fc.bigInt({ min: -(2n ** 64n), max: -(2n ** 53n) }),
    fc.string({ unit: 'binary' }),
    fc.uint8Array({ maxLength: 40 }),
    fc.array(tie('item'), { maxLength: 5 }),
    fc.dictionary(fc.string(), tie('item'), { maxKeys: 5 }),
  ),
})).item;

describe('encodings of RFC 8949 appendix A', () => {
  const examples: readonly [Cbor, string][] = [
    [0, '00'],
    [23, '17'],
    [24, '1818'],
    [1_000_000_000_000, '1b000000e8d4a51000'],
    [18446744073709551615n, '1bffffffffffffffff'],
    [-1, '20'],
    [-1000, '3903e7'],
    [-18446744073709551616n, '3bffffffffffffffff'],
    [1.5, 'f93e00'],
    [-4.1, 'fbc010666666666666'],
    [false, 'f4'],
    [null, 'f6'],
    [Uint8Array.of(1, 2, 3, 4), '4401020304'],
    ['ü', '62c3bc'],
    ['𐅑', '64f0908591'],
    [[1, [2, 3], [4, 5]], '8301820203820405'],
    [{ a: 1, b: [2, 3] }, 'a26161016162820203'],
  ];
  it.each(examples.map(([value, hex]) => ({ value, hex })))('$hex', ({ value, hex }) => {
    expect(toHex(encodeCbor(value))).toBe(hex);
    expect(decodeCbor(fromHex(hex))).toEqual(value);
  });

  it('orders map keys by their encodings, integers before text', () => {
    const keys = [-1, 10, 'aa', 100, 'z', ''];
    const map = new Map(keys.map((key) => [key, 0]));
    const sorted = ['0a', '1864', '20', '60', '617a', '626161'].map((key) => `${key}00`);
    expect(toHex(encodeCbor(map))).toBe(`a6${sorted.join('')}`);
    expect(decodeCbor(encodeCbor(map), { maps: true })).toEqual(map);
  });
});

describe('determinism', () => {
  it('decodes what it encodes, to the same bytes', () => {
    fc.assert(
      fc.property(anyCbor, (value) => {
        const bytes = encodeCbor(value);
        const again = decodeCbor(bytes);
        expect(again).toEqual(value);
        expect(encodeCbor(again)).toEqual(bytes);
      }),
    );
  });

  it('does not depend on the order in which keys were set', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.nat()), (value) => {
        const turned = Object.fromEntries(Object.entries(value).reverse());
        expect(encodeCbor(turned)).toEqual(encodeCbor(value));
      }),
    );
  });

  it('accepts no bytes but those it writes', () => {
    const options = { numRuns: 2000 };
    const property = fc.property(fc.uint8Array({ maxLength: 12 }), fc.boolean(), (bytes, maps) => {
      let value: Cbor;
      try {
        value = decodeCbor(bytes, { maps });
      } catch (error) {
        expect(error).toBeInstanceOf(CodedError);
        return;
      }
      expect(encodeCbor(value)).toEqual(bytes);
    });
    fc.assert(property, options);
  });

  it('keeps a key named __proto__ as a key', () => {
    const bytes = fromHex('a1695f5f70726f746f5f5fa1617801');
    for (const value of [decodeCbor(bytes), decodeCborLenient(bytes)]) {
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype);
      expect(Object.keys(value as object)).toEqual(['__proto__']);
      expect((value as { x?: number }).x).toBeUndefined();
      expect(encodeCbor(value)).toEqual(bytes);
    }
    expect(({} as { x?: number }).x).toBeUndefined();
  });

  it('copies byte strings out of the input', () => {
    const bytes = encodeCbor(Uint8Array.of(1, 2));
    const value = decodeCbor(bytes) as Uint8Array;
    bytes.fill(0);
    expect(value).toEqual(Uint8Array.of(1, 2));
  });
});

describe('refusals', () => {
  it.each([
    ['nothing', '', 'cbor-malformed'],
    ['a trailing byte', '0100', 'cbor-malformed'],
    ['a cut integer', '19', 'cbor-malformed'],
    ['a cut byte string', '4201', 'cbor-malformed'],
    ['a reserved length', '1c', 'cbor-malformed'],
    ['a stop without a start', 'ff', 'cbor-malformed'],
    ['an indefinite array', '9f01ff', 'cbor-malformed'],
    ['an indefinite text', '7f6161ff', 'cbor-malformed'],
    ['undefined', 'f7', 'cbor-malformed'],
    ['NaN', 'f97e00', 'cbor-malformed'],
    ['infinity', 'f97c00', 'cbor-malformed'],
    ['a simple value', 'f820', 'cbor-malformed'],
    ['a tag', 'c101', 'cbor-malformed'],
    ['a repeated key', 'a2616101616102', 'cbor-malformed'],
    ['an integer key in an object', 'a10101', 'cbor-malformed'],
    ['a long integer', '1817', 'cbor-not-deterministic'],
    ['a long length', '580101', 'cbor-not-deterministic'],
    ['a long float', 'fa3fc00000', 'cbor-not-deterministic'],
    ['a float that is whole', 'f93c00', 'cbor-not-deterministic'],
    ['minus zero', 'f98000', 'cbor-not-deterministic'],
    ['keys out of order', 'a2616201616101', 'cbor-not-deterministic'],
    ['bytes that are not UTF-8 in a text', '61ff', 'cbor-not-deterministic'],
  ])('of %s (%s): %s', (_, hex, code) => {
    expect(codeOf(() => decodeCbor(fromHex(hex)))).toBe(code);
  });

  it.each([
    ['bytes', 'a1410101'],
    ['an array', 'a18001'],
    ['null', 'a1f601'],
    ['a fraction', 'a1f93e0001'],
  ])('of a map keyed by %s', (_, hex) => {
    expect(codeOf(() => decodeCbor(fromHex(hex), { maps: true }))).toMatch(/^cbor-/);
    expect(codeOf(() => decodeCborLenient(fromHex(hex), { maps: true }))).toBe('cbor-malformed');
  });

  it.each(
    [
      ['undefined', undefined],
      ['undefined in an object', { a: undefined }],
      ['a hole in an array', new Array(2)],
      ['NaN', Number.NaN],
      ['infinity', -Infinity],
      ['an unsafe whole number', 2 ** 53],
      ['a bigint past 64 bits', 2n ** 64n],
      ['a lone surrogate', 'a\ud800'],
      ['a lone surrogate as a key', { '\udc00': 1 }],
      ['a Date', new Date(0)],
      ['other typed arrays', new Uint16Array(2)],
      ['a function', () => 1],
      ['a symbol', Symbol('s')],
      ['a map keyed by bigints', new Map([[1n, 1]])],
    ].map(([what, value]) => ({ what: what as string, value })),
  )('to encode $what', ({ value }) => {
    expect(codeOf(() => encodeCbor(value as Cbor))).toBe('cbor-unencodable');
  });

  it('to encode a value that holds itself', () => {
    const value: Cbor[] = [];
    value.push(value);
    expect(codeOf(() => encodeCbor(value))).toBe('cbor-unencodable');
  });
});

describe('nesting', () => {
  const nested = (depth: number): Uint8Array =>
    concat(new Uint8Array(depth).fill(0x81), Uint8Array.of(0x01));

  it('is accepted up to the bound and refused past it', () => {
    expect(codeOf(() => decodeCbor(nested(CBOR_MAX_DEPTH)))).toBe('accepted');
    expect(codeOf(() => decodeCbor(nested(CBOR_MAX_DEPTH + 1)))).toBe('cbor-not-deterministic');
    expect(codeOf(() => decodeCborLenient(nested(CBOR_MAX_DEPTH)))).toBe('accepted');
    expect(codeOf(() => decodeCborLenient(nested(CBOR_MAX_DEPTH + 1)))).toBe('cbor-malformed');
  });

  it.each([
    ['arrays', 0x81],
    ['tags', 0xc1],
    ['maps with a map as key', 0xa1],
  ])('of five million %s neither crashes nor hangs', (_, byte) => {
    const bytes = new Uint8Array(5_000_000).fill(byte);
    const tags = { 1: (inner: unknown) => inner };
    expect(codeOf(() => decodeCbor(bytes))).toBe('cbor-malformed');
    expect(codeOf(() => decodeCborLenient(bytes, { maps: true, tags }))).toBe('cbor-malformed');
  });

  it.each(['9affffffff', '9b00000001ffffffff', 'baffffffff', '5affffffff', '7b0000000fffffffff'])(
    'a lying length %s costs nothing',
    (hex) => expect(codeOf(() => decodeCbor(fromHex(hex)))).toBe('cbor-malformed'),
  );
});

describe('foreign documents', () => {
  it('may be in another order and in longer forms', () => {
    expect(decodeCborLenient(fromHex('a26162180161611902ff'))).toEqual({ a: 767, b: 1 });
  });

  it('hand the value of a tag to the caller and refuse other tags', () => {
    const tags = { 1: (inner: unknown) => ({ time: inner }) };
    expect(decodeCborLenient(fromHex('c107'), { tags })).toEqual({ time: 7 });
    expect(codeOf(() => decodeCborLenient(fromHex('c207'), { tags }))).toBe('cbor-malformed');
  });

  it.each([
    ['a repeated key', 'a201010102'],
    ['a key repeated in a longer form', 'a20101180102'],
    ['text that is not UTF-8', '61ff'],
    ['a trailing byte', '0000'],
  ])('may not hold %s', (_, hex) => {
    expect(codeOf(() => decodeCborLenient(fromHex(hex), { maps: true }))).toBe('cbor-malformed');
  });

  it('any bytes at all give a value or a coded error', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      expect(codeOf(() => decodeCborLenient(bytes, { maps: true }))).toMatch(/^(accepted|cbor-)/);
    });
    fc.assert(property, { numRuns: 2000 });
  });
});
