// SPDX-License-Identifier: Apache-2.0
// README's two commands on every line of Node that it names: `npm start` on each, `npm test` on the
// oldest and the newest of those that live (on all where CLOISTER_ALL_NODES is set). What is built
// is shared: only the Node that is first on PATH differs. A Node that is too old says so.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { run, userEnvironment } from '../testing/commands.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const COMMAND = join(ROOT, 'packages/cli/bin/cloister.js');
const START_MS = 3 * 60_000;
const TEST_MS = 15 * 60_000;
const SPARE_MS = 30_000;

/** Folders that have a `node`, by its version. */
const NODES = JSON.parse(process.env['CLOISTER_NODES'] ?? '{}') as Record<string, string>;
const majorOf = (version: string) => Number(version.split('.')[0]);
const versions = Object.keys(NODES).sort((a, b) => majorOf(a) - majorOf(b));
const working = versions.filter((version) => majorOf(version) >= 20);
const living = working.filter((version) => majorOf(version) > 20);
const all = process.env['CLOISTER_ALL_NODES'] !== undefined;
const tested = all ? working : [living[0], living.at(-1)];

const under = (version: string) =>
  userEnvironment({
    PATH: `${NODES[version]}:${process.env['PATH']}`,
    CLOISTER_NO_BUILD: '1',
  });

describe('a Node that is too old', () => {
  it.each(versions.filter((version) => majorOf(version) < 20))('%s says so', (version) => {
    const env = under(version);
    const { status, stderr } = spawnSync('node', [COMMAND, 'demo'], { env, encoding: 'utf8' });
    expect(stderr).toMatch(/^cloister needs Node 20\.19 or later, and this is 12\.[^\n]*\.\n$/);
    expect(status).toBe(7);
  });
});

describe.each(working)('Node %s', (version) => {
  const env = under(version);

  it('is what the commands run on', () => {
    expect(spawnSync('node', ['-v'], { env, encoding: 'utf8' }).stdout).toBe(`v${version}\n`);
  });

  it(
    'npm start tells the whole story',
    async () => {
      const options = { cwd: ROOT, env, limitMs: START_MS };
      const { status, stdout, tail } = await run(['npm', 'start', '--', '--discard'], options);
      expect(status, tail).toBe(0);
      expect(stdout, tail).toMatch(/^Done in [\d.]+ s\./m);
      expect(/gets no more fixes/.test(tail)).toBe(majorOf(version) === 20);
    },
    START_MS + SPARE_MS,
  );

  if (tested.includes(version)) {
    it(
      'npm test passes',
      async () => {
        const options = { cwd: ROOT, env, limitMs: TEST_MS };
        const { status, stdout, tail } = await run(['npm', 'test'], options);
        expect(status, tail).toBe(0);
        const tally = [...stdout.matchAll(/^(\d+) passed, (\d+) failed, \d+ skipped$/gm)].at(-1);
        expect(Number(tally?.[1]), tail).toBeGreaterThan(1_000);
        expect(tally?.[2], tail).toBe('0');
      },
      TEST_MS + SPARE_MS,
    );
  }
});
