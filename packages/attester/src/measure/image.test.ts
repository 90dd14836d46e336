// SPDX-License-Identifier: Apache-2.0
// What runs is what was measured: whatever happens to the files afterwards, and whatever lies
// beside them.
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { below, put, smallClone } from '../../testing/small-clone.ts';
import { LARGE_BYTES } from './files.ts';
import { imageOf, type ProgramImage } from './image.ts';
import { type MeasureOptions, measureFiles } from './measure.ts';
import { environmentFor } from './start.ts';

const MAIN = 'packages/worker/dist/main.js';
const ADD_ON = 'node_modules/binding/libengine.so.1';
const cacheBefore = process.env['CLOISTER_CACHE'];
let cache: string;
let root: string;

// One cache for all: what is large in it is Node.
beforeAll(() => {
  cache = mkdtempSync(join(tmpdir(), 'cloister-images-'));
});

afterAll(() => rmSync(cache, { recursive: true }));

beforeEach(() => {
  process.env['CLOISTER_CACHE'] = cache;
  root = smallClone();
});

afterEach(() => {
  rmSync(root, { recursive: true });
  if (cacheBefore === undefined) delete process.env['CLOISTER_CACHE'];
  else process.env['CLOISTER_CACHE'] = cacheBefore;
});

const measured = (more: Partial<MeasureOptions> = {}) =>
  measureFiles({ role: 'worker', root, ...more });

interface Said {
  readonly said: readonly unknown[];
  readonly argv: readonly string[];
  readonly execArgv: readonly string[];
  readonly execPath: string;
  readonly env: Readonly<Record<string, string>>;
}

function runs(
  { runtime, entry }: ProgramImage,
  start: Awaited<ReturnType<typeof measured>>['start'],
): Said {
  const args = [...start.flags, entry, ...start.arguments];
  const env = environmentFor(start);
  return JSON.parse(execFileSync(runtime, args, { env, encoding: 'utf8', stdio: 'pipe' })) as Said;
}

describe('an image', () => {
  it('runs as it was measured, and on its own Node', async () => {
    process.env['NODE_OPTIONS'] = '--no-warnings';
    try {
      const program = await measured({ flags: ['--stack-size=900'], arguments: ['--more'] });
      const image = imageOf(program);
      const { said, argv, execArgv, execPath, env } = runs(image, program.start);
      expect(said).toEqual(['plain', 'two', 'late', 42, 'words']);
      expect(argv.slice(1)).toEqual([image.entry, '--more']);
      expect(execArgv).toEqual(['--openssl-config=/dev/null', '--stack-size=900']);
      expect(execPath).toBe(join(image.folder, 'bin/node'));
      const { TMPDIR: _, ...fixed } = env;
      expect(fixed).toEqual({ LANG: 'C.UTF-8', PATH: '/usr/bin:/bin', TZ: 'UTC' });
    } finally {
      delete process.env['NODE_OPTIONS'];
    }
  });

  it('has what was measured and nothing else, for nobody else to read or to write', async () => {
    put(
      root,
      'packages/worker/package.json',
      '{"type": "module", "measured": {"programs": ["/bin/sh"]}}',
    );
    const program = await measured();
    const { folder } = imageOf(program);
    const all = below(folder);
    const files = all.filter((path) => statSync(path).isFile());
    expect(program.parts.map(({ path }) => path)).toContain('/bin/sh');
    const places = files.map((path) => path.slice(folder.length + 1));
    expect(places.sort()).toEqual(program.manifest.parts.map(({ path }) => path).sort());
    for (const path of [folder, ...all]) expect(statSync(path).mode & 0o077, path).toBe(0);
  });

  it('keeps to what was measured when the file changes before the start', async () => {
    const program = await measured();
    put(root, 'packages/worker/dist/deep.js', "export const two = 'other';\n");
    expect(runs(imageOf(program), program.start).said[1]).toBe('two');
    const changed = await measured();
    expect(runs(imageOf(changed), changed.start).said[1]).toBe('other');
  });

  it('is not made when a large file changed between', async () => {
    writeFileSync(join(root, ADD_ON), new Uint8Array(LARGE_BYTES));
    const program = await measured();
    appendFileSync(join(root, ADD_ON), 'x');
    const open = readdirSync('/proc/self/fd').length;
    expect(() => imageOf(program)).toThrow(
      expect.objectContaining({
        code: 'program-changed',
        message: expect.stringMatching(/libengine\.so\.1 changed .* got \w{16}, wanted \w{16}/),
      }),
    );
    expect(readdirSync('/proc/self/fd').length).toBe(open);
    const kept = readdirSync(join(cache, 'programs/large'));
    expect(kept.filter((name) => name.startsWith('.'))).toEqual([]);
  });

  it('does not have what the scan overlooked', async () => {
    const hidden = "const load = new Function('path', 'return im' + 'port(path)');\n";
    put(root, MAIN, `${hidden}await load('./left-over.js');\n`);
    const program = await measured();
    expect(() => runs(imageOf(program), program.start)).toThrow(/left-over\.js|dynamic import/);
    put(root, MAIN, `eval("im" + "port('@cloister/keeper')").then(() => console.log('{}'));\n`);
    const other = await measured();
    expect(() => runs(imageOf(other), other.start)).toThrow(/Cannot find package/);
  });
});

