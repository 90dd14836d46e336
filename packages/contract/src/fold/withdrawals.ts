// SPDX-License-Identifier: Apache-2.0
// Withdrawal: an owner ends a dataset, or one version of it, for good. Nothing is added to what is
// withdrawn, no task asks for it, no join reads it, and the runs that would have are over, as after
// a decline. What was recorded stays recorded. spec/events.md, "withdraw".
import { toHex } from '@cloister/core';
import type { AdmittedEvent } from '../events/event.ts';
import { memberByIdentity, versionOf } from './lookup.ts';
import { endRun, openRunsOf } from './runs.ts';
import type { FoldState, Run, Task } from './state.ts';
import { judgeTurn } from './statements.ts';
import { inputsRead } from './versions.ts';
import { type Verdict, voided } from './void-codes.ts';

export function foldWithdraw(state: FoldState, event: AdmittedEvent<'withdraw'>): Verdict {
  const { body } = event;
  const owner = memberByIdentity(state, event.signer);
  if (owner === undefined) return voided('not-a-member');
  const key = toHex(body.dataset);
  const dataset = state.datasets.get(key);
  if (dataset?.owner !== owner.id) return voided('dataset-not-owner', owner.id);
  const subject = dataset.versions.get(body.version ?? dataset.newest);
  if (subject === undefined) return voided('withdraw-version-unknown', `${body.version}`);
  if (isRetired(state, { dataset: body.dataset, version: body.version ?? 0 })) {
    return voided('dataset-retired');
  }
  const outOfTurn = judgeTurn(body, subject.event);
  if (outOfTurn !== undefined) return outOfTurn;
  if (body.version === undefined) dataset.retired = true;
  else subject.withdrawn = true;
  endRuns(state, key, body.version);
  return undefined;
}

/** Whether nothing opens this version any more: it, its dataset or its owner is gone. */
export function isRetired(
  state: FoldState,
  of: { readonly dataset: Uint8Array; readonly version: number },
): boolean {
  const retired = state.datasets.get(toHex(of.dataset))?.retired === true;
  return retired || versionOf(state, of)?.withdrawn === true;
}

function endRuns(state: FoldState, dataset: string, version: number | undefined): void {
  for (const taskKey of [...(state.datasets.get(dataset)?.reading ?? [])]) {
    const task = state.tasks.get(taskKey) as Task;
    for (const key of openRunsOf(state, taskKey)) {
      const { versions } = state.runs.get(key) as Run;
      const reads = inputsRead(task, versions).some((input) => {
        const other = version !== undefined && input.version !== version;
        return !other && toHex(input.dataset) === dataset;
      });
      if (reads) endRun(state, key, 'dataset-withdrawn');
    }
  }
}
