// SPDX-License-Identifier: Apache-2.0
// The part of the admin API that is about the life of a dataset: a new version of it.
import { z } from 'zod';
import { datasetRequest, priceJson } from './admin.ts';
import { hex } from './fields.ts';

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
