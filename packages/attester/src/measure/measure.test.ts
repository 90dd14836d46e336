// SPDX-License-Identifier: Apache-2.0
// What enters a program's measurement and what does not: on small builds that have every kind of
// part, and on the keeper and the worker that are built here.
import { appendFileSync, copyFileSync, cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { toHex } from '@cloister/core';
import { afterEach, describe, expect, it } from 'vitest';
import { otherTimesAndModes, put, smallClone, textOf } from '../../testing/small-clone.ts';
import { measurementOf } from './manifest.ts';
import { type MeasureOptions, measureFiles } from './measure.ts';

const made: string[] = [];

afterEach(() => {
  for (const folder of made.splice(0)) rmSync(folder, { recursive: true });
});

function clone(change: Readonly<Record<string, string | null>> = {}): string {
  const root = smallClone(change);
  made.push(root);
  return root;
}

function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'cloister-measure-'));
  made.push(folder);
  return folder;
}

const loading = (what: string) => `import ${JSON.stringify(what)};\n`;

async function measured(root: string, more: Partial<MeasureOptions> = {}): Promise<string> {
  return toHex((await measureFiles({ role: 'worker', root, ...more })).encoded);
}

describe('the measured program', () => {
  it('is exactly what it can load', async () => {
    const { manifest, parts } = await measureFiles({ role: 'worker', root: clone() });
    expect(manifest.parts.map(({ path }) => path)).toEqual([
      'bin/node',
      'outside/binding@2.0.0/add-on.node',
      'outside/binding@2.0.0/data.json',
      'outside/binding@2.0.0/index.js',
      'outside/binding@2.0.0/libengine.so.1',
      'outside/binding@2.0.0/package.json',
      'outside/native@2.0.0/lib/built/fast.node',
      'outside/native@2.0.0/lib/built/libfast.so',
      'outside/native@2.0.0/lib/main.js',
      'outside/native@2.0.0/package.json',
      'outside/plain@1.2.3/index.js',
      'outside/plain@1.2.3/lib/deep.js',
      'outside/plain@1.2.3/lib/package.json',
      'outside/plain@1.2.3/package.json',
      'outside/spare@0.1.0/index.js',
      'outside/spare@0.1.0/package.json',
      'outside/types@3.0.0/package.json',
      'packages/core/dist/index.js',
      'packages/core/package.json',
      'packages/worker/child/main.mjs',
      'packages/worker/dist/deep.js',
      'packages/worker/dist/late.js',
      'packages/worker/dist/main.js',
      'packages/worker/dist/rooms/two.js',
      'packages/worker/dist/thread.js',
      'packages/worker/dist/words.txt',
      'packages/worker/package.json',
    ]);
    const of = (path: string) => parts.find((part) => part.path === path);
    expect(of('packages/worker/child/main.mjs')).toMatchObject({
      kind: 'script',
      why: 'named by packages/worker/dist/main.js',
    });
    expect(of('outside/binding@2.0.0/libengine.so.1')).toMatchObject({ kind: 'native' });
    expect(of('outside/binding@2.0.0/data.json')?.why).toMatch(/index\.js: it uses require/);
    expect(of('packages/worker/dist/words.txt')).toMatchObject({ kind: 'data', bytes: 6 });
    expect(manifest.packages['packages/worker']).toEqual({
      '@cloister/core': 'packages/core',
      native: 'outside/native@2.0.0',
      plain: 'outside/plain@1.2.3',
    });
    expect(manifest.packages['outside/binding@2.0.0']).toEqual({ spare: 'outside/spare@0.1.0' });
    expect(manifest.packages['outside/spare@0.1.0']).toEqual({
      binding: 'outside/binding@2.0.0',
    });
    expect(manifest.packages['outside/plain@1.2.3']).toEqual({ types: 'outside/types@3.0.0' });
    expect(manifest.node).toBe(`${process.version} ${process.platform}-${process.arch}`);
  });

  it('is the same in another folder, at another time, with other permissions', async () => {
    const one = clone();
    const umask = process.umask(0o077);
    const other = clone();
    process.umask(umask);
    otherTimesAndModes(other);
    expect(await measured(other)).toBe(await measured(one));
    expect(await measured(other, { role: 'keeper' })).toBe(await measured(one, { role: 'keeper' }));
  });

  it('is the same in what is installed from the clone', async () => {
    const root = clone();
    const product = join(scratch(), 'node_modules', 'cloister');
    cpSync(join(root, 'packages'), join(product, 'node_modules/@cloister'), { recursive: true });
    for (const name of ['plain', 'native', 'types']) {
      cpSync(join(root, 'node_modules', name), join(product, 'node_modules', name), {
        recursive: true,
      });
    }
    // What differs by machine is fetched, and lies beside.
    for (const name of ['binding', 'spare']) {
      cpSync(join(root, 'node_modules', name), join(product, '..', name), { recursive: true });
    }
    expect(await measured(product)).toBe(await measured(root));
    const { program } = await measureFiles({ role: 'worker', root: product });
    expect(program).toBe(join(product, 'node_modules/@cloister/worker/dist/main.js'));
  });

  it.each([
    ['a byte of a script of ours', 'packages/worker/dist/deep.js'],
    ['a byte of another package of ours', 'packages/core/dist/index.js'],
    ['a byte of what is loaded late', 'packages/worker/dist/late.js'],
    ['a byte of a thread', 'packages/worker/dist/thread.js'],
    ["a byte of a child's script", 'packages/worker/child/main.mjs'],
    ['a byte of data beside a module', 'packages/worker/dist/words.txt'],
    ['a byte of an outside script', 'node_modules/plain/index.js'],
    ['a byte of an outside script behind a pattern', 'node_modules/plain/lib/deep.js'],
    ['a byte of an add-on', 'node_modules/binding/add-on.node'],
    ['a byte of a library beside it', 'node_modules/binding/libengine.so.1'],
    ['a byte of what a package computes that it loads', 'node_modules/binding/data.json'],
    ['a package.json of ours', 'packages/worker/package.json'],
    ['an outside package.json', 'node_modules/plain/package.json'],
    ['a package.json inside a package', 'node_modules/plain/lib/package.json'],
    ['a library beside an add-on that is named', 'node_modules/native/lib/built/libfast.so'],
  ])('is another with %s', async (_what, path) => {
    const root = clone();
    const before = await measured(root);
    put(root, path, `${textOf(path).trimEnd()} \n`);
    expect(await measured(root)).not.toBe(before);
  });

  it('is another with a file more in what is loaded as a folder', async () => {
    const root = clone();
    const before = await measured(root);
    put(root, 'packages/worker/child/more.mjs', 'export {};\n');
    const more = await measured(root);
    put(root, 'node_modules/binding/lib/more.js', '');
    expect(new Set([before, more, await measured(root)]).size).toBe(3);
  });

  it('has an outside package whole where a module of it loads by a name of its own', async () => {
    const root = clone({ 'node_modules/plain/lib/deep.js': `${loading('#inner')}` });
    const { parts } = await measureFiles({ role: 'worker', root });
    const whole = parts.find(({ path }) => path === 'outside/plain@1.2.3/index.cjs');
    expect(whole?.why).toBe('outside/plain@1.2.3/lib/deep.js loads #inner');
  });

  it('passes over what an outside package tries for and does not have', async () => {
    const main = 'node_modules/native/lib/main.js';
    const trying = "try { require('./absent'); } catch {}\n";
    const root = clone({ [main]: `${textOf(main)}${trying}` });
    const { manifest } = await measureFiles({ role: 'worker', root });
    expect(manifest.parts.map(({ path }) => path)).toContain('outside/native@2.0.0/lib/main.js');
  });

  it('is another where a name means another package of the same content', async () => {
    const root = clone();
    const before = await measured(root);
    put(
      root,
      'packages/core/node_modules/plain/package.json',
      textOf('node_modules/plain/package.json').replace('1.2.3', '1.2.4'),
    );
    put(root, 'packages/core/node_modules/plain/index.js', textOf('node_modules/plain/index.js'));
    const { manifest } = await measureFiles({ role: 'worker', root });
    expect(manifest.packages['packages/core']).toEqual({ plain: 'outside/plain@1.2.4' });
    expect(await measured(root)).not.toBe(before);
  });

  it('is another by role, flags and arguments', async () => {
    const root = clone();
    const program = join(root, 'packages/worker/dist/main.js');
    const all = await Promise.all([
      measured(root, { program }),
      measured(root, { program, role: 'keeper' }),
      measured(root, { program, flags: ['--max-old-space-size=512'] }),
      measured(root, { program, flags: ['--max-old-space-size=513'] }),
      measured(root, { program, flags: ['--no-addons'] }),
      measured(root, { program, arguments: ['--more'] }),
    ]);
    expect(new Set(all).size).toBe(all.length);
  });

  it('is another with another Node, by content and not by where it lies', async () => {
    const root = clone();
    const [same, patched] = [join(scratch(), 'node'), join(scratch(), 'node')];
    copyFileSync(process.execPath, same);
    copyFileSync(process.execPath, patched);
    appendFileSync(patched, 'x');
    expect(await measured(root, { runtime: same })).toBe(await measured(root));
    expect(await measured(root, { runtime: patched })).not.toBe(await measured(root));
  });

  it('has the programs of the machine that a package lists, there or not', async () => {
    const tool = join(scratch(), 'tool');
    const json = JSON.parse(textOf('packages/worker/package.json')) as object;
    const listing = { ...json, measured: { files: ['./extra.txt'], programs: [tool] } };
    const root = clone({
      'packages/worker/package.json': JSON.stringify(listing),
      'packages/worker/extra.txt': 'extra',
    });
    const absent = await measureFiles({ role: 'worker', root });
    expect(absent.manifest.programs).toEqual([{ path: tool, digest: null }]);
    expect(absent.manifest.parts.map(({ path }) => path)).toContain('packages/worker/extra.txt');
    const measures = [await measured(root)];
    for (const text of ['#!/bin/sh\n', '#!/bin/sh\n\n']) {
      writeFileSync(tool, text);
      measures.push(await measured(root));
    }
    expect(new Set(measures).size).toBe(3);
  });

  it('does not depend on what it cannot load', async () => {
    const root = clone();
    const before = await measured(root);
    for (const path of [
      'packages/worker/dist/left-over.js',
      'packages/worker/dist/main.test.js',
      'packages/core/dist/mint.js',
      'packages/core/dist/index.d.ts',
      'packages/core/src/index.ts',
      'packages/keeper/dist/main.js',
      'node_modules/plain/index.cjs',
      'node_modules/plain/test/test.js',
      'node_modules/binding/docs/how.js',
      'package-lock.json',
    ]) {
      put(root, path, 'changed');
    }
    expect(await measured(root)).toBe(before);
  });

  it('hashes to the size that a kind wants', async () => {
    const { encoded } = await measureFiles({ role: 'keeper', root: clone() });
    expect([32, 48, 64].map((size) => measurementOf(encoded, size).length)).toEqual([32, 48, 64]);
  });
});

