// SPDX-License-Identifier: Apache-2.0
// Ranges against servers that answer byte for byte what a test says, in pieces of any size: what is
// right arrives in the caller's memory; what is long, short, unreadable or unasked is refused.
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { LOCALHOST_CERTIFICATE, LOCALHOST_KEY } from '../testing/localhost-tls.ts';
import { parseAnswerHead } from './answer-head.ts';
import { requestRange } from './http-range.ts';
import { RangeConnection } from './range-connection.ts';

const WAIT_MS = 5_000;
const bytes = new Uint8Array(300_000).map((_, i) => (i * 7) & 0xff);

/** What a server does with the text of a request; requests are counted over all connections. */
type Script = (socket: Socket, request: string, count: number) => void;

const open: { server: Server; sockets: Set<Socket> }[] = [];

async function serve(script: Script): Promise<{ base: string; connections: () => number }> {
  const sockets = new Set<Socket>();
  let connections = 0;
  let count = 0;
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on('error', () => undefined);
    let text = '';
    socket.on('data', (part) => {
      text += part.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const request = text.slice(0, end);
        text = text.slice(end + 4);
        script(socket, request, ++count);
      }
    });
  });
  open.push({ server, sockets });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address() as { port: number };
  return { base: `http://127.0.0.1:${address.port}/v1/blobs/ab`, connections: () => connections };
}

afterEach(() => {
  for (const { server, sockets } of open.splice(0)) {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
});

function ask(base: string, start: number, end: number, into?: Uint8Array<ArrayBuffer>) {
  const signal = AbortSignal.timeout(WAIT_MS);
  return requestRange(base, { start, end, headers: { 'x-own': 'yes' }, signal, into });
}

/** The range that a request names, as a 206. */
function honest(request: string): Buffer {
  const [, start, last] = /range: bytes=(\d+)-(\d+)/.exec(request) ?? [];
  const part = bytes.subarray(Number(start), Number(last) + 1);
  return Buffer.concat([head(206, part.length), part]);
}

function head(status: number, length: number | undefined, ...more: string[]): Buffer {
  const counted = length === undefined ? [] : [`content-length: ${length}`];
  return Buffer.from([`HTTP/1.1 ${status} X`, ...counted, ...more, '', ''].join('\r\n'), 'latin1');
}

describe('a range', () => {
  it('is asked for as HTTP/1.1 says, and comes in one connection after the other', async () => {
    const requests: string[] = [];
    const { base, connections } = await serve((socket, request) => {
      requests.push(request);
      socket.write(honest(request));
    });
    for (const [start, end] of [
      [0, 1],
      [5, 70_005],
      [100, 300_000],
    ] as const) {
      const { status, bytes: got, tooLong } = await ask(base, start, end);
      expect([status, tooLong]).toEqual([206, false]);
      expect(Buffer.compare(got, bytes.subarray(start, end))).toBe(0);
    }
    expect(requests[1]?.split('\r\n')).toEqual([
      'GET /v1/blobs/ab HTTP/1.1',
      `host: ${new URL(base).host}`,
      'x-own: yes',
      'range: bytes=5-70004',
    ]);
    expect(connections()).toBe(1);
  });

  it('comes whole in pieces of any sizes, after interim answers too', async () => {
    const property = fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 40 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 900 }),
      async (sizes, interim, length) => {
        const { base } = await serve(async (socket, request) => {
          const early = interim ? 'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n' : '';
          const answer = Buffer.concat([Buffer.from(early), honest(request)]);
          socket.setNoDelay(true);
          let at = 0;
          for (let i = 0; at < answer.length; i++) {
            const size = sizes[i % sizes.length] as number;
            socket.write(answer.subarray(at, at + size));
            at += size;
            await new Promise((resolve) => setImmediate(resolve));
          }
        });
        const { bytes: got } = await ask(base, 3, 3 + length);
        expect(Buffer.compare(got, bytes.subarray(3, 3 + length))).toBe(0);
      },
    );
    await fc.assert(property, { numRuns: 25 });
  });

  it('is put into memory that is given, and nothing beyond it', async () => {
    const { base } = await serve((socket, request) => socket.write(honest(request)));
    const memory = new Uint8Array(100_000).fill(0xee);
    const { bytes: got } = await ask(base, 10, 90_010, memory.subarray(4));
    expect(got.buffer).toBe(memory.buffer);
    expect(Buffer.compare(memory.subarray(4, 90_004), bytes.subarray(10, 90_010))).toBe(0);
    expect(memory.subarray(0, 4).every((byte) => byte === 0xee)).toBe(true);
    expect(memory.subarray(90_004).every((byte) => byte === 0xee)).toBe(true);
  });

  it('of two at once comes over two connections, which are kept', async () => {
    const { base, connections } = await serve((socket, request) => {
      setTimeout(() => socket.write(honest(request)), 5);
    });
    for (let turn = 0; turn < 3; turn++) {
      const both = await Promise.all([ask(base, 0, 10), ask(base, 20, 30)]);
      expect(both.map((one) => one.bytes[0])).toEqual([bytes[0], bytes[20]]);
    }
    expect(connections()).toBe(2);
  });

  it('is asked for again when a kept connection was let go meanwhile', async () => {
    const { base, connections } = await serve((socket, request, count) => {
      if (count === 2) socket.destroy();
      else socket.write(honest(request));
    });
    await ask(base, 0, 10);
    expect((await ask(base, 10, 20)).bytes).toEqual(bytes.slice(10, 20));
    expect(connections()).toBe(2);
  });

  it('comes over TLS, from a host whose certificate is trusted', async () => {
    const tls = { key: LOCALHOST_KEY, cert: LOCALHOST_CERTIFICATE };
    const server = createTlsServer(tls, (socket) => {
      socket.on('error', () => undefined);
      socket.on('data', (part) => socket.write(honest(part.toString('latin1'))));
    });
    open.push({ server, sockets: new Set() });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as { port: number };
    const signal = AbortSignal.timeout(WAIT_MS);
    const over = (host: string, trust: { ca?: string }) => {
      const connection = new RangeConnection(new URL(`https://${host}:${port}`), trust);
      const request = 'GET / HTTP/1.1\r\nhost: x\r\nrange: bytes=7-200006\r\n\r\n';
      return connection.ask(request, new Uint8Array(200_000), signal);
    };
    const trust = { ca: LOCALHOST_CERTIFICATE };
    for (const host of ['localhost', '127.0.0.1']) {
      const { bytes: got } = await over(host, trust);
      expect(Buffer.compare(got, bytes.subarray(7, 200_007))).toBe(0);
    }
    const untrusted = { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' };
    await expect(over('localhost', {})).rejects.toMatchObject(untrusted);
  });
});

