// SPDX-License-Identifier: Apache-2.0
// `cloister demo`, which is `npm start`: the whole story in a fresh folder, then where to look.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { count, withExample } from '../commands/options.ts';

export function demoCommand(program: Command): void {
  const demo = program
    .command('demo')
    .description(
      'three organisations, three makes of SIMULATED hardware, one joint query, one bill',
    )
    .option('--seed <n>', 'seed of the synthetic data', count, 7)
    .option('--folder <folder>', 'where to put everything; a fresh temporary folder when absent')
    .option('--tpm', "the bank's keeper is attested by a software TPM (needs swtpm)")
    .option('--discard', 'remove the folder at the end')
    .action(async (options, command: Command) => {
      const [{ createReport }, { playDemo }] = await Promise.all([
        import('./report.ts'),
        import('./play.ts'),
      ]);
      const json = command.optsWithGlobals()['json'] === true;
      const folder: string = options.folder ?? (await mkdtemp(join(tmpdir(), 'cloister-demo-')));
      const report = createReport({ json, colour: process.stdout.isTTY && !json });
      try {
        const { seed, tpm = false, discard = false } = options;
        await playDemo({ folder, seed, report, tpm, discard });
      } finally {
        if (options.discard === true) await rm(folder, { recursive: true, force: true });
      }
    });
  withExample(demo, 'cloister demo --seed 11 --folder here');
}
