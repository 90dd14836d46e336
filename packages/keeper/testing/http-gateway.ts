// SPDX-License-Identifier: Apache-2.0
// As much of a gateway over HTTP as keepers use, in front of a ledger and blobs in memory: entries,
// checkpoint, events, blobs. Writing needs a signed request, as at a real one.
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { REQUEST_HEADER, verifyRequest } from '@cloister/api';
import { CodedError, fromHex, systemClock, toBase64, toErrorResponse } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import type { MemoryBlobs, MemoryLedger } from './ledger.ts';

export interface TestGateway {
  readonly address: string;
  close(): Promise<void>;
}

export async function serveGateway(ledger: MemoryLedger, blobs: MemoryBlobs): Promise<TestGateway> {
  const server = createServer((request, response) => {
    void answer(ledger, blobs, request, response);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  return {
    address: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  ledger: MemoryLedger,
  blobs: MemoryBlobs,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    const parts: Buffer[] = [];
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    const body = new Uint8Array(Buffer.concat(parts));
    const result = await route(ledger, blobs, request, body);
    const raw = result instanceof Uint8Array;
    response.writeHead(200, {
      'content-type': raw ? 'application/octet-stream' : 'application/json',
    });
    response.end(raw ? result : JSON.stringify(result));
  } catch (error) {
    const { status, body } = toErrorResponse(error);
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body));
  }
}

async function route(
  ledger: MemoryLedger,
  blobs: MemoryBlobs,
  request: IncomingMessage,
  body: Uint8Array,
): Promise<unknown> {
  const url = new URL(request.url ?? '/', 'http://gateway');
  const number = (name: string) => Number(url.searchParams.get(name));
  if (request.method === 'GET' && url.pathname === '/v1/log/entries') {
    const from = number('from');
    const options = { limit: number('limit'), waitMs: number('wait') };
    const { events, size } = await ledger.entries(from, options);
    return { from, events: events.map(toBase64), size };
  }
  if (request.method === 'GET' && url.pathname === '/v1/log/checkpoint') {
    return ledger.checkpoint(number('least'));
  }
  if (request.method === 'POST' && url.pathname === '/v1/events') return ledger.append(body);
  const blob = /^\/v1\/blobs\/([0-9a-f]{64})$/.exec(url.pathname);
  if (blob === null) throw new CodedError('not-found', 'not-found', url.pathname);
  if (request.method === 'GET') return blobs.get(fromHex(blob[1] as string));
  const header = request.headers[REQUEST_HEADER] as string | undefined;
  const facts = { genesis: ledger.world.genesis, method: 'PUT', path: url.pathname, body };
  await verifyRequest(header, facts, { crypto: nodeCrypto, clock: systemClock });
  await blobs.put(body);
  return {};
}
