// SPDX-License-Identifier: Apache-2.0
// Run folders: private, gone after the run and with the process, swept when their process is dead.
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dropAll, dropScratch, makeScratch, sweepScratch } from './scratch.ts';

let scratch: string;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'cloister-scratch-test-'));
});

afterAll(() => rm(scratch, { recursive: true, force: true }));

it('a run folder is for its owner alone, and goes with everything in it', async () => {
  const folder = await makeScratch(scratch, false);
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
  await writeFile(join(folder, 'plain.parquet'), 'secret');
  await dropScratch(folder);
  expect(await readdir(scratch)).toEqual([]);
});

it('what a dead process left is removed; the living and strangers are left alone', async () => {
  const { pid: dead } = spawnSync(process.execPath, ['-e', '0']);
  const own = await makeScratch(scratch, false);
  const left = `cloister-run-${dead}-Ab3xYz`;
  const linked = `cloister-engine-${dead}-Ab3xYz`;
  const others = [`cloister-run-${process.ppid}-Ab3xYz`, 'cloister-run-x', `other-${dead}-Ab3xYz`];
  for (const name of [left, linked, ...others]) await mkdir(join(scratch, name));
  await writeFile(join(scratch, left, 'plain.parquet'), 'secret');
  expect((await sweepScratch(scratch)).sort()).toEqual([linked, left]);
  expect((await readdir(scratch)).map((name) => join(scratch, name)).sort()).toEqual(
    [...others.map((name) => join(scratch, name)), own].sort(),
  );
  for (const name of others) await rm(join(scratch, name), { recursive: true });
  await dropScratch(own);
});

it('a process that ends in the middle of a run leaves nothing', async () => {
  const folder = await makeScratch(scratch, false);
  await writeFile(join(folder, 'plain.parquet'), 'secret');
  expect(process.listeners('exit')).toContain(dropAll);
  dropAll();
  expect(await readdir(scratch)).toEqual([]);
});

it('is refused where no memory file system is, and where memory is swapped to a disk', async () => {
  await expect(makeScratch('/proc', true)).rejects.toMatchObject({ code: 'scratch-not-in-memory' });
  const made = makeScratch('/dev/shm', true);
  if (await swaps()) await expect(made).rejects.toMatchObject({ code: 'scratch-not-in-memory' });
  else await dropScratch(await made);
});

async function swaps(): Promise<boolean> {
  const listed = await readFile('/proc/swaps', 'utf8').catch(() => '');
  return listed.trim().split('\n').length > 1;
}
