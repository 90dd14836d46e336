// SPDX-License-Identifier: Apache-2.0
// Reading that fails is told as reading, writing as writing, each with its file and its reason.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AdminClient } from '@cloister/api';
import { utf8 } from '@cloister/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withUploads } from './commands/dataset-work.ts';
import { readJson, readText, writeNamed } from './named-files.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cloister-named-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a file that is named', () => {
  it('is read, or said not to be', async () => {
    const path = join(folder, 'a.json');
    await expect(readText(path)).rejects.toMatchObject({
      code: 'file-unreadable',
      message: `cannot read ${path}: no such file or folder`,
    });
    await writeFile(path, '{');
    await expect(readJson(path)).rejects.toMatchObject({ code: 'file-malformed' });
  });

  it('is written whole, or said not to be', async () => {
    const path = join(folder, 'no', 'out.json');
    await expect(writeNamed(path, utf8('x'))).rejects.toMatchObject({
      code: 'file-unwritable',
      message: `cannot write ${path}: no such file or folder`,
    });
    await writeNamed(join(folder, 'out.json'), utf8('x'));
    expect(await readFile(join(folder, 'out.json'), 'utf8')).toBe('x');
  });

  it('that is no file stays what it is', async () => {
    await writeNamed('/dev/null', utf8('x'));
    expect(await readFile('/dev/null', 'utf8')).toBe('');
  });

  it.each([
    ['that is not there', 'nowhere.csv', /cannot read .*nowhere\.csv: no such file or folder$/],
    ['that is a folder', '.', /cannot read .*: it is a folder$/],
  ])('%s is not sent', async (_, name, says) => {
    const of = { files: [join(folder, name)], options: {}, say: () => undefined };
    const sent = withUploads(undefined as unknown as AdminClient, of, async () => 'sent');
    await expect(sent).rejects.toMatchObject({
      code: 'file-unreadable',
      message: expect.stringMatching(says),
    });
  });
});
