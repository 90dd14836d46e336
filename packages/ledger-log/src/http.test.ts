// SPDX-License-Identifier: Apache-2.0
// The ledger served and called over HTTP: what it does, what it refuses, and how a client catches a
// server that rewrites history; long because each is tested against the other.
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CodedError, isCoded, signCose, toHex, utf8 } from '@cloister/core';
import { ed25519Signer, nodeCrypto } from '@cloister/core/node';
import {
  leafHash,
  logOrigin,
  parseCheckpoint,
  proveInclusion,
  tileHashReader,
  tilePath,
} from '@cloister/tlog';
import { afterEach, describe, expect, it } from 'vitest';
import { HttpLedger, type LedgerRequest, type ServeLedgerOptions, serveLedger } from './index.ts';

const origin = logOrigin(new Uint8Array(32).fill(1));
const signer = ed25519Signer(new Uint8Array(32).fill(5));
const event = (n: number) => signCose(signer, { iss: 'insurer', sub: 'tick' }, utf8(`event ${n}`));
const events = (from: number, to: number) =>
  Promise.all(Array.from({ length: to - from }, (_, i) => event(from + i)));

const cleanups: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function folder(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'cloister-ledger-'));
  cleanups.push(() => rm(path, { recursive: true }));
  return path;
}

async function served(change: Partial<ServeLedgerOptions> = {}) {
  const options: ServeLedgerOptions = {
    folder: await folder(),
    origin,
    authenticate: (request) => {
      const { authorization } = request.headers;
      if (authorization === undefined) throw new Error('nobody');
      return authorization;
    },
    authorise: () => undefined,
    ...change,
  };
  const server = await serveLedger(options);
  cleanups.push(() => server.close());
  return server;
}

function client(url: string, change: Partial<ConstructorParameters<typeof HttpLedger>[0]> = {}) {
  const authenticate = () => ({ authorization: 'insurer' });
  const ledger = new HttpLedger({ url, origin, authenticate, retryMs: 300, ...change });
  cleanups.push(() => ledger.close());
  return ledger;
}

const get = (url: string, path: string, headers: Record<string, string> = { authorization: 'x' }) =>
  fetch(`${url}${path}`, { headers });
const errorOf = async (response: Response) => [
  response.status,
  ((await response.json()) as { error: { code: string } }).error.code,
];

