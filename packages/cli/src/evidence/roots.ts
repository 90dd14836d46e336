// SPDX-License-Identifier: Apache-2.0
// Roots from files that people name: what the project writes (a root document, a hardware card, a
// charter file), or a list that says what a certificate or key is trusted for:
//
//   [{ "family": "intel", "kinds": ["sgx-dcap"], "trust": "test-root", "source": "where from",
//      "certificate": "-----BEGIN CERTIFICATE-----..." or base64 DER }]     or "key" (SPKI)
import { firstIssue, fromBase64, isCoded } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import {
  decodeRoot,
  type Root,
  type RootFamily,
  rootFromCertificate,
  rootFromKey,
  SUPPORTED_KINDS,
} from '@cloister/evidence';
import { z } from 'zod';
import { cliError } from '../errors.ts';
import { readBytes } from '../named-files.ts';

const described = z.strictObject({
  family: z
    .string()
    .regex(/^(intel|amd|aws|huawei|arm|nvidia|microsoft|[a-z0-9-]{2,20}:.{1,100})$/)
    .transform((text) => text as RootFamily),
  kinds: z.array(z.enum(SUPPORTED_KINDS as [Root['kinds'][number]])).min(1),
  trust: z.enum(['hardware', 'test-root', 'simulated']),
  source: z.string().min(1).max(1_000),
  certificate: z.string().optional(),
  key: z.string().optional(),
});
/** A hardware card holds one root document in base64, a charter file holds several. */
const holder = z.object({
  root: z.string().optional(),
  roots: z.array(z.string()).optional(),
});

/** All roots in the files. @throws CodedError `file-unreadable`, `file-malformed` with its name */
export async function readRoots(paths: readonly string[]): Promise<Root[]> {
  const lists = await Promise.all(
    paths.map(async (path) => {
      const bytes = await readBytes(path);
      try {
        return rootsOf(bytes);
      } catch (error) {
        if (!isCoded(error) && !(error instanceof SyntaxError)) throw error;
        const why = isCoded(error) ? error.message : 'its JSON does not parse';
        throw cliError('file-malformed', `${path} holds no roots: ${why}`, { cause: error });
      }
    }),
  );
  return lists.flat();
}

function rootsOf(bytes: Uint8Array): Root[] {
  const text = new TextDecoder().decode(bytes).trim();
  if (!/^[[{]/.test(text)) {
    const isText = /^[A-Za-z0-9+/=\s]+$/.test(text);
    return [decodeRoot(isText ? fromBase64(text.replace(/\s/g, '')) : bytes)];
  }
  const json: unknown = JSON.parse(text);
  if (Array.isArray(json)) return json.map(describedRoot);
  const { root, roots = [] } = parsed(holder, json);
  const documents = [...(root === undefined ? [] : [root]), ...roots];
  if (documents.length === 0) throw malformedRoots('it names none');
  return documents.map((document) => decodeRoot(fromBase64(document)));
}

function describedRoot(value: unknown): Root {
  const { certificate, key, ...options } = parsed(described, value);
  if ((certificate === undefined) === (key === undefined)) {
    throw malformedRoots('a root has a certificate or a key, one of the two');
  }
  return certificate === undefined
    ? rootFromKey(nodeCrypto, derOf(key ?? ''), options)
    : rootFromCertificate(nodeCrypto, derOf(certificate), options);
}

function derOf(text: string): Uint8Array {
  return fromBase64(text.replace(/-----[A-Z ]+-----|\s/g, ''));
}

function parsed<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { where, says } = firstIssue(result.error);
  throw malformedRoots(`the roots are wrong${where === '' ? '' : ` at ${where}`}: ${says}`);
}

function malformedRoots(why: string): Error {
  return cliError('file-malformed', why);
}
