// SPDX-License-Identifier: Apache-2.0
// What anyone may ask of a gateway, and what nodes and members may: the order with its proofs, the
// witness, events, blobs, and openings for an attested worker. Nothing here trusts the connection.
// What a stranger may cost is bounded: small bodies, a number of callers that wait, no blob fetched
// that the ledger does not name; and so is a signer, and the nodes of an
// operator together: events and bytes by quota.

import {
  cosignRequest,
  freshnessRequest,
  openingsRequest,
  REQUEST_HEADER,
  verifyRequest,
} from '@cloister/api';
import {
  eventId,
  joinBySigner,
  judgePlace,
  MAX_EVENT_BYTES,
  memberByKey,
  operatorByKey,
} from '@cloister/contract';
import {
  type CodedError,
  fromHex,
  requestError,
  toBase64,
  toHex,
  verifyCose,
} from '@cloister/core';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { BlobRelay } from '../blobs/blob-relay.ts';
import type { NamedBlobs } from '../blobs/named-blobs.ts';
import { appendAndFold, type Gateway } from '../context.ts';
import { recordedAnswer } from '../ledger/recorded.ts';
import { openingsForWorker } from '../tasks/runs.ts';
import { freshenClock } from '../ticking.ts';
import { blobRoutes, digestOf } from './blob-routes.ts';
import { bytesOf, parseBody, parseQuery, rawBodyOf } from './parse.ts';
import { SignerQuota, WaitingRoom } from './quota.ts';

const LONGEST_WAIT_MS = 20_000;
/** Bodies of the small JSON requests. */
const MAX_JSON_BYTES = 65_536;
/** Callers that wait for the ledger to go on, and for a witness. */
const LONG_POLLS_MAX = 256;
const WITNESS_CALLERS_MAX = 128;
const EVENT_QUOTA = { what: 'events', burst: 2_000, perSecond: 100 } as const;
/** A signer's own results of a day, with room; a refill of some 80 GiB a day. */
const BLOB_QUOTA = { what: 'bytes', burst: 16 * 2 ** 30, perSecond: 2 ** 20 } as const;
const natural = z.coerce.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
const entriesQuery = z.object({
  from: natural,
  limit: natural.default(500),
  wait: natural.default(0),
});
const inclusionQuery = z.object({ seq: natural, size: natural });
const consistencyQuery = z.object({ from: natural, to: natural });
const handoversQuery = z.object({ from: natural.default(1) });
const checkpointQuery = z.object({ least: natural.default(0) });

export interface PeerRoutesOptions {
  readonly relay: BlobRelay;
  readonly named: NamedBlobs;
}

/** Adds /healthz, /metrics' neighbours under /v1/ and the blobs to `app`. */
export function peerRoutes(
  app: FastifyInstance,
  gateway: Gateway,
  options: PeerRoutesOptions,
): void {
  logRoutes(app, gateway);
  witnessRoutes(app, gateway);
  const quota = new SignerQuota(EVENT_QUOTA, gateway.clock);

  app.post('/v1/events', { bodyLimit: MAX_EVENT_BYTES }, async (request) => {
    const bytes = bytesOf(request);
    const { signer, payer } = await signerOf(gateway, bytes);
    // Everything on the ledger is public: whoever brings it again uses up nothing of its author's.
    const known = gateway.follower.positionOf(toHex(eventId(bytes, gateway.crypto)));
    const before = known === undefined ? undefined : gateway.follower.record(known);
    if (before?.status === 'accepted') return recordedAnswer(before);
    quota.take(known === undefined ? payer : `repeats of ${payer}`, 1);
    // What an operator signs is a join, and joins are judged by time.
    if (known === undefined && isOperator(gateway, signer)) await freshenClock(gateway);
    return recordedAnswer(await appendAndFold(gateway, bytes));
  });

  app.post('/v1/openings', { bodyLimit: MAX_JSON_BYTES }, async (request) => {
    const body = rawBodyOf(request);
    const caller = await callerOf(gateway, request, body);
    const { join } = parseBody(openingsRequest, request);
    return { sealed: toBase64(await openingsForWorker(gateway, fromHex(join), caller)) };
  });

  const stored = new SignerQuota(BLOB_QUOTA, gateway.clock);
  blobRoutes(app, {
    local: gateway.blobs,
    fetch: async (digest) => {
      const most = options.named.most(digest);
      if (most === undefined || !(await options.relay.fetch(digest, most))) return false;
      await options.named.cameHere(digest, gateway.blobs);
      return true;
    },
    authoriseWrite: async (request, length) => {
      // The digest in the path is that of the body, so the signature is judged before the body.
      const caller = await callerOf(gateway, request, { sha256: digestOf(request) });
      const payer = payerOf(gateway, caller);
      if (payer === undefined) {
        throw forbidden('only members, operators and joined nodes store blobs');
      }
      stored.take(payer, length);
    },
  });
}

