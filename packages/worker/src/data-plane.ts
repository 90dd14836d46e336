// SPDX-License-Identifier: Apache-2.0
// Where plain columns and results are handled: what a run asks of it, and what it gets. A process
// has files in memory (inputs.ts, result.ts); the simulator brings its own.
import type {
  CharterBody,
  DatasetFile,
  EventBody,
  RightInput,
  RunMemory,
  TaskContents,
  TaskParameters,
} from '@cloister/contract';
import type { ResultPart, Suppression } from '@cloister/contract/policy';
import type { BlobStore, CryptoPort, Random, Timers } from '@cloister/core';
import type { CryptoPool } from '@cloister/parquet-crypto';

/** Master keys of one input by column id; 0 is the footer's. */
export type InputKeys = Map<number, Uint8Array>;

/** What was counted while an input was read. */
export interface ReadyInput {
  readonly rows: number;
  /** Encrypted bytes fetched, whole chunks counted. */
  readonly bytes: number;
}

export interface ReadRequest {
  readonly genesis: Uint8Array;
  readonly blobs: BlobStore;
  /** The blobs of each gateway by itself, for ranges: a member's own first, one at least. */
  readonly blobsOf: (member: string) => Promise<readonly BlobStore[]>;
  readonly crypto: CryptoPort;
  readonly timers: Timers;
  /** Folder of the run, in memory. */
  readonly folder: string;
  readonly inputs: readonly RightInput[];
  /** The files of each input, as its event's list has them. */
  readonly files: readonly (readonly DatasetFile[])[];
  readonly contents: TaskContents;
  readonly suppression: readonly Suppression[];
  readonly keys: readonly InputKeys[];
  /** Threads that decrypt large files; the calling one alone where absent. */
  readonly pool?: CryptoPool;
  /** What ciphertext is fetched into; may serve several runs, one after another. */
  readonly memory?: RunMemory;
}

/** A blob of a sealed result, wherever it waits. */
export interface SealedBlob {
  readonly length: number;
  /** @throws CodedError `run-failed` where it is not there as it was */
  read(): Promise<Uint8Array>;
}

/** The blobs of a result: the parts of each statement, the key bundle, the list of these. */
export interface SealedResult {
  readonly blobs: readonly SealedBlob[];
  /** Digest of the list. */
  readonly result: Uint8Array;
}

/** Seals a result as it is made. */
export interface ResultSealer {
  /** The next part, statements in order. */
  take(part: ResultPart): Promise<void>;
  /** The whole of it, once all parts were taken. */
  finish(): Promise<SealedResult>;
  /** Forgets its keys. */
  close(): void;
}

export interface ResultRequest {
  /** Folder of the run, on a disk: sealed parts wait there until they are released. */
  readonly spool: string;
  readonly genesis: Uint8Array;
  readonly task: Uint8Array;
  readonly run: Uint8Array;
  readonly outputs: EventBody<'task'>['outputs'];
  readonly parameters: TaskParameters;
  readonly charter: CharterBody;
  readonly crypto: CryptoPort;
  readonly random: Random;
}

/** Where plain columns and results are handled: files in memory, encrypted Parquet. */
export interface DataPlane {
  /** A fresh folder under `scratch`, which has to be in memory where `inMemory` says so. */
  makeScratch(scratch: string, inMemory: boolean): Promise<string>;
  dropScratch(folder: string): Promise<void>;
  readInputs(request: ReadRequest): Promise<ReadyInput[]>;
  resultSealer(request: ResultRequest): ResultSealer;
}
