// SPDX-License-Identifier: Apache-2.0
// What holds a process, read from the kernel (proc(5)) and not from how it was started: a tool that
// is there may still do less than it was asked. Whatever cannot be read counts as missing.
//
// Levels: `full` is every measure; `limited` is all but the filter of system calls, or the bound on
// tasks, which root is exempt from; anything less is `none`, and holds nobody who runs code in it.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';

export const MEASURES = [
  'no-new-privileges',
  'no-capabilities',
  'system-calls-filtered',
  'own-users',
  'own-processes',
  'own-network',
  'own-ipc',
  'own-root',
  'limits',
  'tasks-bounded',
] as const;
export type CageMeasure = (typeof MEASURES)[number];

export const LEVELS = ['none', 'limited', 'full'] as const;
export type CageLevel = (typeof LEVELS)[number];

/** What `limited` may lack. */
const BEYOND_LIMITED: ReadonlySet<CageMeasure> = new Set([
  'system-calls-filtered',
  'tasks-bounded',
]);

/** What was asked for, as far as it shows from outside. */
export interface Asked {
  /** Mounts that may be written to: the program's folder, and files that it may write. */
  readonly writable: readonly string[];
  readonly limits: { readonly dataBytes: number; readonly tasks: number };
  /** Whether a control group bounds its tasks. */
  readonly grouped: boolean;
}

/** The measures that hold process `pid`, in the order of `MEASURES`. */
export function measuresOf(pid: number, asked: Asked): CageMeasure[] {
  return MEASURES.filter((measure) => {
    try {
      return HOLDS[measure](`/proc/${pid}`, asked);
    } catch {
      return false;
    }
  });
}

export function levelOf(measures: readonly CageMeasure[]): CageLevel {
  const missing = MEASURES.filter((measure) => !measures.includes(measure));
  if (missing.length === 0) return 'full';
  return missing.every((measure) => BEYOND_LIMITED.has(measure)) ? 'limited' : 'none';
}

/** The process that a started one has become the monitor of, or it itself. */
export function insideOf(pid: number, monitored: boolean): number | undefined {
  if (!monitored) return pid;
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
    const [first = ''] = children;
    return first === '' ? undefined : Number(first);
  } catch {
    return childByParent(pid);
  }
}

/** Where the kernel has no list of children. */
function childByParent(parent: number): number | undefined {
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      if (statusField(`/proc/${name}`, 'PPid') === String(parent)) return Number(name);
    } catch {
      // It has ended meanwhile.
    }
  }
  return undefined;
}

const HOLDS: Readonly<Record<CageMeasure, (proc: string, asked: Asked) => boolean>> = {
  'no-new-privileges': (proc) => statusField(proc, 'NoNewPrivs') === '1',
  'no-capabilities': (proc) =>
    ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'].every((set) =>
      /^0+$/.test(statusField(proc, set)),
    ),
  // 2 is a filter, 1 the old strict mode.
  'system-calls-filtered': (proc) => statusField(proc, 'Seccomp') === '2',
  'own-users': (proc) => ownSpace(proc, 'user'),
  'own-processes': (proc) => ownSpace(proc, 'pid') && !mounts(proc).some(showsProcesses),
  'own-network': (proc) => ownSpace(proc, 'net'),
  'own-ipc': (proc) => ownSpace(proc, 'ipc'),
  'own-root': (proc, { writable }) =>
    ownSpace(proc, 'mnt') &&
    statSync(join(proc, 'root', '.')).dev !== statSync('/').dev &&
    mounts(proc).every((m) => m.readOnly || writable.includes(m.at)),
  limits: (proc, { limits }) =>
    limitOf(proc, 'Max core file size') === 0 &&
    limitOf(proc, 'Max data size') <= Math.ceil(limits.dataBytes / 1024) * 1024 &&
    Number.isFinite(limitOf(proc, 'Max file size')) &&
    Number.isFinite(limitOf(proc, 'Max open files')),
  'tasks-bounded': (proc, { limits, grouped }) =>
    grouped || (rootsOwn(proc) === false && limitOf(proc, 'Max processes') <= limits.tasks),
};

function statusField(proc: string, name: string): string {
  const text = readFileSync(`${proc}/status`, 'utf8');
  const value = new RegExp(`^${name}:\\s+(.*)$`, 'm').exec(text)?.[1];
  if (value === undefined) throw new Error(`no ${name}`);
  return value.trim();
}

/** Whether the kernel takes it for root's: root's tasks are not counted. */
function rootsOwn(proc: string): boolean {
  return statusField(proc, 'Uid').split(/\s+/).includes('0');
}

function ownSpace(proc: string, kind: string): boolean {
  return readlinkSync(`${proc}/ns/${kind}`) !== readlinkSync(`/proc/self/ns/${kind}`);
}

/** The hard limit; infinite where there is none. */
function limitOf(proc: string, name: string): number {
  const line = readFileSync(`${proc}/limits`, 'utf8')
    .split('\n')
    .find((text) => text.startsWith(name));
  const [, hard] = line?.slice(name.length).trim().split(/\s+/) ?? [];
  if (hard === undefined) throw new Error(`no ${name}`);
  return hard === 'unlimited' ? Number.POSITIVE_INFINITY : Number(hard);
}

interface Mount {
  readonly at: string;
  readonly readOnly: boolean;
  readonly type: string;
  /** What of its file system stands there. */
  readonly part: string;
}

/** A setting of the kernel's is no process; /proc, or the folder of one in it, is. */
function showsProcesses({ type, part }: Mount): boolean {
  return type === 'proc' && !part.startsWith('/sys/');
}

/** The mounts that it sees, as proc(5) has them: paths with spaces and such as octal. */
function mounts(proc: string): Mount[] {
  const text = readFileSync(`${proc}/mountinfo`, 'utf8').trim();
  return text.split('\n').map((line) => {
    const fields = line.split(' ');
    const at = (fields[4] ?? '').replace(/\\(\d{3})/g, (_, octal) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
    const options = (fields[5] ?? '').split(',');
    const type = fields[fields.indexOf('-') + 1] ?? '';
    return { at, readOnly: options.includes('ro'), type, part: fields[3] ?? '/' };
  });
}
