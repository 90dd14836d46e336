// SPDX-License-Identifier: Apache-2.0
// The policy document of a dataset: the JSON that a person writes. Strict: unknown keys are
// refused, and a choice is a value or the word 'any' (limits: 'none'); nothing is implied, except
// that a column which is not named is hidden. design.md, "Field policies".
//
//   { "for": "any", "purpose": ["credit-risk"], "code": "any", "k": 20, "approvals": 1,
//     "limits": { "runs": 2, "days": 30 },
//     "columns": {
//       "ID":  { "rule": "subject" },
//       "AGE": { "rule": "aggregate", "functions": ["AVG"], "groupings": ["AGE // 10"] },
//       "SEX": [{ "rule": "reveal", "for": ["bureau"] }, { "rule": "hidden", "for": ["bank"] }] } }
import { issueSentence } from '@cloister/core';
import { z } from 'zod';
import { contractError } from '../errors.ts';

const name = z.string().min(1).max(200);
/** A list of names, or 'any'. */
const choice = z.union([z.literal('any'), z.array(name).min(1).max(100)]);
const digests = z.union([
  z.literal('any'),
  z
    .array(z.string().regex(/^[0-9a-f]{64}$/, 'a code digest is 64 hex digits'))
    .min(1)
    .max(100),
]);
/** A minimum of rows and of distinct subjects; 1 would protect nobody. */
const minimum = z.int().min(2).max(1_000_000_000);

/** A rule may narrow the document's `for`, `purpose` and `code`; absent, the document's hold. */
const conditions = {
  for: choice.optional(),
  purpose: choice.optional(),
  code: digests.optional(),
};

const aggregateFunctions = ['COUNT', 'SUM', 'AVG'] as const;
/** What may be computed over the bare column under an `aggregate` rule. */
export type AggregateFunction = (typeof aggregateFunctions)[number];

const ruleSchema = z.discriminatedUnion('rule', [
  z.strictObject({ rule: z.literal('hidden'), ...conditions }),
  z.strictObject({ rule: z.literal('subject'), ...conditions }),
  z.strictObject({
    rule: z.literal('aggregate'),
    functions: z.array(z.enum(aggregateFunctions)).max(3),
    groupings: z.array(z.string().min(1).max(2000)).max(50).default([]),
    k: minimum.optional(),
    largest: z.number().positive().max(100).optional(),
    ...conditions,
  }),
  z.strictObject({ rule: z.literal('reveal'), ...conditions }),
]);

const documentSchema = z.strictObject({
  for: choice,
  purpose: choice,
  code: digests,
  k: z.union([z.literal('none'), minimum]),
  approvals: z.int().min(1).max(100),
  limits: z.strictObject({
    runs: z.union([z.literal('none'), z.int().min(1).max(1_000_000)]),
    days: z.union([z.literal('none'), z.int().min(1).max(36_500)]),
  }),
  // One rule or a list of them; read as a list, so that a mistake is told where it is.
  columns: z.record(
    name,
    z.preprocess(
      (value) => (Array.isArray(value) ? value : [value]),
      z.array(ruleSchema).min(1).max(20),
    ),
  ),
});

/** One rule as a person writes it. */
export type RuleDocument = z.infer<typeof ruleSchema>;
/** A dataset's policy as a person writes it. */
export type PolicyDocument = z.infer<typeof documentSchema>;

/**
 * Reads a policy document, from JSON text or an already parsed value.
 * @throws CodedError `policy-malformed`, naming the first place that is wrong
 */
export function parsePolicyDocument(input: unknown): PolicyDocument {
  let value = input;
  if (typeof input === 'string') {
    try {
      value = JSON.parse(input);
    } catch {
      throw contractError('policy-malformed', 'the policy is not JSON');
    }
  }
  const parsed = documentSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const where = issue === undefined || issue.path.length === 0 ? 'the top' : issue.path.join(' / ');
  const what = issue === undefined ? 'is malformed' : issueSentence(issue);
  throw contractError('policy-malformed', `the policy is wrong at ${where}: ${what}`);
}
