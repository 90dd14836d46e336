// SPDX-License-Identifier: Apache-2.0
// A gateway without its folder and its HTTP: what follows, witnesses, does duties and hands out
// openings, over ports. For the simulator, which brings its own; nothing that runs imports this.
export { BlobRelay, everywhere } from './blobs/blob-relay.ts';
export { appendAndFold, type Gateway } from './context.ts';
export { Duties } from './duties.ts';
export { followAndWitness, type GatewayParts } from './follow-and-witness.ts';
export { consentTo } from './keepers/consent.ts';
export type { EntryRecord } from './ledger/follower.ts';
export type { NoteStore } from './ledger/handovers.ts';
export type { WitnessMemory } from './ledger/open-witness.ts';
export { recordedAnswer } from './ledger/recorded.ts';
export { openingsForWorker } from './tasks/runs.ts';
export type { Vault, VaultEntry } from './vault.ts';
