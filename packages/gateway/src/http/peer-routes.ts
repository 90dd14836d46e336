// SPDX-License-Identifier: Apache-2.0
// What anyone may ask of a gateway, and what nodes and members may: the order with its proofs, the
// witness, events, blobs, and openings for an attested worker. Nothing here trusts the connection.
import {
  cosignRequest,
  freshnessRequest,
  openingsRequest,
  REQUEST_HEADER,
  verifyRequest,
} from '@cloister/api';
import { MAX_EVENT_BYTES } from '@cloister/contract';
import {
  CodedError,
  equal,
  fromHex,
  parseCose,
  systemClock,
  toBase64,
  toHex,
} from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { appendAndFold, type Gateway } from '../context.ts';
import type { EntryRecord } from '../ledger/follower.ts';
import { openingsForWorker } from '../work/runs.ts';
import { blobRoutes } from './blob-routes.ts';
import { bytesOf, parseBody, parseQuery, rawBodyOf } from './parse.ts';

const LONGEST_WAIT_MS = 20_000;
const natural = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const entriesQuery = z.object({
  from: natural,
  limit: natural.default(500),
  wait: natural.default(0),
});
const inclusionQuery = z.object({ seq: natural, size: natural });
const consistencyQuery = z.object({ from: natural, to: natural });
const checkpointQuery = z.object({ least: natural.default(0) });

export interface PeerRoutesOptions {
  readonly fetchFromPeers: (digest: Uint8Array) => Promise<boolean>;
}

export function peerRoutes(
  app: FastifyInstance,
  gateway: Gateway,
  options: PeerRoutesOptions,
): void {
  const { follower, witness } = gateway;

  app.get('/healthz', async () => ({
    ok: follower.failure === undefined,
    role: 'gateway',
    name: gateway.card.id,
    genesis: toHex(gateway.genesis),
    size: follower.size,
    simulated: follower.state.charter?.simulated ?? null,
  }));

  app.get('/v1/log/entries', async (request) => {
    const { from, limit, wait } = parseQuery(entriesQuery, request);
    if (wait > 0) await follower.reached(from + 1, Math.min(wait, LONGEST_WAIT_MS));
    const events = await follower.read(from, Math.min(limit, 1_000));
    return { from, events: events.map(toBase64), size: follower.size };
  });

  app.get('/v1/log/checkpoint', async (request) => {
    const { least } = parseQuery(checkpointQuery, request);
    const { note, size, root } = await witness.checkpoint(least);
    return { note, size, root: toHex(root) };
  });

  app.get('/v1/log/inclusion', async (request) => {
    const { seq, size } = parseQuery(inclusionQuery, request);
    checkRange(seq < size && size <= follower.size, `entry ${seq} in ${size}`, follower.size);
    return { proof: (await follower.tree.inclusionProof(seq, size)).map(toHex) };
  });

  app.get('/v1/log/consistency', async (request) => {
    const { from, to } = parseQuery(consistencyQuery, request);
    checkRange(from <= to && to <= follower.size, `${from} to ${to}`, follower.size);
    return { proof: (await follower.tree.consistencyProof(from, to)).map(toHex) };
  });

  app.post('/v1/events', { bodyLimit: MAX_EVENT_BYTES }, async (request) => {
    const bytes = bytesOf(request);
    await authoriseEvent(gateway, bytes);
    return recordedAnswer(await appendAndFold(gateway, bytes));
  });

  app.post('/v1/cosign', async (request) => {
    const { size, root } = parseBody(cosignRequest, request);
    return { note: await witness.cosign({ size, root: fromHex(root) }) };
  });

  app.post('/v1/freshness', async (request) => {
    const { size, root, challenges } = parseBody(freshnessRequest, request);
    const head = { size, root: fromHex(root) };
    return {
      note: await witness.freshness(
        head,
        challenges.map((c) => fromHex(c)),
      ),
    };
  });

  app.post('/v1/openings', async (request) => {
    const caller = await callerOf(gateway, request, rawBodyOf(request));
    const { join } = parseBody(openingsRequest, request);
    return { sealed: toBase64(await openingsForWorker(gateway, fromHex(join), caller)) };
  });

  blobRoutes(app, {
    local: gateway.blobs,
    fetchFromPeers: options.fetchFromPeers,
    authoriseWrite: async (request, body) => {
      const caller = await callerOf(gateway, request, body);
      if (!isKnown(gateway, caller))
        throw forbidden('only members, operators and joined nodes store blobs');
    },
  });
}

/** The JSON of an entry, for whoever appended it. */
export function recordedAnswer(record: EntryRecord) {
  return {
    seq: record.seq,
    id: record.event?.key ?? '0'.repeat(64),
    status: record.status,
    ...(record.code === undefined ? {} : { code: record.code }),
    ...(record.sentence === undefined ? {} : { sentence: record.sentence }),
  };
}

/** The raw key that signed the request. @throws CodedError `request-unauthenticated` */
async function callerOf(
  gateway: Gateway,
  request: FastifyRequest,
  body: Uint8Array,
): Promise<Uint8Array> {
  const header = request.headers[REQUEST_HEADER];
  const facts = { genesis: gateway.genesis, method: request.method, path: request.url, body };
  const ports = { crypto: nodeCrypto, clock: systemClock };
  return verifyRequest(typeof header === 'string' ? header : undefined, facts, ports);
}

/** Members, and nodes named by an operator's signature, may append; nobody else reaches the ledger. */
async function authoriseEvent(gateway: Gateway, bytes: Uint8Array): Promise<void> {
  const { kid } = parseCose(bytes);
  if (!isKnown(gateway, kid))
    throw forbidden('the signer of this event is no member, operator or joined node');
}

function isKnown(gateway: Gateway, key: Uint8Array): boolean {
  const { charter, nodeKeys } = gateway.follower.state;
  if (charter === null) return false;
  return (
    charter.members.some((m) => equal(m.identity, key) || equal(m.witness, key)) ||
    charter.operators.some((o) => equal(o.key, key)) ||
    nodeKeys.has(toHex(key))
  );
}

function checkRange(ok: boolean, what: string, size: number): void {
  if (ok) return;
  const message = `asked for ${what}; this gateway has followed ${size} entries`;
  throw new CodedError('request-malformed', 'malformed', message);
}

function forbidden(message: string): CodedError {
  return new CodedError('request-forbidden', 'policy', message);
}
