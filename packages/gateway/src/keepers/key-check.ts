// SPDX-License-Identifier: Apache-2.0
// A gateway's own judgement of the keepers' group key. Nothing of ours is sealed to a key, the
// first time or again, before all of this holds:
//
//   evidence    each seat's evidence verifies now, against the charter's environment, under the
//               newest collateral, over the keys in its join
//   rule        no operator and no v-1 root families hold t shares
//   transcript  the group key, computed here from the dealers' reveals, is the one that every seat
//               acknowledged, and in a reshare the one before it
//
// Invariants: nobody's word is taken for any of it, and what cannot be had (a blob of evidence) is
// `unavailable`, never a pass. docs/design/key-sharing.md, "What a gateway checks".
import {
  activeEpochOf,
  type Epoch,
  type EpochTranscript,
  environmentById,
  type Holding,
  type JoinAppraisal,
  lineageOf,
  type Mismatch,
  vendorHoldings,
  verifyEpochTranscript,
  voidError,
} from '@cloister/contract';
import { type CodedError, isCoded } from '@cloister/core';
import { opensslCurve } from '@cloister/threshold/node';
import { type Gateway, stateInForce } from '../context.ts';
import { gatewayError } from '../errors.ts';

export interface CheckedSeat {
  readonly seat: number;
  readonly join: string;
  readonly operator: string;
  readonly appraisal: JoinAppraisal;
}

/** What was found about an epoch; it stands when `fault` is undefined. */
export interface KeyCheck {
  readonly seats: readonly CheckedSeat[];
  readonly holdings: readonly Holding[];
  readonly transcript: EpochTranscript | undefined;
  /** The first thing that does not hold. */
  readonly fault: CodedError | undefined;
}

/**
 * Checks an epoch that is active, or was.
 * @throws CodedError of kind `unavailable` or `not-found` while a seat's evidence cannot be had
 */
export async function checkKey(gateway: Gateway, key: string): Promise<KeyCheck> {
  const state = stateInForce(gateway);
  const epoch = state.epochs.get(key) as Epoch;
  const seats: CheckedSeat[] = [];
  for (const [i, join] of epoch.joins.entries()) {
    const appraisal = await gateway.appraiser.appraise(state, join);
    const operator = state.joins.get(join)?.body.operator ?? '';
    seats.push({ seat: i + 1, join, operator, appraisal });
  }
  const holdings = holdingsOf(gateway, epoch.joins);
  const { transcript, wrong } = await computed(gateway, key);
  const fault = fallen(seats) ?? breach(holdings) ?? wrong;
  return { seats, holdings, transcript, fault };
}

/** What operators and root families hold with these joins in the seats. */
export function holdingsOf(gateway: Gateway, joins: readonly string[]): Holding[] {
  const { joins: known, charter } = stateInForce(gateway);
  const seats = joins.map((join) => {
    const body = known.get(join)?.body;
    const environment = environmentById(charter, body?.environment ?? '');
    return { operator: body?.operator ?? '', family: environment?.family ?? '' };
  });
  return vendorHoldings(seats, charter.keepers);
}

/** Epoch by epoch, each once for a gateway's life, and other work goes on in between. */
async function computed(gateway: Gateway, key: string) {
  const by = { curve: opensslCurve, verified: gateway.verifiedEpochs };
  try {
    const lineage = lineageOf(stateInForce(gateway), key);
    const known = lineage.findIndex((at) => by.verified.has(at));
    for (const at of lineage.slice(1, known < 0 ? lineage.length : known).reverse()) {
      verifyEpochTranscript(stateInForce(gateway), at, by);
      await new Promise((resolve) => setImmediate(resolve));
    }
    const transcript = verifyEpochTranscript(stateInForce(gateway), key, by);
    return { transcript, wrong: undefined };
  } catch (error) {
    if (!isCoded(error)) throw error;
    return { transcript: undefined, wrong: error };
  }
}

/**
 * The active group key, once it has been checked.
 * @throws CodedError `no-group-key`, `keeper-not-standing`, `epoch-vendor-rule`,
 *   `epoch-operator-rule`, and those of `verifyEpochTranscript`
 */
export async function verifiedGroupKey(gateway: Gateway): Promise<Uint8Array> {
  const active = activeEpochOf(stateInForce(gateway));
  if (active === undefined) {
    const message = 'no keepers hold a group key yet: form an epoch first (cloister keeper epoch)';
    throw gatewayError('no-group-key', message);
  }
  const { fault, transcript } = await checkKey(gateway, active.key);
  if (fault !== undefined) throw fault;
  return (transcript as EpochTranscript).groupKey;
}

function fallen(seats: readonly CheckedSeat[]): CodedError | undefined {
  for (const { seat, operator, appraisal } of seats) {
    if (!appraisal.ok) return notStanding(`seat ${seat} (${operator})`, appraisal.mismatch);
  }
  return undefined;
}

/** Evidence that cannot be had, as an appraisal: it hides no other keeper. */
export function notHad(error: unknown): JoinAppraisal {
  if (!isCoded(error)) throw error;
  const mismatch = { code: error.code, wanted: 'evidence to appraise', got: error.message };
  return { ok: false, mismatch };
}

export function notStanding(who: string, { code, wanted, got }: Mismatch): CodedError {
  const message = `the evidence of ${who} does not stand (${code}): wanted ${wanted}, got ${got}`;
  const details = { code, wanted, got };
  return gatewayError('keeper-not-standing', message, {
    details,
  });
}

/** The rule's first breach, as the error that the ledger would give the epoch. */
export function breach(holdings: readonly Holding[]): CodedError | undefined {
  const found = holdings.find((holding) => holding.seats > holding.most);
  if (found === undefined) return undefined;
  const { code, who, seats, most } = found;
  const message = `${who.join(' and ')} would hold ${seats} seats; wanted at most ${most}`;
  return voidError(`epoch-${code}`, message);
}
