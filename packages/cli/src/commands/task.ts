// SPDX-License-Identifier: Apache-2.0
// task: check, propose, approve, decline, run and look at computations.
import type { AdminClient, ApproveAnswer, CheckAnswer, RunStatus, TaskJson } from '@cloister/api';
import { isCoded } from '@cloister/core';
import type { Command } from 'commander';
import { adminOf } from '../admin-client.ts';
import { runFailed } from '../errors.ts';
import { readText } from '../named-files.ts';
import { money, print, progress, table } from '../output.ts';
import { isAbsent, MOMENT_SECONDS, patiently } from '../patience.ts';
import { findTask } from '../task-lookup.ts';
import { amount, collect, count, pairs, withExample, withHome } from './options.ts';

const RUN_POLL_MS = 15_000;
const DAY_MS = 86_400_000;
const WORKER_WAIT_SECONDS = 15;

export function taskCommands(program: Command): void {
  const task = program.command('task').description('propose, approve and run computations');
  proposingCommands(task);
  decidingCommands(task);
  const list = withHome(task.command('list'))
    .description('tasks, newest first')
    .action(async (options, command: Command) => {
      const tasks = await (await adminOf(options.home)).tasks();
      const rows = tasks.map((t) => [t.task.slice(0, 16), t.proposer, t.state, t.purpose]);
      print(command, tasks, table([['task', 'proposer', 'state', 'purpose'], ...rows]));
    });
  withExample(list, 'cloister task list --home bank');
  const show = withHome(task.command('show'))
    .argument('<task>', 'task id, or its first digits')
    .description('code, inputs, approvals, refusals and runs of a task')
    .action(async (id: string, options, command: Command) => {
      const found = await findTask(await adminOf(options.home), id);
      print(command, found, taskLines(found));
    });
  withExample(show, 'cloister task show --home bureau 3f9a');
  const run = withHome(task.command('run'))
    .argument('<task>', 'task id, or its first digits')
    .requiredOption('--worker <url>', 'address of a worker')
    .option('--newest <table>', 'read its newest version, if grants allow; repeat', collect, [])
    .description('have a worker run an approved task, and watch it')
    .action(async (id: string, options, command: Command) => {
      const of = { worker: options.worker, newest: options.newest };
      const status = await runTask(await adminOf(options.home), id, of, (line) =>
        progress(command, line),
      );
      print(command, status, [
        `run ${status.run} released after ${seconds(status)}`,
        `open it: cloister results open --home <folder> ${status.run.slice(0, 16)}`,
      ]);
    });
  withExample(run, 'cloister task run --home bank 3f9a --worker http://127.0.0.1:7620');
}

function proposingCommands(task: Command): void {
  const check = codeOptions(task.command('check'))
    .description('say whether the policies allow it, what blocks it and what it would cost')
    .action(async (options, command: Command) => {
      const admin = await adminOf(options.home);
      const request = await requestOf(options);
      const answer = await soon(() => admin.checkTask(request));
      print(command, answer, checkLines(answer));
      if (!answer.ok) process.exitCode = 2;
    });
  withExample(check, exampleOf('check'));
  const propose = codeOptions(task.command('propose'))
    .description(
      'put the task on the ledger, even when the check fails; with --quiet, print its id only',
    )
    .action(async (options, command: Command) => {
      const admin = await adminOf(options.home);
      const request = await requestOf(options);
      const answer = await soon(() => admin.proposeTask(request));
      const quiet = command.optsWithGlobals()['quiet'] === true;
      const lines = [`task ${answer.task}`, ...checkLines(answer.check)];
      print(command, answer, quiet ? [answer.task] : lines);
      if (!answer.check.ok) process.exitCode = 2;
    });
  withExample(propose, exampleOf('propose'));
}

function exampleOf(name: string): string {
  return [
    `cloister task ${name} --home bank --code rates.sql --purpose credit-risk \\`,
    '    --input accounts=bank/accounts --input people=bureau/people',
  ].join('\n');
}

