// SPDX-License-Identifier: Apache-2.0
// What a make of hardware does for the commands: one table in ../hardware.ts names them all.
import type { Platform } from '@cloister/attester';
import type { EvidenceKind, Root } from '@cloister/evidence';

export type Registers = ReadonlyMap<number, Uint8Array>;

/** What people may say when a machine is made. */
export interface MachineOptions {
  /** Where an existing TPM is (`/dev/tpmrm0`, `unix:<path>`, `tcp:<host>:<port>`). */
  readonly device?: string;
  /** PEM files of the authority that certified its endorsement key: root and issuers. */
  readonly authority?: readonly string[];
}

export interface MadeMachine {
  /** What a charter names to believe its evidence. */
  readonly root: Root;
  /** The hardware identity that its evidence shows. */
  readonly id: Uint8Array;
  /** Registers of a fresh boot, for makes that measure programs on top of them. */
  readonly registers?: Registers;
  /** What enrolment proved, as sentences for people. */
  readonly proved: readonly string[];
}

/** A make. `folder` is the operator's `hardware` folder. */
export interface Machine {
  readonly tee: EvidenceKind;
  create(folder: string, operator: string, options: MachineOptions): Promise<MadeMachine>;
  platform(folder: string, card: { id: Uint8Array; registers: Registers }): Promise<Platform>;
  /** `program` is an encoded manifest. */
  measurement(program: Uint8Array, registers: Registers): Uint8Array;
  /** A file of fresh parts; undefined where the make takes none. `at` in milliseconds. */
  collateral(folder: string, at: number): Promise<Uint8Array | undefined>;
}
