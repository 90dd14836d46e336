// SPDX-License-Identifier: Apache-2.0
// keeper, worker: the nodes inside (simulated) hardware, and what one may ask of them.
import { resolve } from 'node:path';
import type { AdminClient, Status } from '@cloister/api';
import type { runUntilSignal } from '@cloister/attester';
import { isCoded, toHex } from '@cloister/core';
import { type Command, Option } from 'commander';
import { adminOf } from '../admin-client.ts';
import { epochEnded } from '../epoch-ended.ts';
import { cliError } from '../errors.ts';
import { print, progress, table } from '../output.ts';
import { isPassing, patiently } from '../patience.ts';
import { consentCommand } from './keeper-consent.ts';
import { holdingLine, rotateCommand } from './keeper-rotate.ts';
import { collect, count, withExample, withHome } from './options.ts';

export function nodeCommands(program: Command): void {
  keeperCommands(program);
  workerCommands(program);
}

function keeperCommands(program: Command): void {
  const keeper = program.command('keeper').description('keepers hold shares of the group key');
  const serve = nodeOptions(keeper.command('serve'))
    .description('run a keeper on SIMULATED hardware until it is told to stop')
    .action(async (options, command: Command) => {
      const { readCharterFile } = await import('../charter-file.ts');
      const { parseMake } = await import('../hardware.ts');
      const { startKeeper } = await import('../start-node.ts');
      const charter = await readCharterFile(options.charter);
      const make = parseMake(options.make);
      const node = await startKeeper({ ...options, make, charter, gateways: options.gateway });
      print(command, { event: 'ready', ...node.ready }, [
        `keeper ready on ${String(node.ready['address'])}`,
      ]);
      await endOf(node);
    });
  withExample(
    serve,
    [
      'cloister keeper serve --home bank --make sgx --charter charter.json --port 7611 \\',
      '    --gateway http://127.0.0.1:7601 --gateway http://127.0.0.1:7602 &',
    ].join('\n'),
  );
  measureCommand(keeper, 'keeper');
  const list = withHome(keeper.command('list'))
    .description('every keeper that joined, its seat and what its evidence proves')
    .option('--checks', 'each check of the evidence on a line')
    .action(async (options, command: Command) => {
      const answer = await (await adminOf(options.home)).keepers();
      print(command, answer, keeperLines(answer, options.checks === true));
    });
  withExample(list, 'cloister keeper list --home bank --checks');
  const verify = withHome(keeper.command('verify'))
    .description(
      'check evidence, key generation and rule as before sealing; fails if one does not hold',
    )
    .action(async (options, command: Command) => {
      const answer = await (await adminOf(options.home)).keepers();
      print(command, answer, keeperLines(answer, true));
      if (answer.fault === null) return;
      const { code, sentence } = answer.fault;
      const message = `nothing is sealed to this key (${code}): ${sentence}`;
      throw cliError('verification-failed', message);
    });
  withExample(verify, 'cloister keeper verify --home bank');
  const epoch = withHome(keeper.command('epoch'))
    .description('propose the keepers of an epoch; they make the group key among themselves')
    .option(
      '--join <id>',
      'join ids in seat order; by default the newest of each machine',
      collect,
      [],
    )
    .option('--wait <seconds>', 'how long to wait for the keepers and the group key', count, 60)
    .action(async (options, command: Command) => {
      const formed = await formEpoch(await adminOf(options.home), command, options);
      const holders = formed.seats.map((s) => `${s.operator} (${s.tee})`).join(', ');
      print(command, formed, [
        `group key ${formed.groupKey}`,
        `held by ${holders}; any ${formed.threshold} of them open a column`,
      ]);
    });
  withExample(epoch, 'cloister keeper epoch --home bank');
  rotateCommand(keeper);
  consentCommand(keeper);
}

/** Keepers that are still starting are waited for, and so is the key that they make. */
async function formEpoch(
  admin: AdminClient,
  command: Command,
  options: { join: string[]; wait: number },
): Promise<NonNullable<Status['epoch']>> {
  const started = performance.now();
  const recorded = await patiently(
    options.wait,
    () => admin.formEpoch(options.join),
    (error) => isPassing(error) || isCoded(error, 'epoch-impossible'),
  );
  if (recorded === undefined) throw new Error('unreachable: an epoch is recorded or refused');
  progress(command, 'epoch proposed; once enough members want it the keepers make the key');
  const left = options.wait - (performance.now() - started) / 1_000;
  const formed = await patiently(left, async () => {
    const { epoch, endedEpoch } = await admin.status();
    if (endedEpoch?.id === recorded.id) throw epochEnded(endedEpoch);
    return epoch?.id === recorded.id ? epoch : undefined;
  });
  if (formed !== undefined) return formed;
  const look = 'cloister ledger list --kind epoch-abort';
  const message = `no group key after ${options.wait} s: see ${look}`;
  throw cliError('process-failed', message);
}

type Keepers = Awaited<ReturnType<AdminClient['keepers']>>;

function keeperLines(answer: Keepers, checks: boolean): string[] {
  const rows = answer.keepers.map((k) => [
    k.seat === null ? '-' : String(k.seat),
    k.operator,
    k.tee,
    k.family,
    k.trust === 'simulated' ? 'SIMULATED' : k.trust,
    k.accepted
      ? `stands (${k.checks.length} checks)`
      : `DOES NOT STAND: ${k.checks.find((check) => !check.ok)?.what ?? 'refused'}`,
  ]);
  const lines = table([['seat', 'operator', 'hardware', 'roots', 'trust', 'evidence'], ...rows]);
  const detailed = lines.flatMap((line, i) =>
    i === 0
      ? [line]
      : [
          line,
          ...(answer.keepers[i - 1]?.checks ?? []).map(
            (check) => `      ${check.ok ? 'ok ' : 'NOT'} ${check.what}: ${check.note}`,
          ),
        ],
  );
  const epoch = answer.epoch === null ? '(no group key yet)' : answer.epoch.slice(0, 16);
  const head = [`rule   ${answer.rule}`, `epoch  ${epoch}`];
  return checks ? [...head, ...ceremonyLines(answer), ...detailed] : [...head, ...lines];
}

