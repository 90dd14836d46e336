// SPDX-License-Identifier: Apache-2.0
// Verification of inclusion and consistency proofs (RFC 9162 sections 2.1.3.2 and 2.1.4.2). Each
// function returns when the proof holds and throws a coded error when it does not; a proof that is
// longer or shorter than its sizes demand does not hold.
import { type CryptoPort, equal } from '@cloister/core';
import { tlogError } from './errors.ts';
import { checkHash, checkPosition, emptyRoot, nodeHash } from './hash.ts';

/** Longest proof accepted: 53 levels are all that 2^53 - 1 leaves have, and one more node. */
const PROOF_LENGTH_MAX = 64;

/** Checks that `leaf` is the leaf at `index` of the tree with this size and root. */
export function verifyInclusion(
  crypto: CryptoPort,
  claim: {
    /** The leaf's hash, from `leafHash`. */
    readonly leaf: Uint8Array;
    readonly index: number;
    readonly size: number;
    readonly root: Uint8Array;
    readonly proof: readonly Uint8Array[];
  },
): void {
  checkPosition(claim.index, 'the leaf index');
  checkPosition(claim.size, 'the tree size');
  checkProof(claim.proof);
  checkHash(claim.leaf, 'the leaf hash');
  checkHash(claim.root, 'the root');
  if (claim.index >= claim.size) {
    throw inclusionInvalid(`leaf ${claim.index} is not in a tree of ${claim.size} leaves`);
  }
  let fn = claim.index;
  let sn = claim.size - 1;
  let hash = claim.leaf;
  for (const p of claim.proof) {
    if (sn === 0) throw inclusionInvalid('the proof is longer than the tree is high');
    if (odd(fn) || fn === sn) {
      hash = nodeHash(crypto, p, hash);
      while (!odd(fn) && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      hash = nodeHash(crypto, hash, p);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  if (sn !== 0) throw inclusionInvalid('the proof is shorter than the tree is high');
  if (!equal(hash, claim.root)) throw inclusionInvalid('the proof leads to another root');
}

/**
 * Checks that the tree (toSize, toRoot) is an extension of (fromSize, fromRoot). From an empty tree
 * no proof is needed or accepted, and `fromRoot` must be the empty tree's.
 */
export function verifyConsistency(
  crypto: CryptoPort,
  claim: {
    readonly fromSize: number;
    readonly fromRoot: Uint8Array;
    readonly toSize: number;
    readonly toRoot: Uint8Array;
    readonly proof: readonly Uint8Array[];
  },
): void {
  const { fromSize, toSize, fromRoot, toRoot } = claim;
  checkPosition(fromSize, 'the old size');
  checkPosition(toSize, 'the new size');
  checkProof(claim.proof);
  checkHash(fromRoot, 'the old root');
  checkHash(toRoot, 'the new root');
  if (fromSize > toSize) {
    throw consistencyInvalid(`a tree of ${toSize} leaves cannot extend one of ${fromSize}`);
  }
  if (fromSize === 0) checkEmpty(crypto, fromRoot, claim.proof);
  if (fromSize === toSize) {
    if (claim.proof.length > 0) throw consistencyInvalid('equal sizes need an empty proof');
    if (!equal(fromRoot, toRoot)) throw consistencyInvalid('equal sizes with two roots');
  }
  if (fromSize === 0 || fromSize === toSize) return;
  verifySubtreeConsistency(crypto, {
    start: 0,
    end: fromSize,
    subtreeRoot: fromRoot,
    size: toSize,
    root: toRoot,
    proof: claim.proof,
  });
}

/**
 * Checks that the subtree over [start, end) lies in the tree of this size and root: consistency is
 * the case start = 0 (draft-ietf-plants-merkle-tree-certs-02 section 4.4.3). `start` must be a
 * multiple of the smallest power of two that is at least end - start.
 */
export function verifySubtreeConsistency(
  crypto: CryptoPort,
  claim: {
    readonly start: number;
    readonly end: number;
    readonly subtreeRoot: Uint8Array;
    readonly size: number;
    readonly root: Uint8Array;
    readonly proof: readonly Uint8Array[];
  },
): void {
  const { start, end, size } = claim;
  if (start !== end) checkSubtree(start, end, consistencyInvalid);
  checkPosition(size, 'the tree size');
  checkProof(claim.proof);
  checkHash(claim.subtreeRoot, 'the subtree root');
  checkHash(claim.root, 'the root');
  if (end > size) throw consistencyInvalid(`leaves up to ${end} are not in a tree of ${size}`);
  if (start === end) {
    checkEmpty(crypto, claim.subtreeRoot, claim.proof);
    return;
  }
  let [fn, sn, tn] = [start, end - 1, size - 1];
  const shift = () => {
    [fn, sn, tn] = [half(fn), half(sn), half(tn)];
  };
  const whole = sn === tn;
  while (fn !== sn && (whole || odd(sn))) shift();
  let rest = claim.proof;
  let seed: Uint8Array = claim.subtreeRoot;
  if (fn !== sn) {
    const first = rest[0];
    if (first === undefined) throw consistencyInvalid('the proof is too short');
    seed = first;
    rest = rest.slice(1);
  }
  let [fr, sr] = [seed, seed];
  for (const p of rest) {
    if (tn === 0) throw consistencyInvalid('the proof is longer than the tree is high');
    if (odd(sn) || sn === tn) {
      if (fn < sn) fr = nodeHash(crypto, p, fr);
      sr = nodeHash(crypto, p, sr);
      while (!odd(sn) && sn !== 0) shift();
    } else {
      sr = nodeHash(crypto, sr, p);
    }
    shift();
  }
  if (tn !== 0) throw consistencyInvalid('the proof is shorter than the tree is high');
  if (!equal(fr, claim.subtreeRoot))
    throw consistencyInvalid('the proof leads to another old root');
  if (!equal(sr, claim.root)) throw consistencyInvalid('the proof leads to another new root');
}

/** Checks that `leaf` is at `index` in the subtree over [start, end), whose root is `root`. */
export function verifySubtreeInclusion(
  crypto: CryptoPort,
  claim: {
    readonly leaf: Uint8Array;
    readonly index: number;
    readonly start: number;
    readonly end: number;
    readonly root: Uint8Array;
    readonly proof: readonly Uint8Array[];
  },
): void {
  const { leaf, index, start, end, root, proof } = claim;
  checkSubtree(start, end, inclusionInvalid);
  checkPosition(index, 'the leaf index');
  if (index < start) throw inclusionInvalid(`leaf ${index} lies before the subtree at ${start}`);
  verifyInclusion(crypto, { leaf, index: index - start, size: end - start, root, proof });
}

function checkSubtree(start: number, end: number, invalid: (what: string) => Error): void {
  checkPosition(start, 'the start of a subtree');
  checkPosition(end, 'the end of a subtree');
  let width = 1;
  while (width < end - start) width *= 2;
  if (end <= start || start % width !== 0) {
    throw invalid(`[${start}, ${end}) is not a subtree`);
  }
}

function checkEmpty(crypto: CryptoPort, root: Uint8Array, proof: readonly Uint8Array[]): void {
  if (proof.length > 0) throw consistencyInvalid('an empty tree needs an empty proof');
  if (!equal(root, emptyRoot(crypto))) throw consistencyInvalid('no leaves, but another root');
}

function checkProof(proof: readonly Uint8Array[]): void {
  if (!Array.isArray(proof) || proof.length > PROOF_LENGTH_MAX) {
    const message = `a proof is a list of at most ${PROOF_LENGTH_MAX} hashes`;
    throw tlogError('proof-malformed', message);
  }
  for (const hash of proof) checkHash(hash, 'a hash of the proof');
}

function odd(n: number): boolean {
  return n % 2 === 1;
}

function half(n: number): number {
  return Math.floor(n / 2);
}

function inclusionInvalid(what: string): Error {
  const message = `an inclusion proof does not hold: ${what}`;
  return tlogError('inclusion-proof-invalid', message);
}

function consistencyInvalid(what: string): Error {
  const message = `a consistency proof does not hold: ${what}`;
  return tlogError('consistency-proof-invalid', message);
}