function logRoutes(app: FastifyInstance, gateway: Gateway): void {
  const { follower, witness } = gateway;
  const polls = new WaitingRoom(LONG_POLLS_MAX);
  const callers = new WaitingRoom(WITNESS_CALLERS_MAX);

  app.get('/healthz', async () => ({
    ok: witness.stopped === undefined,
    role: 'gateway',
    name: gateway.card.id,
    genesis: toHex(gateway.genesis),
    size: follower.size,
    simulated: follower.state.charter?.simulated ?? null,
    ...(witness.stopped === undefined
      ? {}
      : { code: witness.stopped.code, sentence: witness.stopped.message }),
  }));

  app.get('/v1/log/entries', async (request) => {
    const { from, limit, wait } = parseQuery(entriesQuery, request);
    if (wait > 0 && follower.size <= from) {
      await polls.wait(() => follower.reached(from + 1, Math.min(wait, LONGEST_WAIT_MS)));
    }
    const events = await follower.read(from, Math.min(limit, 1_000));
    return { from, events: events.map(toBase64), size: follower.size };
  });

  app.get('/v1/log/checkpoint', async (request) => {
    const { least } = parseQuery(checkpointQuery, request);
    const { note, size, root } = await callers.wait(() => witness.checkpoint(least));
    return { note, size, root: toHex(root) };
  });

  app.get('/v1/log/handovers', async (request) => {
    const { from } = parseQuery(handoversQuery, request);
    return { notes: await gateway.handovers.list(from) };
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
}

function witnessRoutes(app: FastifyInstance, gateway: Gateway): void {
  const { witness } = gateway;
  const callers = new WaitingRoom(WITNESS_CALLERS_MAX);
  const small = { bodyLimit: MAX_JSON_BYTES };

  app.post('/v1/cosign', small, async (request) => {
    const { size, root } = parseBody(cosignRequest, request);
    return { note: await callers.wait(() => witness.cosign({ size, root: fromHex(root) })) };
  });

  app.post('/v1/freshness', small, async (request) => {
    const { size, root, challenges } = parseBody(freshnessRequest, request);
    const head = { size, root: fromHex(root) };
    const sign = () =>
      witness.freshness(
        head,
        challenges.map((c) => fromHex(c)),
      );
    return { note: await callers.wait(sign) };
  });
}

/** The raw key that signed the request. @throws CodedError `request-unauthenticated` */
async function callerOf(
  gateway: Gateway,
  request: FastifyRequest,
  body: Uint8Array | { readonly sha256: Uint8Array },
): Promise<Uint8Array> {
  const header = request.headers[REQUEST_HEADER];
  const facts = { genesis: gateway.genesis, method: request.method, path: request.url, body };
  const ports = { crypto: gateway.crypto, clock: gateway.clock };
  return verifyRequest(typeof header === 'string' ? header : undefined, facts, ports);
}

/**
 * The key that signed an event, checked here so that a stranger neither reaches the ledger nor uses
 * up somebody's quota under a copied name.
 * @throws CodedError `request-forbidden`, `cose-*`
 */
async function signerOf(
  gateway: Gateway,
  bytes: Uint8Array,
): Promise<{ signer: Uint8Array; payer: string }> {
  const { kid } = await verifyCose(gateway.crypto, bytes);
  const payer = payerOf(gateway, kid);
  if (payer !== undefined) return { signer: kid, payer };
  throw forbidden('the signer of this event is no member, operator or joined node');
}

function isOperator({ follower: { state } }: Gateway, key: Uint8Array): boolean {
  return state.charter !== null && operatorByKey(state.charter, key) !== undefined;
}

/**
 * Whose quota a key uses up: a member's and an operator's its own; the nodes of an operator have
 * one together, apart from both, so that joining again and again brings nothing. Undefined: the
 * key is nobody's.
 */
function payerOf(gateway: Gateway, key: Uint8Array): string | undefined {
  const { state } = gateway.follower;
  const { charter } = state;
  if (charter === null) return undefined;
  const listed = memberByKey(charter, key) ?? operatorByKey(charter, key);
  if (listed !== undefined) return toHex(key);
  const node = joinBySigner(state, key);
  // A node without a place is a stranger. Its program is for whoever appraises it, who needs its
  // evidence for that.
  if (node === undefined || judgePlace(state, node.join.body) !== undefined) return undefined;
  return `nodes of ${node.join.body.operator}`;
}

function checkRange(ok: boolean, what: string, size: number): void {
  if (ok) return;
  const message = `asked for ${what}; this gateway has followed ${size} entries`;
  throw requestError('request-malformed', message);
}

function forbidden(message: string): CodedError {
  return requestError('request-forbidden', message);
}
