// SPDX-License-Identifier: Apache-2.0
// What is started in a cage sees what it was given, is looked at from outside and ends with who
// started it; on every way that this machine has.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as after } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, it, onTestFinished } from 'vitest';
import {
  type Cage,
  type Caged,
  MEASURES,
  openCage,
  programFiles,
  thisCage,
  WAYS,
} from './index.ts';
import { levelOf } from './measures.ts';

const home = realpathSync(mkdtempSync(join(tmpdir(), 'cloister-cages-')));
afterAll(() => rmSync(home, { recursive: true }));
const PARENT = fileURLToPath(new URL('../testing/parent.mjs', import.meta.url));
let folders = 0;

/** Starts a script of the shell's; what it writes to descriptor 3 is the answer. */
async function shell(
  cage: Cage,
  script: string,
  more: { reads?: string[]; writes?: string[]; below?: string } = {},
): Promise<{ caged: Caged; folder: string; said: Promise<string>; ended: Promise<unknown> }> {
  folders += 1;
  const folder = join(home, `room-${folders}`);
  mkdirSync(join(folder, 'in'), { recursive: true });
  if (more.below !== undefined) writeFileSync(join(folder, 'in', 'given'), more.below);
  const { files } = await programFiles('/bin/sh');
  const caged = cage.start({
    ...{ program: '/bin/sh', args: ['-c', script], folder, folderBytes: 2 ** 20, pipes: 1 },
    reads: [...files, join(folder, 'in'), ...(more.reads ?? [])],
    writes: more.writes ?? [],
    limits: { dataBytes: 2 ** 28, fileBytes: 2 ** 20, openFiles: 64, tasks: 16, cpuSeconds: 20 },
  });
  onTestFinished(() => void caged.process.kill('SIGKILL'));
  const from = caged.process.stdio[3] as Readable;
  let text = '';
  from.on('data', (more) => {
    text += more;
  });
  const ended = once(caged.process, 'exit');
  return { caged, folder, ended, said: once(from, 'end').then(() => text) };
}

async function untilGone(pid: number): Promise<boolean> {
  for (let i = 0; i < 250 && existsSync(`/proc/${pid}`); i += 1) await after(20);
  return !existsSync(`/proc/${pid}`);
}

describe.each(WAYS)('what %s starts', (way) => {
  it('sees what it was given, at its own path, and writes where it may', async () => {
    const cage = await openCage([way]);
    const [read, write] = [join(home, 'read'), join(home, `write ${way}`)];
    writeFileSync(read, 'read\n');
    writeFileSync(write, '');
    const script = `read a < '${read}'; read b < in/given; echo mine > own; read c < own
      echo "$a $b $c" > '${write}'; echo "$a $b $c $#" >&3`;
    const reads = [read];
    const { said, ended, folder } = await shell(cage, script, {
      ...{ reads, writes: [write], below: 'below\n' },
    });
    expect(await ended).toEqual([0, null]);
    expect(await said).toBe('read below mine 0\n');
    expect(readFileSync(write, 'utf8')).toBe('read below mine\n');
    // In a cage its folder is memory of its own: what it wrote there is nobody's.
    expect(existsSync(join(folder, 'own'))).toBe(cage.level === 'none');
  });

  it('finds by a link what is shown, where it really lies', async () => {
    const cage = await openCage([way]);
    const real = join(home, `real-${way}`);
    mkdirSync(join(real, 'inner'), { recursive: true });
    writeFileSync(join(real, 'beside'), 'beside\n');
    const link = join(home, `links-${way}`, 'link');
    mkdirSync(dirname(link));
    symlinkSync(join(real, 'inner'), link);
    const script = `cd -P '${link}' && read a < ../beside && echo "$a $PWD" >&3`;
    const { said } = await shell(cage, script, { reads: [link, real] });
    expect(await said).toBe(`beside ${join(real, 'inner')}\n`);
  });

  it('is looked at from outside, and ends when its monitor is killed', async () => {
    const cage = await openCage([way]);
    const { caged } = await shell(cage, 'echo here >&3; while :; do :; done');
    await once(caged.process.stdio[3] as Readable, 'data');
    expect(caged.held()).toEqual({ level: cage.level, measures: cage.measures });
    const inside = caged.inside() as number;
    expect(readFileSync(`/proc/${inside}/cmdline`, 'latin1')).toContain('echo here');
    expect(readFileSync(`/proc/${inside}/environ`, 'latin1')).not.toContain('PATH');
    caged.process.kill('SIGKILL');
    expect(await untilGone(inside)).toBe(true);
  });

  it('ends with its parent', async () => {
    const parent = spawn(process.execPath, [PARENT, way], { stdio: ['pipe', 'pipe', 'inherit'] });
    onTestFinished(() => void parent.kill('SIGKILL'));
    const [said] = await once(parent.stdout, 'data');
    const { inside } = JSON.parse(said);
    expect(existsSync(`/proc/${inside}`)).toBe(true);
    parent.kill('SIGKILL');
    expect(await untilGone(inside)).toBe(true);
  });
});

describe('a cage', () => {
  it('is the strongest that works, found once', async () => {
    const levels = await Promise.all(WAYS.map(async (way) => (await openCage([way])).level));
    const order = ['none', 'limited', 'full'];
    const best = Math.max(...levels.map((level) => order.indexOf(level)));
    const cage = await thisCage();
    expect(cage.level).toBe(order[best]);
    expect(await thisCage()).toBe(cage);
  });

  it('has a level that says the least of what is missing', () => {
    const without = (...missing: string[]) =>
      levelOf(MEASURES.filter((measure) => !missing.includes(measure)));
    expect(without()).toBe('full');
    expect(without('system-calls-filtered')).toBe('limited');
    expect(without('tasks-bounded')).toBe('limited');
    expect(without('system-calls-filtered', 'tasks-bounded')).toBe('limited');
    for (const measure of MEASURES.slice(0, 2)) expect(without(measure)).toBe('none');
    expect(without('own-network', 'tasks-bounded')).toBe('none');
    expect(levelOf([])).toBe('none');
  });

  it('lists the files that make it', async () => {
    const files = await (await thisCage()).files();
    expect(files).toContain('/bin/sh');
    expect(files.every((path) => path.startsWith('/') && existsSync(path))).toBe(true);
  });

  it('that lets nothing start is passed over', async () => {
    expect(await openCage([])).toMatchObject({ way: 'shell', level: 'none' });
  });
});
