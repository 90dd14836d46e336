// SPDX-License-Identifier: Apache-2.0
// The built command as a process: its exit status, and a reader that stops reading.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const command = fileURLToPath(new URL('../bin/cloister.js', import.meta.url));

function run(line: string) {
  const script = `set -o pipefail; c() { "${process.execPath}" "${command}" "$@"; }; ${line}`;
  return spawnSync('bash', ['-c', script], { encoding: 'utf8', timeout: 20_000 });
}

describe('the command', () => {
  it('ends quietly when nobody reads its output any more', () => {
    // The reader is gone before the first byte comes.
    const { status, stderr } = run(
      'c --quiet parquet --help | true; c --quiet --help > >(exec true)',
    );
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });

  it('answers a wrong option with status 1 and a hint', () => {
    const { status, stderr } = run('c bill --no-such-option');
    expect(status).toBe(1);
    expect(stderr).toContain('--help');
  });

  it('answers a missing folder with status 6, and as JSON when asked', () => {
    const { status, stderr } = run('c --json bill --home /nonexistent');
    expect(status).toBe(6);
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: 'home-missing' } });
  });
});
