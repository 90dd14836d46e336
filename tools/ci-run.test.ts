// SPDX-License-Identifier: Apache-2.0
// `.ci/run` with an npm that only talks: another program reads its last line, people the lines
// before it.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { ROOT } from './house.ts';

/** Runs it where `npm` is a bash script of these cases by its arguments. */
function ciRun(cases: string): { status: number | null; lines: string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'cloister-ci-test-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  mkdirSync(join(folder, '.ci'));
  cpSync(join(ROOT, '.ci', 'run'), join(folder, '.ci', 'run'));
  writeFileSync(join(folder, 'npm'), `#!/bin/bash\ncase "$*" in\n${cases}\nesac\n`);
  chmodSync(join(folder, 'npm'), 0o755);
  const env = { ...process.env, PATH: `${folder}:${process.env['PATH']}` };
  const run = spawnSync(join(folder, '.ci', 'run'), { env, encoding: 'utf8' });
  return { status: run.status, lines: run.stdout.trimEnd().split('\n') };
}

const LANES = `
  'run test:real')
    echo '== lane go'
    echo '5 passed, 0 failed, 0 skipped'
    echo 'lane go: set-up 0.9 of 2 min (cold: peer-go-guests); tests 0.1 of 1 min'
    echo 'lane swtpm: did not run [skip: tool]: swtpm is not installed'
    echo '5 passed, 0 failed, 1 skipped';;`;

it('sums the tallies up and repeats what each lane took and why one did not run', () => {
  const { status, lines } = ciRun(`${LANES}\n test) echo '90 passed, 0 failed, 2 skipped';;`);
  expect(status).toBe(0);
  expect(lines.slice(lines.indexOf('stage install: 0.0 of 1 min'))).toEqual([
    'stage install: 0.0 of 1 min',
    'stage types: 0.0 of 1 min',
    'stage lint: 0.0 of 1 min',
    'stage test: 0.0 of 3 min',
    expect.stringMatching(/^stage lanes: 0\.0 of \d+ min$/),
    '  lane go: set-up 0.9 of 2 min (cold: peer-go-guests); tests 0.1 of 1 min',
    '  lane swtpm: did not run [skip: tool]: swtpm is not installed',
    'all stages: 0.0 of 40 min',
    '95 passed, 0 failed, 3 skipped',
  ]);
});

it('fails with a stage that fails without a tally, and goes on', () => {
  const { status, lines } = ciRun(`${LANES}\n 'run lint') exit 1;;`);
  expect(status).toBe(1);
  expect(lines.at(-1)).toBe('5 passed, 1 failed, 1 skipped');
});

it('says what did not run when nothing could be installed', () => {
  const { status, lines } = ciRun('ci) exit 1;;');
  expect(status).toBe(1);
  expect(lines.at(-3)).toMatch(/did not run, .*types, lint, test, every lane$/);
  expect(lines.at(-1)).toBe('0 passed, 1 failed, 0 skipped');
});
