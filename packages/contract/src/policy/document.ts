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
import { issueSentence, meant, type SchemaIssue } from '@cloister/core';
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
  throw contractError('policy-malformed', `the policy is wrong ${firstWrong(parsed.error, value)}`);
}

/** Every name of a field that a document may have. */
const FIELDS: readonly string[] = [
  ...Object.keys(documentSchema.shape),
  ...Object.keys(documentSchema.shape.limits.shape),
  ...ruleSchema.options.flatMap(({ shape }) => Object.keys(shape)),
];

/**
 * Where, and what. A field that is not known comes first: what is missing then is often what was
 * meant by it.
 */
function firstWrong({ issues }: z.ZodError, value: unknown): string {
  const unknown = issues.find(({ code }) => code === 'unrecognized_keys');
  const issue: SchemaIssue | undefined = unknown ?? issues[0];
  if (issue === undefined) return 'as a whole: it is malformed';
  const where = `at ${issue.path.length === 0 ? 'the top' : issue.path.join(' / ')}`;
  if (unknown?.code === 'unrecognized_keys') {
    const known = FIELDS.filter((field) => !unknown.keys.includes(field));
    const names = unknown.keys.map((key) => `${key.slice(0, 100)}${meant(key, known)}`);
    return `${where}: there is no ${names.join(', ')}`;
  }
  const { values, options } = issue as { values?: readonly unknown[]; options?: unknown };
  const choices = values ?? (Array.isArray(options) ? options : []);
  const given = issue.path.reduce<unknown>(within, value);
  const got = typeof given === 'string' && choices.length > 0;
  const slip = got ? `, got ${given.slice(0, 100)}${meant(given, choices.map(String))}` : '';
  return `${where}: ${issueSentence(issue)}${slip}`;
}

/** One step of a path; a single rule is read as a list of one. */
function within(value: unknown, key: PropertyKey): unknown {
  if (key === 0 && !Array.isArray(value)) return value;
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}
