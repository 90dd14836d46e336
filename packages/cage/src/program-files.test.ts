// SPDX-License-Identifier: Apache-2.0
// What a program needs to start is found as the loader and Node find it.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { packageFolders, programFiles } from './program-files.ts';

const home = mkdtempSync(join(tmpdir(), 'cloister-files-'));
afterAll(() => rmSync(home, { recursive: true }));

/** A package in the `node_modules` of a folder. */
function place(folder: string, name: string, manifest: object = {}): string {
  const at = join(folder, 'node_modules', name);
  mkdirSync(at, { recursive: true });
  writeFileSync(join(at, 'package.json'), JSON.stringify(manifest));
  return at;
}

describe('what a program needs', () => {
  it('is itself, its libraries and the loader', async () => {
    const { files } = await programFiles('/bin/sh');
    expect(files[0]).toBe('/bin/sh');
    expect(files.filter((path) => /\/libc\.so/.test(path))).toHaveLength(1);
    expect(files.filter((path) => /\/ld-/.test(path))).toHaveLength(1);
  });

  it('cannot be listed of what is no program', async () => {
    const text = join(home, 'text');
    writeFileSync(text, 'no program', { mode: 0o755 });
    const codes = { code: 'cage-program-unreadable' };
    await expect(programFiles(join(home, 'nowhere'))).rejects.toMatchObject(codes);
    await expect(programFiles(process.execPath, [text])).rejects.toMatchObject(codes);
  });

  it('is the packages that it imports, as Node finds them, and those below them', () => {
    const app = join(home, 'app');
    const [a, b] = [place(home, 'a', { dependencies: { b: '1' } }), place(home, 'b')];
    const inner = place(a, 'b', { optionalDependencies: { '@s/c': '1', missing: '1' } });
    const c = place(home, '@s/c', { dependencies: { a: '1' } });
    place(home, 'other');
    expect(packageFolders(app, ['a']).sort()).toEqual([a, inner, c].sort());
    expect(packageFolders(app, ['b'])).toEqual([b]);
    expect(() => packageFolders(app, ['missing'])).toThrow(/missing is not there/);
  });

  it('is a package behind a link by both of its paths', () => {
    const store = place(join(home, 'store'), 'linked', { dependencies: { beside: '1' } });
    const beside = place(join(home, 'store'), 'beside');
    const link = join(home, 'node_modules', 'linked');
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(store, link);
    expect(packageFolders(home, ['linked'])).toEqual([link, store, beside]);
  });
});