describe('a served ledger', () => {
  it('orders, pages, follows and survives a restart', async () => {
    const path = await folder();
    const server = await served({ folder: path });
    const ledger = client(server.url);
    const all = await events(0, 300);
    const acks = await Promise.all(all.map((e) => ledger.append(e)));
    expect(new Set(acks.map((a) => a.seq)).size).toBe(300);
    const page = await ledger.read(0, 1_000);
    expect(page.next).toBe(300);
    acks.forEach((ack, i) => {
      expect(page.events[ack.seq]).toEqual(all[i]);
    });
    expect(await ledger.size()).toBe(300);
    const head = ledger.head();
    expect(head.root).toEqual(server.ledger.head().root);
    await server.close();
    const again = await served({ folder: path });
    const later = client(again.url, { head });
    const stop = new AbortController();
    const seen: Uint8Array[] = [];
    const follower = (async () => {
      for await (const entry of later.follow(298, stop.signal)) {
        seen.push(entry.event);
        if (seen.length === 4) stop.abort();
      }
    })();
    const more = await events(300, 302);
    for (const e of more) await later.append(e);
    await follower;
    expect(seen).toEqual([...page.events.slice(298), ...more]);
    expect(await later.read(10_000, 5)).toEqual({ events: [], next: 10_000 });
  });

  it('proves an event to someone who reads nothing but tiles and the checkpoint', async () => {
    const { url, ledger } = await served();
    const all = await events(0, 520);
    for (const e of all) void ledger.append(e);
    await ledger.append(all[519] as Uint8Array);
    const text = await (await get(url, '/checkpoint')).text();
    const checkpoint = parseCheckpoint(text);
    expect(checkpoint).toMatchObject({ origin, size: 520 });
    let fetched = 0;
    const reader = tileHashReader(
      nodeCrypto,
      {
        async readTile(id) {
          fetched += 1;
          const response = await get(url, `/${tilePath(id)}`);
          return new Uint8Array(await response.arrayBuffer());
        },
      },
      checkpoint.size,
    );
    const { leaf } = await proveInclusion(nodeCrypto, reader, { index: 300, ...checkpoint });
    expect(leaf).toEqual(leafHash(nodeCrypto, all[300] as Uint8Array));
    expect(fetched).toBeLessThanOrEqual(3);
    expect((await get(url, '/tile/entries/001')).status).toBe(200);
    expect(await errorOf(await get(url, '/tile/entries/002.p/9'))).toEqual([404, 'tile-not-found']);
    expect(await errorOf(await get(url, '/tile/0/2'))).toEqual([400, 'tile-path-malformed']);
  });

  it('answers health without proof and nothing else', async () => {
    const { url } = await served();
    expect(await (await get(url, '/healthz', {})).json()).toEqual({ status: 'ok', size: 0 });
    for (const path of ['/v1/size', '/v1/entries', '/checkpoint', '/tile/0/000', '/nothing']) {
      expect(await errorOf(await get(url, path, {}))).toEqual([401, 'unauthenticated']);
    }
    const stranger = client(url, { authenticate: () => ({}) });
    await rejected(stranger.append(await event(1)), 'unauthenticated');
  });

  it('shows the hooks exactly what was sent, and obeys them', async () => {
    const requests: LedgerRequest[] = [];
    const seen: string[] = [];
    const { url, ledger } = await served({
      authenticate: (request) => {
        requests.push(request);
        return 'hospital';
      },
      authorise: async (bytes, by) => {
        seen.push(`${by.member} ${toHex(by.signer)} ${bytes.length}`);
        throw new CodedError('member-removed', 'policy', 'this member left at event 7');
      },
    });
    const e = await event(1);
    const got = await client(url)
      .append(e)
      .catch((error: unknown) => error);
    expect(got).toMatchObject({ code: 'ledger-refused', kind: 'policy' });
    expect((got as CodedError).details['remote']).toBe('member-removed');
    expect((got as CodedError).message).toBe('this member left at event 7');
    expect(seen).toEqual([`hospital ${toHex(signer.key)} ${e.length}`]);
    expect(requests[0]).toMatchObject({ method: 'POST', path: '/v1/append' });
    expect(requests[0]?.bodyDigest).toEqual(nodeCrypto.digest('sha256', e));
    expect(await ledger.size()).toBe(0);
  });

  it('refuses what is no event, too large, badly asked or unknown', async () => {
    const { url } = await served();
    const post = (body: Uint8Array<ArrayBuffer>, path = '/v1/append') =>
      fetch(`${url}${path}`, { method: 'POST', body, headers: { authorization: 'x' } });
    expect(await errorOf(await post(new Uint8Array()))).toEqual([400, 'cose-malformed']);
    expect(await errorOf(await post(utf8('hello')))).toEqual([400, 'cose-malformed']);
    const large = await errorOf(await post(new Uint8Array(70_000)));
    expect(large).toEqual([413, 'request-too-large']);
    expect(await errorOf(await post(new Uint8Array(), '/v1/other'))).toEqual([
      404,
      'route-unknown',
    ]);
    const badRanges = [
      'from=-1',
      'from=1e3',
      'from=x',
      'limit=0',
      'wait=',
      'from=99999999999999999',
    ];
    for (const query of badRanges) {
      const [status] = await errorOf(await get(url, `/v1/entries?${query}`));
      expect(status, query).toBe(400);
    }
    const removal = await fetch(`${url}/v1/size`, {
      method: 'DELETE',
      headers: { authorization: 'x' },
    });
    expect(await errorOf(removal)).toEqual([404, 'route-unknown']);
    const ledger = client(url);
    await rejected(ledger.append(new Uint8Array(70_000)), 'event-too-large');
    await rejected(ledger.read(-1, 1), 'position-invalid');
  });

  it('ends a body without a length once it is too long', async () => {
    const { port } = await served();
    const answer = await new Promise<string>((resolve, reject) => {
      let text = '';
      const socket = connect(port, '127.0.0.1', () => {
        socket.write(
          [
            'POST /v1/append HTTP/1.1',
            'host: x',
            'authorization: x',
            'transfer-encoding: chunked',
            '',
            '',
          ].join('\r\n'),
        );
        for (let i = 0; i < 20; i++) socket.write(`1000\r\n${'x'.repeat(4096)}\r\n`);
      });
      socket.on('data', (data) => {
        text += data;
        if (text.includes('request-too-large')) {
          socket.destroy();
          resolve(text);
        }
      });
      socket.on('error', reject);
      socket.on('close', () => resolve(text));
    });
    expect(answer).toMatch(/^HTTP\/1\.1 413 /);
    expect(answer).toMatch(/connection: close/i);
  });

  it('holds each member to a quota, whoever has signed what it brings, or has not', async () => {
    let now = 0;
    const quota = { perSecond: 10, burst: 3 };
    const { url } = await served({ quota, clock: { now: () => now } });
    const ledger = client(url, { retryMs: 0 });
    for (let n = 0; n < 3; n++) await ledger.append(await event(n));
    await rejected(ledger.append(await event(3)), 'quota-exceeded');
    const other = ed25519Signer(new Uint8Array(32).fill(6));
    const theirs = await signCose(other, { iss: 'bank', sub: 'tick' }, utf8('mine'));
    await rejected(ledger.append(theirs), 'quota-exceeded');
    // Copies under another's name cost that other nothing.
    const bank = client(url, { retryMs: 0, authenticate: () => ({ authorization: 'bank' }) });
    await bank.append(theirs);
    now += 100;
    expect((await ledger.append(await event(3))).seq).toBe(4);
    await rejected(ledger.append(await event(4)), 'quota-exceeded');
  });

  it('closes under long polls and open connections, promptly', async () => {
    const server = await served();
    const waiting = get(server.url, '/v1/entries?from=0&wait=20000');
    await new Promise((resolve) => setTimeout(resolve, 50));
    const started = performance.now();
    await server.close();
    expect(performance.now() - started).toBeLessThan(8_000);
    expect((await waiting).status).toBe(200);
  });

  it('refuses a taken port and gives its folder back', async () => {
    const first = await served();
    const path = await folder();
    const taken = { folder: path, port: first.port };
    await rejected(served(taken), 'ledger-io-failed');
    await served({ folder: path });
  });
});