describe('an answer that is no range', () => {
  const send =
    (...parts: (string | Uint8Array)[]): Script =>
    (socket) => {
      for (const part of parts) socket.write(part);
    };

  it.each([
    ['announces more', send(head(206, 20), bytes.subarray(0, 20))],
    ['is the whole of a large blob', send(head(200, 9_000_000), bytes)],
  ])('and %s is cut off', async (_, script) => {
    const { base, connections } = await serve(script);
    const answer = await ask(base, 0, 10);
    expect(answer.tooLong).toBe(true);
    expect(answer.bytes.length).toBeLessThanOrEqual(10);
    await ask(base, 0, 10);
    expect(connections()).toBe(2);
  });

  it('but shorter is answered as it is', async () => {
    const { base } = await serve(send(head(206, 4), bytes.subarray(0, 4)));
    expect((await ask(base, 0, 10)).bytes).toEqual(bytes.slice(0, 4));
  });

  it.each([
    ['with a length', send(head(404, 6), 'absent'), 'absent'],
    ['up to its end', (s) => s.end(Buffer.concat([head(503, undefined), Buffer.from('no')])), 'no'],
    [
      'in chunks',
      send(head(404, undefined, 'transfer-encoding: chunked'), '2\r\nno\r\n0\r\n\r\n'),
      '',
    ],
    ['without a body', send(head(304, undefined)), ''],
  ] as [string, Script, string][])('but an error %s is answered', async (_, script, text) => {
    const { base } = await serve(script);
    const { status, bytes: got } = await ask(base, 0, 10);
    expect(status).toBeGreaterThan(299);
    expect(Buffer.from(got).toString()).toBe(text);
  });

  it('but a long error is answered with its beginning', async () => {
    const { base } = await serve(send(head(500, bytes.length), bytes));
    const { bytes: got } = await ask(base, 0, 10);
    expect(Buffer.compare(got, bytes.subarray(0, 65_536))).toBe(0);
  });

  it.each([
    ['no HTTP', send('SSH-2.0-OpenSSH\r\n\r\n')],
    ['HTTP/2', send('HTTP/2 200 OK\r\n\r\n')],
    ['without a length', send(head(206, undefined), 'abc')],
    ['in chunks', send(head(200, undefined, 'transfer-encoding: chunked'), '1\r\na\r\n0\r\n\r\n')],
    ['of two lengths', send(head(206, 3, 'content-length: 4'), 'abcd')],
    ['of the same length twice', send(head(206, 3, 'Content-Length: 3'), 'abc')],
    ['of a length and chunks', send(head(206, 3, 'Transfer-Encoding: chunked'), 'abc')],
    ['of a negative length', send(head(206, -3), 'abc')],
    ['of a length in hexadecimal', send('HTTP/1.1 206 X\r\ncontent-length: 0x3\r\n\r\nabc')],
    ['with a folded field', send(head(206, 3, 'a: b', ' c'), 'abc')],
    ['with a space before a colon', send('HTTP/1.1 206 X\r\ncontent-length : 3\r\n\r\nabc')],
    ['with bare line feeds', send('HTTP/1.1 206 X\ncontent-length: 3\n\nabc\r\n\r\n')],
    ['that switches protocols', send(head(101, 0))],
    ['whose head has no end', send(Buffer.alloc(20_000, 'a'))],
  ] as [string, Script][])('%s is refused', async (_, script) => {
    const { base } = await serve(script);
    await expect(ask(base, 0, 10)).rejects.toThrow(SyntaxError);
  });

  it.each([
    ['before its head', ((socket) => socket.end('HTTP/1.1 206')) as Script],
    ['before its body', ((socket) => socket.end(head(206, 10))) as Script],
    [
      'within its body',
      ((socket) => socket.end(Buffer.concat([head(206, 10), bytes.subarray(0, 9)]))) as Script,
    ],
  ])('and ends %s is cut off', async (_, script) => {
    const { base } = await serve(script);
    await expect(ask(base, 0, 10)).rejects.toThrow('the answer was cut off');
  });

  it('of more bytes than it says gives none of them to the next request', async () => {
    const smuggled = Buffer.concat([head(206, 3), Buffer.from('EVL')]);
    const { base, connections } = await serve((socket, request, count) => {
      if (count > 1) socket.write(honest(request));
      else socket.write(Buffer.concat([honest(request), smuggled]));
    });
    expect((await ask(base, 0, 3)).bytes).toEqual(bytes.slice(0, 3));
    expect((await ask(base, 0, 3)).bytes).toEqual(bytes.slice(0, 3));
    expect(connections()).toBe(2);
  });

  it('that comes late and unasked ends its connection', async () => {
    const { base, connections } = await serve((socket, request) => {
      socket.write(honest(request));
      setTimeout(() => socket.write(Buffer.concat([head(206, 3), Buffer.from('EVL')])), 10);
    });
    await ask(base, 0, 3);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect((await ask(base, 3, 6)).bytes).toEqual(bytes.slice(3, 6));
    expect(connections()).toBe(2);
  });

  it('at all, or half of one, ends with the signal, and its memory is let alone', async () => {
    for (const part of ['', Buffer.concat([head(206, 10), bytes.subarray(0, 5)])]) {
      let late: Socket | undefined;
      const { base } = await serve((socket) => {
        late = socket;
        socket.write(part);
      });
      const memory = new Uint8Array(10);
      const signal = AbortSignal.timeout(60);
      const asked = requestRange(base, { start: 0, end: 10, headers: {}, signal, into: memory });
      await expect(asked).rejects.toMatchObject({ name: 'TimeoutError' });
      const then = memory.slice();
      late?.write(bytes.subarray(5, 10));
      await new Promise((resolve) => setTimeout(resolve, 20));
      expect(memory).toEqual(then);
    }
  });

  it('from nobody is the error of the connection; a header cannot carry another', async () => {
    const { base } = await serve(() => undefined);
    for (const { server } of open.splice(0)) await new Promise((done) => server.close(done));
    await expect(ask(base, 0, 10)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    const signal = AbortSignal.timeout(WAIT_MS);
    const headers = { a: 'b\r\nc: d' };
    const asked = requestRange(base, { start: 0, end: 1, headers, signal });
    await expect(asked).rejects.toMatchObject({ code: 'ERR_INVALID_CHAR' });
  });
});

it('no head makes the reader fail, and what it accepts has one length', () => {
  const line = fc.oneof(
    fc.constantFrom('content-length: 5', 'Content-Length: 5', 'transfer-encoding: chunked'),
    fc.constantFrom('connection: close', 'connection: keep-alive, x', 'a: b', 'a : b', ''),
    fc.string({ maxLength: 20 }),
  );
  const first = fc.oneof(
    fc.constantFrom('HTTP/1.1 206 X', 'HTTP/1.0 200', 'HTTP/1.1 404 ', 'HTTP/1.1 99 X'),
    fc.string({ maxLength: 20 }),
  );
  fc.assert(
    fc.property(first, fc.array(line, { maxLength: 4 }), (start, lines) => {
      const parsed = parseAnswerHead([start, ...lines].join('\r\n'));
      if (parsed === undefined) return;
      expect(start).toMatch(/^HTTP\/1\.[01] [1-5]\d\d/);
      const lengths = lines.filter((text) => /^content-length:/i.test(text));
      const chunked = lines.some((text) => /^transfer-encoding:/i.test(text));
      expect(lengths.length + Number(chunked)).toBeLessThanOrEqual(1);
      if (parsed.status >= 200 && parsed.status !== 204 && parsed.status !== 304) {
        expect(parsed.length).toBe(chunked ? 'chunks' : lengths.length === 1 ? 5 : 'close');
      }
      if (typeof parsed.length === 'string') expect(parsed.keepsAlive).toBe(false);
    }),
    { numRuns: 500 },
  );
});
