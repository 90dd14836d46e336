// SPDX-License-Identifier: Apache-2.0
// A software TPM where its programs are not, or do not do what they should.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import {
  bootSoftwareTpm,
  createSoftwareTpm,
  findSoftwareTpm,
  startSoftwareTpm,
} from './software.ts';

const folder = mkdtempSync(join(tmpdir(), 'cloister-swtpm-'));

afterAll(() => rmSync(folder, { recursive: true }));

/** A folder with programs of that name that run `script`. */
function programs(name: string, script: string) {
  const bin = join(folder, name);
  mkdirSync(bin);
  for (const program of ['swtpm', 'swtpm_setup', 'swtpm_localca']) {
    writeFileSync(join(bin, program), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, program), 0o755);
  }
  return findSoftwareTpm([bin]);
}

describe('a software TPM', () => {
  it('that is not installed says what to install', async () => {
    await expect(findSoftwareTpm([folder])).rejects.toMatchObject({
      code: 'tpm-software-missing',
      kind: 'unavailable',
      message: expect.stringContaining('apt-get install swtpm swtpm-tools'),
    });
  });

  it('that cannot be made says what its program said last', async () => {
    const broken = await programs('broken', 'echo first; echo "no such authority" >&2; exit 1');
    const attempt = createSoftwareTpm(join(folder, 'made'), broken);
    await expect(attempt).rejects.toMatchObject({
      code: 'tpm-software-failed',
      message: expect.stringContaining('no such authority'),
    });
  });

  it('that ends at once is not taken for one that runs', async () => {
    const attempt = bootSoftwareTpm(folder, await programs('ends', 'exit 1'));
    await expect(attempt).rejects.toMatchObject({ code: 'tpm-software-failed' });
  });

  it('that does not end by itself is ended', async () => {
    const { pid, stop } = await startSoftwareTpm(folder, await programs('stays', 'exec sleep 60'));
    await stop(100);
    expect(() => process.kill(pid, 0)).toThrow();
  });
});