describe('a program that cannot be told', () => {
  const main = 'packages/worker/dist/main.js';
  it.each([
    ['imports what it computes', { [main]: 'await import(process.argv[2]);' }],
    ['imports what is not installed', { [main]: loading('absent') }],
    ['imports what no package gives out', { [main]: loading('@cloister/core/hidden') }],
    ['imports what is not built', { [main]: loading('./absent.js') }],
    ['imports a file outside every package', { [main]: loading('../../core/dist/index.js') }],
    ['imports by an absolute path', { [main]: loading('file:///tmp/a.js') }],
    ['imports what is no file', { [main]: loading('data:text/javascript,1') }],
    ['loads by require', { [main]: "require('plain');" }],
    ['names a file that is not there', { [main]: "new URL('./absent.txt', import.meta.url);" }],
    [
      'lists what leaves its package',
      { 'packages/worker/package.json': '{"measured": {"files": ["./../core/dist"]}}' },
    ],
    ['lists no paths', { 'packages/worker/package.json': '{"measured": {"programs": ["sh"]}}' }],
    ['lists nothing', { 'packages/worker/package.json': '{"measured": {"programs": "/bin/sh"}}' }],
    [
      'has an outside package that needs one of ours',
      {
        'node_modules/native/package.json': textOf('node_modules/native/package.json').replace(
          '"binding"',
          '"@cloister/core"',
        ),
      },
    ],
    ['has a package.json that is none', { 'packages/worker/package.json': '{' }],
  ])('because it %s is refused, with the reason', async (_what, change) => {
    const attempt = measureFiles({ role: 'worker', root: clone(change) });
    await expect(attempt).rejects.toMatchObject({
      code: 'program-unmeasurable',
      message: expect.stringMatching(/^what the worker would run cannot be told .*\w/) as string,
    });
  });

  it.each([
    '--import=/tmp/other.mjs',
    '--require=/tmp/other.js',
    '-r/tmp/other.js',
    '--experimental-loader=/tmp/other.mjs',
    '--conditions=source',
    '--env-file=.env',
    '--inspect',
    '--openssl-config=/tmp/openssl.cnf',
    '--max-old-space-size=1 --inspect',
    'other.js',
  ])('by a flag as %s is refused', async (flag) => {
    const attempt = measureFiles({ role: 'worker', root: clone(), flags: [flag] });
    await expect(attempt).rejects.toMatchObject({ code: 'program-unmeasurable' });
  });

  it('because it is not there is refused, with what to do', async () => {
    const root = clone();
    const program = join(root, 'packages/keeper/dist/absent.js');
    for (const options of [{ root, program }, { root: scratch() }]) {
      await expect(measureFiles({ role: 'keeper', ...options })).rejects.toMatchObject({
        code: 'program-unreadable',
        message: expect.stringMatching(/npm run build/) as string,
      });
    }
  });

  it('because a name means two packages within one is refused', async () => {
    const nested = 'packages/worker/dist/rooms/node_modules/plain';
    const root = clone({
      'packages/worker/dist/rooms/two.js': `${loading('plain')}${loading('../deep.js')}`,
      [`${nested}/package.json`]: textOf('node_modules/plain/package.json').replace(
        '1.2.3',
        '1.3.0',
      ),
      [`${nested}/index.js`]: textOf('node_modules/plain/index.js'),
    });
    await expect(measureFiles({ role: 'worker', root })).rejects.toMatchObject({
      code: 'program-unmeasurable',
      message: expect.stringMatching(/plain means outside\/plain@1\.\d\.\d and/) as string,
    });
  });

  it('because two copies of one package differ is refused; the same two count as one', async () => {
    const root = clone();
    const before = await measureFiles({ role: 'worker', root });
    const copy = 'packages/core/node_modules/plain';
    cpSync(join(root, 'node_modules/plain'), join(root, copy), { recursive: true });
    expect(toHex((await measureFiles({ role: 'worker', root })).encoded)).toBe(
      toHex(before.encoded),
    );
    put(root, `${copy}/index.js`, "export const plain = 'other';\n");
    await expect(measureFiles({ role: 'worker', root })).rejects.toMatchObject({
      code: 'program-unmeasurable',
      message: expect.stringMatching(/plain@1\.2\.3\/index\.js is there twice/) as string,
    });
  });
});

