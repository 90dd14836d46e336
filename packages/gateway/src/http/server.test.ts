// SPDX-License-Identifier: Apache-2.0
// The gateway over HTTP as strangers, browsers, signers and its own people meet it: who is refused,
// with which code, and what a caller may cost.
import { request as httpRequest } from 'node:http';
import { HttpBlobs, HttpJson } from '@cloister/api';
import { encodeEvent, signEvent } from '@cloister/contract';
import { fromHex, isCoded, systemClock, toHex, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { readExposition } from '@cloister/testkit';
import { namedSigner } from '@cloister/testkit/world';
import { afterAll, describe, expect, it } from 'vitest';
import { bankAndHospital, codeOf, eventually } from '../../testing/federation.ts';

/** More than any blob here has. */
const MOST = 16 * 1_048_576;

const { federation, bank, hospital } = await bankAndHospital();
afterAll(() => federation.close());

interface Answer {
  readonly status: number;
  readonly code: string;
}

/** A bare request, so that Host and Origin are what we say. */
function ask(path: string, headers: Record<string, string>, body?: Buffer): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'PUT';
    const sent = httpRequest(`${bank.url}${path}`, { method, headers }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (part: Buffer) => parts.push(part));
      response.on('end', () => {
        const text = Buffer.concat(parts).toString('utf8');
        const code = /"code":"([a-z-]+)"/.exec(text)?.[1] ?? '';
        resolve({ status: response.statusCode ?? 0, code });
      });
    });
    sent.on('error', reject);
    sent.end(body);
  });
}

function signing(name: string): HttpJson {
  const sign = {
    signer: namedSigner('federation', name),
    issuer: 'test',
    genesis: federation.world.genesis,
    crypto: nodeCrypto,
    clock: systemClock,
  };
  return new HttpJson({ base: bank.url, sign });
}

describe('the admin API', () => {
  const authorization = 'Bearer token-of-bank';
  const port = () => new URL(bank.url).port;

  it.each([
    ['no token', {}],
    ['another token', { authorization: 'Bearer token-of-bunk' }],
    ['a token without its scheme', { authorization: 'token-of-bank' }],
  ])('refuses %s', async (_, headers) => {
    const answer = await ask('/admin/v1/status', headers);
    expect(answer).toEqual({ status: 401, code: 'request-unauthenticated' });
  });

  it('refuses an encoded path without a token', async () => {
    expect((await ask('/%61dmin/v1/status', {})).status).toBe(401);
  });

  it('answers its own people', async () => {
    expect((await ask('/admin/v1/status', { authorization })).status).toBe(200);
    expect((await bank.admin.status()).member.id).toBe('bank');
  });

  it.each([
    ['another site', 'https://attacker.example'],
    ['a page without an origin', 'null'],
    ['another port of this machine', 'http://127.0.0.1:1'],
  ])('refuses a page of %s, token or not', async (_, origin) => {
    const answer = await ask('/admin/v1/status', { authorization, origin });
    expect(answer).toEqual({ status: 403, code: 'request-forbidden' });
  });

  it('answers a page of its own', async () => {
    const host = `localhost:${port()}`;
    const origin = `http://${host}`;
    expect((await ask('/admin/v1/status', { authorization, host, origin })).status).toBe(200);
  });

  it.each(['attacker.example', 'attacker.example:7001', '127.0.0.1.attacker.example', 'a b'])(
    'refuses the host name %o, whatever it resolves to',
    async (host) => {
      const answer = await ask('/admin/v1/status', { authorization, host });
      expect(answer.status === 403 || answer.status === 400).toBe(true);
    },
  );
});

