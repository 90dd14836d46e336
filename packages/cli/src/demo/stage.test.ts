// SPDX-License-Identifier: Apache-2.0
// A process of the demo that does not start says why in the error: its log goes with the folder.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MAKES, simulatedPlatform, startNode } from '@cloister/attester';
import { ephemeralEd25519Signer } from '@cloister/core/node';
import { createDevelopmentRoot } from '@cloister/evidence/mint';
import { afterAll, expect, test } from 'vitest';
import { Stage } from './stage.ts';

const folder = mkdtempSync(join(tmpdir(), 'cloister-stage-test-'));
const stage = new Stage(folder);

afterAll(async () => {
  await stage.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('a command that ends before it listens is told by its last words', async () => {
  const charter = join(folder, 'nowhere.json');
  const args = ['ledger', 'serve', '--charter', charter, '--folder', join(folder, 'ledger')];
  const starting = stage.start('ledger', args);
  await expect(starting).rejects.toMatchObject({
    code: 'process-failed',
    message: expect.stringMatching(/^ledger ended before it listened: .*nowhere\.json/) as string,
  });
});

test('a node that ends without a word to its launcher is told by its log', async () => {
  const root = join(folder, 'repository');
  mkdirSync(join(root, 'packages/keeper/dist'), { recursive: true });
  writeFileSync(join(root, 'package-lock.json'), '{}');
  writeFileSync(join(root, 'packages/keeper/package.json'), '{"type": "module"}');
  writeFileSync(join(root, 'packages/keeper/dist/main.js'), "throw new Error('no enclave here');");
  const developmentRoot = createDevelopmentRoot(MAKES.optee);
  const starting = stage.launch('keeper-bank', (log) =>
    startNode({
      platform: simulatedPlatform({ make: 'optee', developmentRoot }),
      role: 'keeper',
      root,
      config: {},
      operator: { id: 'bank', signer: ephemeralEd25519Signer() },
      genesis: new Uint8Array(32),
      environment: 'keeper',
      stdio: { stdout: log, stderr: log },
    }),
  );
  await expect(starting).rejects.toMatchObject({
    code: 'process-failed',
    message: expect.stringMatching(/^keeper-bank: the node ended .* no enclave here/) as string,
  });
});
