// SPDX-License-Identifier: Apache-2.0
// The manifest of a program: what is hashed into a measurement. It lists every file by its place
// and digest, which package each package means by which name, the Node that runs them, and how it
// is started. Two clean clones give the same, and so does what is installed from one; the role is
// in it, so that a keeper never measures as a worker. docs/design/what-is-measured.md
import { type Cbor, encodeCbor, fromHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';

export const MANIFEST_DOMAIN = 'cloister/manifest/v2';

export type NodeRole = 'keeper' | 'worker';

export interface ManifestPart {
  readonly path: string;
  /** SHA-256, hexadecimal. */
  readonly digest: string;
}

export interface Manifest {
  readonly role: NodeRole;
  /** The place of the file that is started. */
  readonly entry: string;
  readonly arguments: readonly string[];
  /** Of Node, before the entry. */
  readonly flags: readonly string[];
  /** What the program's environment is made of, beside where temporary files go. */
  readonly environment: Readonly<Record<string, string>>;
  /** Version and kind of machine, for people: the binary itself is a part. */
  readonly node: string;
  /** By place: what each name that the package's code asks for is. */
  readonly packages: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Sorted bytewise by path. */
  readonly parts: readonly ManifestPart[];
  /** Programs of the machine that it starts, where they lie; null for one that is not there. */
  readonly programs: readonly { readonly path: string; readonly digest: string | null }[];
}

/** The manifest's deterministic encoding. */
export function encodeManifest({ parts, programs, ...rest }: Manifest): Uint8Array {
  const all = {
    ...rest,
    parts: parts.map(({ path, digest }) => [path, fromHex(digest)]),
    programs: programs.map(({ path, digest }) => [path, digest === null ? null : fromHex(digest)]),
  };
  return encodeCbor([MANIFEST_DOMAIN, all as unknown as Cbor]);
}

/** The manifest hashed to `length` bytes: SHA-256, SHA-384 or SHA-512. */
export function measurementOf(encoded: Uint8Array, length: number): Uint8Array {
  const hash = length === 32 ? 'sha256' : length === 48 ? 'sha384' : 'sha512';
  return nodeCrypto.digest(hash, encoded);
}
