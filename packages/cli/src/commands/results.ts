// SPDX-License-Identifier: Apache-2.0
// results, bill: what runs gave and what they cost.
import { writeFile } from 'node:fs/promises';
import { type Command, Option } from 'commander';
import { adminOf } from '../admin.ts';
import { money, print, table } from '../output.ts';
import { findRun, findTask } from '../task-lookup.ts';
import { withExample, withHome } from './options.ts';

export function resultCommands(program: Command): void {
  const results = program.command('results').description('what runs gave');
  const open = withHome(results.command('open'))
    .argument('<run>', 'run id, or a task id for its newest result; the first digits will do')
    .addOption(
      new Option('--format <format>', 'how to write it')
        .choices(['csv', 'json', 'parquet'])
        .default('csv'),
    )
    .option('--out <file>', 'where to write it, closed to others; stdout when absent')
    .description('decrypt the columns of a result that we may open')
    .action(async (id: string, options, command: Command) => {
      const admin = await adminOf(options.home);
      const run = await findRun(admin, id);
      const bytes = await admin.openResult(run, options.format);
      if (options.out === undefined) {
        process.stdout.write(bytes);
        return;
      }
      await writeFile(options.out, bytes, { mode: 0o600 });
      print(command, { run, bytes: bytes.length, out: options.out }, [`wrote ${options.out}`]);
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

function billLines(
  bills: Awaited<ReturnType<Awaited<ReturnType<typeof adminOf>>['bill']>>,
): string[] {
  return bills.flatMap((bill) => [
    `${bill.payer} owes ${bill.payee} ${money(bill.total, bill.currency)}` +
      (bill.simulated ? '  SIMULATED' : ''),
    ...table([
      ['  run', 'metric', 'quantity', 'amount', 'counted'],
      ...bill.lines.map((l) => [
        `  ${l.run.slice(0, 12)}`,
        l.metric,
        quantityOf(l.metric, l.quantity),
        money(l.amount, bill.currency),
        l.counted === 'inside' ? 'inside the TEE' : 'host-influenced',
      ]),
    ]),
  ]);
}

/** Bytes and milliseconds are what is counted; gigabytes and seconds are what is priced. */
function quantityOf(metric: string, quantity: string): string {
  if (metric === 'gigabyte') return `${quantity} bytes`;
  return metric === 'second' ? `${quantity} ms` : quantity;
}
