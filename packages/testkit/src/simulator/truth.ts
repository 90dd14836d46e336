// SPDX-License-Identifier: Apache-2.0
// The truth about a dataset and a task, which the checker and mutants know whatever the ledger and
// the openings say.
import type { Opening, Said, TaskOpenings } from '@cloister/contract';
import type { Use } from '@cloister/contract/policy';

export interface Dataset {
  readonly body: Said<'dataset'>;
  readonly keys: ReadonlyMap<number, Uint8Array>;
  readonly schema: Opening;
  readonly policy: Opening;
  /** For a copy: by digest, the sealed key with a pi that its sealer could not have made. */
  readonly mended?: ReadonlyMap<string, Uint8Array>;
}

export interface Task {
  readonly id: Uint8Array;
  readonly proposer: string;
  readonly dataset: Dataset;
  readonly openings: TaskOpenings;
  readonly columns: readonly number[];
  readonly runs: number;
  /** Versions of its dataset that the owner has granted. */
  readonly versions: Set<number>;
  /** What the code really does, whatever the task says. */
  readonly uses: readonly Use[];
}
