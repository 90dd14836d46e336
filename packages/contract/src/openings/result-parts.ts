// SPDX-License-Identifier: Apache-2.0
// A result as a list of blobs, itself a blob that the usage record names: the parts of each
// statement's file and the key bundle.
//
//   [ 1, [ [ part, ... ], ... ], bundle ]     statements in order, at least one part each
//
// spec/dataset.md, "Result".
import { type CodedError, compare, decodeCbor, encodeCbor } from '@cloister/core';
import { contractError } from '../errors.ts';
import { STATEMENTS_MAX } from '../ports/planner.ts';

/** The most parts of all statements of a result together. */
export const PARTS_MAX = 10_000;

const VERSION = 1;
/** Of the longest list. */
export const MAX_PARTS_BYTES = 64 + PARTS_MAX * 34 + STATEMENTS_MAX * 3;

/** Digests of a result's blobs. */
export interface ResultParts {
  /** Of each statement, from 0, its parts in order. */
  readonly statements: readonly (readonly Uint8Array[])[];
  readonly bundle: Uint8Array;
}

export function encodeResultParts({ statements, bundle }: ResultParts): Uint8Array<ArrayBuffer> {
  return encodeCbor([VERSION, statements.map((parts) => [...parts]), bundle]);
}

/** Every blob is named once. @throws CodedError `result-malformed`, core's CBOR codes */
export function decodeResultParts(bytes: Uint8Array): ResultParts {
  if (bytes.length > MAX_PARTS_BYTES) throw malformed(`it has ${bytes.length} bytes`);
  const value: unknown = decodeCbor(bytes);
  if (!Array.isArray(value) || value.length !== 3 || value[0] !== VERSION) {
    throw malformed(`it is not [${VERSION}, statements, bundle]`);
  }
  const [, statements, bundle] = value as unknown[];
  if (!Array.isArray(statements) || statements.length < 1 || statements.length > STATEMENTS_MAX) {
    throw malformed(`it has not 1 to ${STATEMENTS_MAX} statements`);
  }
  if (!isDigest(bundle) || !statements.every(isPartList)) throw malformed('a digest is missing');
  const all = [...statements.flat(), bundle].sort(compare);
  if (all.length > PARTS_MAX + 1) throw malformed(`it has ${all.length} blobs`);
  if (all.some((one, i) => i > 0 && compare(one, all[i - 1] as Uint8Array) === 0)) {
    throw malformed('it names a blob twice');
  }
  return { statements, bundle };
}

function isPartList(value: unknown): value is Uint8Array[] {
  return Array.isArray(value) && value.length > 0 && value.every(isDigest);
}

function isDigest(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === 32;
}

function malformed(what: string): CodedError {
  return contractError('result-malformed', `a list of a result's parts is malformed: ${what}`);
}
