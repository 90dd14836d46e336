// SPDX-License-Identifier: Apache-2.0
// A signed request holds for exactly one request of one genesis, for a while, and for nothing else.
import {
  type Clock,
  encodeCbor,
  fromBase64Url,
  isCoded,
  type Signer,
  signCose,
  toBase64Url,
  utf8,
} from '@cloister/core';
import { ed25519Signer, nodeCrypto } from '@cloister/core/node';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  REQUEST_WINDOW_MS,
  type RequestFacts,
  signRequest,
  verifyRequest,
} from './request-signature.ts';

const NOW = 1_750_000_000_000;
const at = (now: number): { crypto: typeof nodeCrypto; clock: Clock } => ({
  crypto: nodeCrypto,
  clock: { now: () => now },
});
const signer: Signer = ed25519Signer(nodeCrypto.digest('sha256', utf8('signer')));
const genesis = nodeCrypto.digest('sha256', utf8('genesis'));
const facts: RequestFacts = {
  genesis,
  method: 'PUT',
  path: '/v1/blobs/ab?x=1',
  body: utf8('body'),
};
const header = await signRequest(signer, 'bank', facts, at(NOW));

async function verdict(
  asked: RequestFacts,
  given: string | undefined = header,
  now = NOW,
): Promise<string> {
  try {
    await verifyRequest(given, asked, at(now));
    return 'accepted';
  } catch (error) {
    return isCoded(error) ? error.code : `not coded: ${String(error)}`;
  }
}

describe('a signed request', () => {
  it('names the key that signed it', async () => {
    expect(await verifyRequest(header, facts, at(NOW))).toEqual(signer.key);
  });

  it('is the same whether the body or its digest is at hand', async () => {
    const sha256 = nodeCrypto.digest('sha256', utf8('body'));
    expect(await verdict({ ...facts, body: { sha256 } })).toBe('accepted');
    const other = nodeCrypto.digest('sha256', utf8('other'));
    expect(await verdict({ ...facts, body: { sha256: other } })).toBe('request-unauthenticated');
  });

  const changes: [string, Partial<RequestFacts>][] = [
    ['genesis', { genesis: new Uint8Array(32) }],
    ['genesis of another length', { genesis: genesis.subarray(1) }],
    ['method', { method: 'POST' }],
    ['case of the method', { method: 'put' }],
    ['path', { path: '/v1/blobs/ac?x=1' }],
    ['query', { path: '/v1/blobs/ab?x=2' }],
    ['missing query', { path: '/v1/blobs/ab' }],
    ['body', { body: utf8('Body') }],
    ['missing body', { body: new Uint8Array(0) }],
  ];
  it.each(changes)('holds for no other %s', async (_, change) => {
    expect(await verdict({ ...facts, ...change })).toBe('request-unauthenticated');
  });

  it.each([
    [REQUEST_WINDOW_MS, 'accepted'],
    [-REQUEST_WINDOW_MS, 'accepted'],
    [REQUEST_WINDOW_MS + 1, 'request-expired'],
    [-REQUEST_WINDOW_MS - 1, 'request-expired'],
  ])('at a clock %d ms away is %s', async (away, wanted) => {
    expect(await verdict(facts, header, NOW + away)).toBe(wanted);
  });

  it('is wanted', async () => {
    const missing = verifyRequest(undefined, facts, at(NOW));
    await expect(missing).rejects.toMatchObject({ code: 'request-unauthenticated' });
  });

  it('does not survive a flipped bit anywhere', async () => {
    const bytes = fromBase64Url(header);
    const flips = fc.asyncProperty(fc.nat(bytes.length - 1), fc.nat(7), async (i, bit) => {
      const bent = bytes.map((byte, j) => (j === i ? byte ^ (1 << bit) : byte));
      const result = await verifyRequest(toBase64Url(bent), facts, at(NOW)).catch((e) => e);
      // Only the issuer's name is for people; what is signed over it would not hold either.
      expect(isCoded(result, 'request-unauthenticated')).toBe(true);
    });
    await fc.assert(flips, { numRuns: 150 });
  });

  it('is refused when cut or when it is something else', async () => {
    const text = fc.oneof(
      fc.string({ maxLength: 200 }),
      fc.nat(header.length - 1).map((n) => header.slice(0, n)),
    );
    const hostile = fc.asyncProperty(text, async (given) => {
      expect(await verdict(facts, given)).toBe('request-unauthenticated');
    });
    await fc.assert(hostile, { numRuns: 150 });
  });
});

describe('a signature made for another purpose', () => {
  const payload = (domain: unknown, ...rest: unknown[]) =>
    encodeCbor([
      domain,
      genesis,
      'PUT',
      facts.path,
      nodeCrypto.digest('sha256', utf8('body')),
      NOW,
      ...rest,
    ] as never);

  it.each([
    ['subject', 'tick', payload('cloister/request/v1')],
    ['domain', 'request', payload('cloister/request/v2')],
    ['number of parts', 'request', payload('cloister/request/v1', 1)],
    ['form', 'request', encodeCbor('cloister/request/v1')],
    ['encoding', 'request', utf8('\u00ff\u0001')],
  ])('with another %s is no request', async (_, sub, bytes) => {
    const made = toBase64Url(await signCose(signer, { iss: 'bank', sub }, bytes));
    expect(await verdict(facts, made)).toBe('request-unauthenticated');
  });

  it('with the right parts is one', async () => {
    const claims = { iss: 'bank', sub: 'request' };
    const made = toBase64Url(await signCose(signer, claims, payload('cloister/request/v1')));
    expect(await verdict(facts, made)).toBe('accepted');
  });
});
