// SPDX-License-Identifier: Apache-2.0
// Partial openings as anyone may check them. A keeper's answer to a sealed key is D = sE, a full
// point. Which keeper answered wrongly is asked only when an AEAD tag fails: each then proves, in
// one batch for the whole request, that its points are its share times the keys' enc.
import { isCoded } from '@cloister/core';
import type { Curve } from './curve.ts';
import { thresholdError } from './errors.ts';
import { parsePoint } from './point.ts';
import { type DleqStatement, verifyDleqBatch } from './proofs.ts';

/** A keeper's answer to one sealed key. */
export interface Opening {
  /** enc of the sealed key, 65 bytes. */
  readonly enc: Uint8Array;
  /** The partial opening, 65 bytes. */
  readonly point: Uint8Array;
}

/** One keeper's answers to one request, and what they are bound to. */
export interface PartialsStatement {
  readonly genesis: Uint8Array;
  /** Id of the epoch the share belongs to. */
  readonly epoch: Uint8Array;
  readonly seat: number;
  /** The seat's public share, 65 bytes, from `seatPublicShare`. */
  readonly publicShare: Uint8Array;
  /** What the request is called: its digest, so that a proof answers one request only. */
  readonly request: Uint8Array;
  readonly openings: readonly Opening[];
}

export function partialsStatement(s: PartialsStatement): DleqStatement {
  return {
    domain: 'cloister/partials/v1',
    context: [s.genesis, s.epoch, s.seat, s.request],
    publicPoint: s.publicShare,
    pairs: s.openings.map((o) => ({ base: o.enc, image: o.point })),
  };
}

/** True only if every opening of the batch is the seat's share times its enc. */
export function verifyPartials(
  statement: PartialsStatement,
  proof: Uint8Array,
  curve?: Curve,
): boolean {
  return verifyDleqBatch(partialsStatement(statement), proof, curve);
}

/** `verifyPartials` for one opening. */
export function verifyPartial(
  statement: Omit<PartialsStatement, 'openings'> & { opening: Opening },
  proof: Uint8Array,
  curve?: Curve,
): boolean {
  return verifyPartials({ ...statement, openings: [statement.opening] }, proof, curve);
}

/** What one seat answered when it was asked to prove; `proof` is absent if it stayed silent. */
export interface ProvenAnswer {
  readonly seat: number;
  readonly publicShare: Uint8Array;
  /** One point a sealed key of the request, in the request's order. */
  readonly points: readonly Uint8Array[];
  readonly proof?: Uint8Array;
}

export interface Blame {
  /** Seats whose points are proved. Combine t of these. */
  readonly honest: readonly number[];
  /** Seats whose proof is absent or does not hold, or whose points are not points. */
  readonly faulty: readonly number[];
}

/**
 * Settles who answered wrongly, after a tag failed. If all are honest, the sealed key itself does
 * not open: whoever sealed it is at fault.
 */
export function blame(args: {
  genesis: Uint8Array;
  epoch: Uint8Array;
  request: Uint8Array;
  /** enc of each sealed key, in the request's order. */
  encs: readonly Uint8Array[];
  answers: readonly ProvenAnswer[];
  curve?: Curve;
}): Blame {
  for (const enc of args.encs) parsePoint(enc);
  const honest: number[] = [];
  const faulty: number[] = [];
  for (const answer of args.answers) {
    (answerHolds(args, answer) ? honest : faulty).push(answer.seat);
  }
  if (new Set([...honest, ...faulty]).size !== args.answers.length) {
    throw thresholdError('seat-duplicate', 'a seat answered twice');
  }
  return { honest, faulty };
}

function answerHolds(args: Parameters<typeof blame>[0], answer: ProvenAnswer): boolean {
  const { genesis, epoch, request, encs } = args;
  if (answer.proof === undefined || answer.points.length !== encs.length) return false;
  const openings = encs.map((enc, i) => ({ enc, point: answer.points[i] as Uint8Array }));
  const { seat, publicShare } = answer;
  const statement = { genesis, epoch, seat, publicShare, request, openings };
  try {
    return verifyPartials(statement, answer.proof, args.curve);
  } catch (error) {
    if (isCoded(error)) return false;
    throw error;
  }
}
