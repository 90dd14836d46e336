// SPDX-License-Identifier: Apache-2.0
// Blobs over HTTP: put, get, head and range by digest. Reading needs no rights, because a blob is
// ciphertext or public evidence and its name is as long as a key; writing needs a signed request.
// A blob that is not here is fetched from the other gateways, unless the request says it came from
// one, so two gateways never ask each other in circles.
import { type BlobStore, CodedError, equal, fromHex, isCoded } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';

const RELAYED_HEADER = 'cloister-relayed';
export const MAX_BLOB_BYTES = 1024 * 1024 * 1024;

export interface BlobRoutesOptions {
  readonly local: BlobStore;
  /** Asks the other gateways; keeps what it finds in `local`. */
  readonly fetchFromPeers: (digest: Uint8Array) => Promise<boolean>;
  /** @throws CodedError when the request's signer may not store blobs */
  readonly authoriseWrite: (request: FastifyRequest, body: Uint8Array) => Promise<void>;
}

/** Adds /v1/blobs/:digest to `app`. */
export function blobRoutes(app: FastifyInstance, options: BlobRoutesOptions): void {
  app.get('/v1/blobs/:digest', async (request, reply) => {
    const digest = digestOf(request);
    const size = await find(options, digest, request);
    const range = parseRange(request.headers.range, size);
    reply.header('content-type', 'application/octet-stream').header('accept-ranges', 'bytes');
    if (request.method === 'HEAD') return reply.header('content-length', size).send();
    if (range === undefined) return reply.send(Buffer.from(await options.local.get(digest)));
    const bytes = await options.local.range(digest, range.start, range.end);
    reply.code(206).header('content-range', `bytes ${range.start}-${range.end - 1}/${size}`);
    return reply.send(Buffer.from(bytes));
  });

  app.put(
    '/v1/blobs/:digest',
    { bodyLimit: MAX_BLOB_BYTES },
    async (request, reply: FastifyReply) => {
      const digest = digestOf(request);
      const body = request.body instanceof Uint8Array ? request.body : new Uint8Array(0);
      await options.authoriseWrite(request, body);
      if (!equal(nodeCrypto.digest('sha256', body), digest)) {
        throw new CodedError(
          'blob-digest-mismatch',
          'verification',
          'the body does not hash to the digest in the path',
        );
      }
      await options.local.put(body);
      return reply.code(204).send();
    },
  );
}

async function find(
  options: BlobRoutesOptions,
  digest: Uint8Array,
  request: FastifyRequest,
): Promise<number> {
  const here = await options.local.head(digest);
  if (here !== undefined) return here;
  if (request.headers[RELAYED_HEADER] === undefined && (await options.fetchFromPeers(digest))) {
    const fetched = await options.local.head(digest);
    if (fetched !== undefined) return fetched;
  }
  throw new CodedError(
    'blob-not-found',
    'not-found',
    'no gateway that could be reached has this blob',
  );
}

function digestOf(request: FastifyRequest): Uint8Array {
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
    throw new CodedError(
      'blob-range-invalid',
      'malformed',
      `range ${header.slice(0, 60)} of a blob of ${size} bytes`,
    );
  }
  return { start, end: last + 1 };
}

/** The header that marks a request of one gateway to another. */
export const relayedHeaders: Readonly<Record<string, string>> = { [RELAYED_HEADER]: '1' };

/** Fetches one blob from the first peer that has it and keeps it. */
export async function fetchBlob(
  digest: Uint8Array,
  from: readonly BlobStore[],
  into: BlobStore,
): Promise<boolean> {
  for (const peer of from) {
    try {
      await into.put(await peer.get(digest));
      return true;
    } catch (error) {
      if (!isCoded(error)) throw error;
    }
  }
  return false;
}
