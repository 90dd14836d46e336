// SPDX-License-Identifier: Apache-2.0
// dataset: look at a file, encrypt it field by field under a policy, list what all members have.
import { openAsBlob } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import type { AdminClient } from '@cloister/api';
import type { Command } from 'commander';
import { adminOf } from '../admin.ts';
import { cliError } from '../errors.ts';
import { readJson } from '../files.ts';
import { print, progress, table } from '../output.ts';
import { micros, pairs, withExample, withHome } from './options.ts';

export function datasetCommands(program: Command): void {
  const dataset = program.command('dataset').description('encrypted datasets and their policies');
  const inspect = withHome(dataset.command('inspect'))
    .argument('<file>', 'CSV, JSON lines or Parquet')
    .description('say what a file holds and which types were inferred; nothing is kept')
    .action(async (file: string, options, command: Command) => {
      const admin = await adminOf(options.home);
      const { upload: id, ...seen } = await upload(admin, file);
      await admin.discardUpload(id);
      print(command, seen, inspectionLines(seen));
    });
  withExample(inspect, 'cloister dataset inspect --home bank accounts.csv');
  const add = withHome(dataset.command('add'))
    .argument('<file...>', 'CSV, JSON lines or Parquet; several of one schema are one dataset')
    .description('encrypt files field by field, seal their keys to the group key, publish them')
    .requiredOption('--name <text>', 'name of the dataset, for members only')
    .requiredOption('--policy <file>', 'the field policy (JSON)')
    .option('--type <column=type>', 'a type instead of the inferred one; repeat', pairs, {})
    .option('--currency <code>', 'ISO 4217 code of the prices', 'EUR')
    .option('--price-run <amount>', 'price of a run', micros, 0)
    .option('--price-row <amount>', 'price of a row read', micros, 0)
    .option('--price-gb <amount>', 'price of a gigabyte read', micros, 0)
    .option('--price-second <amount>', 'price of a second', micros, 0)
    .action(async (files: string[], options, command: Command) => {
      const added = await addFiles(files, options, (line) => progress(command, line));
      const { dataset: d, recorded } = added;
      print(command, added, [
        `${d.owner}/${d.name} version ${d.version}: ${d.rows} rows, ` +
          `${d.bytes} encrypted bytes, on the ledger at ${recorded.seq}`,
        ...table([['column', 'type', 'rule'], ...d.columns.map((c) => [c.name, c.type, c.rule])]),
      ]);
    });
  withExample(
    add,
    'cloister dataset add --home bank accounts.csv --name accounts --policy accounts.policy.json',
  );
  const list = withHome(dataset.command('list'))
    .description('datasets of all members, as far as their openings let us read')
    .action(async (options, command: Command) => {
      const all = await (await adminOf(options.home)).datasets();
      const rows = all.map((d) => [
        `${d.owner}/${d.name}`,
        String(d.version),
        String(d.rows),
        d.columns.map((c) => `${c.name} (${c.rule})`).join(', '),
      ]);
      print(command, all, table([['dataset', 'version', 'rows', 'columns'], ...rows]));
    });
  withExample(list, 'cloister dataset list --home bank');
  const reseal = withHome(dataset.command('reseal'))
    .description('seal our datasets to the current group key, after a new one was made')
    .action(async (options, command: Command) => {
      const done = await (await adminOf(options.home)).resealDatasets();
      print(command, done, [`${done.length} dataset versions sealed again`]);
    });
  withExample(reseal, 'cloister dataset reseal --home bank');
}

interface AddOptions {
  readonly home: string;
  readonly name: string;
  readonly policy: string;
  readonly type: Record<string, string>;
  readonly currency: string;
  readonly priceRun: number;
  readonly priceRow: number;
  readonly priceGb: number;
  readonly priceSecond: number;
}

async function addFiles(
  files: readonly string[],
  options: AddOptions,
  say: (line: string) => void,
) {
  const { name, type: types, currency } = options;
  const policy = await readJson(options.policy);
  const admin = await adminOf(options.home);
  const price = {
    currency,
    run: options.priceRun,
    row: options.priceRow,
    gigabyte: options.priceGb,
    second: options.priceSecond,
  };
  const uploads: string[] = [];
  try {
    for (const file of files) {
      const { upload: id, ...seen } = await upload(admin, file);
      uploads.push(id);
      for (const line of inspectionLines(seen)) say(line);
    }
    say('encrypting and sealing');
    return await admin.addDataset({ uploads, name, policy, types, price });
  } catch (error) {
    for (const id of uploads) await admin.discardUpload(id).catch(() => undefined);
    throw error;
  }
}

async function upload(admin: AdminClient, file: string) {
  const info = await stat(file).catch(() => undefined);
  if (info === undefined || !info.isFile()) {
    throw cliError('file-unreadable', 'not-found', `cannot read ${file}: no such file`);
  }
  return admin.upload(basename(file), await openAsBlob(file));
}

function inspectionLines(seen: Omit<Awaited<ReturnType<typeof upload>>, 'upload'>): string[] {
  const rows = seen.columns.map((c) => [c.name, c.type, String(c.nulls)]);
  return [
    `${seen.format}, ${seen.rows} rows, ${seen.columns.length} columns`,
    ...table([['column', 'type', 'nulls'], ...rows]),
    ...seen.warnings.map((warning) => `warning: ${warning}`),
  ];
}
