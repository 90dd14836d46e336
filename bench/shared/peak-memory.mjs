// SPDX-License-Identifier: Apache-2.0
// The most memory that a process and its children had together, and the most that the files in a
// folder in memory took, as far as a look every 50 ms shows. Linux (/proc).
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const LOOK_MS = 50;
const PAGE_BYTES = 4096;

export class PeakMemory {
  #timer;
  #peak = { processes: 0, files: 0 };

  constructor(pid, folder) {
    this.#timer = setInterval(() => {
      this.#peak.processes = Math.max(this.#peak.processes, treeBytes(pid));
      this.#peak.files = Math.max(this.#peak.files, folderBytes(folder));
    }, LOOK_MS);
  }

  /** Bytes of resident memory, and of files. */
  stop() {
    clearInterval(this.#timer);
    return this.#peak;
  }
}

/** Resident memory of a process and all below it; what ends while it is looked at counts as 0. */
function treeBytes(root) {
  const children = new Map();
  const resident = new Map();
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const parent = Number(fields[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(name)]);
      resident.set(Number(name), Number(fields[21]) * PAGE_BYTES);
    } catch {
      // It has ended.
    }
  }
  let bytes = 0;
  for (const pending = [root]; pending.length > 0; ) {
    const pid = pending.pop();
    bytes += resident.get(pid) ?? 0;
    pending.push(...(children.get(pid) ?? []));
  }
  return bytes;
}

function folderBytes(folder) {
  let bytes = 0;
  try {
    for (const name of readdirSync(folder, { recursive: true })) {
      const info = statSync(join(folder, String(name)));
      if (info.isFile()) bytes += info.size;
    }
  } catch {
    // It is being removed.
  }
  return bytes;
}
