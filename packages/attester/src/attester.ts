// SPDX-License-Identifier: Apache-2.0
// The port through which a node gets evidence about itself. What is behind it may be silicon or, in
// simulation, the launcher that started the node; the node cannot tell and need not.
//
// Invariants: the report data is the caller's whole contribution to the evidence; a node never
// holds a key that signs evidence or an operator's key. Design, "Evidence".
import type { EvidenceKind } from '@cloister/evidence';

/** What a node knows of the TEE it runs in, and what it may ask of it and of its operator. */
export interface Attester {
  readonly tee: EvidenceKind;
  /** Bytes of report data that the kind carries. */
  readonly reportDataLength: 32 | 64;
  /** The hardware identity that the evidence shows and an operator enrolled. */
  readonly hardware: Uint8Array;
  /** The measurement of the running program, as the evidence shows it. */
  readonly measurement: Uint8Array;
  /** Evidence over `reportData`, in the kind's own encoding. */
  quote(reportData: Uint8Array): Promise<{ readonly evidence: Uint8Array }>;
  /** The operator's countersignature around the node's signed join (events/event.ts). */
  signJoin(join: Uint8Array): Promise<Uint8Array>;
}
