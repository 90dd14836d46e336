// SPDX-License-Identifier: Apache-2.0
// A charter pins a program; what differs from it in any kind of part is refused when it joins. The
// measurements are those of real files, judged by the ledger's own rules.
import { appendFileSync, copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type MeasureOptions, measureProgram } from '@cloister/attester';
import { charterSpecimen, environmentId, START_MS, World } from '@cloister/testkit/world';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { put, smallClone, textOf } from '../../attester/testing/small-clone.ts';

const ENVIRONMENT = environmentId('worker', 'sgx');
const made: string[] = [];
let world: World;
let task: Uint8Array;

afterAll(() => {
  for (const folder of made) rmSync(folder, { recursive: true });
});

/** A build like the pinned one, but for what `change` does to it, as it measures on SGX. */
async function measurementOf(
  change: (root: string) => Partial<MeasureOptions>,
): Promise<Uint8Array> {
  const root = smallClone();
  made.push(root);
  return (await measureProgram({ role: 'worker', root, ...change(root) })).measurements.sgx;
}

async function joins(measurement: Uint8Array): Promise<string> {
  const { submitted } = await world.fork().tryJoinWorker('bank', task, { measurement });
  const { outcome } = submitted;
  return outcome.status === 'accepted' ? 'accepted' : outcome.code;
}

beforeAll(async () => {
  const measurement = await measurementOf(() => ({}));
  const specimen = charterSpecimen();
  const environments = specimen.environments.map((one) =>
    one.id === ENVIRONMENT
      ? { ...one, measurements: [{ measurement, source: 'a small build', recipe: 'smallClone' }] }
      : one,
  );
  world = new World({}, { ...specimen, environments });
  await world.found();
  await world.tickAll(START_MS);
  await world.formEpoch();
  const claims = await world.addDataset('insurer');
  const operators = ['bank'];
  task = await world.propose('bank', [claims], {
    worker: { environments: [ENVIRONMENT], operators },
  });
  await world.approve('insurer', task, [claims]);
});

const edited = (path: string) => (root: string) => {
  put(root, path, `${textOf(path).trimEnd()} \n`);
  return {};
};

const patchedNode = () => {
  const folder = mkdtempSync(join(tmpdir(), 'cloister-patched-node-'));
  made.push(folder);
  const runtime = join(folder, 'node');
  copyFileSync(process.execPath, runtime);
  appendFileSync(runtime, 'x');
  return { runtime };
};

describe('the join of a worker', () => {
  it('of the same build elsewhere is accepted', async () => {
    expect(await joins(await measurementOf(() => ({})))).toBe('accepted');
  });

  it.each<[string, (root: string) => Partial<MeasureOptions>]>([
    ['a byte of a script of ours', edited('packages/worker/dist/deep.js')],
    ['a byte of an outside script', edited('node_modules/plain/index.js')],
    ['a byte of an add-on', edited('node_modules/binding/add-on.node')],
    ['a byte of a shared library', edited('node_modules/binding/libengine.so.1')],
    ["a byte of a child's script", edited('packages/worker/child/main.mjs')],
    ['a byte of a thread', edited('packages/worker/dist/thread.js')],
    ['a byte of data', edited('packages/worker/dist/words.txt')],
    ['a package.json of ours', edited('packages/core/package.json')],
    ['an outside package.json', edited('node_modules/native/package.json')],
    ['a patched Node', patchedNode],
    ['a flag', () => ({ flags: ['--max-old-space-size=4096'] })],
    ['an argument', () => ({ arguments: ['--more'] })],
    ["the keeper's role", () => ({ role: 'keeper' })],
  ])('with %s is refused', async (_what, change) => {
    expect(await joins(await measurementOf(change))).toBe('join-measurement-unknown');
  });
});
