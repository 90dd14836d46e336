// SPDX-License-Identifier: Apache-2.0
// What a launcher has of a TEE: a platform that a program is loaded on, and the hardware that then
// quotes for it. Silicon and simulations stand behind the same two shapes; what a node sees of them
// is the Attester port, to which the launcher adds the operator's countersignature.
import type { Attester } from './attester.ts';

/** One piece of hardware with one program loaded. */
export interface Hardware extends Omit<Attester, 'quote' | 'signJoin'> {
  /** Evidence bytes over `reportData`, which has `reportDataLength` bytes. */
  quote(reportData: Uint8Array): Promise<Uint8Array>;
  /** Lets go of the hardware, when the node has ended. */
  close?(): Promise<void>;
}

/** Where programs can be loaded. */
export interface Platform {
  /** For people: `sgx`, `tpm`... */
  readonly make: string;
  /**
   * Loads a program. `program` is the encoded manifest of what will run (measure.ts); platforms
   * that measure whole machines by themselves do not look at it.
   */
  load(program: Uint8Array): Promise<Hardware>;
}