/** What this gateway computed again of the key generation, a line a step. */
function ceremonyLines({ holdings, ceremony, fault, epoch }: Keepers): string[] {
  if (epoch === null) return [];
  const held = `seats  ${holdingLine(holdings)}`;
  if (ceremony === null) return [held, `NOT    ${fault?.code}: ${fault?.sentence}`];
  const { dealers, acknowledged, lineage } = ceremony;
  const names = (seats: readonly { seat: number; operator: string }[]) =>
    seats.map(({ seat, operator }) => `${seat} ${operator}`).join(', ');
  const degree = `${dealers[0]?.commitments ?? 0} commitments each`;
  const origin =
    lineage.length === 1
      ? 'a new key'
      : `dealt again ${lineage.length - 1} time(s), each from the old public shares`;
  const made = ceremony.transcript.slice(0, 16);
  return [
    held,
    `from   ${origin}`,
    `ok     reveals of dealers ${names(dealers)}: ${degree}, as committed, proofs hold`,
    `ok     group key ${ceremony.groupKey.slice(0, 16)}... computed here from these reveals`,
    `ok     transcript ${made}... acknowledged by seats ${names(acknowledged)}`,
  ];
}

function workerCommands(program: Command): void {
  const worker = program.command('worker').description('workers run approved tasks');
  const serve = nodeOptions(worker.command('serve'))
    .description('run a worker on SIMULATED hardware until it is told to stop')
    .requiredOption('--keeper <url>', 'address of a keeper; repeat', collect)
    .option(
      '--scratch <folder>',
      'where plain columns lie during a run; memory, not disk',
      '/dev/shm',
    )
    .option(
      '--patience <seconds>',
      'how long to wait for receipts, keepers and gateways',
      count,
      60,
    )
    .action(async (options, command: Command) => {
      const { readCharterFile } = await import('../charter-file.ts');
      const { parseMake } = await import('../hardware.ts');
      const { startWorker } = await import('../start-node.ts');
      const charter = await readCharterFile(options.charter);
      const node = await startWorker({
        ...options,
        make: parseMake(options.make),
        charter,
        gateways: options.gateway,
        keepers: options.keeper,
        patienceMs: options.patience * 1_000,
      });
      print(command, { event: 'ready', ...node.ready }, [
        `worker ready on ${String(node.ready['address'])}`,
      ]);
      await endOf(node);
    });
  withExample(
    serve,
    [
      'cloister worker serve --home bank --make sgx --charter charter.json --port 7620 \\',
      '    --gateway http://127.0.0.1:7601 --gateway http://127.0.0.1:7602 \\',
      '    --keeper http://127.0.0.1:7611 --keeper http://127.0.0.1:7612 &',
    ].join('\n'),
  );
  measureCommand(worker, 'worker');
}

function nodeOptions(command: Command): Command {
  return withHome(command)
    .requiredOption('--make <make>', 'which machine of the folder: sgx, snp, optee or tpm')
    .requiredOption('--charter <file>', 'the charter file')
    .requiredOption('--gateway <url>', 'address of a gateway; repeat', collect)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port to listen on; 0 for any', count, 0)
    .addOption(buildOption());
}

/** An upgrade has two builds side by side. */
function buildOption(): Option {
  return new Option('--build <folder>', 'root of another build, whose program is meant').argParser(
    (text: string) => resolve(text),
  );
}

function measureCommand(parent: Command, role: 'keeper' | 'worker'): void {
  const measure = parent
    .command('measure')
    .description('print what a charter pins: the measurement of this build in each make')
    .option('--card <file>', 'and on the machine of this hardware card; repeat', collect, [])
    .option('--explain', 'every part: its digest, and what brought it in')
    .addOption(buildOption())
    .action(async (options, command: Command) => {
      const { measureProgram } = await import('@cloister/attester');
      const { measurementOn, readCard } = await import('../hardware.ts');
      const { explained, explainedLines } = await import('../measure-lines.ts');
      const { measurements, manifest, encoded, parts } = await measureProgram({
        role,
        ...(options.build === undefined ? {} : { root: options.build }),
      });
      const cards = await Promise.all((options.card as string[]).map(readCard));
      const named = [
        ...Object.entries(measurements),
        ...cards.map(
          (card) => [`${card.operator}-${card.make}`, measurementOn(card, encoded)] as const,
        ),
      ].map(([name, measurement]) => [name, toHex(measurement)] as const);
      print(
        command,
        {
          ...{ role, measurements: Object.fromEntries(named) },
          ...{ files: parts.length, node: manifest.node },
          ...(options.explain === true ? explained({ manifest, parts }) : {}),
        },
        [
          ...named.map(([name, measurement]) => `${name.padEnd(6)} ${measurement}`),
          `over ${parts.length} files, Node ${manifest.node}`,
          ...(options.explain === true ? ['', ...explainedLines({ manifest, parts })] : []),
        ],
      );
    });
  withExample(measure, `cloister ${role} measure`);
}

async function endOf(node: Parameters<typeof runUntilSignal>[0][number]): Promise<void> {
  const { runUntilSignal: run } = await import('@cloister/attester');
  const exit = await run([node]);
  if (exit.signal === null && exit.code !== 0) {
    throw cliError('process-failed', `the node ended with status ${exit.code}`);
  }
}
