// SPDX-License-Identifier: Apache-2.0
// Opens this member's witness. A witness key's memory begins once, with an empty log, and after
// that it is only ever opened: a key that has signed and forgets what could sign a second history.
//
// Invariants
// - A new memory is made only while nothing says that the key has begun: neither the mark beside
//   the keys nor a log in the folder, unless the key was made after that log (home.ts, takeKeys).
// - The memory is durable before the mark is, and the mark before anything is signed; a crash
//   between them costs nothing.
import { join } from 'node:path';
import type { Clock, CodedError, CryptoPort } from '@cloister/core';
import { type FollowedTree, Witness, type WitnessStore } from '@cloister/tlog';
import { fileWitnessStore } from '@cloister/tlog/node';
import type { GatewayErrorCode } from '../errors.ts';
import { gatewayError } from '../errors.ts';
import { type MemberCard, markWitnessBegun, type OrgKeys } from '../home.ts';

/** Where a witness remembers, and the mark beside its key. */
export interface WitnessMemory {
  /** For messages. */
  readonly path: string;
  readonly store: WitnessStore;
  markBegun(): Promise<void>;
}

export interface WitnessHome {
  readonly memory: WitnessMemory;
  readonly card: MemberCard;
  readonly keys: OrgKeys;
  readonly crypto: CryptoPort;
  readonly clock: Clock;
  readonly origin: string;
  readonly tree: FollowedTree;
  /** Entries that the local copy held at start. */
  readonly replayed: number;
}

/**
 * The witness of this folder, and whether its memory was made just now.
 * @throws CodedError `witness-state-missing`, `witness-state-corrupt`, `witness-store-failed`
 */
export async function openWitness(of: WitnessHome): Promise<{ witness: Witness; fresh: boolean }> {
  const { memory, crypto, clock } = of;
  const options = {
    crypto,
    clock,
    name: of.card.id,
    signer: of.keys.witness,
    origin: of.origin,
    store: memory.store,
    tree: of.tree,
  };
  const remembered = (await memory.store.load().catch(() => undefined)) !== undefined;
  const { witnessBegun, witnessFresh } = of.keys;
  const begun = witnessBegun || (of.replayed > 0 && !witnessFresh);
  if (!remembered && begun) throw forgotten(memory.path);
  const witness = await (remembered ? Witness.open(options) : Witness.create(options));
  if (!of.keys.witnessBegun) await memory.markBegun();
  return { witness, fresh: !remembered };
}

/** The memory in a member's folder. */
export function witnessMemoryIn(home: string): WitnessMemory {
  const path = join(home, 'witness');
  return { path, store: fileWitnessStore(path), markBegun: () => markWitnessBegun(home) };
}

/** A key that is found to have signed before, though its memory is new here. */
export function keyReused(): CodedError<GatewayErrorCode> {
  const message =
    'the ledger holds a tick of this witness key from an earlier life that is forgotten here: ' +
    'this witness key must not sign again; make a new one and have a charter name it';
  return gatewayError('witness-key-reused', message);
}

function forgotten(path: string): CodedError<GatewayErrorCode> {
  const message =
    `${path} is gone, and the witness key has begun to sign: this witness key must not sign ` +
    'again; make a new one and have a charter name it (an older copy of the file is no help)';
  return gatewayError('witness-state-missing', message);
}
