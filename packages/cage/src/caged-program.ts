// SPDX-License-Identifier: Apache-2.0
// What is started in a cage, as every way of starting it takes it.

/** Limits that the operating system enforces. */
export interface CageLimits {
  /** Private memory, as the kernel counts it against RLIMIT_DATA. */
  readonly dataBytes: number;
  /** The longest file that may be written. */
  readonly fileBytes: number;
  readonly openFiles: number;
  /** Threads and processes. */
  readonly tasks: number;
  /** Processor seconds; absent for what lives on. */
  readonly cpuSeconds?: number;
}

export interface CagedProgram {
  /** Absolute; it and its libraries are among `reads`. */
  readonly program: string;
  readonly args: readonly string[];
  /** Where it stands: an empty folder of its own, of memory in a cage; absolute. */
  readonly folder: string;
  /** The most that it may hold in that folder. */
  readonly folderBytes: number;
  /** Files and folders that it sees, to read, at their own paths. */
  readonly reads: readonly string[];
  /** Files that are there and that it may write to, at their own paths. */
  readonly writes: readonly string[];
  readonly limits: CageLimits;
  /** How many descriptors it has from 3 on, each a pipe of both directions. */
  readonly pipes: number;
}
