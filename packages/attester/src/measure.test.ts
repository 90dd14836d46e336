// SPDX-License-Identifier: Apache-2.0
// What enters a program's measurement and what does not, on small clones in temporary folders.
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '@cloister/core';
import { afterEach, describe, expect, it } from 'vitest';
import { measureFiles, measurementOf } from './measure.ts';

const made: string[] = [];

afterEach(async () => {
  for (const folder of made.splice(0)) await rm(folder, { recursive: true });
});

/** A clone with a keeper and a worker that share one package. */
async function clone(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'cloister-measure-'));
  made.push(root);
  const put = async (path: string, text: string) => {
    await mkdir(join(root, path, '..'), { recursive: true });
    await writeFile(join(root, path), text);
  };
  await put('package-lock.json', '{"lockfileVersion": 3}');
  for (const role of ['keeper', 'worker']) {
    const dependencies = { '@cloister/core': '0.1.0', zod: '4.6.7' };
    const files = ['dist', 'src'];
    await put(`packages/${role}/package.json`, JSON.stringify({ dependencies, files }));
    await put(`packages/${role}/dist/main.js`, 'export {};');
  }
  await put(
    'packages/core/package.json',
    '{"files": ["child", "dist", "src", "!src/**/*.test.ts"]}',
  );
  await put('packages/core/child/main.mjs', 'export {};');
  await put('packages/core/src/index.ts', 'export const a = 1;');
  await put('packages/core/dist/index.js', 'export const a = 1;');
  await put('packages/core/dist/deep/b.js', 'export const b = 1;');
  await put('packages/core/dist/index.d.ts', 'export declare const a = 1;');
  await put('packages/other/package.json', '{}');
  await put('packages/other/dist/index.js', 'export {};');
  return root;
}

describe('the measured program', () => {
  it('is the same in two clones, and lists exactly what the program reaches', async () => {
    const [one, two] = [await clone(), await clone()];
    const a = await measureFiles({ role: 'keeper', root: one });
    const b = await measureFiles({ role: 'keeper', root: two });
    expect(toHex(a.encoded)).toBe(toHex(b.encoded));
    expect(a.manifest.files.map((file) => file.path)).toEqual([
      'packages/core/child/main.mjs',
      'packages/core/dist/deep/b.js',
      'packages/core/dist/index.js',
      'packages/keeper/dist/main.js',
    ]);
    expect(a.manifest.node).toBe(process.version);
  });

  it('is the same in what is installed from the clone', async () => {
    const root = await clone();
    const installed = await mkdtemp(join(tmpdir(), 'cloister-installed-'));
    made.push(installed);
    await cp(join(root, 'packages'), join(installed, 'node_modules/@cloister'), {
      recursive: true,
    });
    await cp(join(root, 'package-lock.json'), join(installed, 'repository-lock.json'));
    const a = await measureFiles({ role: 'keeper', root });
    const b = await measureFiles({ role: 'keeper', root: installed });
    expect(toHex(a.encoded)).toBe(toHex(b.encoded));
    expect(b.program).toBe(join(installed, 'node_modules/@cloister/keeper/dist/main.js'));
  });

  it.each([
    ['a changed file', 'packages/core/dist/deep/b.js'],
    ['a changed script that is not built', 'packages/core/child/main.mjs'],
    ['a changed lockfile', 'package-lock.json'],
    ['an added file', 'packages/keeper/dist/more.js'],
  ])('measures differently with %s', async (_what, path) => {
    const root = await clone();
    const before = await measureFiles({ role: 'keeper', root });
    await writeFile(join(root, path), '{"changed": true}');
    const after = await measureFiles({ role: 'keeper', root });
    expect(toHex(after.encoded)).not.toBe(toHex(before.encoded));
  });

  it('does not depend on what the program cannot reach', async () => {
    const root = await clone();
    const before = await measureFiles({ role: 'keeper', root });
    await writeFile(join(root, 'packages/other/dist/index.js'), 'changed');
    await writeFile(join(root, 'packages/core/dist/index.d.ts'), 'changed');
    expect((await measureFiles({ role: 'keeper', root })).encoded).toEqual(before.encoded);
  });

  it('differs between the roles even for one and the same program', async () => {
    const root = await clone();
    const program = join(root, 'packages/keeper/dist/main.js');
    const keeper = await measureFiles({ role: 'keeper', root, program });
    const worker = await measureFiles({ role: 'worker', root, program });
    expect(toHex(keeper.encoded)).not.toBe(toHex(worker.encoded));
  });

  it('refuses a program that is not there, with what to do', async () => {
    const root = await clone();
    const program = join(root, 'packages/keeper/dist/absent.js');
    const attempt = measureFiles({ role: 'keeper', root, program });
    await expect(attempt).rejects.toMatchObject({ code: 'program-unreadable' });
    await expect(measureFiles({ role: 'keeper', root: tmpdir() })).rejects.toMatchObject({
      code: 'program-unreadable',
    });
  });

  it('hashes to the size that a kind wants', async () => {
    const { encoded } = await measureFiles({ role: 'keeper', root: await clone() });
    expect([32, 48, 64].map((size) => measurementOf(encoded, size).length)).toEqual([32, 48, 64]);
  });
});
