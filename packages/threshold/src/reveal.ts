// SPDX-License-Identifier: Apache-2.0
// What a dealer shows in a key generation: Feldman commitments A_k = a_k G to a polynomial of
// degree t - 1, and a proof of knowledge of a_0. Before it, only its `commitHash` is on the ledger,
// so nobody chooses a polynomial after seeing another's; the proof keeps a dealer who could from
// cancelling the others out. `seat` is the dealer's seat in the epoch that it deals from: this one
// when the key is new, the epoch `previous` when old shares are dealt again.
//
//   [ 1, genesis (32), epoch (32), seat, previous (32) or null, t * [A_k (65)], pok (64) ]
import { encodeCbor, equal } from '@cloister/core';
import { decodeAs, isBytes, isSeat, MAX_SEATS } from './check.ts';
import type { Curve } from './curve.ts';
import { thresholdError } from './errors.ts';
import { digest } from './hash.ts';
import { parsePoint } from './point.ts';
import { assertProof, PROOF_BYTES, type SchnorrStatement, verifySchnorr } from './proofs.ts';

const REVEAL_VERSION = 1;

export interface Reveal {
  readonly genesis: Uint8Array;
  /** Id of the epoch being formed, 32 bytes. */
  readonly epoch: Uint8Array;
  /** The dealer's seat. */
  readonly seat: number;
  /** Id of the epoch whose share is dealt again, or null for a new key. */
  readonly previous: Uint8Array | null;
  /** A_0 .. A_(t-1), 65 bytes each. */
  readonly commitments: readonly Uint8Array[];
  readonly pok: Uint8Array;
}

export function encodeReveal(r: Reveal): Uint8Array<ArrayBuffer> {
  const commitments = [...r.commitments];
  return encodeCbor([REVEAL_VERSION, r.genesis, r.epoch, r.seat, r.previous, commitments, r.pok]);
}

/** Checks every form and point; not the proof. @throws `reveal-malformed`, point codes */
export function parseReveal(bytes: Uint8Array): Reveal {
  const value = decodeAs(bytes, 'reveal-malformed', 'a reveal');
  if (!Array.isArray(value) || value.length !== 7) throw malformed('form');
  const [version, genesis, epoch, seat, previous, commitments, pok] = value as unknown[];
  if (version !== REVEAL_VERSION) throw malformed('version');
  if (!isBytes(genesis, 32)) throw malformed('genesis');
  if (!isBytes(epoch, 32)) throw malformed('epoch');
  if (!isSeat(seat)) throw malformed('seat');
  if (previous !== null && !isBytes(previous, 32)) throw malformed('previous epoch');
  if (!Array.isArray(commitments) || commitments.length < 1 || commitments.length > MAX_SEATS) {
    throw malformed('list of commitments');
  }
  for (const commitment of commitments as unknown[]) {
    if (!(commitment instanceof Uint8Array)) throw malformed('commitment');
    parsePoint(commitment);
  }
  if (!isBytes(pok, PROOF_BYTES)) throw malformed('proof of knowledge');
  assertProof(pok);
  return { genesis, epoch, seat, previous, commitments: commitments as Uint8Array[], pok };
}

/** What a dealer puts on the ledger first. `reveal` is the encoded reveal. */
export function commitHash(args: {
  genesis: Uint8Array;
  epoch: Uint8Array;
  seat: number;
  reveal: Uint8Array;
}): Uint8Array<ArrayBuffer> {
  return digest('cloister/dkg-commit/v1', args.genesis, args.epoch, args.seat, args.reveal);
}

export function pokStatement(r: Omit<Reveal, 'pok'>): SchnorrStatement {
  return {
    domain: 'cloister/dkg-pok/v1',
    context: [r.genesis, r.epoch, r.seat, r.previous, [...r.commitments]],
    point: r.commitments[0] as Uint8Array,
  };
}

/** What a reveal says of itself and proves of itself, with nothing from the ledger's state. */
export interface JudgedReveal {
  readonly reveal: Reveal;
  /** The commitment hash that must have come before it. */
  readonly commit: Uint8Array<ArrayBuffer>;
}

/**
 * Checks everything that the event's own bytes allow: charter, epoch, seat, points and the proof.
 * Left to compare: `commit`, the number of commitments with t, and in a reshare the constant.
 * @throws CodedError `reveal-malformed`, `reveal-other-charter`, `-epoch`, `-seat`, `pok-invalid`,
 *   `proof-malformed` and the point codes
 */
export function judgeReveal(args: {
  genesis: Uint8Array;
  epoch: Uint8Array;
  seat: number;
  reveal: Uint8Array;
  curve?: Curve;
}): JudgedReveal {
  const r = parseReveal(args.reveal);
  if (!equal(r.genesis, args.genesis)) throw other('charter', 'of another charter');
  if (!equal(r.epoch, args.epoch)) throw other('epoch', 'of another epoch');
  if (r.seat !== args.seat) throw other('seat', `of seat ${r.seat}, wanted ${args.seat}`);
  if (!verifySchnorr(pokStatement(r), r.pok, args.curve)) {
    const message = `seat ${r.seat} does not prove that it knows its constant term`;
    throw thresholdError('pok-invalid', message);
  }
  return { reveal: r, commit: commitHash(args) };
}

export interface RevealCheck {
  readonly genesis: Uint8Array;
  readonly epoch: Uint8Array;
  readonly seat: number;
  readonly t: number;
  /** The reveal as encoded. */
  readonly reveal: Uint8Array;
  /** The 32-byte hash the dealer committed to. */
  readonly commit: Uint8Array;
  /** Given when, and only when, the dealer deals its share of the epoch `previous` again. */
  readonly reshare?: { readonly previous: Uint8Array; readonly publicShare: Uint8Array };
  readonly curve?: Curve;
}

/**
 * Checks a reveal whole: its own proof, and what the ledger says of the dealer.
 * @throws CodedError those of `judgeReveal`, `commit-mismatch`, `reveal-other-threshold`,
 *   `reveal-other-origin`, `reshare-constant`
 */
export function verifyReveal(args: RevealCheck): Reveal {
  const { reveal: r, commit } = judgeReveal(args);
  if (!equal(args.commit, commit)) {
    const message = `the reveal of seat ${r.seat} is not what it committed to`;
    throw thresholdError('commit-mismatch', message);
  }
  if (r.commitments.length !== args.t) {
    const message = `of ${r.commitments.length} commitments, wanted t = ${args.t}`;
    throw other('threshold', message);
  }
  if (!sameOrigin(r.previous, args.reshare?.previous ?? null)) {
    throw other('origin', 'of another origin: a new key and a reshare of a named epoch differ');
  }
  const constant = r.commitments[0] as Uint8Array;
  if (args.reshare !== undefined && !equal(constant, args.reshare.publicShare)) {
    const message = `seat ${r.seat} deals something other than its old share`;
    throw thresholdError('reshare-constant', message);
  }
  return r;
}

/** True if both are new keys, or both reshare the same epoch. */
export function sameOrigin(a: Uint8Array | null, b: Uint8Array | null): boolean {
  return a === null || b === null ? a === b : equal(a, b);
}

function other(what: 'charter' | 'epoch' | 'seat' | 'threshold' | 'origin', message: string) {
  return thresholdError(`reveal-other-${what}`, `the reveal is ${message}`);
}

function malformed(field: string) {
  return thresholdError('reveal-malformed', `a reveal's ${field} has not its form`);
}
