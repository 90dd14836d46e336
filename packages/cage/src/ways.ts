// SPDX-License-Identifier: Apache-2.0
// Three ways to start a program, strongest first: bubblewrap (namespaces, a root of its own, a
// system call filter), the tools of util-linux (the same without the filter), and the shell alone
// (limits). Each is a command line; what it came to is looked at afterwards (measures.ts).
//
// The limits are the shell's, set before anything else runs, so that no way can lack them.
import { lstatSync, realpathSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { CagedProgram, CageLimits } from './caged-program.ts';
import { SHELL, tool } from './tools.ts';

export const WAYS = ['bwrap', 'unshare', 'shell'] as const;
export type Way = (typeof WAYS)[number];

/** The user and group that a program sees itself as: nobody's. */
const NOBODY = '65534';
/** A folder that every machine has and no program here needs: the root is built over it. */
const ROOT = '/sys';
/** For the folders and the empty files that things are shown on. */
const ROOT_BYTES = 2 ** 20;

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  /** What is written to the descriptor after the program's own pipes. */
  readonly filter?: Uint8Array;
}

/** What a way needs of the machine, found once. */
export interface WayTools {
  readonly way: Way;
  /** By name. */
  readonly tools: Readonly<Record<string, string>>;
  readonly filter: Uint8Array | undefined;
}

const NEEDED: Readonly<Record<Way, readonly string[]>> = {
  bwrap: ['bwrap', 'prlimit'],
  unshare: ['unshare', 'setpriv', 'prlimit', 'mount', 'mkdir', 'ln'],
  shell: [],
};

/** The way's programs; undefined where this machine lacks one. */
export function wayTools(way: Way, filter: Uint8Array | undefined): WayTools | undefined {
  const found = NEEDED[way].map((name) => [name, tool(name)] as const);
  if (found.some(([, path]) => path === undefined)) return undefined;
  const optional = way === 'shell' ? [['setpriv', tool('setpriv')] as const] : [];
  const there = [...found, ...optional].filter(([, path]) => path !== undefined);
  return { way, tools: Object.fromEntries(there) as Record<string, string>, filter };
}

/** Programs that run inside, before the program itself does. */
export function toolsInside({ way, tools }: WayTools): string[] {
  const names = way === 'bwrap' ? ['prlimit'] : way === 'unshare' ? ['prlimit', 'setpriv'] : [];
  return names.flatMap((name) => tools[name] ?? []);
}

/** The command line; `group` is a control group's list of processes, to enter before the limits. */
export function commandOf(from: WayTools, what: CagedProgram, group?: string): Command {
  const made = MAKE[from.way](from, what);
  const enter = group === undefined ? [] : [`echo $$ > ${group}`];
  const script = `${[...enter, ...ulimits(what.limits)].join(' && ')} && exec "$@"`;
  const args = ['-c', script, 'sh', ...made.args];
  return { command: SHELL, args, ...(made.filter === undefined ? {} : { filter: made.filter }) };
}

function ulimits(limits: CageLimits): string[] {
  return [
    'ulimit -c 0',
    `ulimit -n ${limits.openFiles}`,
    `ulimit -d ${Math.ceil(limits.dataBytes / 1024)}`,
    `ulimit -f ${Math.ceil(limits.fileBytes / 512)}`,
    ...(limits.cpuSeconds === undefined ? [] : [`ulimit -t ${limits.cpuSeconds}`]),
  ];
}

type Make = (from: WayTools, what: CagedProgram) => Pick<Command, 'args' | 'filter'>;

/** Inside the user namespace the limit counts the cage's own tasks only. */
function bounded({ tools }: WayTools, { program, args, limits }: CagedProgram): string[] {
  return [tools['prlimit'] as string, `--nproc=${limits.tasks}`, '--', program, ...args];
}

