// SPDX-License-Identifier: Apache-2.0
// The heart of a gateway over its ports: the ledger followed into a durable copy, and this member's
// witness over the tree. Files, HTTP and duties are put around it (start.ts); the simulator puts
// other things around it.
import type { Admission, FoldState, Ledger } from '@cloister/contract';
import { Lane } from '@cloister/core';
import { logOrigin } from '@cloister/tlog';
import type { Gateway } from './context.ts';
import { type EntryRecord, Follower } from './ledger/follower.ts';
import { Handovers, type NoteStore } from './ledger/handovers.ts';
import { openWitness, type WitnessMemory } from './ledger/open-witness.ts';
import { WitnessService } from './ledger/witness-service.ts';

/** What is made here. */
type Made = 'follower' | 'witness' | 'handovers' | 'statements' | 'measures' | 'verifiedEpochs';

/** A gateway before it follows anything. */
export interface GatewayParts extends Omit<Gateway, Made> {
  /** Durable; what is in it is replayed first. */
  readonly copy: Ledger;
  readonly memory: WitnessMemory;
  /** Where handovers are kept. */
  readonly notes: NoteStore;
  readonly onEntry: (record: EntryRecord, state: FoldState) => void;
  /** `admit` where absent. */
  readonly admission?: Admission;
  readonly soon?: () => Promise<void>;
}

/**
 * Replays the copy and opens the witness; `follower.start` begins to follow. Answers also whether
 * the witness's memory was made just now.
 * @throws CodedError those of `openWitness`, and of the copy
 */
export async function followAndWitness(
  parts: GatewayParts,
): Promise<{ gateway: Gateway; fresh: boolean }> {
  const { copy, memory, notes, onEntry, admission, soon, ...own } = parts;
  const origin = logOrigin(own.genesis);
  const { genesis, ledger, crypto, clock, timers, peers, card, keys } = own;
  const how = { ...(admission && { admission }), ...(soon && { soon }) };
  const follower = new Follower({ ledger, copy, genesis, crypto, timers, onEntry, ...how });
  await follower.replay();
  const { tree, size: replayed } = follower;
  const { witness: opened, fresh } = await openWitness({
    memory,
    card,
    keys,
    origin,
    tree,
    replayed,
    crypto,
    clock,
  });
  const witness = new WitnessService({ witness: opened, origin, follower, peers, crypto, timers });
  const handovers = new Handovers({ genesis, crypto, follower, witness, peers, notes });
  const rooms = {
    handovers,
    statements: new Lane(),
    measures: new Map(),
    verifiedEpochs: new Map(),
  };
  return { gateway: { ...own, follower, witness, ...rooms }, fresh };
}