describe('blobs', () => {
  it('are stored for members and read in whole and in part', async () => {
    const blobs = new HttpBlobs([signing('bank/identity')], nodeCrypto);
    const bytes = nodeCrypto.digest('sha512', utf8('a blob'));
    const digest = await blobs.put(bytes);
    expect(await blobs.get(digest, MOST)).toEqual(bytes);
    expect(await blobs.range(digest, 3, 10)).toEqual(bytes.subarray(3, 10));
    expect(await blobs.head(digest)).toBe(64);
  });

  it('are refused from strangers before the body is read', async () => {
    const path = `/v1/blobs/${toHex(nodeCrypto.digest('sha256', utf8('x')))}`;
    const length = String(1024 * 1024 * 1024);
    const type = 'application/octet-stream';
    const headers = { 'content-length': length, 'content-type': type };
    // Nothing of the body is ever sent: whoever waited for it would not answer.
    const answer = await new Promise<number>((resolve, reject) => {
      const sent = httpRequest(`${bank.url}${path}`, { method: 'PUT', headers }, (response) => {
        resolve(response.statusCode ?? 0);
        sent.destroy();
      });
      sent.on('error', reject);
      sent.flushHeaders();
    });
    expect(answer).toBe(401);
    const stranger = new HttpBlobs([signing('stranger')], nodeCrypto);
    expect(await codeOf(stranger.put(utf8('x')))).toBe('request-forbidden');
  });

  it('must be what their name says', async () => {
    const wrong = `/v1/blobs/${'00'.repeat(32)}`;
    const http = signing('bank/identity');
    const put = http.bytes({ method: 'PUT', path: wrong, bytes: utf8('x') });
    expect(await codeOf(put)).toBe('request-unauthenticated');
    expect(await bank.gateway.blobs.head(fromHex('00'.repeat(32)))).toBeUndefined();
  });

  it('are fetched for strangers only when the ledger names them', async () => {
    const stranger = new HttpBlobs([new HttpJson({ base: bank.url })], nodeCrypto);
    const unnamed = await hospital.gateway.blobs.put(utf8('nobody speaks of this'));
    expect(await codeOf(stranger.get(unnamed, MOST))).toBe('blob-not-found');
    expect(await bank.gateway.blobs.head(unnamed)).toBeUndefined();
    const named = await hospital.gateway.blobs.put(utf8('evidence'));
    federation.world.evidenceOf = async () => named;
    const { id } = await federation.world.joinKeeper('hospital');
    await federation.publish();
    await eventually(async () => bank.gateway.follower.positionOf(toHex(id)) !== undefined);
    expect(await stranger.get(named, MOST)).toEqual(utf8('evidence'));
    expect(await bank.gateway.blobs.head(named)).toBe(8);
  });
});

describe('events', () => {
  const clock = () => bank.gateway.follower.state.clock;
  const tick = (name: string, time: number) =>
    signEvent(namedSigner('federation', name), 'test', {
      genesis: federation.world.genesis,
      kind: 'tick',
      body: { time, size: bank.gateway.follower.size },
    });

  it('are taken from known signers', async () => {
    const answer = await bank.client.append(await tick('insurer/witness', clock() + 1));
    expect(answer.status).toBe('accepted');
  });

  it('are refused from strangers, and nothing reaches the ledger', async () => {
    const { size } = federation.ledger.ledger.head();
    expect(await codeOf(bank.client.append(await tick('stranger', 1)))).toBe('request-forbidden');
    expect(federation.ledger.ledger.head().size).toBe(size);
  });

  it('are refused when only the name is a member', async () => {
    const { size } = federation.ledger.ledger.head();
    const bytes = await tick('insurer/witness', clock() + 2);
    const bent = bytes.map((byte, i) => (i === bytes.length - 5 ? byte ^ 1 : byte));
    expect(await codeOf(bank.client.append(bent))).toMatch(/^cose-/);
    expect(await codeOf(bank.client.append(utf8('no event')))).toMatch(/^cose-/);
    const { genesis } = federation.world;
    const payload = encodeEvent(genesis, 'tick', { time: 1, size: 1 });
    expect(await codeOf(bank.client.append(payload))).toMatch(/^cose-/);
    expect(federation.ledger.ledger.head().size).toBe(size);
  });
});

describe('callers that wait', () => {
  it('are bounded in number, and the others go on', async () => {
    const http = new HttpJson({ base: bank.url });
    const gone = new AbortController();
    const path = `${bank.url}/v1/log/entries?from=1000000&limit=1&wait=4000`;
    const waiting = Array.from({ length: 256 }, () =>
      fetch(path, { signal: gone.signal }).catch(() => undefined),
    );
    let refused: unknown;
    await eventually(async () => {
      const one = { path: '/v1/log/entries?from=1000000&limit=1&wait=5', timeoutMs: 3_000 };
      refused = await http.bytes(one).catch((error: unknown) => error);
      return isCoded(refused, 'gateway-overloaded');
    });
    expect((await bank.client.entries(0, { limit: 1 })).events.length).toBe(1);
    expect((await bank.client.health()).ok).toBe(true);
    gone.abort();
    await Promise.all(waiting);
  });
});

it('bounds the bodies of small requests', async () => {
  const http = new HttpJson({ base: bank.url });
  const json = { size: 1, root: '0'.repeat(100_000) };
  expect(await codeOf(http.bytes({ path: '/v1/cosign', json }))).toBe('request-too-large');
});

it('metrics are in the format, and tell of routes and the ledger', async () => {
  await ask('/v1/nothing', {});
  const response = await fetch(`${bank.url}/metrics`);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const families = readExposition(await response.text());
  expect(families.get('cloister_ledger_following')?.samples[0]?.value).toBe(1);
  const { size } = bank.gateway.follower;
  expect(families.get('cloister_ledger_entries')?.samples[0]?.value).toBe(size);
  const requests = families.get('cloister_requests_total')?.samples ?? [];
  const lost = requests.find(({ labels }) => labels.get('route') === 'none');
  expect([lost?.labels.get('status'), lost?.value]).toEqual(['404', 1]);
  expect(families.get('cloister_request_seconds')?.type).toBe('histogram');
});
