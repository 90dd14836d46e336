// SPDX-License-Identifier: Apache-2.0
// Whether anything of a process group still runs. What has ended counts for nothing, though nobody
// has asked how yet: of a program in a namespace of its own that is for the machine's first process
// to do, whenever it comes to it.
import { readdirSync, readFileSync } from 'node:fs';

/** Whether a process of the group runs. Needs `/proc`. */
export function groupRuns(group: number): boolean {
  return readdirSync('/proc').some((pid) => /^\d+$/.test(pid) && runsIn(group, pid));
}

function runsIn(group: number, pid: string): boolean {
  try {
    // proc(5), /proc/PID/stat: behind the name come state, parent, group.
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const [state, , of] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(of) === group && state !== 'Z' && state !== 'X';
  } catch {
    return false;
  }
}
