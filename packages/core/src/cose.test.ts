// SPDX-License-Identifier: Apache-2.0
// COSE_Sign1: one specimen, every single change of it with its code, every bit flipped, every
// truncation, and agreement of the signed bytes with RFC 9052 section 4.4.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { webCrypto } from './crypto/web.ts';
import {
  type Cbor,
  CodedError,
  type CryptoPort,
  concat,
  encodeCbor,
  parseCose,
  signCose,
  toHex,
  utf8,
  verifyCose,
} from './index.ts';
import { ed25519Signer, nodeCrypto } from './node.ts';

const signer = ed25519Signer(new Uint8Array(32).fill(7));
const claims = { iss: 'bank', sub: 'tick' };
const payload = utf8('payload');
const forms: readonly CryptoPort[] = [nodeCrypto, webCrypto];

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return error instanceof CodedError ? error.code : `not coded: ${String(error)}`;
  }
  return 'accepted';
}

const header = (change: (map: Map<number, unknown>) => void = () => undefined): Uint8Array => {
  const cwt = new Map<number, Cbor>([
    [1, 'bank'],
    [2, 'tick'],
  ]);
  const map = new Map<number, unknown>([
    [1, -8],
    [4, signer.key],
    [15, cwt],
  ]);
  change(map);
  return encodeCbor(map as ReadonlyMap<number, Cbor>);
};

/** A statement put together by hand; the signature is right for what it says unless replaced. */
async function assemble(
  parts: { protectedHeader?: Uint8Array; payload?: Uint8Array } = {},
  change: (body: unknown[]) => unknown[] = (body) => body,
): Promise<Uint8Array> {
  const protectedHeader = parts.protectedHeader ?? header();
  const signed = encodeCbor(['Signature1', protectedHeader, new Uint8Array(), payload]);
  const signature = await signer.sign(signed);
  const body = [protectedHeader, new Map(), parts.payload ?? payload, signature];
  return concat(Uint8Array.of(0xd2), encodeCbor(change(body) as Cbor[]));
}

describe('a signed statement', () => {
  it('is what RFC 9052 says, and both forms accept it', async () => {
    const bytes = await signCose(signer, claims, payload);
    expect(toHex(bytes)).toBe(toHex(await assemble()));
    for (const form of forms) {
      const statement = await verifyCose(form, bytes);
      expect(statement.claims).toEqual(claims);
      expect(statement.payload).toEqual(payload);
      expect(statement.kid).toEqual(signer.key);
      const signed = encodeCbor(['Signature1', header(), new Uint8Array(), payload]);
      expect(statement.sigStructure).toEqual(signed);
    }
  });

  it('binds its external data without carrying it', async () => {
    const bytes = await signCose(signer, claims, payload, utf8('context'));
    expect(await codeOf(verifyCose(nodeCrypto, bytes, utf8('context')))).toBe('accepted');
    expect(await codeOf(verifyCose(nodeCrypto, bytes, utf8('other')))).toBe(
      'cose-signature-invalid',
    );
    expect(await codeOf(verifyCose(nodeCrypto, bytes))).toBe('cose-signature-invalid');
  });

  it('round-trips any payload and claims', async () => {
    const texts = fc.string({ unit: 'binary', maxLength: 20 });
    const property = fc.asyncProperty(texts, texts, fc.uint8Array(), async (iss, sub, any) => {
      const statement = parseCose(await signCose(signer, { iss, sub }, any));
      expect(statement.claims).toEqual({ iss, sub });
      expect(statement.payload).toEqual(any);
    });
    await fc.assert(property, { numRuns: 30 });
  });
});