const MAKE: Readonly<Record<Way, Make>> = {
  bwrap: (from, what) => {
    const { folder, pipes } = what;
    const { filter } = from;
    const { below, others, links } = split(what);
    const args = [
      from.tools['bwrap'] as string,
      ...['--unshare-user', '--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts'],
      ...['--unshare-cgroup-try', '--hostname', 'cage', '--uid', NOBODY, '--gid', NOBODY],
      ...['--as-pid-1', '--die-with-parent', '--new-session', '--cap-drop', 'ALL'],
      ...others.flatMap((path) => ['--ro-bind', path, path]),
      ...links.flatMap(({ at, to }) => ['--symlink', to, at]),
      ...['--size', String(what.folderBytes), '--tmpfs', folder],
      ...below.flatMap((path) => ['--ro-bind', path, path]),
      ...what.writes.flatMap((path) => ['--bind', path, path]),
      ...['--remount-ro', '/', '--chdir', folder],
      ...(filter === undefined ? [] : ['--seccomp', String(3 + pipes)]),
      '--',
      ...bounded(from, what),
    ];
    return { args, ...(filter === undefined ? {} : { filter }) };
  },

  unshare: (from, what) => {
    const { tools } = from;
    const own = ['--user', '--map-root-user', '--pid', '--mount', '--net', '--ipc', '--uts'];
    const args = [
      ...[tools['setpriv'] as string, '--pdeathsig', 'KILL'],
      ...[tools['unshare'] as string, ...own, '--fork', '--kill-child=KILL'],
      ...[SHELL, '-c', buildRoot(tools, what, split(what)), 'sh'],
      ...[tools['unshare'] as string, `--root=${ROOT}`, `--wd=${what.folder}`],
      ...[tools['setpriv'] as string, '--no-new-privs', '--inh-caps=-all'],
      ...['--ambient-caps=-all', '--bounding-set=-all', '--'],
      ...bounded(from, what),
    ];
    return { args };
  },

  shell: ({ tools }, { program, args }) => {
    const { setpriv } = tools;
    const held = setpriv === undefined ? [] : [setpriv, '--no-new-privs', '--pdeathsig', 'KILL'];
    return { args: [...held, program, ...args] };
  },
};

interface Shown {
  /** In the program's folder. */
  readonly below: string[];
  readonly others: string[];
  /** Links to what is shown: a program goes by where a thing really lies, as Node does. */
  readonly links: { readonly at: string; readonly to: string }[];
}

/**
 * What lies in the program's folder is shown after the memory that is laid over it; what lies in a
 * folder that is shown is there already.
 */
function split({ reads, folder }: CagedProgram): Shown {
  const shown = new Set(reads);
  const within = (path: string) => {
    for (let at = dirname(path); at !== dirname(at); at = dirname(at)) {
      if (shown.has(at)) return true;
    }
    return false;
  };
  const found: Shown = { below: [], others: [], links: [] };
  for (const path of [...shown].filter((one) => !within(one)).sort()) {
    const to = realpathSync(path);
    const isLink = to !== path && lstatSync(path).isSymbolicLink();
    if (isLink && (shown.has(to) || within(to))) found.links.push({ at: path, to });
    else if (path.startsWith(`${folder}/`)) found.below.push(path);
    else found.others.push(path);
  }
  return found;
}

/**
 * A script that builds the root, in memory, and makes it read-only but for a second memory at the
 * program's folder.
 */
function buildRoot(
  tools: WayTools['tools'],
  { folder, folderBytes, writes }: CagedProgram,
  { below, others, links }: Shown,
): string {
  const { mount, mkdir, ln } = tools;
  const inside = (path: string) => quoted(`${ROOT}${path}`);
  const show = (path: string, how: 'ro' | 'rw') => {
    const target = inside(path);
    const made = statSync(path).isDirectory()
      ? `${mkdir} -p ${target}`
      : `${mkdir} -p ${inside(dirname(path))} && : > ${target}`;
    const bind = `${mount} --bind ${quoted(path)} ${target}`;
    return [made, bind, `${mount} -o remount,bind,nosuid,nodev,${how} ${target}`];
  };
  const memory = (bytes: number) => `-t tmpfs -o nosuid,nodev,mode=755,size=${bytes} cage`;
  return [
    'set -e',
    `${mount} ${memory(ROOT_BYTES)} ${ROOT}`,
    ...others.flatMap((path) => show(path, 'ro')),
    ...links.map(
      ({ at, to }) => `${mkdir} -p ${inside(dirname(at))} && ${ln} -s ${quoted(to)} ${inside(at)}`,
    ),
    `${mkdir} -p ${inside(folder)}`,
    `${mount} ${memory(folderBytes)} ${inside(folder)}`,
    ...below.flatMap((path) => show(path, 'ro')),
    ...writes.flatMap((path) => show(path, 'rw')),
    `${mount} -o remount,bind,ro,nosuid,nodev ${ROOT}`,
    'exec "$@"',
  ].join('\n');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
