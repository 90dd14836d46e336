// SPDX-License-Identifier: Apache-2.0
// The shape of an RFC 6962 tree, without any hashing: which complete subtrees make up a range of
// leaves, and which ranges make up a proof. A node is (level, index): the complete subtree over the
// leaves [index * 2^level, (index + 1) * 2^level), which never changes once it is there. Everything
// here is exact up to 2^53 - 1 leaves and takes O(log n) steps.
import { assert, type CryptoPort } from '@cloister/core';
import { tlogError } from './errors.ts';
import { checkPosition, nodeHash } from './hash.ts';

/** A complete subtree of 2^level leaves. */
export interface TreeNode {
  readonly level: number;
  readonly index: number;
}

/** Leaves [start, end). */
export interface LeafRange {
  readonly start: number;
  readonly end: number;
}

/** The complete subtrees that tile [start, end), left to right. */
export function rangeNodes(range: LeafRange): TreeNode[] {
  const nodes: TreeNode[] = [];
  let at = range.start;
  while (at < range.end) {
    let level = 0;
    let width = 1;
    while ((at / width) % 2 === 0 && at + 2 * width <= range.end) {
      level += 1;
      width *= 2;
    }
    nodes.push({ level, index: at / width });
    at += width;
  }
  return nodes;
}

/** The hash of a range that occurs in a tree or a proof, from the hashes of its `rangeNodes`. */
export function foldRange(
  crypto: CryptoPort,
  hashes: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  let hash = hashes.at(-1);
  assert(hash !== undefined, 'a range has at least one node');
  for (let i = hashes.length - 2; i >= 0; i--) {
    hash = nodeHash(crypto, hashes[i] as Uint8Array, hash);
  }
  return hash as Uint8Array<ArrayBuffer>;
}

/** The ranges whose hashes are the inclusion proof of leaf `index` (RFC 6962 section 2.1.1). */
export function inclusionRanges(index: number, size: number): LeafRange[] {
  checkPosition(size, 'the tree size');
  checkPosition(index, 'the leaf index');
  if (index >= size) {
    const message = `leaf ${index} is not in a tree of ${size} leaves`;
    throw tlogError('tree-position-invalid', message);
  }
  const out: LeafRange[] = [];
  let [start, end] = [0, size];
  while (end - start > 1) {
    const middle = start + splitWidth(end - start);
    if (index < middle) {
      out.push({ start: middle, end });
      end = middle;
    } else {
      out.push({ start, end: middle });
      start = middle;
    }
  }
  return out.reverse();
}

/** The ranges whose hashes are the consistency proof from `from` to `to` leaves (section 2.1.2). */
export function consistencyRanges(from: number, to: number): LeafRange[] {
  checkPosition(from, 'the old size');
  checkPosition(to, 'the new size');
  if (from > to) {
    const message = `a tree of ${to} leaves cannot extend one of ${from}`;
    throw tlogError('tree-position-invalid', message);
  }
  if (from === 0 || from === to) return [];
  const out: LeafRange[] = [];
  let [start, end] = [0, to];
  while (end !== from) {
    const middle = start + splitWidth(end - start);
    if (from <= middle) {
      out.push({ start: middle, end });
      end = middle;
    } else {
      out.push({ start, end: middle });
      start = middle;
    }
  }
  if (start !== 0) out.push({ start, end });
  return out.reverse();
}

/** The largest power of two smaller than `width` (at least 2). */
function splitWidth(width: number): number {
  let split = 1;
  while (split * 2 < width) split *= 2;
  return split;
}
