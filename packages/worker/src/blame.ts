// SPDX-License-Identifier: Apache-2.0
// Who is to blame when a tag fails: each keeper is asked to prove what it answered, and only an
// answer whose proof holds under its seat's public share is kept. One by one, because two may claim
// the same seat.
import { openProofRequest } from '@cloister/api';
import { within } from '@cloister/attested';
import type { Epoch } from '@cloister/contract';
import { fromHex } from '@cloister/core';
import { blame, parseReveal, seatPublicShare } from '@cloister/threshold';
import type { Holder } from './keepers.ts';
import type { WorkerPorts } from './ports.ts';

const PROVE_MS = 10_000;

/** What was asked: by which join, of which epoch, and enc of each sealed key, in order. */
export interface BlameFor {
  readonly join: Uint8Array;
  readonly epochKey: string;
  readonly epoch: Epoch;
  readonly encs: readonly Uint8Array[];
}

/** The answers that were proved, and the addresses of those that were not. */
export async function settleBlame<A extends Holder & { readonly points: readonly Uint8Array[] }>(
  ports: Pick<WorkerPorts, 'genesis' | 'crypto' | 'timers' | 'log'>,
  { join, epochKey, epoch, encs }: BlameFor,
  answers: readonly A[],
): Promise<{ honest: A[]; faulty: string[] }> {
  const { genesis, crypto, timers } = ports;
  const reveals = [...epoch.reveals.values()].map(({ reveal }) => parseReveal(reveal));
  const request = openProofRequest(genesis, join, crypto);
  const about = { genesis, epoch: fromHex(epochKey), request, encs };
  const settled = await Promise.all(
    answers.map(async (answer) => {
      const { seat, points } = answer;
      const bounds = { timers, limitMs: PROVE_MS };
      const proof = await within(
        'a proof',
        bounds,
        answer.client.prove({ join, keeper: fromHex(answer.join) }),
      ).then(
        (proved) => proved.proof,
        () => undefined,
      );
      const publicShare = seatPublicShare(reveals, seat);
      const proven = { seat, publicShare, points, ...(proof === undefined ? {} : { proof }) };
      return { answer, holds: blame({ ...about, answers: [proven] }).honest.length === 1 };
    }),
  );
  const faulty = settled.filter(({ holds }) => !holds).map(({ answer }) => answer.base);
  if (faulty.length > 0) ports.log.warn('keepers-wrong', { faulty: faulty.join(' ') });
  return { honest: settled.filter(({ holds }) => holds).map(({ answer }) => answer), faulty };
}
