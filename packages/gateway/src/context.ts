// SPDX-License-Identifier: Apache-2.0
// What the rooms of a gateway share: who we are, where things lie, and the ledger as we follow it.
// It is made once at start and passed down; nothing in it is global.
import type { GatewayClient } from '@cloister/api';
import type {
  Appraiser,
  EventBody,
  EventKind,
  FoldState,
  Ledger,
  Member,
} from '@cloister/contract';
import { signEvent } from '@cloister/contract';
import type { EnginePort } from '@cloister/contract/policy';
import {
  type BlobStore,
  type Clock,
  CodedError,
  type CryptoPort,
  type Random,
  type Timers,
} from '@cloister/core';
import type { FileBlobs } from '@cloister/core/node';
import type { Logger } from 'pino';
import type { GatewayErrorCode } from './errors.ts';
import type { MemberCard, OrgKeys } from './home.ts';
import type { EntryRecord, Follower } from './ledger/follower.ts';
import type { WitnessService } from './ledger/witness-service.ts';
import type { Vault } from './vault.ts';

export interface Gateway {
  readonly home: string;
  readonly card: MemberCard;
  readonly keys: OrgKeys;
  readonly genesis: Uint8Array;
  readonly ledger: Ledger;
  readonly follower: Follower;
  readonly witness: WitnessService;
  readonly peers: ReadonlyMap<string, Pick<GatewayClient, 'cosign' | 'health'>>;
  /** Our datasets' keys and what was committed to. */
  readonly vault: Vault;
  /** Blobs on this gateway's disk. */
  readonly blobs: FileBlobs;
  /** The same, asking the other gateways for what is not here. */
  readonly allBlobs: BlobStore;
  readonly engine: EnginePort;
  readonly appraiser: Appraiser;
  readonly crypto: CryptoPort;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Logger;
}

const FOLD_TIMEOUT_MS = 15_000;

/** The fold's state, once the charter is in force. @throws CodedError `charter-not-in-force` */
export function stateInForce(
  gateway: Gateway,
): FoldState & { charter: NonNullable<FoldState['charter']> } {
  const { state } = gateway.follower;
  if (state.charter === null) {
    const message = 'the charter is not in force yet: every founder must sign it';
    throw new CodedError<GatewayErrorCode>('charter-not-in-force', 'unavailable', message);
  }
  return state as FoldState & { charter: NonNullable<FoldState['charter']> };
}

/** A member of the charter. @throws CodedError `not-a-member` */
export function memberOf(gateway: Gateway, id: string): Member {
  const found = stateInForce(gateway).charter.members.find((member) => member.id === id);
  if (found !== undefined) return found;
  const message = `${id} is not a member of this charter`;
  throw new CodedError<GatewayErrorCode>('not-a-member', 'not-found', message);
}

/** Appends bytes and waits until this gateway has folded them. */
export async function appendAndFold(gateway: Gateway, bytes: Uint8Array): Promise<EntryRecord> {
  const { seq } = await gateway.ledger.append(bytes);
  await gateway.follower.reached(seq + 1, FOLD_TIMEOUT_MS);
  const record = gateway.follower.record(seq);
  if (record !== undefined) return record;
  if (gateway.follower.failure !== undefined) throw gateway.follower.failure;
  const message = `the event is on the ledger at ${seq}: this gateway has not followed so far yet`;
  throw new CodedError<GatewayErrorCode>('gateway-behind', 'unavailable', message);
}

/** Signs an event as this member, appends it and answers what became of it. */
export async function publish<K extends EventKind>(
  gateway: Gateway,
  kind: K,
  body: EventBody<K>,
): Promise<EntryRecord> {
  const signer = kind === 'tick' ? gateway.keys.witness : gateway.keys.identity;
  const { genesis } = gateway;
  return appendAndFold(gateway, await signEvent(signer, gateway.card.id, { genesis, kind, body }));
}

/** As `publish`, but a void event is an error. @throws CodedError `event-void` */
export async function publishAccepted<K extends EventKind>(
  gateway: Gateway,
  kind: K,
  body: EventBody<K>,
): Promise<EntryRecord> {
  const record = await publish(gateway, kind, body);
  refuseVoid(record, kind);
  return record;
}

/** @throws CodedError `event-void`, with the fold's code in its details */
export function refuseVoid(record: EntryRecord, kind: string): void {
  if (record.status === 'accepted') return;
  const why = record.sentence ?? record.code ?? 'no reason';
  const message = `the ledger has this ${kind} as void: ${why}`;
  const details = { code: record.code ?? '', seq: record.seq };
  throw new CodedError<GatewayErrorCode>('event-void', 'policy', message, { details });
}
