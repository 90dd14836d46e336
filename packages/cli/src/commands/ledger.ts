// SPDX-License-Identifier: Apache-2.0
// ledger, gateway: the order of signed statements, and a member's own process.
import { toHex } from '@cloister/core';
import { expectManyBuffers } from '@cloister/core/node';
import type { Command } from 'commander';
import { adminOf } from '../admin-client.ts';
import { cliError } from '../errors.ts';
import { readBytes } from '../named-files.ts';
import { print, table } from '../output.ts';
import { patiently } from '../patience.ts';
import { stopSignal } from '../stop-signal.ts';
import { collect, count, pairs, withExample, withHome } from './options.ts';

function closeCommand(ledger: Command): void {
  const close = withHome(ledger.command('close'))
    .description('say that the ledger ends; as many members as sign heads must say the same')
    .option('--next <genesis>', 'the genesis of the ledger that goes on; none when absent')
    .action(async (options, command: Command) => {
      const admin = await adminOf(options.home);
      const done = await admin.closeLedger(options.next ? { next: options.next } : {});
      const { closed } = (await admin.status()).ledger;
      const lines = closed === null ? 'said; others have to say the same' : 'the ledger is closed';
      print(command, { ...done, closed }, [lines]);
    });
  withExample(close, 'cloister ledger close --home bank');
}

/** Events asked for at once when a list is filtered. */
const PAGE = 1_000;

export function ledgerCommands(program: Command): void {
  const ledger = program.command('ledger').description('the ordered list of signed statements');
  const serve = ledger
    .command('serve')
    .description('run the embedded ledger until it is told to stop')
    .requiredOption('--charter <file>', 'the charter file')
    .requiredOption('--folder <folder>', 'where its files are')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--port <port>', 'port to listen on; 0 for any', count, 7000)
    .action(async (options, command: Command) => {
      const { readCharterFile } = await import('../charter-file.ts');
      const { serveCharterLedger } = await import('../ledger-server.ts');
      const charter = await readCharterFile(options.charter);
      const { folder, host, port } = options;
      const server = await serveCharterLedger({ charter, folder, host, port });
      const stopped = stopSignal();
      print(command, { event: 'listening', url: server.url }, [
        `ledger listening on ${server.url}`,
      ]);
      await stopped;
      await server.close();
    });
  withExample(serve, 'cloister ledger serve --charter charter.json --folder ledger --port 7600 &');
  const verify = withHome(ledger.command('verify'))
    .description('read everything again: tree, fold and cosignatures')
    .action(async (options, command: Command) => {
      const report = await (await adminOf(options.home)).verifyLedger();
      print(command, report, [
        `${report.size} entries, ${report.accepted} accepted, ${report.void} void`,
        `root ${report.root}`,
        `cosigned by ${report.cosignatures.join(', ')} (quorum ${report.quorum})`,
        ...(report.ok ? ['everything holds'] : report.findings),
      ]);
      if (!report.ok) throw cliError('verification-failed', report.findings.join('; '));
    });
  withExample(verify, 'cloister ledger verify --home bank');
  closeCommand(ledger);
  const list = withHome(ledger.command('list'))
    .description('print entries, void ones with their codes')
    .option('--from <seq>', 'first position', count, 0)
    .option('--limit <n>', 'how many', count, 200)
    .option('--kind <kind>', 'only events of this kind; repeat', collect)
    .option('--void', 'only void entries')
    .option('--wait <seconds>', 'how long to wait for a first such entry', count, 0)
    .action(async (options, command: Command) => {
      let page = await listEvents(options);
      await patiently(options.wait, async () => {
        if (page.events.length === 0) page = await listEvents(options);
        return page.events.length > 0 ? page : undefined;
      });
      const rows = page.events.map((e) => [
        String(e.seq),
        e.kind,
        e.signer,
        e.status === 'void' ? `void: ${e.code}` : 'ok',
        e.summary,
      ]);
      print(command, page, table([['seq', 'kind', 'signer', 'status', 'what'], ...rows]));
    });
  withExample(list, 'cloister ledger list --home bank --kind decline --kind refusal');
  const collateral = withHome(ledger.command('collateral'))
    .argument('<files...>', "a maker's files in any order and form, or a bundle")
    .description('publish collateral, each part by itself; what the ledger has is left out')
    .action(async (files: string[], options, command: Command) => {
      const { encodeParts, partsFromFiles } = await import('@cloister/evidence');
      const named = files.map(async (name) => ({ name, bytes: await readBytes(name) }));
      const parts = encodeParts(partsFromFiles(await Promise.all(named)));
      const answer = await (await adminOf(options.home)).addCollateral(parts);
      print(command, answer, [
        ...answer.added.map((one) => `published ${one.part} of ${one.subject} at ${one.seq}`),
        ...(answer.known === 0 ? [] : [`${answer.known} parts are on the ledger already`]),
      ]);
    });
  withExample(collateral, 'cloister ledger collateral --home bank tcb.http qe.http pck-crl.http');
}

