// SPDX-License-Identifier: Apache-2.0
// What a task's `code` commits to: a text, or files of which one is the entry. Only text runs in
// this version; the other form is read, bounded and refused (`code-in-files`), so that a later
// sandbox needs no other openings.
//
//   { "text": "SELECT ..." }
//   { "files": [ { "path", "digest", "length" }, ... ], "entry": path }     ascending by path
//
// spec/events.md, "Openings".
import {
  type Cbor,
  type CodedError,
  type CryptoPort,
  coded,
  decodeCbor,
  encodeCbor,
  toHex,
  utf8,
} from '@cloister/core';
import { z } from 'zod';
import { contractError } from '../errors.ts';
import { bytesOf, positive } from '../shapes.ts';

/** The most files that a code may have. */
export const CODE_FILES_MAX = 1_000;
const MAX_CHARACTERS = 1_000_000;
/** Of what a path is made: no part is empty, `.` or `..`, and none begins at a root. */
const PART = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}$/;

const path = z
  .string()
  .max(400)
  .refine((value) => value.split('/').every((part) => PART.test(part)), 'wanted a plain path');
const file = z.strictObject({ path, digest: bytesOf(32), length: positive });
const textCode = z.strictObject({ text: z.string().min(1).max(MAX_CHARACTERS) });
const filesCode = z
  .strictObject({ files: z.array(file).min(1).max(CODE_FILES_MAX), entry: path })
  .refine(({ files }) => distinctPaths(files.map((one) => one.path)), 'wanted distinct paths')
  .refine(({ files, entry }) => files.some((one) => one.path === entry), 'wanted the entry there');
const codeValue = z.union([textCode, filesCode]);

export type TaskCode = z.infer<typeof codeValue>;

export function encodeCode(code: TaskCode): Uint8Array<ArrayBuffer> {
  return encodeCbor(code as unknown as Cbor);
}

/** The opened value of a code of this text. */
export function textCodeOf(text: string): Uint8Array<ArrayBuffer> {
  return encodeCode({ text });
}

/** @throws CodedError `task-openings-malformed`, core's CBOR codes */
export function decodeCode(bytes: Uint8Array): TaskCode {
  const value = coded(
    () => decodeCbor(bytes),
    () => malformed('not CBOR'),
  );
  const read = codeValue.safeParse(value);
  if (read.success) return read.data;
  throw malformed('neither a text nor files with plain, ascending paths and their entry');
}

/** The text of a code that this version runs. @throws CodedError `code-in-files`, as above */
export function textOf(bytes: Uint8Array): string {
  const code = decodeCode(bytes);
  if ('text' in code) return code.text;
  const message = `the code is ${code.files.length} files: this version runs a text`;
  throw contractError('code-in-files', message);
}

/** What policies name: SHA-256 of the text, or of the list of files, which no text's bytes are. */
export function codeDigestOf(code: TaskCode, crypto: CryptoPort): string {
  return toHex(crypto.digest('sha256', 'text' in code ? utf8(code.text) : encodeCode(code)));
}

/** Ascending, and no file where another has a folder, whatever a file system makes of case. */
function distinctPaths(paths: readonly string[]): boolean {
  const plain = paths.map((one) => one.toLowerCase());
  const all = new Set(plain);
  const folders = plain.flatMap((one) => {
    const parts = one.split('/');
    return parts.slice(1).map((_, i) => parts.slice(0, i + 1).join('/'));
  });
  const ascending = paths.every((one, i) => i === 0 || (paths[i - 1] as string) < one);
  return ascending && all.size === paths.length && !folders.some((folder) => all.has(folder));
}

function malformed(what: string): CodedError {
  return contractError('task-openings-malformed', `a task's code is malformed: ${what}`);
}
