// SPDX-License-Identifier: Apache-2.0
// What a keeper asks the fold about a worker's join, at its current head: is it still right to open
// for it, which datasets does it read, whose witnesses must have signed. Everything is judged
// again: an approval withdrawn or expired since the join, a member or environment gone, a key
// rotated. Evidence, policies and freshness are the keeper's own to judge. Design, "A dataset's way
// through".
import { toHex } from '@cloister/core';
import type { EventBody } from '../events/bodies.ts';
import type { Input } from '../shapes.ts';
import { foldUnknown } from './charter.ts';
import { judgeClosed } from './closing.ts';
import { judgeRun } from './grants.ts';
import { judgeAgainstTask, judgeConsent } from './joins.ts';
import { activeEpochOf, indexOf, ownerOf, versionOf } from './lookup.ts';
import { judgeStanding } from './places.ts';
import type { FoldState, Join, Run, Task } from './state.ts';
import { inputsRead } from './versions.ts';
import { VOID_CODES, type VoidCode } from './void-codes.ts';

/** Why a keeper may not open; the void codes, and these. */
export const RIGHTS_CODES = {
  'join-not-accepted': 'The ledger has no accepted join of this id; wait until it is folded.',
  'join-not-worker': "The join is a keeper's; columns open for workers only.",
  'run-ended': 'The run has been recorded, released or has failed; nothing opens for it any more.',
  'fold-unknown':
    'The charter in force asks for rules that this release does not know; nothing opens by it.',
  'roster-incomplete':
    'Nodes of this distributed run have not joined yet; until all have, nothing opens for any.',
} as const;

export type RightsCode = VoidCode | keyof typeof RIGHTS_CODES;

export interface RightInput {
  readonly input: Input;
  readonly owner: string;
  /** The newest event of the dataset version: only sealed keys named here open. */
  readonly event: string;
  readonly body: EventBody<'dataset'>;
}

export type Rights =
  | {
      readonly ok: true;
      readonly join: Join;
      /** Event keys of all joins of the run, in the order of their places: all must hold. */
      readonly roster: readonly string[];
      readonly run: Run;
      readonly runKey: string;
      readonly task: Task;
      readonly taskKey: string;
      readonly inputs: readonly RightInput[];
      /** Owners of the inputs, each once. */
      readonly owners: readonly string[];
      /** The active epoch, and its group key. */
      readonly epoch: string;
      readonly groupKey: Uint8Array;
    }
  | { readonly ok: false; readonly code: RightsCode; readonly sentence: string };

/** Judges a worker's join (by event key) at the state's head. */
export function rightsOfJoin(state: FoldState, joinKey: string): Rights {
  const join = state.joins.get(joinKey);
  if (join === undefined || state.charter === null) return refuse('join-not-accepted');
  const { task: taskId, run: runId } = join.body;
  if (taskId === undefined || runId === undefined) return refuse('join-not-worker');
  const taskKey = toHex(taskId);
  const runKey = toHex(runId);
  const task = state.tasks.get(taskKey);
  const run = state.runs.get(runKey);
  if (task === undefined || run === undefined) return refuse('join-not-accepted');
  const ended = judgeClosed(state);
  if (ended !== undefined) return { ok: false, ...ended };
  if (run.status !== 'joined') return refuse('run-ended', run.status);
  const nodes = task.body.worker.nodes ?? 1;
  if (run.roster.size < nodes) return refuse('roster-incomplete', `${run.roster.size} of ${nodes}`);
  const roster = [...run.roster].sort(([a], [b]) => a - b).map(([, key]) => key);
  if (foldUnknown(state)) return refuse('fold-unknown');
  const bodies = roster.map((key) => (state.joins.get(key) as Join).body);
  for (const body of bodies) {
    const unfit = judgeStanding(state, body) ?? judgeAgainstTask(state, body, taskKey);
    if (unfit !== undefined) return { ok: false, ...unfit };
  }
  const unaccepted = judgeConsent(state, task, bodies);
  if (unaccepted !== undefined) return { ok: false, ...unaccepted };
  const wrong = judgeRun(state, task, run);
  if (wrong !== undefined) return { ok: false, ...wrong };
  const active = activeEpochOf(state);
  if (active === undefined) return refuse('no-active-epoch');
  const inputs = inputsRead(task, run.versions).flatMap((input) => rightInput(state, input));
  const owners = [...new Set(inputs.map(({ owner }) => owner))];
  const opened = { epoch: active.key, groupKey: active.groupKey };
  return { ok: true, join, roster, run, runKey, task, taskKey, inputs, owners, ...opened };
}

/**
 * Raw witness keys of the owners whose data a task (by event key) opens: all must have signed.
 * `missing` are owners that have no witness; while there are any, nothing may be opened.
 */
export function requiredWitnesses(
  state: FoldState,
  taskKey: string,
): { keys: Uint8Array[]; missing: string[] } {
  const task = state.tasks.get(taskKey);
  if (task === undefined || state.charter === null) return { keys: [], missing: [taskKey] };
  const owners = new Set(task.body.inputs.flatMap((input) => ownerOf(state, input) ?? []));
  const { members } = indexOf(state);
  return {
    keys: [...owners].flatMap((id) => members.get(id)?.witness ?? []),
    missing: [...owners].filter((id) => !members.has(id)),
  };
}

function rightInput(state: FoldState, input: Input): RightInput[] {
  const version = versionOf(state, input);
  const owner = ownerOf(state, input);
  if (version === undefined || owner === undefined) return [];
  return [{ input, owner, event: version.event, body: version.body }];
}

function refuse(code: RightsCode, detail?: string): Rights {
  const sentence =
    code in RIGHTS_CODES ? RIGHTS_CODES[code as 'run-ended'] : VOID_CODES[code as VoidCode];
  return { ok: false, code, sentence: detail === undefined ? sentence : `${sentence} (${detail})` };
}
