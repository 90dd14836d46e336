// SPDX-License-Identifier: Apache-2.0
// The port of a ledger: who orders events. An adapter gives order and liveness and nothing else; it
// is never trusted for truth or secrecy (design, "The ledger"). Whoever reads builds the Merkle
// tree over the order it sees, so that an adapter that shows two histories is caught.
//
// Invariants every adapter keeps: positions are 0, 1, 2, ... without gaps; a position's bytes never
// change; an append that answered is durable; a failed append may or may not have been stored, and
// appending the same bytes again is harmless because the fold knows an event by its id.

/** An event's bytes at its position. */
export interface LedgerEntry {
  /** Position in the order, from 0. */
  readonly seq: number;
  readonly event: Uint8Array;
}

/** A run of consecutive events. */
export interface LedgerPage {
  readonly events: readonly Uint8Array[];
  /** The position after the last of `events`; equal to `from` when there is nothing there yet. */
  readonly next: number;
}

export interface Ledger {
  /**
   * Puts `event` (a COSE_Sign1) into the order. Resolving means durable: it survives any crash of
   * the ledger. Bytes that were appended a short while ago may answer with their first position.
   * @throws CodedError of kind `unavailable` (outcome unknown: read, or append the same bytes
   * again), `policy` (not allowed, over a quota), `malformed` (empty or too large)
   */
  append(event: Uint8Array): Promise<{ readonly seq: number }>;
  /**
   * At most `limit` events from position `from`, fewer where the ledger or a byte bound ends the
   * page; never waits for new ones.
   * @throws CodedError of kind `unavailable`, `malformed` (a position that is not a number) or
   * `verification` (the ledger is damaged or shows another history than before)
   */
  read(from: number, limit: number): Promise<LedgerPage>;
  /**
   * Every event from position `from` on, in order, waiting for new ones, until `signal` aborts
   * (then it ends quietly). Transient failures are retried inside; others are thrown.
   */
  follow(from: number, signal: AbortSignal): AsyncIterable<LedgerEntry>;
  /** How many events are durable now. */
  size(): Promise<number>;
  /** Releases files and connections; pending appends are settled first. Idempotent. */
  close(): Promise<void>;
}