describe('an image that is there', () => {
  it('is used again, by another process too', async () => {
    const first = imageOf(await measured());
    const running = join(cache, 'programs/running');
    const record = join(cache, 'programs/images', recordOf(first.folder));
    const mark = join(running, readdirSync(running)[0] ?? '');
    rmSync(mark);
    utimesSync(record, 1, 1);
    expect(imageOf(await measured()).folder).toBe(first.folder);
    expect(readFileSync(mark, 'utf8')).toBe(`${first.folder}\n`);
    expect(Date.now() - statSync(record).mtimeMs).toBeLessThan(60_000);
    const script = `
      const [measure, image, root, running] = process.argv.slice(1);
      const { measureFiles } = await import(measure);
      const { imageOf } = await import(image);
      const { folder } = imageOf(await measureFiles({ role: 'worker', root }));
      const { readdirSync, readFileSync } = await import('node:fs');
      const marks = readdirSync(running).filter((name) => name.includes('-' + process.pid + '-'));
      const texts = marks.map((name) => readFileSync(running + '/' + name, 'utf8'));
      console.log(JSON.stringify({ folder, texts }));`;
    // At this process's end the mark goes; until then it is needed.
    process.listeners('exit').at(-1)?.(0);
    expect(existsSync(mark)).toBe(false);
    const built = ['measure', 'image'].map((name) => {
      return new URL(`../../dist/measure/${name}.js`, import.meta.url).href;
    });
    const args = ['--input-type=module', '-e', script, ...built, root, running];
    const said = execFileSync(process.execPath, args, { encoding: 'utf8' });
    expect(JSON.parse(said)).toEqual({ folder: first.folder, texts: [`${first.folder}\n`] });
    expect(readdirSync(running)).toEqual([]);
  });

  it.each([
    ['a file changed', (at: string) => overwrite(join(at, MAIN), 'other')],
    [
      'a file changed and its time is as before',
      (at: string) => {
        const { atime, mtime } = statSync(join(at, MAIN));
        overwrite(join(at, MAIN), readFileSync(join(at, MAIN), 'utf8').replace('late', 'soon'));
        utimesSync(join(at, MAIN), atime, mtime);
      },
    ],
    ['a file is gone', (at: string) => rmSync(join(at, 'packages/worker/dist/late.js'))],
    ['a file came', (at: string) => writeFileSync(join(at, 'packages/worker/dist/x.js'), '')],
    ['a package came', (at: string) => mkdirSync(join(at, 'node_modules'))],
    [
      'a link leads elsewhere',
      (at: string) => {
        const link = join(at, 'packages/worker/node_modules/plain');
        rmSync(link);
        symlinkSync('../../core', link);
      },
    ],
    ['permissions changed', (at: string) => chmodSync(join(at, MAIN), 0o666)],
  ])('is made anew when %s', async (_what, damage) => {
    const first = imageOf(await measured());
    damage(first.folder);
    const program = await measured();
    const second = imageOf(program);
    expect(second.folder).not.toBe(first.folder);
    expect(runs(second, program.start).said[2]).toBe('late');
  });

  it.each([
    '',
    '[]',
    'null',
    '{}',
    '{"folder": "FOLDER", "looks": []}',
    '{"folder": "FOLDER", "looks": [1]}',
    '{"folder": "FOLDER", "looks": [[1, 2]]}',
    '{"folder": "FOLDER", "looks": [{"0": "look"}]}',
    '{"folder": "/", "looks": [["", "look"]]}',
  ])('is made anew when its record is %s', async (text) => {
    const program = await measured();
    const first = imageOf(program);
    const record = join(cache, 'programs/images', recordOf(first.folder));
    writeFileSync(record, text.replace('FOLDER', first.folder));
    const second = imageOf(program);
    expect(second.folder).not.toBe(first.folder);
    expect(imageOf(program).folder).toBe(second.folder);
  });

  it('is made anew when its large file is not what it was', async () => {
    writeFileSync(join(root, ADD_ON), new Uint8Array(LARGE_BYTES).fill(3));
    const program = await measured();
    const first = imageOf(program);
    const at = join(first.folder, 'outside/binding@2.0.0/libengine.so.1');
    overwrite(at, 'x'.repeat(LARGE_BYTES));
    const second = imageOf(program);
    const { digest } = program.parts.find(({ path }) => path.endsWith('.so.1')) ?? {};
    const copy = join(second.folder, 'outside/binding@2.0.0/libengine.so.1');
    expect(
      (await measureFiles({ role: 'worker', root })).parts.some((p) => p.digest === digest),
    ).toBe(true);
    expect(readFileSync(copy)[0]).toBe(3);
    expect(readFileSync(at)[0]).not.toBe(3);
  });

  it('takes no link for its large file, and copies where it cannot link', async () => {
    writeFileSync(join(root, ADD_ON), new Uint8Array(LARGE_BYTES).fill(4));
    const program = await measured();
    const first = imageOf(program);
    const place = 'outside/binding@2.0.0/libengine.so.1';
    const { digest } = program.parts.find(({ path }) => path === place) ?? {};
    const kept = join(cache, 'programs/large', String(digest));
    rmSync(kept);
    symlinkSync(join(root, ADD_ON), kept);
    rmSync(join(first.folder, MAIN));
    const second = imageOf(program);
    expect(lstatSync(join(second.folder, place)).isFile()).toBe(true);
    const elsewhere = mkdtempSync('/dev/shm/cloister-large-');
    const other = mkdtempSync(join(cache, 'other-'));
    mkdirSync(join(other, 'programs'), { mode: 0o700 });
    symlinkSync(elsewhere, join(other, 'programs/large'));
    process.env['CLOISTER_CACHE'] = other;
    try {
      const third = imageOf(program);
      const copy = lstatSync(join(third.folder, place));
      expect([copy.isFile(), copy.nlink, copy.mode & 0o777]).toEqual([true, 1, 0o400]);
      expect(readFileSync(join(third.folder, place))[0]).toBe(4);
      expect(runs(third, program.start).said[2]).toBe('late');
    } finally {
      rmSync(elsewhere, { recursive: true });
    }
  });

  it('goes when it is old and others came, unless a process launches from it', async () => {
    const used = imageOf(await measured({ arguments: ['used'] }));
    const images = join(cache, 'programs/images');
    for (const name of readdirSync(images)) utimesSync(join(images, name), 1, 1);
    const [abandoned, recent] = [join(images, 'f'.repeat(16)), join(images, 'e'.repeat(16))];
    for (const folder of [abandoned, recent]) {
      mkdirSync(folder);
      utimesSync(folder, 1, 1);
      writeFileSync(`${folder}.json`, '');
    }
    utimesSync(`${abandoned}.json`, 1, 1);
    const marks = join(cache, 'programs/running');
    const dead = join(marks, readdirSync(marks)[0]?.replace(/-\d+-\d+$/, '-4194305-1') ?? '');
    writeFileSync(dead, `${abandoned}\n`);
    for (let i = 0; i < 9; i++) imageOf(await measured({ arguments: [String(i)] }));
    expect(existsSync(used.folder)).toBe(true);
    expect(existsSync(recent)).toBe(true);
    expect(existsSync(abandoned)).toBe(false);
    expect(existsSync(`${abandoned}.json`)).toBe(false);
    expect(existsSync(dead)).toBe(false);
  });

  it('lets go of large files that no image has had for an hour', async () => {
    const large = join(cache, 'programs/large');
    const stray = join(large, 'f'.repeat(64));
    writeFileSync(stray, 'of no image');
    imageOf(await measured({ arguments: ['soon'] }));
    expect(existsSync(stray)).toBe(true);
    const program = await measured({ arguments: ['later'] });
    const now = vi.spyOn(Date, 'now').mockReturnValue(Date.now() + 7_200_000);
    try {
      imageOf(program);
    } finally {
      now.mockRestore();
    }
    expect(existsSync(stray)).toBe(false);
    expect(readdirSync(large).some((name) => name.endsWith('.run'))).toBe(true);
  });
});

