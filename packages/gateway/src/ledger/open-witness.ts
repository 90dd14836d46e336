// SPDX-License-Identifier: Apache-2.0
// Opens this member's witness. A witness key's memory begins once, with an empty log, and after
// that it is only ever opened: a key that has signed and forgets what could sign a second history.
//
// Invariants
// - A new memory is made only while nothing says that the key has begun: neither the mark beside
//   the keys nor a log in the folder.
// - The memory is durable before the mark is, and the mark before anything is signed; a crash
//   between them costs nothing.
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { CodedError, systemClock } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { type FollowedTree, Witness } from '@cloister/tlog';
import { fileWitnessStore } from '@cloister/tlog/node';
import type { GatewayErrorCode } from '../errors.ts';
import { type MemberCard, markWitnessBegun, type OrgKeys } from '../home.ts';

export interface WitnessHome {
  readonly home: string;
  readonly card: MemberCard;
  readonly keys: OrgKeys;
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
  const path = join(of.home, 'witness');
  const options = {
    crypto: nodeCrypto,
    clock: systemClock,
    name: of.card.id,
    signer: of.keys.witness,
    origin: of.origin,
    store: fileWitnessStore(path),
    tree: of.tree,
  };
  const remembered = await stat(path).then(
    () => true,
    () => false,
  );
  if (!remembered && (of.keys.witnessBegun || of.replayed > 0)) throw forgotten(path);
  const witness = await (remembered ? Witness.open(options) : Witness.create(options));
  if (!of.keys.witnessBegun) await markWitnessBegun(of.home);
  return { witness, fresh: !remembered };
}

/** A key that is found to have signed before, though its memory is new here. */
export function keyReused(): CodedError<GatewayErrorCode> {
  const message =
    'the ledger holds a tick of this witness key from an earlier life that is forgotten here: ' +
    'this witness key must not sign again; make a new one and have a charter name it';
  return new CodedError('witness-key-reused', 'verification', message);
}

function forgotten(path: string): CodedError<GatewayErrorCode> {
  const message =
    `${path} is gone, and the witness key has begun to sign: this witness key must not sign ` +
    'again; make a new one and have a charter name it (an older copy of the file is no help)';
  return new CodedError('witness-state-missing', 'not-found', message);
}
