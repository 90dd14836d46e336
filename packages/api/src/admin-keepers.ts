// SPDX-License-Identifier: Apache-2.0
// The part of the admin API that is about keepers: what a gateway finds about them and their group
// key, what a rotation would do, how an attempt goes, and who still has to seal what.
import { z } from 'zod';
import { count, hex } from './fields.ts';

/** One keeper that has joined, with what its evidence proves now. */
export const keeperJson = z.object({
  join: hex(32),
  seat: count.nullable(),
  operator: z.string(),
  environment: z.string(),
  tee: z.string(),
  family: z.string(),
  trust: z.string(),
  measurement: z.string(),
  accepted: z.boolean(),
  checks: z.array(z.object({ what: z.string(), ok: z.boolean(), note: z.string() })),
});

/** What an operator, or the v-1 root families that hold most, hold of the seats. */
const holding = z.object({ who: z.array(z.string()), seats: count, most: count });

/** The key generation of the active epoch, computed again by this gateway. */
const ceremonyJson = z.object({
  /** Epochs from this one back to the key generation that it was reshared from. */
  lineage: z.array(hex(32)),
  /** Each dealer's proof, commitment and (in a reshare) old share hold, or the gateway says not. */
  dealers: z.array(z.object({ seat: count, operator: z.string(), commitments: count })),
  /** Computed from the reveals. */
  groupKey: hex(65),
  transcript: hex(32),
  acknowledged: z.array(z.object({ seat: count, operator: z.string() })),
});

export const keepersAnswer = z.object({
  rule: z.string(),
  holdings: z.array(holding),
  epoch: hex(32).nullable(),
  transcript: hex(32).nullable(),
  ceremony: ceremonyJson.nullable(),
  /** Why this gateway seals nothing to the active key; null when it would. */
  fault: z.object({ code: z.string(), sentence: z.string() }).nullable(),
  keepers: z.array(keeperJson),
});

/**
 * POST /admin/v1/epochs: the newest joins, one a machine, unless joins are named; with `from`, the
 * active epoch, its group key is dealt again.
 */
export const epochRequest = z.strictObject({
  joins: z.array(hex(32)).max(255).default([]),
  from: hex(32).nullable().default(null),
});

/** POST /admin/v1/epochs/plan */
export const rotationRequest = z.strictObject({
  joins: z.array(hex(32)).max(255).default([]),
  newKey: z.boolean().default(false),
  refresh: z.boolean().default(false),
});

const joinCard = z.object({
  join: hex(32),
  operator: z.string(),
  environment: z.string(),
  tee: z.string(),
  family: z.string(),
});

/** What a rotation would do. `none`: the newest keepers hold the key already. */
export const rotationPlan = z.object({
  kind: z.enum(['reshare', 'new-key', 'none']),
  why: z.string(),
  /** The epoch whose shares are dealt again; null for a new key. */
  from: hex(32).nullable(),
  threshold: count,
  /** `holds`: has a share of the active epoch. */
  seats: z.array(joinCard.extend({ seat: count, holds: z.boolean() })),
  leaving: z.array(joinCard.extend({ why: z.string() })),
  /** Keepers that have joined and whose evidence this gateway refuses. */
  leftOut: z.array(joinCard.extend({ code: z.string(), wanted: z.string(), got: z.string() })),
  holdings: z.array(holding),
  /** Who seals how many dataset versions again. */
  reseal: z.array(z.object({ owner: z.string(), datasets: count })),
});

/** Members who want a proposal, and how many must before it begins to form. */
const agreement = z.object({ by: z.array(z.string()), wanted: count });

/** GET /admin/v1/epochs: what members want and has not begun to form. */
export const openProposal = z.object({
  id: hex(32),
  member: z.string(),
  from: hex(32).nullable(),
  seats: z.array(joinCard),
  agreed: agreement,
});

/** GET /admin/v1/epochs/:id: one attempt, and whom its phase waits for. */
export const attemptJson = z.object({
  id: hex(32),
  status: z.enum(['proposed', 'forming', 'active', 'superseded', 'ended']),
  /** While it is proposed. */
  agreed: agreement.nullable(),
  phase: z.enum(['commit', 'reveal', 'ack']),
  /** Ledger time at which the phase is over, in ms, and the ledger's clock now. */
  deadline: count,
  clock: count,
  waitsFor: z.array(joinCard),
  groupKey: hex(65).nullable(),
  end: z
    .object({
      code: z.string(),
      wanted: z.string(),
      got: z.string(),
      /** Joins at fault. */
      faults: z.array(joinCard),
      /** What this gateway finds wrong itself with a seat of the attempt. */
      found: z.array(joinCard.extend({ code: z.string(), wanted: z.string(), got: z.string() })),
    })
    .nullable(),
});

/** GET /admin/v1/resealing: who still has to seal what to the active group key. */
export const resealingAnswer = z.array(
  z.object({
    owner: z.string(),
    sealed: count,
    waiting: z.array(z.object({ dataset: hex(16), version: count, name: z.string() })),
    /** Whether the owner's gateway answers this one; our own does. */
    answers: z.boolean(),
    /** Why our own gateway does not seal, if so. */
    fault: z.object({ code: z.string(), sentence: z.string() }).nullable(),
  }),
);

export type KeepersAnswer = z.infer<typeof keepersAnswer>;
export type RotationPlan = z.infer<typeof rotationPlan>;
export type OpenProposal = z.infer<typeof openProposal>;
export type Attempt = z.infer<typeof attemptJson>;
export type Resealing = z.infer<typeof resealingAnswer>;