describe('the folder of images', () => {
  it('is not used where others can write, or where Node would look for more', async () => {
    const program = await measured();
    const open = mkdtempSync(join(cache, 'open-'));
    mkdirSync(join(open, 'programs'));
    chmodSync(join(open, 'programs'), 0o777);
    const above = mkdtempSync(join(cache, 'above-'));
    mkdirSync(join(above, 'node_modules'));
    const file = join(cache, 'file');
    writeFileSync(file, '');
    for (const [folder, why] of [
      [open, /others can write/],
      [join(above, 'deeper'), /has a node_modules/],
      [file, /ENOTDIR|EEXIST/],
    ] as const) {
      process.env['CLOISTER_CACHE'] = folder;
      expect(() => imageOf(program)).toThrow(
        expect.objectContaining({
          code: 'program-folder-unusable',
          message: expect.stringMatching(why),
        }),
      );
    }
  });
});

/** The record's name, of an image's folder. */
function recordOf(folder: string): string {
  const name = folder.slice(folder.lastIndexOf('/') + 1, -7);
  const found = readdirSync(join(cache, 'programs/images')).find((one) => {
    return one.startsWith(name) && one.endsWith('.json');
  });
  if (found === undefined) throw new Error(`${folder} has no record`);
  return found;
}

function overwrite(path: string, text: string): void {
  const { mode } = statSync(path);
  chmodSync(path, 0o600);
  writeFileSync(path, text);
  chmodSync(path, mode & 0o777);
  expect(existsSync(dirname(path))).toBe(true);
}
