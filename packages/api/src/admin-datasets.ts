// SPDX-License-Identifier: Apache-2.0
// The part of the admin API that is about the life of a dataset: a new version of it, another
// policy for it, what that does to grants, and what can be removed.
import { z } from 'zod';
import { datasetRequest, priceJson, recorded } from './admin.ts';
import { errorBody } from './errors.ts';
import { count, hex } from './fields.ts';

/**
 * POST /admin/v1/datasets/replace: the next version of a dataset of ours, of these uploads; answers
 * a `datasetJob`. What is not told stays as the version before has it.
 */
export const replaceRequest = datasetRequest
  .omit({ name: true, policy: true, price: true })
  .extend({
    dataset: hex(16),
    policy: z.unknown().optional(),
    price: priceJson.optional(),
    /** Whether columns and types may be others than those of the version before. */
    newSchema: z.boolean().default(false),
  });

export type ReplaceRequest = z.input<typeof replaceRequest>;

/**
 * POST /admin/v1/datasets/check: whether a dataset could be made of these uploads, as far as it is
 * told what it is to be. Nothing is written.
 */
export const datasetCheckRequest = datasetRequest
  .pick({ uploads: true, types: true, strict: true })
  .extend({ name: datasetRequest.shape.name.optional(), policy: z.unknown().optional() });

export const datasetCheck = z.object({
  /** As they would be; none where the files do not make one table. */
  columns: z.array(
    z.object({
      name: z.string(),
      type: z.string(),
      /** Null without a policy that fits. */
      rule: z.string().nullable(),
    }),
  ),
  /** What adding it would be refused with. */
  findings: z.array(errorBody.shape.error),
  /** What is allowed and may not be meant. */
  notes: z.array(z.string()),
});

export type DatasetCheckRequest = z.input<typeof datasetCheckRequest>;
export type DatasetCheck = z.infer<typeof datasetCheck>;

/**
 * POST /admin/v1/datasets/policy: another policy for a dataset of ours, or one version of it; with
 * `dryRun`, what that would do.
 */
export const policyRequest = z.strictObject({
  dataset: hex(16),
  version: count.min(1).optional(),
  policy: z.unknown(),
  dryRun: z.boolean().default(false),
});

/**
 * What a policy does to a task: its grants stay, end, or wait for more persons; it may be approved
 * now, or is declined.
 */
export const POLICY_EFFECTS = ['stays', 'ends', 'waits', 'allowed', 'declined'] as const;

export const policyAnswer = z.object({
  versions: z.array(
    z.object({
      version: count,
      /** Lines in words; none: it has this policy already. */
      changes: z.array(z.string()),
      /** Null where nothing was to be recorded, or only looked at. */
      recorded: recorded.nullable(),
    }),
  ),
  tasks: z.array(
    z.object({
      task: hex(32),
      purpose: z.string(),
      effect: z.enum(POLICY_EFFECTS),
      /** Why it ends, waits or is declined. */
      code: z.string().optional(),
      sentence: z.string().optional(),
      /** Whether a grant for any version of it is for none but the task's own from now on. */
      laterEnd: z.boolean(),
    }),
  ),
});

/** GET /admin/v1/datasets/:dataset/policy?version: as a document, of any member's dataset. */
export const policyShown = z.object({
  dataset: hex(16),
  version: count,
  name: z.string(),
  policy: z.record(z.string(), z.unknown()),
});

/** POST /admin/v1/datasets/remove: what nobody needs any more leaves the gateway's disk. */
export const removeRequest = z.strictObject({
  dryRun: z.boolean().default(false),
  /** Whether our master keys of retired versions go as well. */
  keys: z.boolean().default(false),
});

export const removalAnswer = z.object({
  /** Retired versions of which something goes: how much, and what stays because it is needed. */
  datasets: z.array(
    z.object({
      dataset: hex(16),
      version: count,
      owner: z.string(),
      name: z.string(),
      blobs: count,
      bytes: count,
      kept: count,
      keys: z.boolean(),
    }),
  ),
  /** How many plain files went; null in a dry run. */
  plain: count.nullable(),
});

export type RemovalAnswer = z.infer<typeof removalAnswer>;
export type PolicyAnswer = z.infer<typeof policyAnswer>;
