// SPDX-License-Identifier: Apache-2.0
// results, bill: what runs gave and what they cost.
import { join, parse } from 'node:path';
import {
  type AdminClient,
  type ResultFormat,
  type ResultSchema,
  resultFormat,
} from '@cloister/api';
import { utf8 } from '@cloister/core';
import { type Command, Option } from 'commander';
import { adminOf } from '../admin-client.ts';
import { cliError } from '../errors.ts';
import { writeNamed, writeNamedAsItComes } from '../named-files.ts';
import { money, print, table } from '../output.ts';
import { findRun, findTask } from '../task-lookup.ts';
import { count, withExample, withHome } from './options.ts';

export function resultCommands(program: Command): void {
  const results = program.command('results').description('what runs gave');
  const open = withHome(results.command('open'))
    .argument('<run>', 'run id, or a task id for its newest result; the first digits will do')
    .addOption(formatOption())
    .option('--statement <n>', 'of which statement of the code, from 1; all when absent', count)
    .option('--out <file>', 'where to write it, closed to others; stdout when absent')
    .description('decrypt the columns of a result that we may open')
    .addHelpText(
      'after',
      '\nOf several statements each is printed under its number, or written to <file>-<n>. Beside' +
        '\neach file lies <file>.schema.json: types, units, zones, and how the format writes them.',
    )
    .action(async (id: string, options, command: Command) => {
      const admin = await adminOf(options.home);
      const run = await findRun(admin, id);
      const statements = await statementsOf(admin, run, options.statement);
      const open = { run, format: options.format as ResultFormat, statements };
      if (options.out === undefined) await printResults(admin, open);
      else {
        const written = await writeResults(admin, open, options.out);
        const lines = written.flatMap(({ out, schema }) => [`wrote ${out}`, `wrote ${schema}`]);
        print(command, written.length === 1 ? written[0] : written, lines);
      }
    });
  withExample(open, 'cloister results open --home bank 3f9a --format parquet --out mean.parquet');
  const schema = withHome(results.command('schema'))
    .argument('<run>', 'run id, or a task id for its newest result; the first digits will do')
    .addOption(formatOption())
    .option('--statement <n>', 'of which statement of the code, from 1; all when absent', count)
    .description(
      'what a result has: rows, columns, types, units, zones, and how a format writes them',
    )
    .action(async (id: string, options, command: Command) => {
      const admin = await adminOf(options.home);
      const run = await findRun(admin, id);
      const schemas: ResultSchema[] = [];
      for (const statement of await statementsOf(admin, run, options.statement)) {
        schemas.push(await admin.resultSchema(run, options.format, statement));
      }
      print(command, schemas, schemas.flatMap(schemaLines));
    });
  withExample(schema, 'cloister results schema --home bank 3f9a --format arrow');
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

function formatOption(): Option {
  return new Option('--format <format>', 'how to write it; jsonl has an object a line')
    .choices(resultFormat.options)
    .default('csv');
}

async function statementsOf(
  admin: AdminClient,
  run: string,
  asked: number | undefined,
): Promise<readonly number[]> {
  if (asked !== undefined) return [asked];
  return (await admin.result(run)).map(({ statement }) => statement);
}

function schemaLines({ statement, rows, null: absent, columns }: ResultSchema): string[] {
  return [
    `statement ${statement}: ${rows} rows; NULL is written: ${absent}`,
    ...table([
      ['  column', 'type', 'zone', 'NULLs', 'written'],
      ...columns.map(({ name, type, zone = '', nulls, written }) => [
        `  ${name}`,
        type,
        zone,
        String(nulls),
        written,
      ]),
    ]),
  ];
}

interface OpenRequest {
  readonly run: string;
  readonly format: ResultFormat;
  readonly statements: readonly number[];
}

async function printResults(admin: AdminClient, open: OpenRequest): Promise<void> {
  const { run, format, statements } = open;
  const several = statements.length > 1;
  if (several && format !== 'csv' && format !== 'jsonl') {
    const message = `several ${format} files cannot go to stdout: give --out or --statement`;
    throw cliError('option-malformed', message);
  }
  for (const statement of statements) {
    // Nothing is printed of a result that is refused.
    let heading = several ? utf8(`-- statement ${statement}\n`) : undefined;
    const put = async (piece: Uint8Array) => {
      if (heading !== undefined) await toStdout(heading);
      heading = undefined;
      await toStdout(piece);
    };
    await admin.openResult({ run, format, statement }, put);
    if (heading !== undefined) await toStdout(heading);
  }
}

/** Waits for whoever reads. */
async function toStdout(piece: Uint8Array): Promise<void> {
  if (process.stdout.write(piece)) return;
  await new Promise((resolve) => process.stdout.once('drain', resolve));
}

async function writeResults(admin: AdminClient, open: OpenRequest, out: string) {
  const { run, format, statements } = open;
  const { dir, name, ext } = parse(out);
  const written = [];
  for (const statement of statements) {
    const path = statements.length === 1 ? out : join(dir, `${name}-${statement}${ext}`);
    const schema = `${path}.schema.json`;
    const said = await admin.resultSchema(run, format, statement);
    const bytes = await writeNamedAsItComes(path, 0o600, (take) => {
      return admin.openResult({ run, format, statement }, take);
    });
    await writeNamed(schema, utf8(`${JSON.stringify(said, null, 2)}\n`), 0o600);
    written.push({ run, statement, bytes, out: path, schema });
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
