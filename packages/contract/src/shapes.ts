// SPDX-License-Identifier: Apache-2.0
// The small values that event bodies are made of, as strict schemas: what does not match is
// malformed. Times are milliseconds since the Unix epoch, money is in millionths of a currency
// unit, column ids are positions from 1 (0 is a file's footer key). spec/events.md, "Values".
import { toHex } from '@cloister/core';
import { z } from 'zod';

/** A byte string of exactly `length` bytes. */
export function bytesOf(length: number) {
  return z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length === length,
    `wanted ${length} bytes`,
  );
}

/** A byte string of `min` to `max` bytes. */
export function bytesUpTo(max: number, min = 1) {
  return z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length >= min && value.length <= max,
    `wanted ${min} to ${max} bytes`,
  );
}

export const digest = bytesOf(32);
/** SHA-256 of 16 random bytes and a value; see commitment.ts. */
export const commitment = bytesOf(32);
export const ed25519Key = bytesOf(32);
/** An uncompressed P-256 point (SEC1 section 2.3.3). */
export const point = bytesOf(65);
export const id16 = bytesOf(16);
/** Name of a member, operator or environment inside a charter. */
export const slug = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, 'wanted a slug: a-z, 0-9 and -');
export const title = z.string().min(1).max(200);
/** A stable code, as on errors. */
export const code = z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, 'wanted a code: a-z, 0-9 and -');
export const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);
export const positive = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);
export const time = count;
export const columnId = z.number().int().min(0).max(65_535);
/** Ascending, distinct ids of at least `least` columns; in one look, since there may be many. */
export function ascendingColumns(least: number) {
  const holds = (ids: unknown): ids is number[] =>
    Array.isArray(ids) &&
    ids.length >= least &&
    ids.length <= 10_000 &&
    ids.every((id) => Number.isInteger(id) && id >= 1 && id <= 65_535) &&
    strictlyAscending(ids);
  return z.custom<number[]>(holds, `wanted ${least} to 10,000 ascending, distinct column ids`);
}

export const columnIds = ascendingColumns(1);
export const seat = z.number().int().min(1).max(255);

/** Prices in millionths of `currency` (ISO 4217) per run, per row read, per GB read, per second. */
export const price = z.strictObject({
  currency: z.string().regex(/^[A-Z]{3}$/, 'wanted an ISO 4217 code'),
  run: count,
  row: count,
  gigabyte: count,
  second: count,
});

/** One version of one dataset. */
export const datasetVersion = z.strictObject({ dataset: id16, version: positive });

/** Granted or wanted columns of one dataset version. */
export const input = z.strictObject({ dataset: id16, version: positive, columns: columnIds });

/** Inputs of a task or grant: every dataset version at most once. */
export const inputs = z
  .array(input)
  .min(1)
  .max(100)
  .refine(distinctVersions, 'wanted every dataset version once');

/** Names, each once. */
export const distinctSlugs = z
  .array(slug)
  .min(1)
  .max(200)
  .refine(distinct, 'wanted every name once');

/** An output column, by id, and who may open it. */
export interface Output {
  id: number;
  recipients: string[];
}

/** Output columns, ascending; in one look, since there may be many. */
export const outputs = z.custom<Output[]>(
  areOutputs,
  'wanted 1 to 10,000 outputs, ascending, each with its id and distinct recipients',
);

function areOutputs(value: unknown): value is Output[] {
  if (!Array.isArray(value) || value.length < 1 || value.length > 10_000) return false;
  const names = new Set<string>();
  return value.every((one, i) => isOutput(one, names) && (i === 0 || one.id > value[i - 1].id));
}

/** `names` are known to be names: most outputs go to the same ones. */
function isOutput(value: unknown, names: Set<string>): value is Output {
  if (typeof value !== 'object' || value === null || Object.keys(value).length !== 2) return false;
  const { id, recipients } = value as Partial<Output>;
  if (!Number.isInteger(id) || (id as number) < 1 || (id as number) > 65_535) return false;
  if (!Array.isArray(recipients) || recipients.length < 1 || recipients.length > 200) return false;
  for (const name of recipients) {
    if (names.has(name)) continue;
    if (!slug.safeParse(name).success) return false;
    names.add(name);
  }
  return recipients.length === 1 || distinct(recipients);
}

export type Price = z.infer<typeof price>;
export type Input = z.infer<typeof input>;

export function distinct(names: readonly string[]): boolean {
  return new Set(names).size === names.length;
}

export function strictlyAscending(values: readonly number[]): boolean {
  return values.every((value, i) => i === 0 || value > (values[i - 1] as number));
}

export function distinctVersions(
  values: readonly { readonly dataset: Uint8Array; readonly version: number }[],
): boolean {
  return new Set(values.map((v) => `${toHex(v.dataset)}/${v.version}`)).size === values.length;
}

/** The first of `ids` that is not among `known`; both ascend, so each is read once. */
export function firstUnknown(ids: readonly number[], known: readonly number[]): number | undefined {
  let at = 0;
  return ids.find((id) => {
    while (at < known.length && (known[at] as number) < id) at++;
    return known[at] !== id;
  });
}
