// SPDX-License-Identifier: Apache-2.0
// Tasks and runs by the first digits of their ids.
import type { AdminClient, TaskJson } from '@cloister/api';
import { cliError } from './errors.ts';
import { MOMENT_SECONDS, patiently } from './patience.ts';

/** @throws CodedError `id-unknown`, `id-ambiguous` when none or several begin with `id` */
export async function findTask(admin: AdminClient, id: string): Promise<TaskJson> {
  const found = await patiently(MOMENT_SECONDS, async () => {
    const tasks = (await admin.tasks()).filter((t) => t.task.startsWith(id));
    return tasks.length === 0 ? undefined : tasks;
  });
  return only(found ?? [], 'task', id);
}

/**
 * The released run whose id begins with `id`, or the newest released one of the task that does.
 * @throws CodedError `id-unknown`, `id-ambiguous`
 */
export async function findRun(admin: AdminClient, id: string): Promise<string> {
  const found = await patiently(MOMENT_SECONDS, async () => {
    const runs = runsOf(await admin.tasks(), id);
    return runs.length === 0 ? undefined : runs;
  });
  return only(found ?? [], 'released run', id);
}

function runsOf(tasks: readonly TaskJson[], id: string): string[] {
  return tasks.flatMap((task) => {
    const released = task.runs.filter((r) => r.state === 'released').map((r) => r.run);
    return task.task.startsWith(id)
      ? released.slice(-1)
      : released.filter((run) => run.startsWith(id));
  });
}

function only<T>(found: readonly T[], what: string, id: string): T {
  const [first] = found;
  if (found.length === 1 && first !== undefined) return first;
  if (found.length === 0) throw cliError('id-unknown', `no ${what} begins with ${id}`);
  throw cliError('id-ambiguous', `${found.length} begin with ${id}: give more digits`);
}
