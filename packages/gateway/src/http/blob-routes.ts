// SPDX-License-Identifier: Apache-2.0
// Blobs over HTTP: put, get, head and range by digest. Reading needs no rights, because a blob is
// ciphertext or public evidence and its name is as long as a key; writing needs a signed request.
// A blob that is not here is fetched from the other gateways, unless the request says it came from
// one, so two gateways never ask each other in circles.
//
// Invariants: a body is read only after its signature, its length and its signer's quota were
// judged; an answer is streamed in pieces, so nobody makes this process hold a whole file.
import { Readable } from 'node:stream';
import { type BlobStore, coreError, equal, fromHex, requestError } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { PieceMemory } from './piece-memory.ts';

const RELAYED_HEADER = 'cloister-relayed';
export const MAX_BLOB_BYTES = 1024 * 1024 * 1024;
const PIECE_BYTES = 4 * 1024 * 1024;
const SMALL_BYTES = 256 * 1024;

export interface BlobRoutesOptions {
  readonly local: BlobStore;
  /** Asks the other gateways where that may be; answers whether the blob is in `local` now. */
  readonly fetch: (digest: Uint8Array) => Promise<boolean>;
  /** @throws CodedError when the request's signer may not store that many bytes */
  readonly authoriseWrite: (request: FastifyRequest, length: number) => Promise<void>;
}

/** Adds /v1/blobs/:digest to `app`. */
export function blobRoutes(app: FastifyInstance, options: BlobRoutesOptions): void {
  const memories = new PieceMemory(PIECE_BYTES);
  // Fastify's own HEAD would answer the length of an empty body.
  app.head('/v1/blobs/:digest', async (request, reply) => {
    const size = await find(options, digestOf(request), request);
    reply.header('content-type', 'application/octet-stream').header('accept-ranges', 'bytes');
    return reply.header('content-length', size).send();
  });

  app.get('/v1/blobs/:digest', { exposeHeadRoute: false }, async (request, reply) => {
    const digest = digestOf(request);
    const size = await find(options, digest, request);
    const range = parseRange(request.headers.range, size);
    const { start, end } = range ?? { start: 0, end: size };
    reply.header('content-type', 'application/octet-stream').header('accept-ranges', 'bytes');
    reply.header('content-length', end - start);
    if (range !== undefined) {
      reply.code(206).header('content-range', `bytes ${start}-${end - 1}/${size}`);
    }
    // Most blobs are small, and a stream costs more than they do.
    if (end - start > PIECE_BYTES) {
      return reply.send(Readable.from(pieces(options.local, digest, { start, end })));
    }
    const read = (memory?: Uint8Array<ArrayBuffer>) =>
      options.local.range(digest, start, end, memory);
    const isSmall = end - start <= SMALL_BYTES;
    return reply.send(await (isSmall ? read() : memories.lend(reply.raw, read)));
  });

  app.put(
    '/v1/blobs/:digest',
    {
      bodyLimit: MAX_BLOB_BYTES,
      onRequest: (request) => options.authoriseWrite(request, lengthOf(request)),
    },
    async (request, reply: FastifyReply) => {
      const digest = digestOf(request);
      const body = request.body instanceof Uint8Array ? request.body : new Uint8Array(0);
      if (!equal(nodeCrypto.digest('sha256', body), digest)) {
        throw coreError('blob-digest-mismatch', 'the body does not hash to the digest in the path');
      }
      await options.local.put(body);
      return reply.code(204).send();
    },
  );
}

async function* pieces(
  store: BlobStore,
  digest: Uint8Array,
  range: { start: number; end: number },
): AsyncGenerator<Uint8Array> {
  for (let at = range.start; at < range.end; at += PIECE_BYTES) {
    yield await store.range(digest, at, Math.min(at + PIECE_BYTES, range.end));
  }
}

/** @throws CodedError `request-malformed`: a body whose length is not told is not taken */
function lengthOf(request: FastifyRequest): number {
  const length = Number(request.headers['content-length'] ?? Number.NaN);
  if (Number.isSafeInteger(length) && length >= 0) return length;
  throw requestError('request-malformed', 'tell the length of a blob to store');
}

async function find(
  options: BlobRoutesOptions,
  digest: Uint8Array,
  request: FastifyRequest,
): Promise<number> {
  const here = await options.local.head(digest);
  if (here !== undefined) return here;
  if (request.headers[RELAYED_HEADER] === undefined && (await options.fetch(digest))) {
    const fetched = await options.local.head(digest);
    if (fetched !== undefined) return fetched;
  }
  throw coreError('blob-not-found', 'no gateway that could be reached has this blob');
}

/** The digest in the path. @throws CodedError when it is none */
export function digestOf(request: FastifyRequest): Uint8Array {
  return fromHex((request.params as { digest: string }).digest, 32);
}

function parseRange(
  header: string | undefined,
  size: number,
): { start: number; end: number } | undefined {
  if (header === undefined) return undefined;
  const match = /^bytes=(\d{1,15})-(\d{1,15})$/.exec(header);
  const [start, last] =
    match === null ? [Number.NaN, Number.NaN] : [Number(match[1]), Number(match[2])];
  if (!(start <= last) || last >= size) {
    throw coreError(
      'blob-range-invalid',
      `range ${header.slice(0, 60)} of a blob of ${size} bytes`,
    );
  }
  return { start, end: last + 1 };
}

/** The header that marks a request of one gateway to another. */
export const relayedHeaders: Readonly<Record<string, string>> = { [RELAYED_HEADER]: '1' };
