// SPDX-License-Identifier: Apache-2.0
// dataset, later in its life: the next version of it, the end, and what can leave the disk then.
import type { RemovalAnswer } from '@cloister/api';
import type { Command } from 'commander';
import { adminOf } from '../admin-client.ts';
import { findDataset } from '../dataset-lookup.ts';
import { readJson } from '../named-files.ts';
import { print, progress } from '../output.ts';
import { newsTo, printAdded, sendFiles } from './dataset-work.ts';
import { withDialect } from './dialect.ts';
import { pairs, priceOf, withExample, withHome, withPrice } from './options.ts';

/** Adds replace, withdraw and remove to `dataset`. */
export function lifeCommands(dataset: Command): void {
  replaceCommand(dataset);
  withdrawCommand(dataset);
  removeCommand(dataset);
}

/** What holds of a price that is not told. */
const KEPT = { currency: 'as before', amount: 'as before' };

function replaceCommand(dataset: Command): void {
  const replace = withPrice(withDialect(withHome(dataset.command('replace'))), KEPT)
    .argument('<dataset>', 'owner/name or id of a dataset of ours')
    .argument('<file...>', 'CSV, JSON lines or Parquet; several of one schema are one version')
    .description(
      'publish the next version of a dataset of ours; types, policy and price stay unless told',
    )
    .option('--policy <file>', 'another field policy (JSON); grants for any version end by it')
    .option('--type <column=type>', 'a type instead of the one it had; repeat', pairs, {})
    .option('--new-schema', 'take the columns and types of the files, whatever they were')
    .option('--withdraw-before', 'withdraw the version before, once the new one is there')
    .action(async (name: string, files: string[], options, command: Command) => {
      const say = (line: string) => progress(command, line);
      const admin = await adminOf(options.home);
      const { found } = await findDataset(admin, name);
      const price = priceOf(options, found.price);
      const policy = options.policy === undefined ? {} : { policy: await readJson(options.policy) };
      const { type: types, newSchema = false, strict = false } = options;
      const more = { ...policy, ...(price && { price }), types, newSchema, strict };
      const { job } = await sendFiles(admin, { files, options, say }, (uploads) =>
        admin.startReplacing({ dataset: found.dataset, uploads, ...more }),
      );
      say(`the gateway works on it as ${job}; \`cloister dataset follow\` comes back to it`);
      const added = await admin.followDataset(job, newsTo(say));
      if (options.withdrawBefore === true) {
        const version = added.dataset.version - 1;
        await admin.withdrawDataset({ dataset: found.dataset, version });
        say(`version ${version} is withdrawn for good`);
      }
      printAdded(command, added);
    });
  withExample(replace, 'cloister dataset replace --home bank bank/accounts accounts-june.csv');
}

function withdrawCommand(dataset: Command): void {
  const withdraw = withHome(dataset.command('withdraw'))
    .argument('<dataset>', 'owner/name or id; with @version only that version')
    .description('end a dataset of ours for good: no task reads it any more, open runs are over')
    .action(async (wanted: string, options, command: Command) => {
      const admin = await adminOf(options.home);
      const { found, version } = await findDataset(admin, wanted);
      const only = version === undefined ? {} : { version };
      const done = await admin.withdrawDataset({ dataset: found.dataset, ...only });
      const what = version === undefined ? 'and all its versions' : `version ${version}`;
      print(command, done, [`${found.owner}/${found.name} ${what}: withdrawn for good`]);
    });
  withExample(withdraw, 'cloister dataset withdraw --home bank bank/accounts');
}

function removeCommand(dataset: Command): void {
  const remove = withHome(dataset.command('remove'))
    .option('--keys', 'our master keys of retired versions, too: no copy opens to us any more')
    .option('--dry-run', 'say what would be removed, and remove nothing')
    .description("remove from our gateway's disk what nobody needs any more")
    .action(async (options, command: Command) => {
      const admin = await adminOf(options.home);
      const { keys = false, dryRun = false } = options;
      const answer = await admin.removeUnneeded({ keys, dryRun });
      print(command, answer, removalLines(answer, dryRun));
    });
  withExample(remove, 'cloister dataset remove --home bank --dry-run');
}

function removalLines({ datasets, plain }: RemovalAnswer, dryRun: boolean): string[] {
  return [
    ...datasets.map((d) => {
      const keys = d.keys ? ', and its master keys' : '';
      const kept = d.kept === 0 ? '' : `; ${d.kept} stay, something else needs them`;
      const what = `${d.blobs} blobs, ${d.bytes} bytes${keys}`;
      return `${d.owner}/${d.name} version ${d.version} (retired): ${what}${kept}`;
    }),
    ...(plain === null ? [] : [`${plain} plain files that no work used`]),
    dryRun ? 'nothing was removed' : 'removed from this disk, which is not overwritten',
    'not undone by this: copies of other members and in backups, results, the ledger',
  ];
}
