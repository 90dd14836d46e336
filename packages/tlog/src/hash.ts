// SPDX-License-Identifier: Apache-2.0
// Merkle tree hashing with SHA-256 (RFC 6962 section 2.1, RFC 9162 section 2.1.1). The prefix bytes
// keep a leaf from passing as a node.
//
//   empty tree   SHA-256()
//   leaf         SHA-256(0x00 || entry)
//   node         SHA-256(0x01 || left || right)
import type { CryptoPort } from '@cloister/core';
import { tlogError } from './errors.ts';

/** Bytes of one hash. */
export const HASH_SIZE = 32;

const LEAF_PREFIX = Uint8Array.of(0);
const NODE_PREFIX = Uint8Array.of(1);

/** The size of a tree and its root: all that a verifier has to remember of a log. */
export interface TreeHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Hash of one entry. */
export function leafHash(crypto: CryptoPort, entry: Uint8Array): Uint8Array<ArrayBuffer> {
  return crypto.digest('sha256', LEAF_PREFIX, entry);
}

/** Hash of two subtrees. */
export function nodeHash(
  crypto: CryptoPort,
  left: Uint8Array,
  right: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return crypto.digest('sha256', NODE_PREFIX, left, right);
}

/** Root of the tree without leaves. */
export function emptyRoot(crypto: CryptoPort): Uint8Array<ArrayBuffer> {
  return crypto.digest('sha256');
}

/** Refuses what is not a count or position from 0 to 2^53 - 1. */
export function checkPosition(value: number, what: string): void {
  if (!Number.isSafeInteger(value) || value < 0) {
    const message = `${what} must be a whole number from 0 to 2^53 - 1, got ${String(value)}`;
    throw tlogError('tree-position-invalid', message);
  }
}

/** Refuses a hash of another length than 32 bytes. */
export function checkHash(hash: Uint8Array, what: string): void {
  if (!(hash instanceof Uint8Array) || hash.length !== HASH_SIZE) {
    const got = hash instanceof Uint8Array ? `${hash.length} bytes` : 'no bytes';
    throw tlogError('proof-malformed', `${what} must have 32 bytes, got ${got}`);
  }
}
