// SPDX-License-Identifier: Apache-2.0
// Every call of a durable write fails once before it did anything and once after it did everything:
// a reader then sees the old content or the new, whole, no temporary file stays, and what resolved
// is there.
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Fault, type FaultyFiles, faultyFiles } from '@cloister/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeFolderDurably, writeDurably } from './durable.ts';
import { utf8 } from './index.ts';

let root = '';
let count = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'cloister-durable-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function freshFolder(): Promise<string> {
  const folder = join(root, String(count++));
  await makeFolderDurably(folder);
  return folder;
}

/** Runs `act` once without faults to count its calls, then with each fault in turn. */
async function everyFault(
  act: (files: FaultyFiles) => Promise<void>,
  check: (fault: Fault, failed: boolean) => Promise<void>,
): Promise<void> {
  const dry = faultyFiles();
  await act(dry);
  expect(dry.calls.length).toBeGreaterThan(2);
  for (let at = 0; at < dry.calls.length; at++) {
    for (const when of ['before', 'after'] as const) {
      const fault = { at, when };
      const failed = await act(faultyFiles(fault)).then(
        () => false,
        (error: NodeJS.ErrnoException) => {
          expect(error.code).toBe('EIO');
          return true;
        },
      );
      await check(fault, failed);
    }
  }
}

describe('writeDurably', () => {
  it('replaces content, with the mode that was asked for', async () => {
    const path = join(await freshFolder(), 'file');
    await writeDurably(path, utf8('old'));
    await writeDurably(path, utf8('new'), 0o600);
    expect(await readFile(path, 'utf8')).toBe('new');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  it('syncs the file before the rename and the folder after it', async () => {
    const files = faultyFiles();
    await writeDurably(join(await freshFolder(), 'file'), utf8('x'), 0o644, files.fs);
    expect(files.calls).toEqual(['open', 'writeFile', 'sync', 'rename', 'open', 'sync']);
  });

  it('keeps old or new whole whichever call fails, and leaves no temporary file', async () => {
    const folder = await freshFolder();
    const path = join(folder, 'file');
    await everyFault(
      async (files) => {
        await writeFile(path, 'old');
        await writeDurably(path, utf8('new'), 0o644, files.fs);
      },
      async (fault, failed) => {
        const content = await readFile(path, 'utf8');
        expect(failed, JSON.stringify(fault)).toBe(true);
        expect(['old', 'new']).toContain(content);
        const left = (await readdir(folder)).filter((name) => name !== 'file');
        // A file whose open "failed after persisting" was removed again as well.
        expect(left, JSON.stringify(fault)).toEqual([]);
      },
    );
  });
});

describe('makeFolderDurably', () => {
  it('syncs each new folder into its parent, outermost first', async () => {
    const folder = await freshFolder();
    const files = faultyFiles();
    await makeFolderDurably(join(folder, 'a', 'b'), files.fs);
    const effects = files.calls.filter((call) => call !== 'stat');
    expect(effects).toEqual(['mkdir', 'open', 'sync', 'mkdir', 'open', 'sync']);
    const again = faultyFiles();
    await makeFolderDurably(join(folder, 'a', 'b'), again.fs);
    expect(again.calls).toEqual(['stat', 'open', 'sync']);
  });

  it('can be tried again after any failure', async () => {
    const folder = await freshFolder();
    let path = '';
    await everyFault(
      async (files) => {
        path = join(folder, String(count++), 'b', 'c');
        await makeFolderDurably(path, files.fs);
      },
      async () => {
        const again = faultyFiles();
        await makeFolderDurably(path, again.fs);
        expect(again.calls.at(-1)).toBe('sync');
        expect((await stat(path)).isDirectory()).toBe(true);
      },
    );
  });

  it('takes relative paths and trailing slashes', async () => {
    const folder = await freshFolder();
    await makeFolderDurably(`${folder}/x/../y/`);
    expect((await stat(join(folder, 'y'))).isDirectory()).toBe(true);
  });

  it('fails on a file in the way', async () => {
    const folder = await freshFolder();
    await writeFile(join(folder, 'f'), '');
    await expect(makeFolderDurably(join(folder, 'f', 'g'))).rejects.toMatchObject({
      code: expect.stringMatching(/^E(EXIST|NOTDIR)$/),
    });
  });
});
