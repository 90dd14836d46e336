// SPDX-License-Identifier: Apache-2.0
// The clients against servers that lie: whatever comes back is a coded error or what was asked for,
// within its time and its bytes.
import { openAsBlob } from 'node:fs';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isCoded, type Timers, toErrorResponse, toHex, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { GatewayClient } from './gateway.ts';
import { HttpBlobs } from './http-blobs.ts';
import { HttpJson } from './http-json.ts';

/** More than any blob here has. */
const MOST = 16 * 1_048_576;

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

let answer: Answer = () => undefined;
let asked: string[] = [];
let base = '';
const server = createServer((request, response) => {
  asked.push(`${request.method} ${request.url}`);
  answer(request, response);
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
beforeEach(() => {
  asked = [];
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

const body =
  (text: string | Uint8Array, status = 200, headers: Record<string, string> = {}): Answer =>
  (_, response) => {
    response.writeHead(status, { 'content-length': Buffer.byteLength(text), ...headers });
    response.end(text);
  };

async function codeOf(act: Promise<unknown>): Promise<string> {
  try {
    await act;
  } catch (error) {
    return isCoded(error) ? error.code : `not coded: ${String(error)}`;
  }
  return 'accepted';
}

const schema = z.object({ n: z.number() });
const get = (options: { timeoutMs?: number; maxBytes?: number } = {}) =>
  new HttpJson({ base: `${base}//` }).json(schema, { path: '/n', ...options });

describe('HttpJson', () => {
  it('tells a file that changed while it is sent from a peer that is not there', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cloister-http-'));
    try {
      const path = join(folder, 'data.csv');
      await writeFile(path, 'a\n1\n');
      const file = await openAsBlob(path);
      await appendFile(path, '2\n');
      answer = (request, response) => request.resume().on('end', () => response.end('{"n": 1}'));
      const sent = (to: string) =>
        codeOf(new HttpJson({ base: to }).json(schema, { method: 'POST', path: '/n', file }));
      expect(await sent(base)).toBe('upload-unreadable');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('answers what the schema wants and drops the rest', async () => {
    answer = body('{"n":1,"extra":true}');
    expect(await get()).toEqual({ n: 1 });
    expect(asked).toEqual(['GET /n']);
  });

  it.each([
    ['no JSON', '<html>'],
    ['nothing', ''],
    ['cut JSON', '{"n":'],
    ['another type', '{"n":"1"}'],
    ['another shape', '[]'],
    ['bytes that are no text', '\u0000\ufffd'],
  ])('refuses %s', async (_, text) => {
    answer = body(text);
    expect(await codeOf(get())).toBe('response-malformed');
  });

  it('reads no more than was asked for, however much is sent', async () => {
    let closed = false;
    answer = (_, response) => {
      const more = () => {
        while (!closed && response.write(Buffer.alloc(65_536)));
      };
      response.on('drain', more);
      response.on('close', () => {
        closed = true;
      });
      more();
    };
    expect(await codeOf(get({ maxBytes: 1_000_000 }))).toBe('response-malformed');
  });

  it.each([
    ['never answers', () => undefined],
    ['stops in the middle', (_: unknown, response: ServerResponse) => void response.write('{')],
  ] as [string, Answer][])('gives up on a server that %s', async (_, silent) => {
    answer = silent;
    const began = performance.now();
    expect(await codeOf(get({ timeoutMs: 100 }))).toBe('peer-timed-out');
    expect(performance.now() - began).toBeLessThan(3_000);
  });

  it('gives up whatever is collected as garbage meanwhile', async () => {
    setFlagsFromString('--expose-gc');
    const gc = runInNewContext('gc') as () => void;
    const collecting = setInterval(gc, 5);
    answer = () => undefined;
    expect(await codeOf(get({ timeoutMs: 150 }))).toBe('peer-timed-out');
    clearInterval(collecting);
  });

  it('ends when its caller says so', async () => {
    const caller = new AbortController();
    answer = () => caller.abort();
    const http = new HttpJson({ base });
    const asking = http.json(schema, { path: '/n', signal: caller.signal });
    expect(await codeOf(asking)).toBe('peer-unreachable');
    const late = http.json(schema, { path: '/n', signal: caller.signal });
    expect(await codeOf(late)).toBe('peer-unreachable');
  });

  it('gives up on a server that trickles', async () => {
    answer = (_, response) => {
      const timer = setInterval(() => response.write(' '), 10);
      response.on('close', () => clearInterval(timer));
    };
    expect(await codeOf(get({ timeoutMs: 150 }))).toBe('peer-timed-out');
  });

  it('says that nobody is there', async () => {
    const nobody = new HttpJson({ base: 'http://127.0.0.1:1' });
    expect(await codeOf(nobody.json(schema, { path: '/' }))).toBe('peer-unreachable');
    answer = (request) => request.socket.destroy();
    expect(await codeOf(get())).toBe('peer-unreachable');
  });

  it.each([301, 302, 307, 308])('follows no redirect (%d), and takes no token along', async (s) => {
    answer = body('', s, { location: `${base}/elsewhere` });
    const http = new HttpJson({ base, token: 'secret' });
    expect(await codeOf(http.json(schema, { path: '/n' }))).toBe('peer-unreachable');
    expect(asked).toEqual(['GET /n']);
  });

  it('gives back the error that the server had', async () => {
    const error = {
      code: 'dataset-not-found',
      kind: 'not-found',
      message: 'none',
      details: { n: 1 },
    };
    answer = body(JSON.stringify({ error }), 404);
    await expect(get()).rejects.toMatchObject(error);
  });

  it.each([
    ['no JSON', 'oops'],
    ['an unknown kind', '{"error":{"code":"x","kind":"assertion","message":"m"}}'],
    ['a code that is long', `{"error":{"code":"${'x'.repeat(101)}","kind":"usage","message":""}}`],
    ['details that nest', '{"error":{"code":"x","kind":"usage","message":"","details":{"a":{}}}}'],
  ])('takes an error with %s for a malformed answer', async (_, text) => {
    answer = body(text, 500);
    expect(await codeOf(get())).toBe('response-malformed');
  });

  it('tells nothing of faults inside', () => {
    const { status, body: told } = toErrorResponse(new Error('secret path'));
    expect(status).toBe(500);
    expect(JSON.stringify(told)).not.toMatch(/secret/);
  });
});

describe('HttpBlobs', () => {
  const bytes = utf8('a blob of some bytes');
  const digest = nodeCrypto.digest('sha256', bytes);
  const blobs = () => new HttpBlobs([new HttpJson({ base })], nodeCrypto);
  const honest: Answer = (request, response) => {
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    const part = range === null ? bytes : bytes.subarray(Number(range[1]), Number(range[2]) + 1);
    response.writeHead(range === null ? 200 : 206, { 'content-length': part.length });
    response.end(request.method === 'HEAD' ? undefined : part);
  };

  it('reads from an honest peer', async () => {
    answer = honest;
    expect(await blobs().get(digest, MOST)).toEqual(bytes);
    expect(await blobs().head(digest)).toBe(bytes.length);
    expect(await blobs().range(digest, 2, 6)).toEqual(bytes.subarray(2, 6));
    expect(await blobs().range(digest, 2, 2)).toEqual(new Uint8Array(0));
  });

  it.each([
    ['other bytes', utf8('a blob of same length')],
    ['nothing', new Uint8Array(0)],
    ['more bytes', utf8('a blob of some bytes!')],
    ['fewer bytes', bytes.subarray(1)],
  ])('refuses %s', async (_, lie) => {
    answer = body(lie);
    expect(await codeOf(blobs().get(digest, MOST))).toBe('blob-digest-mismatch');
  });

  it.each([
    ['says so', { 'content-length': String(2 ** 30) }],
    ['does not', {}],
  ])('ends where a blob is longer than its reader takes, and the peer %s', async (_, headers) => {
    const closed = new Promise<void>((resolve) => {
      answer = (_request, response) => {
        const flood = () => {
          while (!response.destroyed && response.write(new Uint8Array(65_536)));
        };
        response.on('drain', flood).on('close', resolve).writeHead(200, headers);
        flood();
      };
    });
    expect(await codeOf(blobs().get(digest, 64))).toBe('blob-too-large');
    await closed;
  });

  it('hears a refusal that is longer than the blob may be', async () => {
    const error = { code: 'blob-not-found', kind: 'not-found', message: 'x'.repeat(200) };
    answer = body(JSON.stringify({ error }), 404);
    expect(await codeOf(blobs().get(digest, 64))).toBe('blob-not-found');
  });

  it('asks the next peer when one is silent, and lets go of that one', async () => {
    let turns = 0;
    const released = new Promise<void>((resolve) => {
      answer = (request, response) => {
        if (turns++ === 0) response.on('close', resolve);
        else honest(request, response);
      };
    });
    const steps: number[] = [];
    const timers: Timers = {
      elapsed: () => 0,
      after(ms, wake) {
        steps.push(ms);
        const timer = setTimeout(wake, 20);
        return () => clearTimeout(timer);
      },
    };
    const peers = [new HttpJson({ base }), new HttpJson({ base })];
    expect(await new HttpBlobs(peers, nodeCrypto, { timers }).get(digest, 64)).toEqual(bytes);
    await released;
    expect([turns, steps.length]).toEqual([2, 1]);
    expect(steps[0]).toBeLessThan(2_000);
  });

  it('asks the next peer when one lies', async () => {
    let turns = 0;
    answer = (request, response) => (turns++ === 0 ? body('lie') : honest)(request, response);
    const peers = [new HttpJson({ base }), new HttpJson({ base })];
    expect(await new HttpBlobs(peers, nodeCrypto).get(digest, MOST)).toEqual(bytes);
    expect(turns).toBe(2);
  });

  it.each([
    ['the whole instead', body(bytes), /^response-malformed$/],
    ['too few bytes', body('ab', 206), /^blob-range-invalid$/],
    ['the right number without saying so', body('abcd', 200), /^blob-range-invalid$/],
  ] as [string, Answer, RegExp][])('refuses %s for a range', async (_, lie, code) => {
    answer = lie;
    expect(await codeOf(blobs().range(digest, 2, 6))).toMatch(code);
  });

  it('takes no length for one that is none', async () => {
    answer = (request) => {
      request.socket.end('HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n');
    };
    expect(await codeOf(blobs().head(digest))).toBe('response-malformed');
  });

  it('tells apart what is not there and what cannot be asked', async () => {
    const error = { code: 'blob-not-found', kind: 'not-found', message: 'none' };
    answer = body(JSON.stringify({ error }), 404);
    expect(await blobs().head(digest)).toBeUndefined();
    expect(await codeOf(blobs().get(digest, MOST))).toBe('blob-not-found');
    expect(await codeOf(new HttpBlobs([], nodeCrypto).get(digest, MOST))).toBe('blob-not-found');
    expect(asked.every((line) => line.endsWith(toHex(digest)))).toBe(true);
  });
});

describe('GatewayClient', () => {
  it.each([
    ['more than asked', JSON.stringify({ from: 0, events: Array(1_001).fill(''), size: 1_001 })],
    ['no base64', JSON.stringify({ from: 0, events: ['*'], size: 1 })],
    ['a size that is none', JSON.stringify({ from: 0, events: [], size: -1 })],
  ])('refuses entries with %s', async (_, text) => {
    answer = body(text);
    const client = new GatewayClient(new HttpJson({ base }));
    expect(await codeOf(client.entries(0))).toBe('response-malformed');
  });

  it('reads no cosignature longer than a note can be', async () => {
    answer = body(JSON.stringify({ note: 'x'.repeat(1_000_000) }));
    const client = new GatewayClient(new HttpJson({ base }));
    expect(await codeOf(client.cosign({ size: 1, root: digestOf('r') }))).toBe(
      'response-malformed',
    );
  });
});

function digestOf(text: string): Uint8Array {
  return nodeCrypto.digest('sha256', utf8(text));
}