function decidingCommands(task: Command): void {
  const approve = withHome(task.command('approve'))
    .argument('<task>', 'task id, or its first digits')
    .description("grant the task's use of our datasets")
    .option('--runs <n>', 'how many runs', count, 1)
    .option('--days <n>', 'for how many days; by default 30, or what the policy allows', amount)
    .requiredOption('--person <name>', 'who approves; only a commitment reaches the ledger')
    .option(
      '--any-version <table>',
      "a run may read its newest version, ours or another's, while schema and policy stay; repeat",
      collect,
      [],
    )
    .action(async (id: string, options, command: Command) => {
      const admin = await adminOf(options.home);
      const { task: key } = await findTask(admin, id);
      const { runs, days, person, anyVersion } = options;
      // The ledger's clock, which judges the grant, is a little behind ours.
      const from = days === undefined ? undefined : (await admin.status()).ledger.clock;
      const until = from === undefined ? undefined : from + Math.round(days * DAY_MS);
      const answer = await admin.approve(key, { runs, from, until, person, anyVersion });
      const end = until === undefined ? '' : ` until ${new Date(until).toISOString()}`;
      const later = anyVersion.length === 0 ? '' : `, any version of ${anyVersion.join(', ')}`;
      print(command, answer, [approvalLine(answer, `${runs} run(s)${end}${later}`)]);
    });
  withExample(approve, 'cloister task approve --home bureau 3f9a --runs 2 --person "data officer"');
  const decline = withHome(task.command('decline'))
    .argument('<task>', 'task id, or its first digits')
    .description('say no, with a code')
    .option('--code <code>', 'why', 'declined-by-owner')
    .action(async (id: string, options, command: Command) => {
      const admin = await adminOf(options.home);
      const { task: key } = await findTask(admin, id);
      const recorded = await admin.decline(key, options.code);
      print(command, recorded, [`declined (${options.code}), on the ledger at ${recorded.seq}`]);
    });
  withExample(decline, 'cloister task decline --home bureau 3f9a --code too-broad');
}

/** Only what as many persons want as the policies ask for is called approved. */
export function approvalLine(answer: ApproveAnswer, what: string): string {
  const { seq, persons, needed, replaced } = answer;
  const again = replaced ? ', in place of what this person approved before' : '';
  if (persons >= needed) return `approved ${what}${again}, on the ledger at ${seq}`;
  const count = `${replaced ? 'still ' : ''}${persons} of ${needed} persons`;
  return `not approved yet: ${count} want ${what}${again}, on the ledger at ${seq}; another has to`;
}

/** A worker that is still starting, and approvals that are on their way, are waited for. */
async function runTask(
  admin: AdminClient,
  id: string,
  { worker, newest }: { worker: string; newest: readonly string[] },
  say: (line: string) => void,
): Promise<RunStatus> {
  const { task: key } = await findTask(admin, id);
  await patiently(MOMENT_SECONDS, async () => {
    const { inputs } = await admin.task(key);
    const ready = inputs.every(({ table, approved, newestGranted, runsLeft }) => {
      return (newest.includes(table) ? newestGranted : approved) && runsLeft > 0;
    });
    return ready ? true : undefined;
  });
  let status = await patiently(
    WORKER_WAIT_SECONDS,
    () => admin.startRun(key, worker, newest),
    (error) => isCoded(error) && error.kind === 'unavailable',
  );
  if (status === undefined) throw new Error('unreachable: a run is started or refused');
  while (status.state !== 'released' && status.state !== 'failed') {
    say(`  ${status.state}`);
    status = await admin.runStatus(status.run, { known: status.state, waitMs: RUN_POLL_MS });
  }
  if (status.state === 'failed') throw runFailed(status);
  return status;
}

function seconds(status: RunStatus): string {
  const total = Object.values(status.phases).reduce((sum, ms) => sum + ms, 0);
  return `${(total / 1_000).toFixed(1)} s`;
}

/** Asks again for a moment when a dataset that was just added is not known here yet. */
async function soon<T>(ask: () => Promise<T>): Promise<T> {
  return (await patiently(MOMENT_SECONDS, ask, isAbsent)) as T;
}

function codeOptions(command: Command): Command {
  return withHome(command)
    .requiredOption('--code <file>', 'the SQL file')
    .requiredOption('--input <table=dataset>', 'table name = owner/name; repeat', pairs)
    .requiredOption('--purpose <text>', 'what it is for; policies may name purposes')
    .option('--recipient <member>', 'who may open the result; by default we; repeat', collect, [])
    .option('--days <n>', 'how long it takes approvals and runs, at most 400', amount, 90);
}

