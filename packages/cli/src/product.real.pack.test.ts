// SPDX-License-Identifier: Apache-2.0
// What `npm run pack:product` makes for who runs Cloister: one tarball, installed in an empty
// folder without a compiler or a script, small, without tests and sources, and measured as the
// repository that it was made from.
import { existsSync, lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { measureFiles, measureProgram } from '@cloister/attester';
import { toHex } from '@cloister/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../testing/commands.ts';
import { emptyProject, LIMIT_MS, packAll, ROOT, succeeded } from '../testing/packed.ts';

const SIZE_MAX = 120 * 2 ** 20;
const scratch = mkdtempSync(join(tmpdir(), 'cloister-product-'));
const project = join(scratch, 'project');
const modules = join(project, 'node_modules');
const ours = join(modules, 'cloister', 'node_modules', '@cloister');

beforeAll(async () => {
  const tarballs = await packAll(join(scratch, 'pack'));
  await emptyProject(project, [tarballs.get('cloister') as string]);
}, 2 * LIMIT_MS);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

describe('the installed product', () => {
  it('takes at most 120 MB, and has nothing that builds or tests', () => {
    const bytes = filesBelow(project).reduce((sum, path) => sum + lstatSync(path).blocks * 512, 0);
    expect(bytes).toBeLessThan(SIZE_MAX);
    const wrong = filesBelow(ours).filter((path) => {
      const name = path.slice(ours.length);
      return /\.ts$|\.map$|\.test\.|\/(src|test|tests|testing)\//.test(name);
    });
    expect(wrong).toEqual([]);
    expect(readdirSync(ours)).not.toContain('testkit');
    for (const name of ['typescript', 'vitest', 'vite', '@biomejs', 'node-gyp']) {
      expect(existsSync(join(modules, name)), name).toBe(false);
    }
  });

  it('has the outside packages in the versions that are locked', () => {
    const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
      packages: Record<string, { version: string }>;
    };
    const names = ['@duckdb/node-api', '@duckdb/node-bindings', 'detect-libc', 'fastify', 'zod'];
    for (const name of names) {
      const carried = join(modules, 'cloister', 'node_modules', name);
      const path = join(existsSync(carried) ? carried : join(modules, name), 'package.json');
      const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version: string };
      expect([name, version]).toEqual([name, lock.packages[`node_modules/${name}`]?.version]);
    }
  });

  it(
    'tells the whole story',
    async () => {
      const command = ['npx', '--no-install', 'cloister', 'demo', '--discard'];
      const { status, stdout, tail } = await run(command, { cwd: project, limitMs: LIMIT_MS });
      expect(status, tail).toBe(0);
      expect(stdout, tail).toMatch(/^Done in [\d.]+ s\./m);
    },
    LIMIT_MS + 30_000,
  );

  it('is measured as the repository is', async () => {
    const root = join(modules, 'cloister');
    const { manifest, measurements } = await measureProgram({ role: 'worker', root });
    expect(manifest).toEqual((await measureFiles({ role: 'worker' })).manifest);
    const command = ['npx', '--no-install', 'cloister', '--json', 'worker', 'measure'];
    const said = JSON.parse(succeeded(await run(command, { cwd: project, limitMs: LIMIT_MS })));
    const hex = Object.entries(measurements).map(([make, bytes]) => [make, toHex(bytes)]);
    expect(said).toMatchObject({ measurements: Object.fromEntries(hex) });
  });
});
