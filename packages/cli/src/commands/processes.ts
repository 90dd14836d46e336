// SPDX-License-Identifier: Apache-2.0
// ledger, gateway, keeper, worker: the processes, and what one may ask of them.
import { measureProgram, runUntilSignal } from '@cloister/attester';
import { toHex } from '@cloister/core';
import { startGateway } from '@cloister/gateway';
import type { Command } from 'commander';
import { adminOf } from '../admin.ts';
import { readCharterFile } from '../charter-file.ts';
import { epochEnded } from '../epoch.ts';
import { cliError } from '../errors.ts';
import { readBytes } from '../files.ts';
import { prepareGateway } from '../gateway-home.ts';
import { parseMake } from '../hardware.ts';
import { serveCharterLedger } from '../ledger-server.ts';
import { startKeeper, startWorker } from '../nodes.ts';
import { print, progress, table } from '../output.ts';
import { collect, count, pairs, required } from './options.ts';

export function ledgerCommands(program: Command): void {
  const ledger = program.command('ledger').description('the ordered list of signed statements');
  ledger
    .command('serve')
    .description('run the embedded ledger until it is told to stop')
    .requiredOption('--charter <file>', 'the charter file')
    .requiredOption('--folder <folder>', 'where its files are')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port to listen on; 0 for any', count, 7000)
    .action(async (options, command: Command) => {
      const charter = await readCharterFile(options.charter);
      const { folder, host, port } = options;
      const server = await serveCharterLedger({ charter, folder, host, port });
      print(command, { event: 'listening', url: server.url }, [
        `ledger listening on ${server.url}`,
      ]);
      await stopSignal();
      await server.close();
    });
  required(ledger.command('verify'), 'home')
    .description('read everything again: tree, fold and cosignatures')
    .action(async (options, command: Command) => {
      const report = await (await adminOf(options.home)).verifyLedger();
      print(command, report, [
        `${report.size} entries, ${report.accepted} accepted, ${report.void} void`,
        `root ${report.root}`,
        `cosigned by ${report.cosignatures.join(', ')} (quorum ${report.quorum})`,
        ...(report.ok ? ['everything holds'] : report.findings),
      ]);
      if (!report.ok)
        throw cliError('verification-failed', 'verification', report.findings.join('; '));
    });
  required(ledger.command('list'), 'home')
    .description('print entries, void ones with their codes')
    .option('--from <seq>', 'first position', count, 0)
    .option('--limit <n>', 'how many', count, 200)
    .action(async (options, command: Command) => {
      const page = await (await adminOf(options.home)).events(options.from, options.limit);
      const rows = page.events.map((e) => [
        String(e.seq),
        e.kind,
        e.signer,
        e.status === 'void' ? `void: ${e.code}` : 'ok',
        e.summary,
      ]);
      print(command, page, table([['seq', 'kind', 'signer', 'status', 'what'], ...rows]));
    });
  required(ledger.command('collateral'), 'home')
    .argument('<file>', 'a collateral bundle')
    .description('publish collateral; keepers use the newest only')
    .action(async (file: string, options, command: Command) => {
      const recorded = await (await adminOf(options.home)).addCollateral(await readBytes(file));
      print(command, recorded, [`published at ${recorded.seq}`]);
    });
}

export function gatewayCommands(program: Command): void {
  const gateway = program.command('gateway').description("a member's gateway");
  required(gateway.command('init'), 'home')
    .description('prepare the folder for a charter; check its genesis first')
    .requiredOption('--charter <file>', 'the charter file')
    .requiredOption('--ledger <url>', 'where the ledger is served')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .requiredOption('--port <port>', 'port to listen on', count)
    .option('--peer <id=url>', "another member's gateway; repeat", pairs, {})
    .option('--tick-seconds <n>', 'seconds between ticks of the witness', count, 30)
    .action(async (options, command: Command) => {
      const charter = await readCharterFile(options.charter);
      const { host, port, ledger, peer: peers, tickSeconds } = options;
      await prepareGateway(options.home, charter, { host, port, ledger, peers, tickSeconds });
      const genesis = toHex(charter.genesis);
      print(command, { genesis }, [`ready to serve genesis ${genesis} on ${host}:${port}`]);
    });
  required(gateway.command('serve'), 'home')
    .description('run the gateway until it is told to stop; signs the charter when it starts')
    .action(async (options, command: Command) => {
      const running = await startGateway({ home: options.home });
      print(command, { event: 'listening', url: running.url }, [
        `gateway listening on ${running.url}`,
      ]);
      await stopSignal();
      await running.stop();
    });
  required(gateway.command('status'), 'home')
    .description('where the gateway stands')
    .action(async (options, command: Command) => {
      const s = await (await adminOf(options.home)).status();
      print(command, s, [
        `${s.member.name} (${s.member.id}) under ${s.charter}${s.simulated ? '  SIMULATED' : ''}`,
        `ledger ${s.ledger.size} entries, clock ${new Date(s.ledger.clock).toISOString()}`,
        s.epoch === null
          ? 'no group key yet'
          : `group key held by ${s.epoch.seats.map((k) => `${k.operator} (${k.tee})`).join(', ')}`,
        `${s.datasets} datasets, ${s.tasks} tasks`,
      ]);
    });
}