describe('the nodes that are built here', () => {
  it.each(['keeper', 'worker'] as const)('%s: nothing mints, tests or launches', async (role) => {
    const { parts, manifest } = await measureFiles({ role });
    const foreign = parts.filter(({ path }) => {
      return /mint|\btests?\b|testing|testkit|launcher\b|launcher-duties|simulated|swtpm/.test(
        path,
      );
    });
    expect(foreign.map(({ path }) => path)).toEqual([]);
    expect(parts.filter(({ why }) => why === '')).toEqual([]);
    expect(manifest.parts.every(({ path }) => !path.startsWith('/'))).toBe(true);
    const ofNoPackage = Object.keys(manifest.packages).filter((place) => {
      return !/^(packages\/[\w-]+|outside\/(@[\w-]+\/)?[\w.-]+@\d[\w.-]+)$/.test(place);
    });
    expect(ofNoPackage).toEqual([]);
  });

  it('a keeper has no native code, a worker the engine’s, its child and its threads', async () => {
    const native = async (role: 'keeper' | 'worker') =>
      (await measureFiles({ role })).parts.filter(({ kind }) => kind === 'native');
    expect(await native('keeper')).toEqual([]);
    expect((await native('worker')).map(({ path }) => path.split('/').at(-1)).sort()).toEqual([
      'duckdb.node',
      'libduckdb.so',
    ]);
    const { manifest } = await measureFiles({ role: 'worker' });
    const paths = manifest.parts.map(({ path }) => path);
    expect(paths).toContain('packages/engine-duckdb/child/main.mjs');
    expect(paths).toContain('packages/parquet-crypto/dist/crypto-thread.js');
    expect(paths.some((path) => path.startsWith('outside/apache-arrow@'))).toBe(true);
  });
});
