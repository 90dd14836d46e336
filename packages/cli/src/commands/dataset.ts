// SPDX-License-Identifier: Apache-2.0
// dataset: look at a file, encrypt it field by field under a policy, list what all members have.
import type { AdminClient, DatasetJob } from '@cloister/api';
import type { Command } from 'commander';
import { adminOf } from '../admin-client.ts';
import { refuseFound } from '../errors.ts';
import { readJson } from '../named-files.ts';
import { print, progress, table } from '../output.ts';
import { lifeCommands } from './dataset-life.ts';
import {
  foundLines,
  newsTo,
  printAdded,
  sendFiles,
  stateLine,
  withUploads,
} from './dataset-work.ts';
import { type DialectOptions, keepDialect, withDialect } from './dialect.ts';
import {
  count,
  FREE,
  type PriceOptions,
  pairs,
  priceOf,
  withExample,
  withHome,
  withPrice,
} from './options.ts';

export function datasetCommands(program: Command): void {
  const dataset = program.command('dataset').description('encrypted datasets and their policies');
  inspectCommand(dataset);
  const add = withPrice(withDialect(withHome(dataset.command('add'))))
    .argument('<file...>', 'CSV, JSON lines or Parquet; several of one schema are one dataset')
    .description('encrypt files field by field, seal their keys to the group key, publish them')
    .requiredOption('--name <text>', 'name of the dataset, for members only')
    .requiredOption('--policy <file>', 'the field policy (JSON)')
    .option('--type <column=type>', 'a type instead of the inferred one; repeat', pairs, {})
    .action(async (files: string[], options, command: Command) => {
      const say = (line: string) => progress(command, line);
      const admin = await adminOf(options.home);
      const { job } = await startAdding(admin, { files, options, say });
      say(`the gateway works on it as ${job}; \`cloister dataset follow\` comes back to it`);
      printAdded(command, await admin.followDataset(job, newsTo(say)));
    });
  withExample(
    add,
    'cloister dataset add --home bank accounts.csv --name accounts --policy accounts.policy.json',
  );
  const follow = withHome(dataset.command('follow'))
    .argument('<work>', 'its id, as `dataset add` and `dataset list` show it')
    .description('wait for a dataset that is being added, after `dataset add` was interrupted')
    .action(async (job: string, options, command: Command) => {
      const admin = await adminOf(options.home);
      const say = newsTo((line) => progress(command, line));
      printAdded(command, await admin.followDataset(job, say));
    });
  withExample(follow, 'cloister dataset follow --home bank 5d0c9b1e62f84a07b3a1c2d4e5f60718');
  listCommand(dataset);
  const reseal = withHome(dataset.command('reseal'))
    .description('seal our datasets to the current group key, after a new one was made')
    .action(async (options, command: Command) => {
      const done = await (await adminOf(options.home)).resealDatasets();
      print(command, done, [`${done.length} dataset versions sealed again`]);
    });
  withExample(reseal, 'cloister dataset reseal --home bank');
  lifeCommands(dataset);
}

function inspectCommand(dataset: Command): void {
  const inspect = withDialect(withHome(dataset.command('inspect')))
    .argument('<files...>', 'CSV, JSON lines or Parquet; several are one table')
    .description(
      'say what files hold, which types were inferred and what dataset add would refuse; ' +
        'nothing is kept',
    )
    .option('--name <text>', 'a name for the dataset: is it free?')
    .option('--policy <file>', 'a field policy (JSON): does it fit the columns?')
    .option('--type <column=type>', 'a type instead of the inferred one; repeat', pairs, {})
    .option('--samples <n>', 'how many values of each column to show, at most 20', count, 3)
    .option('--write-dialect', 'write how it is read to <file>.dialect.json, which is read then')
    .action(async (files: string[], options, command: Command) => {
      const admin = await adminOf(options.home);
      const say = (line: string) => progress(command, line);
      const { name, type: types, strict = false, samples } = options;
      const policy = options.policy === undefined ? {} : { policy: await readJson(options.policy) };
      const of = { files, options, samples, say };
      const { found, check } = await withUploads(admin, of, async (found) => {
        const uploads = found.map(({ seen }) => seen.upload);
        const asked = { uploads, types, strict, ...policy };
        const check = await admin.checkDataset(name === undefined ? asked : { ...asked, name });
        for (const id of uploads) await admin.discardUpload(id);
        return { found, check };
      });
      const kept: string[] = [];
      if (options.writeDialect) {
        for (const { file, seen } of found) kept.push(`wrote ${await keepDialect(file, seen)}`);
      }
      const told = found.map(({ file, seen: { upload: _, ...seen } }) => ({ file, ...seen }));
      print(command, { files: told, check }, [...foundLines(told, check), ...kept]);
      refuseFound(check);
    });
  withExample(
    inspect,
    'cloister dataset inspect --home bank accounts.csv --policy accounts.policy.json',
  );
}

function listCommand(dataset: Command): void {
  const list = withHome(dataset.command('list'))
    .description('datasets of all members that we can read; and ours being added, or that failed')
    .action(async (options, command: Command) => {
      const admin = await adminOf(options.home);
      const [datasets, jobs] = await Promise.all([admin.datasets(), admin.datasetJobs()]);
      const rows = datasets.map((d) => [
        `${d.owner}/${d.name}`,
        d.retired ? `${d.version} (retired)` : String(d.version),
        String(d.rows),
        d.columns.map((c) => `${c.name} (${c.rule})`).join(', '),
      ]);
      print(command, { datasets, jobs }, [
        ...table([['dataset', 'version', 'rows', 'columns'], ...rows]),
        ...jobs.map(jobLine),
      ]);
    });
  withExample(list, 'cloister dataset list --home bank');
}

interface AddOptions extends DialectOptions, PriceOptions {
  readonly strict?: boolean;
  readonly home: string;
  readonly name: string;
  readonly policy: string;
  readonly type: Record<string, string>;
}

/** Sends the files and has the gateway begin. */
async function startAdding(
  admin: AdminClient,
  of: { files: readonly string[]; options: AddOptions; say: (line: string) => void },
): Promise<DatasetJob> {
  const { files, options, say } = of;
  const { name, type: types, strict = false } = options;
  const policy = await readJson(options.policy);
  const price = priceOf(options) ?? FREE;
  return sendFiles(admin, { files, options, say }, async (uploads) => {
    const check = await admin.checkDataset({ uploads, name, policy, types, strict });
    for (const note of check.notes) say(`note: ${note}`);
    refuseFound(check);
    return admin.startDataset({ uploads, name, policy, types, price, strict });
  });
}

function jobLine(job: DatasetJob): string {
  const { name, error } = job;
  if (error === null) return `adding ${name} (${job.job}): ${stateLine(job)}`;
  return `could not add ${name} (${job.job}): ${error.message} [${error.code}]`;
}
