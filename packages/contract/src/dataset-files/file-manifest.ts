// SPDX-License-Identifier: Apache-2.0
// The files of a dataset version, as a blob: the event has its digest, so a version may have many
// more files than an event has room for. Whoever reads a dataset needs all of the list, and a
// digest that the event names makes it the one that the owner signed; a tree over the entries would
// prove one of them to a reader who has not the others, and there is none.
//
//   [ 1, [ [ blob, length, root, leaves ], ... ] ]     in the order of the files' numbers, from 0
//
// spec/dataset.md, "The list of files".
import { type CodedError, compare, decodeCbor, encodeCbor } from '@cloister/core';
import { contractError } from '../errors.ts';

/** The most files that a dataset version may have. */
export const FILES_MAX = 10_000;

const VERSION = 1;
/** Of the longest list: three digests, a length and their heads a file. */
export const MAX_MANIFEST_BYTES = 16 + FILES_MAX * 112;

/** One encrypted file. */
export interface DatasetFile {
  /** Digest of the file. */
  readonly blob: Uint8Array;
  /** Its length in bytes. */
  readonly length: number;
  /** RFC 6962 root over chunks of 256 KiB, and the blob that holds the leaf hashes. */
  readonly root: Uint8Array;
  readonly leaves: Uint8Array;
}

/** What a dataset's event says of its files. */
export interface FilesSaid {
  /** Digest of the list. */
  readonly manifest: Uint8Array;
  readonly count: number;
  /** Bytes of all files together. */
  readonly length: number;
}

export function encodeFileManifest(files: readonly DatasetFile[]): Uint8Array<ArrayBuffer> {
  const entries = files.map(({ blob, length, root, leaves }) => [blob, length, root, leaves]);
  return encodeCbor([VERSION, entries]);
}

/** What an event says of these files, whose list is the blob `manifest`. */
export function filesSaid(files: readonly DatasetFile[], manifest: Uint8Array): FilesSaid {
  return { manifest, count: files.length, length: totalOf(files) };
}

/**
 * The files of a list that was fetched by its digest, when it is what the event says: as many, as
 * long together, each once.
 * @throws CodedError `file-manifest-malformed`, `file-manifest-differs`, core's CBOR codes
 */
export function readFileManifest(bytes: Uint8Array, said: FilesSaid): DatasetFile[] {
  const files = parseFileManifest(bytes);
  if (files.length === said.count && totalOf(files) === said.length) return files;
  const got = `got ${files.length} files of ${totalOf(files)} bytes`;
  const wanted = `wanted ${said.count} of ${said.length}`;
  throw contractError('file-manifest-differs', `a list is not its event's: ${got}, ${wanted}`);
}

/**
 * The files of a list, whatever an event says of them: each once.
 * @throws CodedError `file-manifest-malformed`, core's CBOR codes
 */
export function parseFileManifest(bytes: Uint8Array): DatasetFile[] {
  if (bytes.length > MAX_MANIFEST_BYTES) throw malformed(`it has ${bytes.length} bytes`);
  const value: unknown = decodeCbor(bytes);
  if (!Array.isArray(value) || value.length !== 2 || value[0] !== VERSION) {
    throw malformed(`it is not [${VERSION}, files]`);
  }
  const entries: unknown = value[1];
  if (!Array.isArray(entries) || entries.length > FILES_MAX) throw malformed('it lists no files');
  const files = entries.map(readEntry);
  const blobs = files.map(({ blob }) => blob).sort(compare);
  if (blobs.some((blob, i) => i > 0 && compare(blob, blobs[i - 1] as Uint8Array) === 0)) {
    throw malformed('it names a file twice');
  }
  return files;
}

function readEntry(entry: unknown): DatasetFile {
  const [blob, length, root, leaves] = Array.isArray(entry) && entry.length === 4 ? entry : [];
  if (!isDigest(blob) || !isDigest(root) || !isDigest(leaves)) {
    throw malformed('an entry is not [blob, length, root, leaves]');
  }
  if (!isLength(length)) throw malformed('a file has no length');
  return { blob, length, root, leaves };
}

function totalOf(files: readonly DatasetFile[]): number {
  return files.reduce((sum, { length }) => sum + length, 0);
}

function isLength(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0;
}

function isDigest(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === 32;
}

function malformed(what: string): CodedError {
  return contractError('file-manifest-malformed', `a list of files is malformed: ${what}`);
}
