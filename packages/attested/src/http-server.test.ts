// SPDX-License-Identifier: Apache-2.0
// The server of an attested node as strangers meet it: what is routed, what is bounded, what leaves
// when something fails, and how it ends.
import { request as httpRequest } from 'node:http';
import { HttpJson } from '@cloister/api';
import { CodedError, systemClock, toHex } from '@cloister/core';
import { ephemeralEd25519Signer, nodeCrypto } from '@cloister/core/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Call, type HttpServer, type Routes, serveHttp, signedBody } from './http-server.ts';

const genesis = new Uint8Array(32).fill(7);
const ports = { genesis, crypto: nodeCrypto, clock: systemClock };
const lines: string[] = [];
const served: string[] = [];
let server: HttpServer;
let letGo = () => {};

const routes: Routes = {
  'GET /healthz': () => ({ ok: true }),
  'GET /metrics': () => 'a 1\n',
  'GET /v1/runs/:run': ({ named, query }: Call) => ({ ...named, wait: query.get('wait') }),
  'POST /v1/echo': ({ body }: Call) => ({ bytes: body.length }),
  'POST /v1/signed': async (call: Call) => {
    const { caller, asked } = await signedBody(call, z.object({ n: z.number() }), ports);
    return { caller: toHex(caller), n: asked.n };
  },
  'GET /fault': () => {
    throw new TypeError('secret of the fault');
  },
  'GET /refused': () => {
    throw new CodedError('is-refused', 'policy', 'no');
  },
  'GET /slow': () => new Promise((done) => (letGo = () => done({ ended: true }))),
  'GET /silent': () => new Promise(() => {}),
};

function serve(): Promise<HttpServer> {
  return serveHttp({
    host: '127.0.0.1',
    port: 0,
    routes,
    maxBodyBytes: 100,
    log: { info: () => {}, warn: (event, fields) => lines.push(JSON.stringify({ event, fields })) },
    served: (path, status) => served.push(`${path} ${status}`),
  });
}

beforeAll(async () => {
  server = await serve();
});
afterAll(() => server.close());

async function ask(path: string, init: RequestInit = {}) {
  const response = await fetch(server.address + path, init);
  return { status: response.status, text: await response.text(), headers: response.headers };
}

describe('routes', () => {
  it('answer JSON, or a page of metrics', async () => {
    expect(await ask('/healthz')).toMatchObject({ status: 200, text: '{"ok":true}' });
    const { text, headers } = await ask('/metrics');
    expect(text).toBe('a 1\n');
    expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect((await ask('/v1/runs/ab?wait=5')).text).toBe('{"run":"ab","wait":"5"}');
  });

  it.each(['/', '//', '/v1/runs', '/v1/runs/a/b', '/healthz/', `/${'x'.repeat(3_000)}`])(
    '%s is none',
    async (path) => {
      const { status, text } = await ask(path);
      expect([status, JSON.parse(text).error.code]).toEqual([404, 'route-unknown']);
    },
  );

  it('are for their own method, and are counted by their pattern', async () => {
    expect((await ask('/healthz', { method: 'POST', body: '' })).status).toBe(404);
    served.length = 0;
    await ask('/v1/runs/cd');
    await ask('/v1/other');
    expect(served).toEqual(['/v1/runs/:run 200', 'other 404']);
  });
});

describe('a body', () => {
  it('is bounded, whether its length is told or not', async () => {
    const post = (body: string) => ask('/v1/echo', { method: 'POST', body });
    expect((await post('x'.repeat(100))).text).toBe('{"bytes":100}');
    const { status, text } = await post('x'.repeat(101));
    expect([status, JSON.parse(text).error.code]).toEqual([413, 'request-too-large']);
    const chunked = await new Promise((done, fail) => {
      const sent = httpRequest(`${server.address}/v1/echo`, { method: 'POST' }, (response) => {
        done([response.statusCode, response.headers.connection]);
        response.resume();
      });
      sent.on('error', fail);
      // It never ends: the answer must come before the rest.
      sent.write('y'.repeat(200));
    });
    expect(chunked).toEqual([413, 'close']);
  });

  it('is known by its signature, over exactly this method, path and genesis', async () => {
    const signer = ephemeralEd25519Signer();
    const client = (of: Uint8Array) => {
      const sign = { signer, issuer: 'test', ...ports, genesis: of };
      return new HttpJson({ base: server.address, sign });
    };
    const answer = z.object({ caller: z.string(), n: z.number() });
    const path = '/v1/signed';
    const asked = await client(genesis).json(answer, { path, json: { n: 3 } });
    expect(asked).toEqual({ caller: toHex(signer.key), n: 3 });
    const codes = [
      client(new Uint8Array(32)).bytes({ path, json: { n: 3 } }),
      new HttpJson({ base: server.address }).bytes({ path, json: { n: 3 } }),
      client(genesis).bytes({ path, json: { n: 'three' } }),
      client(genesis).bytes({ path, bytes: new Uint8Array([0xff]) }),
    ].map((one) => one.then(String, (error: CodedError) => error.code));
    expect(await Promise.all(codes)).toEqual([
      'request-unauthenticated',
      'request-unauthenticated',
      'request-malformed',
      'request-malformed',
    ]);
  });
});

describe('what fails', () => {
  it('leaves as its code, and as no more than internal where it has none', async () => {
    const refused = await ask('/refused');
    expect([refused.status, JSON.parse(refused.text).error.code]).toEqual([403, 'is-refused']);
    lines.length = 0;
    const { status, text } = await ask('/fault');
    expect([status, JSON.parse(text).error.code]).toEqual([500, 'internal']);
    expect(text + lines.join('')).not.toContain('secret');
    expect(lines.join('')).toContain('TypeError');
  });
});

describe('closing', () => {
  it('lets what is under way end, and no longer than its grace', async () => {
    const other = await serve();
    const slow = fetch(`${other.address}/slow`).then((response) => response.text());
    const silent = fetch(`${other.address}/silent`).then(String, () => 'cut off');
    await new Promise((done) => setTimeout(done, 50));
    const closed = other.close();
    letGo();
    expect(await slow).toBe('{"ended":true}');
    await closed;
    expect(await silent).toBe('cut off');
    await expect(fetch(`${other.address}/healthz`)).rejects.toThrow();
  });
});
