// SPDX-License-Identifier: Apache-2.0
// What the rooms of a gateway share: who we are, where things lie, and the ledger as we follow it.
// It is made once at start and passed down; nothing in it is global.

import type { GatewayClient } from '@cloister/api';
import type {
  Appraiser,
  EventKind,
  FoldState,
  Ledger,
  Measures,
  Member,
  Said,
  VerifiedEpochs,
} from '@cloister/contract';
import { contractError, memberById, placed, signEvent, voidError } from '@cloister/contract';
import type { Planners } from '@cloister/contract/policy';
import type { BlobStore, Clock, CryptoPort, Lane, Random, Timers } from '@cloister/core';
import type { FileBlobs } from '@cloister/core/node';
import type { Logger } from 'pino';
import { gatewayError } from './errors.ts';
import type { MemberCard, OrgKeys } from './home.ts';
import type { EntryRecord, Follower } from './ledger/follower.ts';
import type { Handovers } from './ledger/handovers.ts';
import type { WitnessService } from './ledger/witness-service.ts';
import type { Vault } from './vault.ts';
import type { RunAppraisals } from './verdicts/own-appraisals.ts';

/** Another member's gateway. */
export type GatewayPeer = Pick<GatewayClient, 'cosign' | 'health' | 'handovers'>;

export interface Gateway {
  readonly home: string;
  readonly card: MemberCard;
  readonly keys: OrgKeys;
  readonly genesis: Uint8Array;
  readonly ledger: Ledger;
  readonly follower: Follower;
  readonly witness: WitnessService;
  readonly handovers: Handovers;
  readonly peers: ReadonlyMap<string, GatewayPeer>;
  /** Our datasets' keys and what was committed to. */
  readonly vault: Vault;
  /** Blobs on this gateway's disk. */
  readonly blobs: FileBlobs;
  /** The same, asking the other gateways for what is not here. */
  readonly allBlobs: Pick<BlobStore, 'get'>;
  /** What each engine's code does, by the engine's kind. */
  readonly planners: Planners;
  readonly appraiser: Appraiser;
  /** Our own verdicts on recorded runs that concern us. */
  readonly appraisals: RunAppraisals;
  readonly crypto: CryptoPort;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Logger;
  /** What usage records came to, by their event; undefined: sealed to us (tasks/measures.ts). */
  readonly measures: Map<string, Measures | undefined>;
  /** Key epochs whose dealings this gateway has verified (keepers/key-check.ts). */
  readonly verifiedEpochs: VerifiedEpochs;
  /** Statements of ours are signed one after another: each names the one before it. */
  readonly statements: Lane;
}

const FOLD_TIMEOUT_MS = 15_000;

/** The fold's state, once the charter is in force. @throws CodedError `charter-not-in-force` */
export function stateInForce(
  gateway: Gateway,
): FoldState & { charter: NonNullable<FoldState['charter']> } {
  const { state } = gateway.follower;
  if (state.charter === null) {
    const message = 'the charter is not in force yet: every founder must sign it';
    throw gatewayError('charter-not-in-force', message);
  }
  return state as FoldState & { charter: NonNullable<FoldState['charter']> };
}

/** The state with all that it has forgotten, for views and bills. @throws as `stateInForce` */
export function historyOf(gateway: Gateway): ReturnType<typeof stateInForce> {
  return gateway.follower.archive.over(stateInForce(gateway));
}

/** A member of the charter. @throws CodedError `not-a-member` */
export function memberOf(gateway: Gateway, id: string): Member {
  const found = memberById(stateInForce(gateway).charter, id);
  if (found !== undefined) return found;
  const message = `${id} is not a member of this charter`;
  throw voidError('not-a-member', message);
}

/** Appends bytes and waits until this gateway has folded them. */
export async function appendAndFold(gateway: Gateway, bytes: Uint8Array): Promise<EntryRecord> {
  const { seq } = await gateway.ledger.append(bytes);
  await gateway.follower.reached(seq + 1, FOLD_TIMEOUT_MS);
  const record = gateway.follower.record(seq);
  if (record !== undefined) return record;
  if (gateway.follower.failure !== undefined) throw gateway.follower.failure;
  const message = `the event is on the ledger at ${seq}: this gateway has not followed so far yet`;
  throw gatewayError('gateway-behind', message);
}

/**
 * Signs an event as this member, appends it and answers what became of it. Another gateway of the
 * same member may have spoken about the subject meanwhile. Only a decline or a withdrawal
 * is then signed once more: whatever it was, no still means no; to say yes or to seal, somebody
 * looks again.
 */
export function publish<K extends EventKind>(
  gateway: Gateway,
  kind: K,
  said: Said<K>,
): Promise<EntryRecord> {
  if (kind === 'tick' || kind === 'collateral') return publishNow(gateway, kind, said);
  return gateway.statements.run(async () => {
    const record = await publishNow(gateway, kind, said);
    const ends = kind === 'decline' || kind === 'withdraw';
    const missed = record.code === 'statement-not-next' && ends;
    return missed ? publishNow(gateway, kind, said) : record;
  });
}

async function publishNow<K extends EventKind>(
  gateway: Gateway,
  kind: K,
  said: Said<K>,
): Promise<EntryRecord> {
  const signer = kind === 'tick' ? gateway.keys.witness : gateway.keys.identity;
  const { genesis, follower } = gateway;
  const body = placed(follower.state, signer.key, { kind, said });
  return appendAndFold(gateway, await signEvent(signer, gateway.card.id, { genesis, kind, body }));
}

/** As `publish`, but a void event is an error. @throws CodedError `event-void` */
export async function publishAccepted<K extends EventKind>(
  gateway: Gateway,
  kind: K,
  said: Said<K>,
): Promise<EntryRecord> {
  const record = await publish(gateway, kind, said);
  refuseVoid(record, kind);
  return record;
}

/** @throws CodedError `event-void`, with the fold's code in its details */
export function refuseVoid(record: EntryRecord, kind: string): void {
  if (record.status === 'accepted') return;
  const why = record.sentence ?? record.code ?? 'no reason';
  const message = `the ledger has this ${kind} as void: ${why}`;
  const details = { code: record.code ?? '', seq: record.seq };
  throw contractError('event-void', message, { details });
}