describe('a client of a ledger', () => {
  it('waits for a ledger that comes back, and says when it does not', async () => {
    const path = await folder();
    const first = await served({ folder: path });
    const ledger = client(first.url, { retryMs: 5_000 });
    await ledger.append(await event(0));
    await first.close();
    const appended = ledger.append(await event(1));
    const stop = new AbortController();
    const followed = ledger.follow(1, stop.signal).next();
    await new Promise((resolve) => setTimeout(resolve, 100));
    await served({ folder: path, port: first.port });
    expect((await appended).seq).toBe(1);
    expect((await followed).value?.seq).toBe(1);
    const impatient = client('http://127.0.0.1:9', { retryMs: 100 });
    await rejected(impatient.append(await event(2)), 'ledger-unreachable');
    await ledger.close();
    await rejected(ledger.size(), 'ledger-closed');
    stop.abort();
  });

  it('stops following at once when told to', async () => {
    const { url } = await served();
    const stop = new AbortController();
    const next = client(url).follow(0, stop.signal).next();
    setTimeout(() => stop.abort(), 50);
    const started = performance.now();
    expect((await next).done).toBe(true);
    expect(performance.now() - started).toBeLessThan(8_000);
  });

  it('catches a server that shows another history', async () => {
    const [honest, other] = [await served(), await served()];
    for (const e of await events(0, 20)) await honest.ledger.append(e);
    for (const e of await events(0, 10)) await other.ledger.append(e);
    for (const e of await events(50, 60)) await other.ledger.append(e);
    let target = honest.url;
    const url = await proxy(() => target);
    const ledger = client(url);
    await ledger.read(0, 15);
    const head = ledger.head();
    target = other.url;
    await rejected(ledger.read(12, 5), 'ledger-history-changed');
    await rejected(ledger.append(await event(1)), 'ledger-history-changed');
    await rejected(ledger.size(), 'ledger-history-changed');
    const next = ledger.follow(0, new AbortController().signal).next();
    await rejected(next, 'ledger-history-changed');
    const restarted = client(other.url, { head });
    await restarted.read(0, 5);
    await rejected(restarted.read(5, 100), 'ledger-history-changed');
    await client(honest.url, { head }).read(0, 100);
  });

  it('catches a server that forgets', async () => {
    const [full, empty] = [await served(), await served()];
    let target = full.url;
    const url = await proxy(() => target);
    const reader = client(url);
    const writer = client(url);
    const outsider = client(url);
    for (const e of await events(0, 5)) await writer.append(e);
    await reader.read(0, 5);
    const kept = client(url, { head: reader.head() });
    target = empty.url;
    await rejected(reader.read(5, 5), 'ledger-history-changed');
    await rejected(writer.size(), 'ledger-history-changed');
    await rejected(kept.size(), 'ledger-history-changed');
    expect(await outsider.size()).toBe(0);
    const before = client(full.url);
    const e = await event(77);
    const { seq } = await before.append(e);
    await before.read(0, seq);
    expect(seq).toBe(5);
    const late = client(url);
    target = full.url;
    await late.append(await event(78));
    for (const n of [0, 1, 2, 3, 4, 5, 6]) await empty.ledger.append(await event(900 + n));
    target = empty.url;
    await rejected(late.read(0, 10), 'ledger-acknowledged-lost');
  });

  it('refuses the ledger of another charter', async () => {
    const { url } = await served();
    const elsewhere = client(url, { origin: logOrigin(new Uint8Array(32)) });
    await rejected(elsewhere.size(), 'ledger-origin-mismatch');
  });

  it('gives a coded error for every broken answer', async () => {
    const good = { 'cloister-size': '0', 'cloister-root': '' };
    const answers: [string, (response: ServerResponse) => unknown][] = [
      ['ledger-response-malformed', (r) => r.end('not a bundle')],
      ['ledger-response-malformed', (r) => r.end()],
      [
        'ledger-response-malformed',
        (r) => r.writeHead(200, { ...good, 'cloister-size': '9' }).end(),
      ],
      [
        'ledger-response-malformed',
        (r) => r.writeHead(200, good).end(Buffer.alloc(9 * 1024 * 1024)),
      ],
      ['ledger-history-changed', (r) => r.writeHead(200, good).end()],
      ['ledger-response-malformed', (r) => r.writeHead(500).end('<html>')],
      ['ledger-response-malformed', (r) => r.writeHead(302, { location: '/x' }).end()],
      [
        'ledger-response-malformed',
        (r) => r.writeHead(403).end('{"error":{"code":"x","kind":"no"}}'),
      ],
      ['ledger-unreachable', (r) => r.destroy()],
    ];
    for (const [code, answer] of answers) {
      const url = await raw((_, response) => answer(response));
      await rejected(client(url, { retryMs: 0 }).read(0, 10), code);
    }
    const noSeq = await raw((_, response) => response.end('{"seq":"1"}'));
    const bad = client(noSeq, { retryMs: 0 });
    await rejected(bad.append(await event(1)), 'ledger-response-malformed');
    await rejected(bad.size(), 'ledger-response-malformed');
  });

  it('uses the time it is given, and no more', async () => {
    const url = await raw(() => undefined);
    const started = performance.now();
    const slow = client(url, { timeoutMs: 100, retryMs: 0 });
    await rejected(slow.append(await event(1)), 'ledger-unreachable');
    expect(performance.now() - started).toBeLessThan(8_000);
  });
});

/** A server that answers what `handle` says. */
async function raw(handle: (q: IncomingMessage, r: ServerResponse) => unknown): Promise<string> {
  const server = createServer((request, response) => {
    request.resume();
    handle(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as { port: number };
  return `http://127.0.0.1:${port}`;
}

/** A server that passes everything on to whatever `target` names at the moment. */
async function proxy(target: () => string): Promise<string> {
  return raw(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const body = parts.length === 0 ? {} : { body: Buffer.concat(parts) };
    const got = await fetch(`${target()}${request.url}`, {
      method: request.method ?? 'GET',
      headers: { authorization: 'proxy' },
      ...body,
    });
    for (const name of ['cloister-size', 'cloister-root']) {
      const value = got.headers.get(name);
      if (value !== null) response.setHeader(name, value);
    }
    response.writeHead(got.status).end(new Uint8Array(await got.arrayBuffer()));
  });
}

async function rejected(promise: Promise<unknown>, wanted: string): Promise<void> {
  const got = await promise.then(
    () => 'no error',
    (error: unknown) => (isCoded(error) ? error.code : String(error)),
  );
  expect(got).toBe(wanted);
}
