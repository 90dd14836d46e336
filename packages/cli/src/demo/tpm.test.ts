// SPDX-License-Identifier: Apache-2.0
// What `--tpm` says where it cannot be had, and what a card of a TPM must say.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { QUOTED_REGISTERS } from '@cloister/attester';
import { afterAll, describe, expect, it } from 'vitest';
import { type HardwareCard, measurementOn } from '../hardware.ts';

const COMMAND = fileURLToPath(new URL('../../bin/cloister.js', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'cloister-no-tpm-'));

afterAll(() => rmSync(scratch, { recursive: true }));

describe('where swtpm is not installed', () => {
  it('demo --tpm says what to install, before it makes anything', async () => {
    const folder = join(scratch, 'demo');
    const args = [COMMAND, '--json', 'demo', '--tpm', '--folder', folder];
    const env = { PATH: scratch };
    const failed = await promisify(execFile)(process.execPath, args, { env }).catch(
      (error: { code: number; stderr: string }) => error,
    );
    expect(failed).toMatchObject({ code: 4 });
    expect(JSON.parse(failed.stderr)).toMatchObject({
      error: {
        code: 'tpm-software-missing',
        message: expect.stringContaining('apt-get install swtpm swtpm-tools'),
      },
    });
    expect(existsSync(folder)).toBe(false);
  });
});

describe('the card of a TPM', () => {
  const zero = '00'.repeat(32);
  const card = (indexes: readonly number[]): HardwareCard => ({
    ...{ make: 'tpm', operator: 'dc', tee: 'tpm2', family: 'tpm2:dc', root: '', id: '' },
    registers: Object.fromEntries(indexes.map((index) => [index, zero])),
  });

  it('pins the whole boot or is refused', () => {
    const program = Uint8Array.of(1);
    expect(measurementOn(card(QUOTED_REGISTERS), program)).toHaveLength(32);
    for (const indexes of [[], [15], QUOTED_REGISTERS.slice(1), [...QUOTED_REGISTERS, 16]]) {
      expect(() => measurementOn(card(indexes), program)).toThrow(/wanted 0,1,2/);
    }
  });
});
