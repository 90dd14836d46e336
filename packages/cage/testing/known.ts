// SPDX-License-Identifier: Apache-2.0
// What hostile programs are known to do at each level: what is not here is refused there. A list
// that grows is a hole, one that shrinks is to be made shorter: tests compare both ways.
import { existsSync, readFileSync } from 'node:fs';
import type { Cage, CageLevel } from '../src/index.ts';

const NODE: Readonly<Record<CageLevel, readonly string[]>> = {
  full: [],
  // The port is of a network that nobody else is in, the program one of those that it sees.
  limited: ['opens a port', 'starts a program'],
  none: [
    'reads the environment of its parent',
    'reads the memory of its parent',
    'sees other processes',
    'signals its parent',
    'reads a key file',
    'lists folders that it was not given',
    'writes outside its folder',
    'changes what it was given to read',
    'fills the disk in its folder',
    'fills the disk beside its folder',
    'fills the memory of the machine',
    'connects to a port of this machine',
    'opens a port',
    'starts a program',
    'starts 1,000 processes',
  ],
};

/** What hostile.mjs does in a cage on this machine. */
export function knownOf(cage: Cage): string[] {
  const bounded = cage.measures.includes('tasks-bounded');
  return NODE[cage.level].filter((name) => {
    // Some kernels let only a process's own ancestors look into its memory, whatever its user.
    if (name === 'reads the memory of its parent') return !ancestorsOnly();
    return name !== 'starts 1,000 processes' || !bounded;
  });
}

function ancestorsOnly(): boolean {
  const setting = '/proc/sys/kernel/yama/ptrace_scope';
  const isRoot = process.getuid?.() === 0;
  return !isRoot && existsSync(setting) && readFileSync(setting, 'latin1').trim() !== '0';
}

/** What system-calls.pl does where no filter is: it reaches nothing of others by it. */
export const UNFILTERED = [
  'be traced',
  'open a netlink socket',
  'open a socket',
  'open a pair of sockets',
  'read a key ring',
  'attach shared memory',
  'use io_uring',
  'use userfaultfd',
  'use a file without a path',
  'watch files',
  'outlive the parent',
  'become somebody else',
  'fork',
];