export function nodeCommands(program: Command): void {
  const keeper = program.command('keeper').description('keepers hold shares of the group key');
  nodeOptions(keeper.command('serve'))
    .description('run a keeper on SIMULATED hardware until it is told to stop')
    .action(async (options, command: Command) => {
      const charter = await readCharterFile(options.charter);
      const make = parseMake(options.make);
      const node = await startKeeper({ ...options, make, charter, gateways: options.gateway });
      print(command, { event: 'ready', ...node.ready }, [
        `keeper ready on ${String(node.ready['address'])}`,
      ]);
      await endOf(node);
    });
  measureCommand(keeper, 'keeper');
  required(keeper.command('list'), 'home')
    .alias('verify')
    .description("every keeper's evidence as a checklist, and the epoch")
    .action(async (options, command: Command) => {
      const answer = await (await adminOf(options.home)).keepers();
      const lines = answer.keepers.flatMap((k) => [
        `${k.accepted ? 'ok ' : 'NOT'} seat ${k.seat ?? '-'}  ${k.operator}  ${k.tee} (${k.family}, ${k.trust})`,
        ...k.checks.map(
          (check) => `      ${check.ok ? 'ok ' : 'NOT'} ${check.what}: ${check.note}`,
        ),
      ]);
      print(command, answer, [
        `rule: ${answer.rule}`,
        `epoch ${answer.epoch ?? '(none)'}`,
        ...lines,
      ]);
    });
  required(keeper.command('epoch'), 'home')
    .description('name the keepers of an epoch; they make the group key among themselves')
    .option(
      '--join <id>',
      'join ids in seat order; by default the newest of each machine',
      collect,
      [],
    )
    .option('--wait <seconds>', 'how long to wait for the group key', count, 60)
    .action(async (options, command: Command) => {
      const admin = await adminOf(options.home);
      const recorded = await admin.formEpoch(options.join);
      progress(command, `epoch ${recorded.id} named; waiting for the keepers`);
      const until = Date.now() + options.wait * 1_000;
      for (;;) {
        const { epoch, endedEpoch } = await admin.status();
        if (endedEpoch?.id === recorded.id) throw epochEnded(endedEpoch);
        if (epoch?.id === recorded.id) {
          print(command, epoch, [
            `group key ${epoch.groupKey}`,
            `held by ${epoch.seats.map((s) => s.operator).join(', ')}`,
          ]);
          return;
        }
        if (Date.now() > until) {
          const message = `no group key after ${options.wait} s: see cloister ledger list for an abort`;
          throw cliError('process-failed', 'unavailable', message);
        }
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    });

  const worker = program.command('worker').description('workers run approved tasks');
  nodeOptions(worker.command('serve'))
    .description('run a worker on SIMULATED hardware until it is told to stop')
    .requiredOption('--keeper <url>', 'address of a keeper; repeat', collect)
    .option(
      '--scratch <folder>',
      'where plain columns lie during a run; memory, not disk',
      '/dev/shm',
    )
    .action(async (options, command: Command) => {
      const charter = await readCharterFile(options.charter);
      const make = parseMake(options.make);
      const node = await startWorker({
        ...options,
        make,
        charter,
        gateways: options.gateway,
        keepers: options.keeper,
      });
      print(command, { event: 'ready', ...node.ready }, [
        `worker ready on ${String(node.ready['address'])}`,
      ]);
      await endOf(node);
    });
  measureCommand(worker, 'worker');
}

function nodeOptions(command: Command): Command {
  return required(command, 'home')
    .requiredOption('--make <make>', 'which simulated machine of the folder: sgx, snp or optee')
    .requiredOption('--charter <file>', 'the charter file')
    .requiredOption('--gateway <url>', 'address of a gateway; repeat', collect)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port to listen on; 0 for any', count, 0);
}

function measureCommand(parent: Command, role: 'keeper' | 'worker'): void {
  parent
    .command('measure')
    .description('print what a charter pins: the measurement of this build in each make')
    .action(async (_options, command: Command) => {
      const { measurements, manifest } = await measureProgram({ role });
      const json = Object.fromEntries(
        Object.entries(measurements).map(([make, m]) => [make, toHex(m)]),
      );
      print(
        command,
        { role, measurements: json, files: manifest.files.length, node: manifest.node },
        [
          ...Object.entries(json).map(([make, m]) => `${make.padEnd(6)} ${m}`),
          `over ${manifest.files.length} files, Node ${manifest.node}`,
        ],
      );
    });
}

async function endOf(node: Parameters<typeof runUntilSignal>[0][number]): Promise<void> {
  const exit = await runUntilSignal([node]);
  if (exit.signal === null && exit.code !== 0) {
    throw cliError('process-failed', 'unavailable', `the node ended with status ${exit.code}`);
  }
}

function stopSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}
