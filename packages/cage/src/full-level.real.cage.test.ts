// SPDX-License-Identifier: Apache-2.0
// The full level is reached by bubblewrap, for root and for an ordinary user, and no system call
// that reaches further than its own process goes through.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { attack } from '../testing/attack.ts';
import { UNFILTERED } from '../testing/known.ts';
import { MEASURES, openCage, packageFolders, programFiles, type Way } from './index.ts';

const PERL = process.env['CLOISTER_PERL'] ?? '';
const CALLS = fileURLToPath(new URL('../testing/system-calls.pl', import.meta.url));
const OWN = fileURLToPath(new URL('..', import.meta.url));
const SOMEBODY = '4321';

async function systemCalls(way: Way): Promise<{ tried: number; done: string[] }> {
  const cage = await openCage([way]);
  if (cage.level === 'none') throw new Error(`${way} comes to nothing here: not to be tried`);
  const folder = mkdtempSync(join(tmpdir(), 'cloister-calls-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const { files } = await programFiles(PERL);
  const libraries = spawnSync(PERL, ['-e', 'print join("\\n", grep { -d } @INC)']);
  const modules = String(libraries.stdout).split('\n');
  const caged = cage.start({
    ...{ program: PERL, args: [CALLS, String(process.pid)], folder, folderBytes: 2 ** 20 },
    ...{ reads: [...files, ...modules, CALLS], writes: [], pipes: 1 },
    limits: { dataBytes: 2 ** 30, fileBytes: 2 ** 20, openFiles: 64, tasks: 64, cpuSeconds: 60 },
  });
  onTestFinished(() => void caged.process.kill('SIGKILL'));
  let text = '';
  const from = caged.process.stdio[3] as Readable;
  from.on('data', (more) => {
    text += more;
  });
  await Promise.race([once(from, 'end'), once(caged.process, 'exit')]);
  const [tried = '0', ...done] = text.trim().split('\n');
  return { tried: Number(tried), done };
}

describe('bubblewrap', () => {
  it('comes to the full level', async () => {
    const cage = await openCage(['bwrap']);
    expect(cage).toMatchObject({ way: 'bwrap', level: 'full', measures: MEASURES });
    expect(await cage.files()).toContain(process.env['CLOISTER_BWRAP']);
    expect((await attack(cage)).succeeded).toEqual([]);
  });

  it('lets no system call through that reaches further', async () => {
    expect(await systemCalls('bwrap')).toEqual({ tried: 28, done: [] });
  });

  it('does so for an ordinary user', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cloister-user-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    // A copy, because that user may not come to where the repository lies.
    const cage = join(folder, 'node_modules/@cloister/cage');
    for (const name of ['dist', 'testing', 'package.json']) {
      cpSync(join(OWN, name), join(cage, name), { recursive: true });
    }
    for (const from of packageFolders(OWN, ['@cloister/core'])) {
      const at = from.lastIndexOf('node_modules/');
      if (at < 0) continue;
      mkdirSync(join(folder, dirname(from.slice(at))), { recursive: true });
      cpSync(from, join(folder, from.slice(at)), { recursive: true, dereference: true });
    }
    spawnSync('/bin/chmod', ['-R', 'a+rX', folder]);
    const isRoot = process.getuid?.() === 0;
    const other = ['--reuid', SOMEBODY, '--regid', SOMEBODY, '--clear-groups', '--'];
    const parent = [process.execPath, join(cage, 'testing/parent.mjs')];
    for (const [way, level] of [
      ['bwrap', 'full'],
      ['unshare', 'limited'],
    ]) {
      const [command = '', ...args] = isRoot ? ['setpriv', ...other, ...parent] : parent;
      // It waits to be killed once it has said what it came to.
      const run = spawnSync(command, [...args, way as string], { timeout: 5_000 });
      expect(JSON.parse(String(run.stdout))).toMatchObject({ way, level });
    }
  });
});

describe('the tools of util-linux', () => {
  it('come to the limited level: these system calls go through, in its own spaces', async () => {
    expect(await systemCalls('unshare')).toEqual({ tried: 28, done: UNFILTERED });
  });
});
