// SPDX-License-Identifier: Apache-2.0
// Which versions a run reads. A task names a version of each dataset, and a run reads that, unless
// the proposer's ticket asks for the newest one and every grant that counts allows it: by name of
// the dataset, for one schema and one policy. A version between the two is read by nobody: its
// owner has replaced it. Grants of every owner are asked about every dataset that has moved, since
// a partner could otherwise replace its data again and again under another's grant and compare the
// results. spec/events.md, "Versions of a run"; docs/design/the-life-of-a-dataset.md.
import { equal, toHex } from '@cloister/core';
import { type EventBody, MOVED_MAX } from '../events/bodies.ts';
import type { Input } from '../shapes.ts';
import { versionKey, versionOf } from './lookup.ts';
import type { DatasetVersion, FoldState, Grant, Run, Task } from './state.ts';
import { type Verdict, voided } from './void-codes.ts';

/** The versions that a task names, one an input. */
export function versionsAsked({ body }: Pick<Task, 'body'>): number[] {
  return body.inputs.map(({ version }) => version);
}

/** The inputs of a task as a run reads them. */
export function inputsRead({ body }: Pick<Task, 'body'>, versions: readonly number[]): Input[] {
  return body.inputs.map((input, i) => ({ ...input, version: versions[i] ?? input.version }));
}

/** Whether a run that begins may read these versions, as far as they exist and are the newest. */
export function judgeVersions(state: FoldState, task: Task, versions: readonly number[]): Verdict {
  const { inputs } = task.body;
  if (versions.length !== inputs.length) {
    return voided('join-version', `got ${versions.length} for ${inputs.length} inputs`);
  }
  const { length } = moved(task, versions);
  if (length > MOVED_MAX) {
    return voided('join-version', `${length} inputs have moved, ${MOVED_MAX} may`);
  }
  const read = inputsRead(task, versions);
  if (new Set(read.map(versionKey)).size < read.length) {
    return voided('join-version', 'two inputs are one version of a dataset');
  }
  for (const [i, { dataset, version }] of read.entries()) {
    const asked = inputs[i]?.version ?? 0;
    const newest = state.datasets.get(toHex(dataset))?.newest ?? 0;
    if (version === asked || (version === newest && version > asked)) continue;
    return voided('join-version', `got ${version}, wanted ${asked} or the newest, ${newest}`);
  }
  return undefined;
}

/** The inputs that have moved in a run over these versions, by their places in the task. */
function moved({ body }: Pick<Task, 'body'>, versions: readonly number[]): number[] {
  return versions.flatMap((version, i) => (version === body.inputs[i]?.version ? [] : [i]));
}

/**
 * Which grants are for a run that reads these versions, of whosever datasets they are. What has
 * moved is looked at once, so that many grants cost little.
 */
export function coversVersions(
  state: FoldState,
  task: Task,
  versions: readonly number[],
): (grant: Grant) => boolean {
  const inputs = inputsRead(task, versions);
  const places = moved(task, versions);
  const same = places.every((at) => {
    const asked = bodyOf(state, task.body.inputs[at] as Input);
    const read = bodyOf(state, inputs[at] as Input);
    const policy = task.following[at]?.policy;
    if (policy === undefined || !equal(read.schema, asked.schema)) return false;
    return equal(read.policy, policy);
  });
  if (!same) return () => false;
  return ({ standing }) => places.every((at) => standing[at] === task.following[at]?.since);
}

/** Whether a newer grant is for all later versions of a run that an older one paid for. */
export function coversRun(task: Task, run: Run, of: { paid: Grant; newer: Grant }): boolean {
  return moved(task, run.versions).every((at) => of.newer.standing[at] === of.paid.standing[at]);
}

/**
 * Whether what an approval says of later versions is about this task: each dataset is one of its
 * inputs, once, with the columns asked for, the schema that the code was planned over, and a policy
 * that the version named or the newest one has.
 */
export function judgeFollowing(
  state: FoldState,
  task: Task,
  standing: NonNullable<EventBody<'approve'>['standing']>,
): Verdict {
  const seen = new Set<string>();
  const asked = placesOf(task);
  for (const { dataset, schema, policy, columns } of standing) {
    const key = toHex(dataset);
    const about = key.slice(0, 16);
    if (seen.has(key)) return voided('approve-standing', `${about} twice`);
    seen.add(key);
    const places = asked.get(key) ?? [];
    if (places.length === 0) return voided('approve-standing', `${about} is no input`);
    for (const input of places.map((at) => task.body.inputs[at] as Input)) {
      if (columns.join() !== input.columns.join()) {
        return voided('approve-standing', `other columns of ${about} than the task asks for`);
      }
      const named = bodyOf(state, input);
      const newest = bodyOf(state, { dataset, version: state.datasets.get(key)?.newest ?? 0 });
      if (!equal(named.schema, schema)) {
        return voided('approve-standing', `another schema of ${about} than the task's`);
      }
      if ([named.policy, newest.policy].some((one) => equal(one, policy))) continue;
      return voided('approve-standing', `no policy that ${about} has`);
    }
  }
  return undefined;
}

/**
 * Takes note of what an approval says of later versions; answers it by the task's inputs, as its
 * grant has it. The newest word about a policy counts, and earlier grants are for another one then.
 */
export function noteFollowing(
  state: FoldState,
  task: Task,
  standing: EventBody<'approve'>['standing'],
): number[] {
  const own = task.body.inputs.map(() => 0);
  const asked = standing === undefined ? new Map<string, number[]>() : placesOf(task);
  for (const { dataset, policy } of standing ?? []) {
    for (const at of asked.get(toHex(dataset)) ?? []) {
      const known = task.following[at];
      const same = known != null && equal(known.policy, policy);
      const now = same ? known : { policy, since: state.seq };
      task.following[at] = now;
      own[at] = now.since;
    }
  }
  return own;
}

/** Of a version that an accepted task names, or of a newest one: there is one. */
function bodyOf(state: FoldState, of: Pick<Input, 'dataset' | 'version'>): EventBody<'dataset'> {
  return (versionOf(state, of) as DatasetVersion).body;
}

/** The places of each dataset among a task's inputs. */
function placesOf({ body }: Pick<Task, 'body'>): Map<string, number[]> {
  const places = new Map<string, number[]>();
  for (const [at, { dataset }] of body.inputs.entries()) {
    const key = toHex(dataset);
    places.set(key, [...(places.get(key) ?? []), at]);
  }
  return places;
}