describe('every change has its code', () => {
  const protectedWith = (key: number, value: unknown) => ({
    protectedHeader: header((map) => map.set(key, value)),
  });
  const without = (key: number) => ({ protectedHeader: header((map) => void map.delete(key)) });
  const cases: readonly [string, () => Promise<Uint8Array>, string][] = [
    ['another algorithm', () => assemble(protectedWith(1, -7)), 'cose-malformed'],
    ['no algorithm', () => assemble(without(1)), 'cose-malformed'],
    ['no kid', () => assemble(without(4)), 'cose-malformed'],
    ['a short kid', () => assemble(protectedWith(4, new Uint8Array(31))), 'cose-malformed'],
    ['a kid of text', () => assemble(protectedWith(4, 'k')), 'cose-malformed'],
    ['no claims', () => assemble(without(15)), 'cose-malformed'],
    ['claims of bytes', () => assemble(protectedWith(15, new Uint8Array())), 'cose-malformed'],
    ['one claim', () => assemble(protectedWith(15, new Map([[1, 'a']]))), 'cose-malformed'],
    [
      'numbers as claims',
      () => assemble(protectedWith(15, mapOf([1, 1], [2, 2]))),
      'cose-malformed',
    ],
    ['a header more', () => assemble(protectedWith(3, 0)), 'cose-malformed'],
    [
      'an unprotected header',
      () => assemble({}, ([p, , b, s]) => [p, mapOf([4, 1]), b, s]),
      'cose-malformed',
    ],
    ['a detached payload', () => assemble({}, ([p, u, , s]) => [p, u, null, s]), 'cose-malformed'],
    ['a part less', () => assemble({}, (body) => body.slice(0, 3)), 'cose-malformed'],
    ['a part more', () => assemble({}, (body) => [...body, 0]), 'cose-malformed'],
    [
      'a short signature',
      () => assemble({}, ([p, u, b]) => [p, u, b, new Uint8Array(63)]),
      'cose-malformed',
    ],
    ['no signature', () => assemble({}, ([p, u, b]) => [p, u, b, null]), 'cose-malformed'],
    ['another payload', () => assemble({ payload: utf8('Payload') }), 'cose-signature-invalid'],
    [
      'another issuer',
      () =>
        assemble({}, ([, u, b, s]) => [
          header((m) => m.set(15, mapOf([1, 'x'], [2, 'tick']))),
          u,
          b,
          s,
        ]),
      'cose-signature-invalid',
    ],
    [
      'a zero signature',
      () => assemble({}, ([p, u, b]) => [p, u, b, new Uint8Array(64)]),
      'cose-signature-invalid',
    ],
    ['a small-order kid', () => assemble(protectedWith(4, new Uint8Array(32))), 'key-small-order'],
    ['no tag', async () => (await assemble()).subarray(1), 'cose-malformed'],
    [
      'another tag',
      async () => concat(Uint8Array.of(0xd1), (await assemble()).subarray(1)),
      'cose-malformed',
    ],
    ['a trailing byte', async () => concat(await assemble(), Uint8Array.of(0)), 'cbor-malformed'],
    ['nothing', async () => new Uint8Array(), 'cose-malformed'],
    ['the tag alone', async () => Uint8Array.of(0xd2), 'cbor-malformed'],
    ['a long form', async () => longForm(await assemble()), 'cbor-not-deterministic'],
  ];

  it.each(cases)('%s', async (_, make, code) => {
    const bytes = await make();
    for (const form of forms) expect(await codeOf(verifyCose(form, bytes))).toBe(code);
  });

  it('each bit of a statement counts', async () => {
    const bytes = await signCose(signer, claims, payload);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(await codeOf(verifyCose(nodeCrypto, flipped))).toMatch(/^(cose|cbor|key)-/);
    }
  });

  it('each truncation is refused', async () => {
    const bytes = await signCose(signer, claims, payload);
    for (let length = 0; length < bytes.length; length++) {
      expect(await codeOf(verifyCose(nodeCrypto, bytes.subarray(0, length)))).toMatch(
        /^(cose|cbor)-malformed$/,
      );
    }
  });
});

function mapOf(...entries: readonly [number, unknown][]): Map<number, unknown> {
  return new Map(entries);
}

/** The same statement with its payload's length in two bytes where one does. */
function longForm(bytes: Uint8Array): Uint8Array {
  const at = bytes.length - 2 - 64 - payload.length - 1;
  const head = bytes.subarray(0, at);
  return concat(head, Uint8Array.of(0x58, payload.length), bytes.subarray(at + 1));
}
