// SPDX-License-Identifier: Apache-2.0
// This member's consent to epochs that others propose. It says two things: that these seats are
// what this member wants, and that its gateway holds and has appraised what a judgement of them
// waits for (their evidence, roots, collateral), so that nobody can have the others miss a deadline
// by keeping it back. By itself a gateway consents only to what it would plan as the ledger stands:
// a rotation that is due, or fresh shares for the same seats once a week. Anything else, another
// key while t holders live and a seat for another operator above all, waits for a person
// (`consentTo`).
// docs/design/epochs-by-consent.md, "Who consents to what".
import type { OpenProposal } from '@cloister/api';
import { activeEpochOf, type Proposal, voidError } from '@cloister/contract';
import { fromHex, isCoded, TokenBuckets } from '@cloister/core';
import { type Gateway, publish, publishAccepted, stateInForce } from '../context.ts';
import type { EntryRecord } from '../ledger/follower.ts';
import { notStanding } from './key-check.ts';
import { cardOf, planRotation } from './rotation-plan.ts';

/** Fresh shares for the same seats are consented to unasked this often. */
const REFRESH_MS = 7 * 86_400_000;
/**
 * The keepers of an operator may come again unasked so often at once, and a day: every reshare
 * stays in the state of all, and runs that meet two of them fail.
 */
const RETURNS = { burst: 8, perSecond: 8 / 86_400 } as const;

/** Consents to what this gateway would do itself; one for a gateway's life. */
export class Consents {
  readonly #gateway: Gateway;
  #refreshed = Number.NEGATIVE_INFINITY;
  readonly #returns: TokenBuckets;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
    this.#returns = new TokenBuckets(RETURNS, { now: () => gateway.timers.elapsed() });
  }

  /** Looks at the open proposals and consents to those that may be. */
  async consider(): Promise<void> {
    const gateway = this.#gateway;
    const { proposals } = stateInForce(gateway);
    const open = [...proposals].filter(([, { consents }]) => !consents.has(gateway.card.id));
    if (open.length === 0) return;
    const own = await ownPlan(gateway);
    const chosen = open.find(([, proposal]) => own !== undefined && isSame(own, proposal));
    if (own === undefined || chosen === undefined) return;
    const now = gateway.timers.elapsed();
    if (own.refresh && now - this.#refreshed < REFRESH_MS) return;
    if (own.returned.some((operator) => this.#returns.take(operator, 1) > 0)) {
      gateway.log.warn({ operators: own.returned }, 'keepers come again too often: ask people');
      return;
    }
    const [epoch] = chosen;
    const { status, code } = await publish(gateway, 'consent', { epoch: fromHex(epoch) });
    if (own.refresh && status === 'accepted') this.#refreshed = now;
    gateway.log.info({ epoch, status, code }, 'consented to an epoch');
  }
}

interface OwnPlan {
  readonly joins: ReadonlySet<string>;
  readonly from: string | null;
  /** Nothing is due: the same seats would get fresh shares. */
  readonly refresh: boolean;
  /** Operators whose keepers hold the key and have come again. */
  readonly returned: readonly string[];
}

/** What this gateway would name by itself now, every seat appraised; undefined: nothing. */
async function ownPlan(gateway: Gateway): Promise<OwnPlan | undefined> {
  const wish = { joins: [], newKey: false, refresh: true };
  try {
    const { seats, from } = await planRotation(gateway, wish).catch((error: unknown) => {
      // A key that too few hold cannot be dealt again.
      if (!isCoded(error, 'epoch-holders-few')) throw error;
      return planRotation(gateway, { ...wish, newKey: true });
    });
    const joins = new Set(seats.map(({ join }) => join));
    const held = activeEpochOf(stateInForce(gateway))?.epoch.joins ?? [];
    // A keeper that seems gone may be one whose evidence somebody keeps back.
    if (held.length > 0 && !isSameOperators(gateway, held, [...joins])) return undefined;
    const left = held.filter((join) => !joins.has(join));
    const returned = left.map((join) => cardOf(gateway, join).operator);
    return { joins, from, refresh: from !== null && left.length === 0, returned };
  } catch (error) {
    // Nothing can be planned now.
    if (isCoded(error)) return undefined;
    throw error;
  }
}

function isSameOperators(
  gateway: Gateway,
  held: readonly string[],
  named: readonly string[],
): boolean {
  const operators = (joins: readonly string[]) =>
    joins.map((join) => cardOf(gateway, join).operator);
  return operators(held).sort().join() === operators(named).sort().join();
}

function isSame({ joins, from }: OwnPlan, proposal: Proposal): boolean {
  return proposal.from === from && proposal.joins.every((join) => joins.has(join));
}

/** What members want and has not begun to form. */
export function openProposals(gateway: Gateway): OpenProposal[] {
  const { proposals } = stateInForce(gateway);
  return [...proposals].map(([id, proposal]) => ({
    id,
    member: proposal.member,
    from: proposal.from,
    seats: proposal.joins.map((join) => cardOf(gateway, join)),
    agreed: agreementOf(gateway, proposal),
  }));
}

/** Who wants it, and how many must. */
export function agreementOf(gateway: Gateway, { consents }: Proposal): OpenProposal['agreed'] {
  return { by: [...consents].sort(), wanted: stateInForce(gateway).charter.witnesses.quorum };
}

/**
 * Consents because a person says so. The seats' evidence must stand here all the same.
 * @throws CodedError `consent-unknown`, `join-unknown`, `keeper-not-standing`, `event-void`; of
 *   kind `unavailable` or `not-found` while evidence cannot be had
 */
export async function consentTo(gateway: Gateway, id: string): Promise<EntryRecord> {
  const proposal = stateInForce(gateway).proposals.get(id);
  if (proposal === undefined) {
    const message = `no open proposal ${id.slice(0, 16)}: it has begun to form, or was replaced`;
    throw voidError('consent-unknown', message);
  }
  await assertHeld(gateway, proposal.joins);
  return publishAccepted(gateway, 'consent', { epoch: fromHex(id, 32) });
}

/**
 * Appraises the joins, and so has what that takes on this gateway's disk.
 * @throws CodedError `join-unknown`, `keeper-not-standing`; of kind `unavailable` or `not-found`
 */
export async function assertHeld(gateway: Gateway, joins: readonly string[]): Promise<void> {
  const state = stateInForce(gateway);
  for (const join of joins) {
    const result = await gateway.appraiser.appraise(state, join);
    if (!result.ok) throw notStanding(cardOf(gateway, join).operator, result.mismatch);
  }
}