async function listEvents(options: {
  home: string;
  from: number;
  limit: number;
  kind?: string[];
  void?: boolean;
}) {
  const admin = await adminOf(options.home);
  const { kind, from, limit } = options;
  if (kind === undefined && options.void !== true) return admin.events(from, limit);
  const events: Awaited<ReturnType<typeof admin.events>>['events'] = [];
  let size = 0;
  for (let at = from; events.length < limit; at += PAGE) {
    const page = await admin.events(at, PAGE);
    size = page.size;
    if (page.events.length === 0) break;
    const wanted = page.events.filter(
      (e) =>
        (kind === undefined || kind.includes(e.kind)) &&
        (options.void !== true || e.status === 'void'),
    );
    events.push(...wanted.slice(0, limit - events.length));
  }
  return { size, events };
}

export function gatewayCommands(program: Command): void {
  const gateway = program.command('gateway').description("a member's gateway");
  const init = withHome(gateway.command('init'))
    .description('prepare the folder for a charter; check its genesis first')
    .requiredOption('--charter <file>', 'the charter file')
    .requiredOption('--ledger <url>', 'where the ledger is served')
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .requiredOption('--port <port>', 'port to listen on', count)
    .option('--peer <id=url>', "another member's gateway; repeat", pairs, {})
    .option('--tick-seconds <n>', 'how often to look whether the witness should tick, s', count, 30)
    .option('--later', 'this member, or its keys, came by an amendment', false)
    .action(async (options, command: Command) => {
      const { readCharterFile } = await import('../charter-file.ts');
      const { prepareGateway } = await import('../gateway-home.ts');
      const charter = await readCharterFile(options.charter);
      const { host, port, ledger, peer: peers, tickSeconds, later } = options;
      await prepareGateway(options.home, charter, {
        host,
        port,
        ledger,
        peers,
        tickSeconds,
        later,
      });
      const genesis = toHex(charter.genesis);
      print(command, { genesis }, [`ready to serve genesis ${genesis} on ${host}:${port}`]);
    });
  withExample(
    init,
    [
      'cloister gateway init --home bank --charter charter.json --port 7601 \\',
      '    --ledger http://127.0.0.1:7600 --peer bureau=http://127.0.0.1:7602',
    ].join('\n'),
  );
  const serve = withHome(gateway.command('serve'))
    .description('run the gateway until it is told to stop; signs the charter when it starts')
    .action(async (options, command: Command) => {
      expectManyBuffers();
      const { startGateway } = await import('@cloister/gateway');
      const running = await startGateway({ home: options.home });
      const stopped = stopSignal();
      print(command, { event: 'listening', url: running.url }, [
        `gateway listening on ${running.url}`,
      ]);
      await stopped;
      await running.stop();
      // Work on a large file that cannot be broken off must not keep a stopped gateway alive.
      process.exit();
    });
  withExample(serve, 'cloister gateway serve --home bank 2> bank.log &');
  const status = withHome(gateway.command('status'))
    .description('where the gateway stands')
    .option('--wait <seconds>', 'wait until it answers and the charter is in force', count, 0)
    .action(async (options, command: Command) => {
      const admin = await adminOf(options.home);
      const s = await patiently(options.wait, async () => {
        const now = await admin.status();
        return options.wait > 0 && now.ledger.clock === 0 ? undefined : now;
      });
      if (s === undefined) {
        const message = `the charter is not in force after ${options.wait} s: do all gateways run?`;
        throw cliError('process-failed', message);
      }
      print(command, s, [
        `${s.member.name} (${s.member.id}) under ${s.charter}${s.simulated ? '  SIMULATED' : ''}`,
        `ledger ${s.ledger.size} entries, clock ${new Date(s.ledger.clock).toISOString()}`,
        s.epoch === null
          ? 'no group key yet'
          : `group key held by ${s.epoch.seats.map((k) => `${k.operator} (${k.tee})`).join(', ')}`,
        `${s.datasets} datasets, ${s.tasks} tasks`,
      ]);
    });
  withExample(status, 'cloister gateway status --home bank --wait 30');
}
