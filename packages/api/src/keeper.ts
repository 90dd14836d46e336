// SPDX-License-Identifier: Apache-2.0
// A keeper as a worker sees it: draw a challenge, ask for openings, and (blame) ask for a proof.
// Requests are signed by the worker's attested signing key. What is secret travels sealed by HPKE:
// the openings to the keeper's attested key (contract/openings/task.ts), the partial openings to
// the worker's. This file has the schemas, the client, and the encoding of the partial openings.
//
// That encoding is deterministic CBOR; its HPKE `info` binds genesis, join, epoch and seat, so an
// answer to one join opens as nothing else.
import {
  type Cbor,
  type CodedError,
  type CryptoPort,
  coded,
  decodeCbor,
  encodeCbor,
  fromBase64,
  fromHex,
  requestError,
  toBase64,
  toHex,
} from '@cloister/core';
import { z } from 'zod';
import { health } from './gateway.ts';
import type { HttpJson } from './http-json.ts';

const hex32 = z.string().regex(/^[0-9a-f]{64}$/, 'wanted 64 lower-case hexadecimal digits');
const base64 = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/, 'wanted base64');
const seat = z.number().int().min(1).max(255);

/** GET /healthz of a keeper. `state` says where it stands. */
export const keeperHealth = health.extend({
  state: z.enum(['starting', 'joined', 'forming', 'holding', 'stopping']),
  join: hex32.nullable(),
  seat: seat.nullable(),
  epoch: hex32.nullable(),
});

/** Whose keys are asked for, and the join of the keeper that is asked: both are signed. */
const asked = { join: hex32, keeper: hex32 };

/**
 * POST /v1/challenge: 32 random bytes for one use, for a join that is on the ledger. `nonce` is the
 * caller's: the same one again, a copy of the request say, gets the same challenge.
 */
export const challengeRequest = z.strictObject({ ...asked, nonce: hex32 });
export const challengeAnswer = z.object({
  challenge: hex32,
  /** Milliseconds that it is good for. */
  lifetimeMs: z.number().int().min(1),
});

/** POST /v1/open: the witnesses' freshness notes over one text, and the sealed openings. */
export const openRequest = z.strictObject({
  ...asked,
  freshness: z.array(z.string().max(262_144)).min(1).max(200),
  openings: base64,
});
export const openAnswer = z.object({ epoch: hex32, seat, sealed: base64 });

/** POST /v1/prove: a batched DLEQ proof over every partial opening answered to this join. */
export const proveRequest = z.strictObject(asked);
export const proveAnswer = z.object({ epoch: hex32, seat, proof: base64 });

/** HPKE `info` of the partial openings that a keeper seals to a worker; ids are 32 bytes. */
export function openAnswerInfo(
  genesis: Uint8Array,
  about: { join: Uint8Array; epoch: Uint8Array; seat: number },
) {
  return encodeCbor(['cloister/open-answer/v1', genesis, about.join, about.epoch, about.seat]);
}

/** One partial opening: which sealed key, and the full point (65 bytes). */
export interface PartialOpening {
  /** Position of the input in the task, from 0. */
  readonly input: number;
  /** Column id; 0 is the footer key. */
  readonly column: number;
  readonly point: Uint8Array;
}

/** What a batched proof over the answers to `join` is bound to, besides seat and epoch. */
export function openProofRequest(
  genesis: Uint8Array,
  join: Uint8Array,
  crypto: CryptoPort,
): Uint8Array {
  return crypto.digest('sha256', encodeCbor(['cloister/open-proof/v1', genesis, join]));
}

/** A keeper's whole answer: the partial openings, and its receipt for them. */
export interface Opened {
  readonly partials: readonly PartialOpening[];
  /** A signed `OpeningReceipt` (contract/events/opening-receipt.ts). */
  readonly receipt: Uint8Array;
}

export function encodeOpened({ partials, receipt }: Opened): Uint8Array<ArrayBuffer> {
  const listed = partials.map(({ input, column, point }) => [input, column, point]);
  return encodeCbor([2, listed, receipt]);
}

/** @throws CodedError `request-malformed` */
export function decodeOpened(bytes: Uint8Array): Opened {
  const [version, partials, receipt, ...rest] = list(bytes, 'partial openings');
  if (version !== 2 || rest.length > 0 || !Array.isArray(partials)) {
    throw malformed('partial openings');
  }
  if (!(receipt instanceof Uint8Array)) throw malformed('partial openings');
  return { partials: partials.map(partialOf), receipt };
}

function partialOf(item: Cbor): PartialOpening {
  const [input, column, point, ...more] = Array.isArray(item) ? item : [];
  const fits = typeof input === 'number' && typeof column === 'number' && more.length === 0;
  if (!fits || !(point instanceof Uint8Array) || point.length !== 65) {
    throw malformed('partial openings');
  }
  return { input, column, point };
}

/** Ids of joins, 32 bytes: the worker's, and that of the keeper whom the request is for. */
export interface Asked {
  readonly join: Uint8Array;
  readonly keeper: Uint8Array;
}

/** One keeper, as a worker calls it; give it a client that signs with the attested key. */
export class KeeperClient {
  readonly http: HttpJson;

  constructor(http: HttpJson) {
    this.http = http;
  }

  health(): Promise<z.infer<typeof keeperHealth>> {
    return this.http.json(keeperHealth, { path: '/healthz', timeoutMs: 5_000 });
  }

  /** 32 bytes that this keeper will accept once. */
  async challenge(about: Asked & { nonce: Uint8Array }): Promise<Uint8Array> {
    const json = { ...named(about), nonce: toHex(about.nonce) };
    const answer = await this.http.json(challengeAnswer, { path: '/v1/challenge', json });
    return fromHex(answer.challenge);
  }

  /** The seat, the epoch, and the partial openings sealed to the join's HPKE key. */
  async open(
    request: Asked & { freshness: readonly string[]; openings: Uint8Array },
  ): Promise<{ epoch: Uint8Array; seat: number; sealed: Uint8Array }> {
    const { freshness, openings } = request;
    const json = { ...named(request), freshness, openings: toBase64(openings) };
    const answer = await this.http.json(openAnswer, { path: '/v1/open', json });
    return {
      epoch: fromHex(answer.epoch),
      seat: answer.seat,
      sealed: fromBase64(answer.sealed),
    };
  }

  /** For blame, after a tag failed: the proof over all that this keeper answered to the join. */
  async prove(about: Asked): Promise<{ epoch: Uint8Array; seat: number; proof: Uint8Array }> {
    const json = named(about);
    const answer = await this.http.json(proveAnswer, { path: '/v1/prove', json });
    return { epoch: fromHex(answer.epoch), seat: answer.seat, proof: fromBase64(answer.proof) };
  }
}

function named({ join, keeper }: Asked): { join: string; keeper: string } {
  return { join: toHex(join), keeper: toHex(keeper) };
}

function list(bytes: Uint8Array, what: string): Cbor[] {
  const value = coded(
    () => decodeCbor(bytes),
    () => malformed(what),
  );
  if (!Array.isArray(value)) throw malformed(what);
  return value as Cbor[];
}

function malformed(what: string): CodedError {
  return requestError('request-malformed', `${what} are not in their encoding`);
}
