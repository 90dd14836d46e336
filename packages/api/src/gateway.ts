// SPDX-License-Identifier: Apache-2.0
// A gateway as its peers see it: the ledger's order with cosigned checkpoints, the witness, and the
// openings for an attested worker. Bytes travel as base64 (events) or hexadecimal (digests).
import { fromBase64, toHex } from '@cloister/core';
import { z } from 'zod';
import type { HttpJson } from './http-json.ts';

const hex32 = z.string().regex(/^[0-9a-f]{64}$/, 'wanted 64 lower-case hexadecimal digits');
const base64 = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/, 'wanted base64');
/** Most bytes of an answer that is one note. */
const NOTE_BYTES_MAX = 262_144;
/** Most bytes of an answer of handovers. */
const HANDOVERS_BYTES_MAX = 1_048_576;
const size = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

/** GET /healthz */
export const health = z.object({
  ok: z.boolean(),
  role: z.string(),
  name: z.string(),
  genesis: hex32.nullable(),
  size,
  simulated: z.boolean().nullable(),
  /** Why it is not ok: the code and what to do. */
  code: z.string().optional(),
  sentence: z.string().optional(),
});

/** GET /v1/log/entries?from&limit&wait: events in order; `size` is how many the gateway has. */
export const entries = z.object({ from: size, events: z.array(base64).max(1_000), size });

/** GET /v1/log/checkpoint?least: a signed note with the cosignatures gathered so far. */
export const checkpointAnswer = z.object({ note: z.string().max(65_536), size, root: hex32 });

/**
 * GET /v1/log/handovers?from: signed notes by which a reader of the charter of version `from` or a
 * later one follows its changes of witnesses, in order; not all at once.
 */
export const handoversAnswer = z.object({ notes: z.array(z.string().max(65_536)).max(8) });

/** GET /v1/log/inclusion?seq&size and /v1/log/consistency?from&to (RFC 6962 section 2.1). */
export const proofAnswer = z.object({ proof: z.array(hex32).max(64) });

/** POST /v1/events (raw bytes): the position, and what the gateway's own fold says of it. */
export const appendAnswer = z.object({
  seq: size,
  id: hex32,
  status: z.enum(['accepted', 'void']),
  code: z.string().optional(),
  sentence: z.string().optional(),
});

/** POST /v1/cosign: sign the checkpoint of exactly this size and root, once it is followed. */
export const cosignRequest = z.object({ size, root: hex32 });
export const cosignAnswer = z.object({ note: z.string().max(65_536) });

/** POST /v1/freshness: sign the newest head together with keepers' challenges. */
export const freshnessRequest = z.object({
  size,
  root: hex32,
  challenges: z.array(hex32).min(1).max(99),
});
export const freshnessAnswer = z.object({ note: z.string().max(65_536) });

/** POST /v1/openings, signed by the worker: openings sealed to its attested key. */
export const openingsRequest = z.object({ join: hex32 });
export const openingsAnswer = z.object({ sealed: base64 });

export type AppendAnswer = z.infer<typeof appendAnswer>;

/** One gateway, as keepers, workers and other gateways call it. */
export class GatewayClient {
  readonly http: HttpJson;

  constructor(http: HttpJson) {
    this.http = http;
  }

  health(): Promise<z.infer<typeof health>> {
    return this.http.json(health, { path: '/healthz', timeoutMs: 5_000 });
  }

  /** Up to `limit` events from position `from`; waits up to `waitMs` when there is none yet. */
  async entries(
    from: number,
    options: { limit?: number; waitMs?: number } = {},
  ): Promise<{ events: Uint8Array[]; size: number }> {
    const { limit = 500, waitMs = 0 } = options;
    const path = `/v1/log/entries?from=${from}&limit=${limit}&wait=${waitMs}`;
    const answer = await this.http.json(entries, { path, timeoutMs: waitMs + 30_000 });
    return { events: answer.events.map(fromBase64), size: answer.size };
  }

  /** The newest checkpoint, of at least `least` entries, with a quorum of cosignatures. */
  checkpoint(least?: number): Promise<z.infer<typeof checkpointAnswer>> {
    const path = `/v1/log/checkpoint${least === undefined ? '' : `?least=${least}`}`;
    return this.http.json(checkpointAnswer, { path });
  }

  /** Notes that hand over from the charter of version `from` and from later ones. */
  async handovers(from: number): Promise<string[]> {
    const path = `/v1/log/handovers?from=${from}`;
    return (await this.http.json(handoversAnswer, { path, maxBytes: HANDOVERS_BYTES_MAX })).notes;
  }

  append(event: Uint8Array): Promise<AppendAnswer> {
    return this.http.json(appendAnswer, { path: '/v1/events', bytes: event });
  }

  async cosign(head: { size: number; root: Uint8Array }, timeoutMs = 10_000): Promise<string> {
    const json = { size: head.size, root: toHex(head.root) };
    const request = { path: '/v1/cosign', json, timeoutMs, maxBytes: NOTE_BYTES_MAX };
    return (await this.http.json(cosignAnswer, request)).note;
  }

  async freshness(
    head: { size: number; root: Uint8Array },
    challenges: readonly Uint8Array[],
  ): Promise<string> {
    const json = { size: head.size, root: toHex(head.root), challenges: challenges.map(toHex) };
    const request = { path: '/v1/freshness', json, maxBytes: NOTE_BYTES_MAX };
    return (await this.http.json(freshnessAnswer, request)).note;
  }

  /** Needs a client whose requests the worker's attested signing key signs. */
  async openings(join: Uint8Array): Promise<Uint8Array> {
    const answer = await this.http.json(openingsAnswer, {
      path: '/v1/openings',
      json: { join: toHex(join) },
    });
    return fromBase64(answer.sealed);
  }
}
