// SPDX-License-Identifier: Apache-2.0
// What the key generation's own bytes prove, judged by @cloister/threshold, and the facts that are
// left for the fold to compare with the epoch. spec/events.md, "reveal" and "complaint".
import { type CryptoPort, isCoded } from '@cloister/core';
import {
  type Curve,
  commitHash,
  judgeComplaint,
  judgeReveal,
  type Verdict,
} from '@cloister/threshold';
import type { EventBody } from './bodies.ts';

/** What a reveal shows once its points and its proof of knowledge hold. */
export interface RevealFacts {
  /** Number of Feldman commitments; it must be the threshold. */
  readonly commitments: number;
  /** The epoch whose shares are dealt again; null for a new key. */
  readonly previous: Uint8Array | null;
  /** SHA-256 of each sealed deal, in seat order. */
  readonly deals: readonly Uint8Array[];
}

/** What judging a complaint found; the fold compares it with commit, reveal and receiving key. */
export type ComplaintFacts = Omit<Verdict, 'upheld'>;

/** The hash that the commit to this reveal must have carried. */
export function revealCommit(
  genesis: Uint8Array,
  { epoch, seat, reveal }: EventBody<'reveal'>,
): Uint8Array {
  return commitHash({ genesis, epoch, seat, reveal });
}

/** What a reveal shows, or the code of what is wrong with what its own dealer signed. */
export function judgeRevealEvent(
  genesis: Uint8Array,
  body: EventBody<'reveal'>,
  { crypto, curve }: { readonly crypto: CryptoPort; readonly curve: Curve | undefined },
): { revealed: RevealFacts } | { unproved: string } {
  const { epoch, seat, reveal } = body;
  const on = curve === undefined ? {} : { curve };
  try {
    const { reveal: shown } = judgeReveal({ genesis, epoch, seat, reveal, ...on });
    const deals = body.deals.map((deal) => crypto.digest('sha256', deal));
    const revealed = { commitments: shown.commitments.length, previous: shown.previous, deals };
    return { revealed };
  } catch (error) {
    if (!isCoded(error)) throw error;
    return { unproved: error.code };
  }
}

/** @throws CodedError `complaint-malformed`; everything else is a verdict */
export async function judgeComplaintEvent(
  genesis: Uint8Array,
  body: EventBody<'complaint'>,
  curve: Curve | undefined,
): Promise<{ upheld: boolean; judged: ComplaintFacts }> {
  const { epoch, seat, against, complaint } = body;
  const about = { genesis, epoch, seat, against, complaint };
  const verdict = await judgeComplaint({ ...about, ...(curve === undefined ? {} : { curve }) });
  const { upheld, ...judged } = verdict;
  return { upheld, judged };
}
