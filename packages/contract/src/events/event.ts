// SPDX-License-Identifier: Apache-2.0
// Events as bytes: payload [version, genesis, kind, body] in deterministic CBOR inside a
// COSE_Sign1; a join travels inside a second COSE_Sign1, its operator's. `genesis` is null in a
// charter, whose payload's SHA-256 becomes the genesis. The event id is the SHA-256 of the
// Sig_structure, of a join the node's own: it names the statement and its signer, and nothing that
// somebody else wraps around it changes the id. spec/events.md.
import {
  type Cbor,
  type CryptoPort,
  encodeCbor,
  parseCose,
  type Signer,
  signCose,
} from '@cloister/core';
import type { PartFacts } from '@cloister/evidence';
import type { EventBody, EventKind } from './bodies.ts';
import type { ShownKey } from './charter-key.ts';
import type { ComplaintFacts, RevealFacts } from './key-events.ts';
import type { SignedReceipt } from './opening-receipt.ts';
import type { SignedTicket } from './run-ticket.ts';

export const EVENT_VERSION = 1;
/** An event is an entry of a tile log, which allows this many bytes (C2SP tlog-tiles). */
export const MAX_EVENT_BYTES = 65_535;
/** CWT subject of an operator's signature around a join. */
export const OPERATOR_SUBJECT = 'operator-join';

/** An event that `admit` has read: its bytes' own cryptography holds; rights are the fold's. */
export interface AdmittedEvent<K extends EventKind = EventKind> {
  /** SHA-256 of the Sig_structure; a join's is the node's, not its operator's. */
  readonly id: Uint8Array;
  /** `id` in hexadecimal: the key in every table of the fold. */
  readonly key: string;
  readonly kind: K;
  /** Null in a charter only. */
  readonly genesis: Uint8Array | null;
  /** The key that signed; for a join the node's own key, `operator` being the outer one. */
  readonly signer: Uint8Array;
  readonly operator?: Uint8Array;
  readonly body: EventBody<K>;
  /** SHA-256 of a charter's payload: the genesis it founds. */
  readonly founds?: Uint8Array;
  /** Digest of a first charter, or of the one that an amendment carries (charter/body.ts). */
  readonly charterDigest?: Uint8Array;
  /** For a signature under an amendment: the witness key that spoke in it, and about whom. */
  readonly shown?: ShownKey;
  /** For a reveal: the hash that its commit must have carried. */
  readonly commitHash?: Uint8Array;
  /** For a reveal: what it shows of itself. */
  readonly revealed?: RevealFacts;
  /** For a reveal that shows nothing: what is wrong with it. */
  readonly unproved?: string;
  /** For a worker's join: what its ticket says, and who signed it. */
  readonly ticket?: SignedTicket;
  /** For a usage record: what its receipts say, and who signed each. */
  readonly receipts?: readonly SignedReceipt[];
  /** For collateral: what its maker signed, and under which root key. */
  readonly made?: PartFacts;
  /** For a complaint: whether the opened deal is wrong, so that the dealer is at fault. */
  readonly upheld?: boolean;
  /** For a complaint: what it was judged over. */
  readonly judged?: ComplaintFacts;
  readonly size: number;
}

/** Any admitted event, discriminated by `kind`. */
export type AnyEvent = { [K in EventKind]: AdmittedEvent<K> }[EventKind];

/** The payload bytes of an event; `genesis` is null for a charter. */
export function encodeEvent<K extends EventKind>(
  genesis: Uint8Array | null,
  kind: K,
  body: EventBody<K>,
): Uint8Array<ArrayBuffer> {
  return encodeCbor([EVENT_VERSION, genesis, kind, body as unknown as Cbor]);
}

/** Signs an event; `issuer` is the member's, operator's or node's name, for people who read. */
export function signEvent<K extends EventKind>(
  signer: Signer,
  issuer: string,
  event: { genesis: Uint8Array | null; kind: K; body: EventBody<K> },
): Promise<Uint8Array<ArrayBuffer>> {
  const payload = encodeEvent(event.genesis, event.kind, event.body);
  return signCose(signer, { iss: issuer, sub: event.kind }, payload);
}

/** The id of the event in these bytes. @throws CodedError core's COSE codes */
export function eventId(bytes: Uint8Array, crypto: CryptoPort): Uint8Array<ArrayBuffer> {
  const outer = parseCose(bytes);
  const own = outer.claims.sub === OPERATOR_SUBJECT ? parseCose(outer.payload) : outer;
  return crypto.digest('sha256', own.sigStructure);
}

/** Wraps a node's signed join in its operator's signature. */
export function countersignJoin(
  operator: Signer,
  issuer: string,
  join: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  return signCose(operator, { iss: issuer, sub: OPERATOR_SUBJECT }, join);
}