async function requestOf(options: {
  code: string;
  input: Record<string, string>;
  purpose: string;
  recipient: string[];
  days: number;
}) {
  const code = await readText(options.code);
  const { purpose, input: inputs, recipient: recipients } = options;
  return { code, purpose, inputs, recipients, days: options.days };
}

function checkLines(check: CheckAnswer): string[] {
  const { cost } = check;
  const mebibytes = Math.ceil(cost.memoryBytes / 1_048_576);
  const several = new Set(check.outputs.map((o) => o.statement)).size > 1;
  const where = (statement: number) => (several && statement > 0 ? `statement ${statement}, ` : '');
  const reads = check.reads.map((r) => {
    return [`  ${r.table}`, r.owner, String(r.rows), String(r.bytes), r.columns.join(', ')];
  });
  const rows = check.uses.map((u) => {
    return [`  ${where(u.statement)}${u.table}.${u.column}`, u.role, u.how];
  });
  return [
    check.ok ? 'the policies allow it' : 'the policies do not allow it:',
    ...check.findings.flatMap((f) => [
      `  ${where(f.statement)}${whatIsBlocked(f)}: ${f.sentence} [${f.code}]`,
      ...(f.unblock === undefined ? [] : [`    would be unblocked by ${f.unblock}`]),
    ]),
    ...(rows.length === 0 ? [] : ['it uses', ...table([['  column', 'as', 'how'], ...rows])]),
    `${check.engine.kind} ${check.engine.version} reads in a run`,
    ...table([['  table', 'of', 'rows', 'bytes, about', 'columns'], ...reads]),
    `about ${cost.bytes} bytes of ${cost.rows} rows, ${mebibytes} MiB of memory, ` +
      `${(cost.milliseconds / 1_000).toFixed(1)} s, ${money(cost.micros, cost.currency)} a run`,
  ];
}

/** Whose rule on which column, or the code itself. */
function whatIsBlocked(f: CheckAnswer['findings'][number]): string {
  return f.rule === 'code' ? 'the code' : `${f.owner}, ${f.table}.${f.column} is ${f.rule}`;
}

function taskLines(task: TaskJson): string[] {
  const several = new Set(task.outputs.map((o) => o.statement)).size > 1;
  return [
    `task ${task.task}: ${task.state}, proposed by ${task.proposer} for ${task.purpose}`,
    ...task.code
      .trimEnd()
      .split('\n')
      .map((line) => `  | ${line}`),
    ...task.inputs.map(
      (i) =>
        `reads ${i.table} of ${i.owner}: ${i.columns.join(', ')}; ` +
        (i.approved ? `approved, ${i.runsLeft} run(s) left` : 'not approved') +
        newestOf(i),
    ),
    ...task.outputs.map((o) => {
      const of = several ? ` of statement ${o.statement}` : '';
      return `gives ${o.name}${of} to ${o.recipients.join(', ')}`;
    }),
    ...task.declines.map((d) => `declined by ${d.by}: ${d.code}`),
    ...task.refusals.map((r) => `refused by the keeper of ${r.by}: ${r.code}`),
    ...task.runs.map(
      (r) => `run ${r.run}: ${r.state}${inBrackets(r.code)}${appraisedHere(r.appraised)}`,
    ),
  ];
}

/** Of an input whose dataset has been replaced: whether a run may read the newest version. */
function newestOf({ version, newest, newestGranted }: TaskJson['inputs'][number]): string {
  if (newest === version) return '';
  const granted = newestGranted ? 'granted as well' : 'not granted';
  return `; version ${version}, and the newest, ${newest}, is ${granted}`;
}

function inBrackets(code: string | undefined): string {
  return code === undefined ? '' : ` (${code})`;
}

/** Whether this member has found the worker good itself. */
function appraisedHere(found: TaskJson['runs'][number]['appraised']): string {
  if (found === undefined) return '';
  const why = found.wanted === undefined ? '' : `: wanted ${found.wanted}, got ${found.got}`;
  return `, appraised here: ${found.status}${inBrackets(found.code)}${why}`;
}
