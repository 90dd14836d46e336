// SPDX-License-Identifier: Apache-2.0
// A result as its recipients get it: files and a key bundle, whose digests are in the list that the
// usage record names (result-parts.ts).
//
//   1. the result files, in parts: Parquet in the dataset mode (a master key a column, masterKeyID
//      the output column's id, 0 the footer; AAD prefix `resultAadPrefix`), each part followed by
//      random padding
//   2. the key bundle: [version, [[member, HPKE(sealed keys)], ...]]
//
// Each recipient's sealed keys hold, for each file of which it gets a column, its parts' true
// lengths and only the columns it may open, with the footer key. Padding follows Padme (at most
// 12 % longer): a blob's size tells the order of magnitude of the result and little more.
// spec/dataset.md, "Result".
import {
  type Cbor,
  type CodedError,
  coded,
  decodeCbor,
  encodeCbor,
  firstIssue,
} from '@cloister/core';
import { z } from 'zod';
import { contractError } from '../errors.ts';
import {
  bytesOf,
  bytesUpTo,
  columnId,
  count,
  positive,
  slug,
  strictlyAscending,
} from '../shapes.ts';
import { PARTS_MAX } from './result-parts.ts';

const bundle = z.tuple([
  z.literal(1),
  z
    .array(z.tuple([slug, bytesUpTo(1_048_576)]))
    .min(1)
    .max(200),
]);
const fileKeys = z.strictObject({
  statement: count,
  lengths: z.array(positive).min(1).max(PARTS_MAX),
  columns: z.array(z.strictObject({ id: columnId, name: z.string().max(1_000), key: bytesOf(32) })),
});
const keys = z.strictObject({
  files: z
    .array(fileKeys)
    .min(1)
    .refine(
      (files) => strictlyAscending(files.map(({ statement }) => statement)),
      'wanted ascending, distinct statements',
    ),
});

/**
 * Keys to one statement's file, whose parts have `lengths`; `columns` include id 0, the footer,
 * with an empty name.
 */
export type ResultFileKeys = z.infer<typeof fileKeys>;
/** What one recipient's sealed keys hold: the files of which it gets a column. */
export type ResultKeys = z.infer<typeof keys>;

/** HPKE info of the keys sealed to `member`. */
export function resultKeysInfo(about: {
  genesis: Uint8Array;
  task: Uint8Array;
  run: Uint8Array;
  member: string;
}): Uint8Array {
  return encodeCbor([
    'cloister/result-keys/v1',
    about.genesis,
    about.task,
    about.run,
    about.member,
  ]);
}

/** AAD prefix of a part (from 0) of the result file of one statement (from 0). */
export function resultAadPrefix(about: {
  genesis: Uint8Array;
  task: Uint8Array;
  run: Uint8Array;
  statement: number;
  part: number;
}): Uint8Array {
  const { genesis, task, run, statement, part } = about;
  return encodeCbor(['cloister/result/v1', genesis, task, run, statement, part]);
}

/** AAD prefix of file `file` (from 0) of a dataset version. */
export function datasetAadPrefix(about: {
  genesis: Uint8Array;
  dataset: Uint8Array;
  version: number;
  file: number;
}): Uint8Array {
  return encodeCbor([about.genesis, about.dataset, about.version, about.file]);
}

export function encodeResultKeys(value: ResultKeys): Uint8Array {
  return encodeCbor(value as unknown as Cbor);
}

/** @throws CodedError `result-malformed`, `cbor-malformed` */
export function decodeResultKeys(bytes: Uint8Array): ResultKeys {
  return parse(keys, bytes, "a recipient's result keys");
}

export function encodeKeyBundle(sealed: ReadonlyMap<string, Uint8Array>): Uint8Array {
  return encodeCbor([1, [...sealed].sort(([a], [b]) => (a < b ? -1 : 1))]);
}

/** Sealed keys by recipient, each once. @throws CodedError `result-malformed`, `cbor-malformed` */
export function decodeKeyBundle(bytes: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const entries = parse(bundle, bytes, 'a key bundle')[1];
  const sealed = new Map(entries);
  if (sealed.size !== entries.length) throw malformed('a key bundle names a member twice');
  return sealed;
}

/** The padded length of `length` bytes (Padme: the low bits of a length are rounded up). */
export function paddedLength(length: number): number {
  if (length < 2) return 2;
  const exponent = Math.floor(Math.log2(length));
  const kept = Math.floor(Math.log2(exponent)) + 1;
  const step = 2 ** Math.max(exponent - kept, 0);
  return Math.ceil(length / step) * step;
}

function parse<T extends z.ZodType>(schema: T, bytes: Uint8Array, what: string): z.infer<T> {
  const value = coded(
    () => decodeCbor(bytes),
    () => malformed(`${what} is not CBOR`),
  );
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw malformed(`${what}: ${firstIssue(parsed.error).says}`);
}

function malformed(message: string): CodedError {
  return contractError('result-malformed', message);
}
