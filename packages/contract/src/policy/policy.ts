// SPDX-License-Identifier: Apache-2.0
// A policy in force: the document compiled against a schema. Columns are ids, every condition is
// spelled out, and each grouping carries the form that the engine bound it to, so that whoever
// judges (a keeper) compares forms and never parses SQL. Its encoding is deterministic CBOR, the
// value behind the policy commitment of a dataset event. spec: protocol.md, "Uses and SQL".
import { type Cbor, decodeCbor, encodeCbor, firstIssue, isCoded, meant } from '@cloister/core';
import { z } from 'zod';
import { contractError } from '../errors.ts';
import type { PolicyDocument, RuleDocument } from './document.ts';

const strings = z.union([z.literal('any'), z.array(z.string()).min(1)]);
const conditions = { for: strings, purpose: strings, code: strings };
const groupingSchema = z.strictObject({ sql: z.string(), bound: z.string().min(1) });

const ruleSchema = z.discriminatedUnion('rule', [
  z.strictObject({ rule: z.literal('hidden'), ...conditions }),
  z.strictObject({ rule: z.literal('subject'), ...conditions }),
  z.strictObject({
    rule: z.literal('aggregate'),
    functions: z.array(z.enum(['COUNT', 'SUM', 'AVG'])),
    groupings: z.array(groupingSchema),
    k: z.int().min(2),
    ...conditions,
  }),
  z.strictObject({ rule: z.literal('reveal'), ...conditions }),
]);

const policySchema = z.strictObject({
  version: z.literal(1),
  k: z.union([z.literal('none'), z.int().min(2)]),
  approvals: z.int().min(1),
  limits: z.strictObject({
    runs: z.union([z.literal('none'), z.int().min(1)]),
    days: z.union([z.literal('none'), z.int().min(1)]),
  }),
  columns: z.array(
    z.strictObject({ id: z.int().min(1), name: z.string().min(1), rules: z.array(ruleSchema) }),
  ),
});

/** An owner-listed grouping: its SQL for people, its bound form for machines. */
export type Grouping = z.infer<typeof groupingSchema>;
/** One rule with nothing left implied. */
export type Rule = z.infer<typeof ruleSchema>;
/** A dataset's policy in force; `columns` holds every schema column, in id order. */
export type Policy = z.infer<typeof policySchema>;

/** What compiling needs to know of a column. */
export interface PolicyColumn {
  readonly id: number;
  readonly name: string;
}

/** Names in one message. */
const NAMED_MOST = 10;

/** Binds one grouping expression on the owner's own table: `EnginePort.bindGrouping`. */
export type BindGrouping = (sql: string) => Promise<{ bound: string; columns: readonly number[] }>;

/**
 * Compiles a document against a schema.
 * @throws CodedError `policy-unknown-column`, `policy-no-subject`, `policy-no-minimum`,
 * `policy-largest-unsupported`, and whatever `bind` refuses
 */
export async function compilePolicy(input: {
  document: PolicyDocument;
  columns: readonly PolicyColumn[];
  bind: BindGrouping;
}): Promise<Policy> {
  const { document, columns, bind } = input;
  refuseUnknownColumns(document, columns);
  const compiled: Policy['columns'] = [];
  for (const column of [...columns].sort((a, b) => a.id - b.id)) {
    const list = Object.hasOwn(document.columns, column.name)
      ? (document.columns[column.name] ?? [])
      : [];
    const rules: Rule[] = [];
    for (const rule of list) rules.push(await compileRule(rule, document, column, bind));
    compiled.push({ id: column.id, name: column.name, rules });
  }
  const all = compiled.flatMap((column) => column.rules.map((rule) => rule.rule));
  if ((all.includes('aggregate') || document.k !== 'none') && !all.includes('subject')) {
    const message =
      'k counts distinct subjects, so a policy with k or an aggregate rule must name the subject ' +
      'column: give the column that says whom a row is about {"rule": "subject"}';
    throw contractError('policy-no-subject', message);
  }
  const { approvals, limits, k } = document;
  return { version: 1, k, approvals, limits, columns: compiled };
}

function refuseUnknownColumns(document: PolicyDocument, columns: readonly PolicyColumn[]): void {
  const known = columns.map(({ name }) => name);
  const unknown = Object.keys(document.columns).filter((name) => !known.includes(name));
  const [column] = unknown;
  if (column === undefined) return;
  const free = known.filter((name) => !Object.hasOwn(document.columns, name));
  const names = unknown.slice(0, NAMED_MOST).map((name) => `${name}${meant(name, free)}`);
  const more = unknown.length > NAMED_MOST ? ` and ${unknown.length - NAMED_MOST} more` : '';
  const message = `the policy names what is no column of the dataset: ${names.join(', ')}${more}`;
  throw contractError('policy-unknown-column', message, { details: { column } });
}

async function compileRule(
  rule: RuleDocument,
  document: PolicyDocument,
  column: PolicyColumn,
  bind: BindGrouping,
): Promise<Rule> {
  const narrowed = {
    for: sorted(rule.for ?? document.for),
    purpose: sorted(rule.purpose ?? document.purpose),
    code: sorted(rule.code ?? document.code),
  };
  if (rule.rule !== 'aggregate') return { rule: rule.rule, ...narrowed };
  if (rule.largest !== undefined) {
    const message =
      `${column.name}: "largest" (the largest contributor's share) cannot be enforced yet; ` +
      'leave it out and choose a larger k';
    throw contractError('policy-largest-unsupported', message);
  }
  const k = rule.k ?? document.k;
  if (k === 'none') {
    const message = `${column.name}: an aggregate rule needs k, here or at the top of the policy`;
    throw contractError('policy-no-minimum', message);
  }
  const groupings: Grouping[] = [];
  for (const sql of rule.groupings) groupings.push({ sql, bound: (await bind(sql)).bound });
  groupings.sort((a, b) => (a.bound < b.bound ? -1 : a.bound > b.bound ? 1 : 0));
  const functions = [...new Set(rule.functions)].sort();
  return { rule: 'aggregate', functions, groupings, k, ...narrowed };
}

function sorted(choice: 'any' | readonly string[]): 'any' | string[] {
  return choice === 'any' ? 'any' : [...new Set(choice)].sort();
}

/** The deterministic encoding: what a policy commitment commits to. */
export function encodePolicy(policy: Policy): Uint8Array<ArrayBuffer> {
  return encodeCbor(policy as Cbor);
}

/** @throws CodedError `policy-malformed` */
export function decodePolicy(bytes: Uint8Array): Policy {
  let value: Cbor;
  try {
    value = decodeCbor(bytes);
  } catch (cause) {
    if (!isCoded(cause)) throw cause;
    throw contractError('policy-malformed', `not a policy: ${cause.message}`);
  }
  const parsed = policySchema.safeParse(value);
  if (!parsed.success) {
    const { where, says } = firstIssue(parsed.error);
    throw contractError('policy-malformed', `not a policy: ${where}: ${says}`);
  }
  const ids = parsed.data.columns.map((column) => column.id);
  if (ids.some((id, at) => at > 0 && id <= (ids[at - 1] ?? 0))) {
    const message = 'not a policy: column ids must ascend without repeats';
    throw contractError('policy-malformed', message);
  }
  return parsed.data;
}
