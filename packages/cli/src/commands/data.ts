// SPDX-License-Identifier: Apache-2.0
// dataset, task, results, bill: the daily work of a member.
import { openAsBlob } from 'node:fs';
import { stat, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import type { CheckAnswer, TaskJson } from '@cloister/api';
import type { Command } from 'commander';
import { adminOf } from '../admin.ts';
import { cliError } from '../errors.ts';
import { readJson, readText } from '../files.ts';
import { money, print, progress, table } from '../output.ts';
import { collect, count, micros, pairs, required } from './options.ts';

const RUN_POLL_MS = 15_000;

export function datasetCommands(program: Command): void {
  const dataset = program.command('dataset').description('encrypted datasets and their policies');
  required(dataset.command('inspect'), 'home')
    .argument('<file>', 'CSV, JSON lines or Parquet')
    .description('say what a file holds and which types were inferred; nothing is kept')
    .action(async (file: string, options, command: Command) => {
      const seen = await upload(options.home, file);
      print(command, seen, inspectionLines(seen));
    });
  required(dataset.command('add'), 'home')
    .argument('<file>', 'CSV, JSON lines or Parquet')
    .description('encrypt a file field by field, seal its keys to the group key, publish it')
    .requiredOption('--name <text>', 'name of the dataset, for members only')
    .requiredOption('--policy <file>', 'the field policy (JSON)')
    .option('--type <column=type>', 'a type instead of the inferred one; repeat', pairs, {})
    .option('--currency <code>', 'ISO 4217 code of the prices', 'EUR')
    .option('--price-run <amount>', 'price of a run', micros, 0)
    .option('--price-row <amount>', 'price of a row read', micros, 0)
    .option('--price-gb <amount>', 'price of a gigabyte read', micros, 0)
    .option('--price-second <amount>', 'price of a second', micros, 0)
    .action(async (file: string, options, command: Command) => {
      const policy = await readJson(options.policy);
      const seen = await upload(options.home, file);
      for (const line of inspectionLines(seen)) progress(command, line);
      progress(command, 'encrypting and sealing');
      const {
        currency,
        priceRun: run,
        priceRow: row,
        priceGb: gigabyte,
        priceSecond: second,
      } = options;
      const added = await (await adminOf(options.home)).addDataset({
        upload: seen.upload,
        name: options.name,
        policy,
        types: options.type,
        price: { currency, run, row, gigabyte, second },
      });
      const { dataset: d, recorded } = added;
      print(command, added, [
        `${d.owner}/${d.name} is dataset ${d.dataset} version ${d.version}: ${d.rows} rows, ${d.bytes} encrypted bytes`,
        ...table([['column', 'type', 'rule'], ...d.columns.map((c) => [c.name, c.type, c.rule])]),
        `on the ledger at ${recorded.seq}`,
      ]);
    });
  required(dataset.command('list'), 'home')
    .description('datasets of all members, as far as their openings let us read')
    .action(async (options, command: Command) => {
      const all = await (await adminOf(options.home)).datasets();
      const rows = all.map((d) => [
        `${d.owner}/${d.name}`,
        String(d.version),
        String(d.rows),
        d.columns.map((c) => c.name).join(', '),
      ]);
      print(command, all, table([['dataset', 'version', 'rows', 'columns'], ...rows]));
    });
  required(dataset.command('reseal'), 'home')
    .description('seal our datasets to the current group key, after a new one was made')
    .action(async (options, command: Command) => {
      const done = await (await adminOf(options.home)).resealDatasets();
      print(command, done, [`${done.length} dataset versions sealed again`]);
    });
}

async function upload(home: string, file: string) {
  const info = await stat(file).catch(() => undefined);
  if (info === undefined || !info.isFile()) {
    throw cliError('file-unreadable', 'not-found', `cannot read ${file}: no such file`);
  }
  return (await adminOf(home)).upload(basename(file), await openAsBlob(file));
}

type Seen = Awaited<ReturnType<typeof upload>>;

function inspectionLines(seen: Seen): string[] {
  return [
    `${seen.format}, ${seen.rows} rows`,
    ...table([
      ['column', 'type', 'nulls'],
      ...seen.columns.map((c) => [c.name, c.type, String(c.nulls)]),
    ]),
    ...seen.warnings.map((warning) => `warning: ${warning}`),
  ];
}

export function taskCommands(program: Command): void {
  const task = program.command('task').description('propose, approve and run computations');
  codeOptions(task.command('check'))
    .description('say whether the policies allow it, what blocks it and what it would cost')
    .action(async (options, command: Command) => {
      const check = await (await adminOf(options.home)).checkTask(await requestOf(options));
      print(command, check, checkLines(check));
      if (!check.ok) process.exitCode = 2;
    });
  codeOptions(task.command('propose'))
    .description('put the task on the ledger; owners are asked even when the check fails')
    .action(async (options, command: Command) => {
      const answer = await (await adminOf(options.home)).proposeTask(await requestOf(options));
      print(command, answer, [`task ${answer.task}`, ...checkLines(answer.check)]);
      if (!answer.check.ok) process.exitCode = 2;
    });
  required(task.command('list'), 'home')
    .description('tasks, newest first')
    .action(async (options, command: Command) => {
      const tasks = await (await adminOf(options.home)).tasks();
      const rows = tasks.map((t) => [t.task.slice(0, 16), t.proposer, t.state, t.purpose]);
      print(command, tasks, table([['task', 'proposer', 'state', 'purpose'], ...rows]));
    });
  required(task.command('show'), 'home')
    .argument('<task>', 'task id, or its first digits')
    .description('code, inputs, approvals, refusals and runs of a task')
    .action(async (id: string, options, command: Command) => {
      const found = await findTask(options.home, id);
      print(command, found, taskLines(found));
    });
  required(task.command('approve'), 'home')
    .argument('<task>', 'task id, or its first digits')
    .description("grant the task's use of our datasets")
    .option('--runs <n>', 'how many runs', count, 1)
    .option('--days <n>', 'for how many days from now', count, 30)
    .requiredOption('--person <name>', 'who approves; only a commitment reaches the ledger')
    .action(async (id: string, options, command: Command) => {
      const { task: key } = await findTask(options.home, id);
      const until = Date.now() + options.days * 86_400_000;
      const grant = { runs: options.runs, until, person: options.person };
      const recorded = await (await adminOf(options.home)).approve(key, grant);
      print(command, recorded, [
        `approved ${options.runs} run(s), on the ledger at ${recorded.seq}`,
      ]);
    });
  required(task.command('decline'), 'home')
    .argument('<task>', 'task id, or its first digits')
    .description('say no, with a code')
    .option('--code <code>', 'why', 'declined-by-owner')
    .action(async (id: string, options, command: Command) => {
      const { task: key } = await findTask(options.home, id);
      const recorded = await (await adminOf(options.home)).decline(key, options.code);
      print(command, recorded, [`declined, on the ledger at ${recorded.seq}`]);
    });
  required(task.command('run'), 'home')
    .argument('<task>', 'task id, or its first digits')
    .requiredOption('--worker <url>', 'address of a worker')
    .description('have a worker run an approved task, and watch it')
    .action(async (id: string, options, command: Command) => {
      const { task: key } = await findTask(options.home, id);
      const admin = await adminOf(options.home);
      let status = await admin.startRun(key, options.worker);
      while (status.state !== 'released' && status.state !== 'failed') {
        progress(command, `  ${status.state}`);
        status = await admin.runStatus(status.run, { known: status.state, waitMs: RUN_POLL_MS });
      }
      if (status.state === 'failed') {
        const code = status.code ?? 'run-failed';
        const message = `run ${status.run} failed (${code}): ${status.sentence ?? ''}`;
        throw cliError('run-failed', 'policy', message);
      }
      print(command, status, [
        `run ${status.run} released`,
        `open it: cloister results open ${status.run} --home <folder>`,
      ]);
    });
}

function codeOptions(command: Command): Command {
  return required(command, 'home')
    .requiredOption('--code <file>', 'the SQL file')
    .requiredOption('--input <table=dataset>', 'table name = owner/name; repeat', pairs)
    .requiredOption('--purpose <text>', 'what it is for; policies may name purposes')
    .option('--recipient <member>', 'who may open the result; by default we; repeat', collect, []);
}

async function requestOf(options: {
  code: string;
  input: Record<string, string>;
  purpose: string;
  recipient: string[];
}) {
  const code = await readText(options.code);
  return { code, purpose: options.purpose, inputs: options.input, recipients: options.recipient };
}

function checkLines(check: CheckAnswer): string[] {
  const { cost } = check;
  return [
    check.ok ? 'the policies allow it' : 'the policies do not allow it:',
    ...check.findings.flatMap((f) => [
      `  ${f.owner}, ${f.table}.${f.column} is ${f.rule}: ${f.sentence} [${f.code}]`,
      ...(f.unblock === undefined ? [] : [`    would be unblocked by ${f.unblock}`]),
    ]),
    `about ${cost.bytes} bytes of ${cost.rows} rows, ${Math.ceil(cost.memoryBytes / 1_048_576)} MiB of memory, ${money(cost.micros, cost.currency)} a run`,
  ];
}

function taskLines(task: TaskJson): string[] {
  return [
    `task ${task.task}: ${task.state}, proposed by ${task.proposer} for ${task.purpose}`,
    ...task.code.split('\n').map((line) => `  | ${line}`),
    ...task.inputs.map(
      (i) =>
        `reads ${i.table} of ${i.owner}: ${i.columns.join(', ')}  ${i.approved ? `approved, ${i.runsLeft} run(s) left` : 'not approved'}`,
    ),
    ...task.outputs.map((o) => `gives ${o.name} to ${o.recipients.join(', ')}`),
    ...task.declines.map((d) => `declined by ${d.by}: ${d.code}`),
    ...task.refusals.map((r) => `refused by the keeper of ${r.by}: ${r.code}`),
    ...task.runs.map(
      (r) => `run ${r.run}: ${r.state}${r.code === undefined ? '' : ` (${r.code})`}`,
    ),
  ];
}

async function findTask(home: string, id: string): Promise<TaskJson> {
  const found = (await (await adminOf(home)).tasks()).filter((t) => t.task.startsWith(id));
  const [only] = found;
  if (found.length === 1 && only !== undefined) return only;
  const message =
    found.length === 0
      ? `no task begins with ${id}`
      : `${found.length} tasks begin with ${id}: give more digits`;
  throw cliError('option-malformed', 'not-found', message);
}

export function resultCommands(program: Command): void {
  const results = program.command('results').description('what runs gave');
  required(results.command('open'), 'home')
    .argument('<run>', 'run id')
    .option('--format <format>', 'csv, json or parquet', 'csv')
    .option('--out <file>', 'where to write it; stdout when absent')
    .description('decrypt the columns of a result that we may open')
    .action(async (run: string, options, command: Command) => {
      const bytes = await (await adminOf(options.home)).openResult(run, options.format);
      if (options.out === undefined) {
        process.stdout.write(bytes);
        return;
      }
      await writeFile(options.out, bytes, { mode: 0o600 });
      print(command, { bytes: bytes.length, out: options.out }, [`wrote ${options.out}`]);
    });
  required(program.command('bill'), 'home')
    .option('--task <task>', 'of one task only')
    .description('what is owed, from usage records and accepted prices')
    .action(async (options, command: Command) => {
      const bills = await (await adminOf(options.home)).bill(options.task);
      print(
        command,
        bills,
        bills.flatMap((bill) => [
          `${bill.payer} owes ${bill.payee} ${money(bill.total, bill.currency)}${bill.simulated ? '  SIMULATED' : ''}`,
          ...table([
            ['  run', 'metric', 'quantity', 'amount', 'counted'],
            ...bill.lines.map((l) => [
              `  ${l.run.slice(0, 12)}`,
              l.metric,
              l.quantity,
              money(l.amount, bill.currency),
              l.counted === 'inside' ? 'inside the TEE' : 'host-influenced',
            ]),
          ]),
        ]),
      );
    });
}
