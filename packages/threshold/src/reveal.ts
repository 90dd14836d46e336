// SPDX-License-Identifier: Apache-2.0
// What a dealer shows in a key generation: Feldman commitments A_k = a_k G to a polynomial of degree
// t - 1, and a proof of knowledge of a_0. Before it, only `commitHash` of it is on the ledger, so
// nobody chooses a polynomial after seeing another's; the proof keeps a dealer who could from
// cancelling the others out. `seat` is the dealer's seat in the epoch that it deals from: this epoch
// when the key is new, the epoch `previous` when old shares are dealt again.
//
//   [ 1, genesis (32), epoch (32), seat, previous (32) or null, t * [A_k (65)], pok (64) ]
import { encodeCbor, equal } from '@cloister/core';
import { decodeAs, isBytes, isSeat, MAX_SEATS } from './check.ts';
import type { Curve } from './curve.ts';
import { type ThresholdErrorCode, thresholdError } from './errors.ts';
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

/** Parses and checks every form and point; not the proof. @throws `reveal-malformed`, point codes */
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

export interface RevealCheck {
  readonly genesis: Uint8Array;
  readonly epoch: Uint8Array;
  readonly seat: number;
  readonly t: number;
  /** The reveal as encoded. */
  readonly reveal: Uint8Array;
  /** The 32-byte hash the dealer committed to; left out only where none is at hand. */
  readonly commit?: Uint8Array;
  /** Given when, and only when, the dealer deals its share of the epoch `previous` again. */
  readonly reshare?: { readonly previous: Uint8Array; readonly publicShare: Uint8Array };
  readonly curve?: Curve;
}

/**
 * Checks a reveal against what the ledger says of it, and its proof.
 * @throws CodedError `reveal-malformed`, `reveal-other-charter`, `-epoch`, `-seat`, `-threshold`,
 *   `-origin`, `commit-mismatch`, `reshare-constant`, `pok-invalid` and the point codes
 */
export function verifyReveal(args: RevealCheck): Reveal {
  const r = parseReveal(args.reveal);
  if (!equal(r.genesis, args.genesis)) throw other('charter', 'of another charter');
  if (!equal(r.epoch, args.epoch)) throw other('epoch', 'of another epoch');
  if (r.seat !== args.seat) throw other('seat', `of seat ${r.seat}, wanted ${args.seat}`);
  if (r.commitments.length !== args.t) {
    const message = `of ${r.commitments.length} commitments, wanted t = ${args.t}`;
    throw other('threshold', message);
  }
  const previous = args.reshare?.previous ?? null;
  if (
    !(previous === null ? r.previous === null : equal(previous, r.previous ?? new Uint8Array()))
  ) {
    throw other('origin', 'of another origin: a new key and a reshare of a named epoch differ');
  }
  if (args.commit !== undefined && !equal(args.commit, commitHash(args))) {
    const message = `the reveal of seat ${r.seat} is not what it committed to`;
    throw thresholdError('commit-mismatch', 'verification', message);
  }
  const constant = r.commitments[0] as Uint8Array;
  if (args.reshare !== undefined && !equal(constant, args.reshare.publicShare)) {
    const message = `seat ${r.seat} deals something other than its old share`;
    throw thresholdError('reshare-constant', 'verification', message);
  }
  if (!verifySchnorr(pokStatement(r), r.pok, args.curve)) {
    const message = `seat ${r.seat} does not prove that it knows its constant term`;
    throw thresholdError('pok-invalid', 'verification', message);
  }
  return r;
}

function other(what: 'charter' | 'epoch' | 'seat' | 'threshold' | 'origin', message: string) {
  const code: ThresholdErrorCode = `reveal-other-${what}`;
  return thresholdError(code, 'verification', `the reveal is ${message}`);
}

function malformed(field: string) {
  return thresholdError('reveal-malformed', 'malformed', `a reveal's ${field} has not its form`);
}
