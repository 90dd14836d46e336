// SPDX-License-Identifier: Apache-2.0
// The part of the admin API that is about the charter: as it is, as it was, amendments that wait,
// what each changes and who still has to sign.
import { z } from 'zod';
import { count, hex } from './fields.ts';

/** A charter's body as JSON, byte strings as {"hex"}. */
const readable = z.record(z.string(), z.unknown());
const base64 = z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/, 'wanted base64');
const slugs = z.array(z.string().max(32)).max(200);

/** What an amendment changes, who has signed, who is missing, and what becomes of keys and data. */
export const amendmentJson = z.object({
  /** Null for one that is only looked at. */
  id: hex(32).nullable(),
  author: z.string(),
  version: count,
  within: count.nullable(),
  replaces: slugs,
  changes: z.array(
    z.object({ effect: z.enum(['widens', 'narrows', 'neutral']), says: z.string() }),
  ),
  signed: slugs,
  wanted: count,
  /** Members whose own old key has to sign. */
  own: slugs,
  /** Members whose new keys have to speak, with the keys. */
  unshown: z.array(z.object({ member: z.string(), key: hex(32) })),
  effects: z.object({
    lost: z.array(z.object({ seat: count, operator: z.string() })),
    seats: count,
    threshold: count,
    keyLost: z.boolean(),
    retired: slugs,
    owners: slugs,
    gains: z.boolean(),
  }),
});

/** GET /admin/v1/charter */
export const charterAnswer = z.object({
  /** Whose gateway answers. */
  member: z.string(),
  genesis: hex(32),
  charter: readable,
  version: count,
  size: count,
  /** The newest version that each member has signed. */
  accepted: z.array(z.object({ member: z.string(), version: count })),
  open: z.array(amendmentJson),
  /** Charters that were in force, the first first. */
  history: z.array(
    z.object({
      version: count,
      seq: count,
      amendment: hex(32).nullable(),
      author: z.string().nullable(),
      changes: z.array(z.string()),
    }),
  ),
});

/** POST /admin/v1/charter/amend */
export const amendRequest = z.strictObject({
  charter: readable,
  replaces: slugs.default([]),
  /** Ledger size by which it must be in force; the gateway's own choice where absent. */
  within: z.number().int().min(1).optional(),
  /** Root documents of environments that it adds. */
  roots: z.array(base64).max(200).default([]),
  /** Say what it would do, and propose nothing. */
  dryRun: z.boolean().default(false),
});

/** POST /admin/v1/charter/sign: an amendment by id, or a signature made elsewhere. */
export const charterSignRequest = z.strictObject({
  amend: hex(32).optional(),
  event: base64.optional(),
});

/** GET /admin/v1/charter/amendments/:id: for members who sign without a gateway. */
export const amendmentFile = z.object({
  genesis: hex(32),
  amend: hex(32),
  size: count,
  charter: readable,
});

export const amendAnswer = z.object({
  amendment: amendmentJson,
  /** Null for one that is only looked at. */
  seq: count.nullable(),
  /** Whether its author's signature was enough. */
  inForce: z.boolean(),
});

export const signAnswer = z.object({
  seq: count,
  /** Whether this signature brought it into force. */
  inForce: z.boolean(),
  /** Whether it was in force before. */
  late: z.boolean(),
  version: count,
});

export type AmendmentJson = z.infer<typeof amendmentJson>;
export type CharterAnswer = z.infer<typeof charterAnswer>;
export type AmendmentFile = z.infer<typeof amendmentFile>;
