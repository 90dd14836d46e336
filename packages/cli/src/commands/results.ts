// SPDX-License-Identifier: Apache-2.0
// results, bill: what runs gave and what they cost.
import { writeFile } from 'node:fs/promises';
import { join, parse } from 'node:path';
import type { AdminClient } from '@cloister/api';
import { type Command, Option } from 'commander';
import { adminOf } from '../admin-client.ts';
import { cliError } from '../errors.ts';
import { money, print, table } from '../output.ts';
import { findRun, findTask } from '../task-lookup.ts';
import { count, withExample, withHome } from './options.ts';

type Format = 'csv' | 'json' | 'parquet';

export function resultCommands(program: Command): void {
  const results = program.command('results').description('what runs gave');
  const open = withHome(results.command('open'))
    .argument('<run>', 'run id, or a task id for its newest result; the first digits will do')
    .addOption(
      new Option('--format <format>', 'how to write it')
        .choices(['csv', 'json', 'parquet'])
        .default('csv'),
    )
    .option('--statement <n>', 'of which statement of the code, from 1; all when absent', count)
    .option('--out <file>', 'where to write it, closed to others; stdout when absent')
    .description('decrypt the columns of a result that we may open')
    .addHelpText(
      'after',
      '\nOf several statements each is printed under its number, or written to <file>-<n>.',
    )
    .action(async (id: string, options, command: Command) => {
      const admin = await adminOf(options.home);
      const run = await findRun(admin, id);
      const there = await admin.result(run);
      const all = there.map(({ statement }) => statement);
      const statements = options.statement === undefined ? all : [options.statement as number];
      const open = { run, format: options.format as Format, statements };
      if (options.out === undefined) await printResults(admin, open);
      else {
        const written = await writeResults(admin, open, options.out);
        const lines = written.map(({ out }) => `wrote ${out}`);
        print(command, written.length === 1 ? written[0] : written, lines);
      }
    });
  withExample(open, 'cloister results open --home bank 3f9a --format json');
  const bill = withHome(program.command('bill'))
    .option('--task <task>', 'of one task only: its id, or its first digits')
    .description('what is owed, from usage records and accepted prices')
    .action(async (options, command: Command) => {
      const admin = await adminOf(options.home);
      const task =
        options.task === undefined ? undefined : (await findTask(admin, options.task)).task;
      const bills = await admin.bill(task);
      print(command, bills, bills.length === 0 ? ['nothing is owed'] : billLines(bills));
    });
  withExample(bill, 'cloister bill --home bank --task 3f9a');
}

interface OpenRequest {
  readonly run: string;
  readonly format: Format;
  readonly statements: readonly number[];
}

async function printResults(admin: AdminClient, open: OpenRequest): Promise<void> {
  const { run, format, statements } = open;
  const several = statements.length > 1;
  if (several && format === 'parquet') {
    const message = 'several Parquet files cannot go to stdout: give --out or --statement';
    throw cliError('option-malformed', message);
  }
  for (const statement of statements) {
    const bytes = await admin.openResult(run, format, statement);
    if (several) process.stdout.write(`-- statement ${statement}\n`);
    process.stdout.write(bytes);
  }
}

async function writeResults(admin: AdminClient, open: OpenRequest, out: string) {
  const { run, format, statements } = open;
  const { dir, name, ext } = parse(out);
  const written = [];
  for (const statement of statements) {
    const bytes = await admin.openResult(run, format, statement);
    const path = statements.length === 1 ? out : join(dir, `${name}-${statement}${ext}`);
    await writeFile(path, bytes, { mode: 0o600 });
    written.push({ run, statement, bytes: bytes.length, out: path });
  }
  return written;
}

function billLines(
  bills: Awaited<ReturnType<Awaited<ReturnType<typeof adminOf>>['bill']>>,
): string[] {
  return bills.flatMap((bill) => [
    `${bill.payer} owes ${bill.payee} ${money(bill.total, bill.currency)}` +
      (bill.sealed === 0 ? '' : ` and ${bill.sealed} sealed lines`) +
      (bill.unproved === 0 ? '' : `; ${bill.unproved} lines of workers not appraised here`) +
      (bill.simulated ? '  SIMULATED' : ''),
    ...table([
      ['  run', 'metric', 'quantity', 'amount', 'counted', 'appraised here'],
      ...bill.lines.map((l) => [
        `  ${l.run.slice(0, 12)}`,
        l.metric,
        quantityOf(l.metric, l.quantity),
        l.amount === null ? 'sealed' : money(l.amount, bill.currency),
        l.counted === 'inside' ? 'inside the TEE' : 'host-influenced',
        l.appraised,
      ]),
    ]),
  ]);
}

/** Bytes and milliseconds are what is counted; gigabytes and seconds are what is priced. */
function quantityOf(metric: string, quantity: string | null): string {
  if (quantity === null) return 'sealed';
  if (metric === 'gigabyte') return `${quantity} bytes`;
  return metric === 'second' ? `${quantity} ms` : quantity;
}
