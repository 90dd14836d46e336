// SPDX-License-Identifier: Apache-2.0
// charter amend, sign, status, history: the rules that live, explained before anybody signs.
import type { AmendmentFile, AmendmentJson, CharterAnswer } from '@cloister/api';
import { amendmentFile } from '@cloister/api';
import { charterFromReadable } from '@cloister/contract';
import { toBase64, utf8 } from '@cloister/core';
import { memberCard, operatorCard } from '@cloister/gateway/home';
import type { Command } from 'commander';
import { adminOf } from '../admin-client.ts';
import { charterLines } from '../charter-lines.ts';
import { cliError } from '../errors.ts';
import { readBytes, readJson, writeNamed } from '../named-files.ts';
import { print, table } from '../output.ts';
import { patiently } from '../patience.ts';
import { collect, count, withExample, withHome } from './options.ts';

export function amendCommands(charter: Command): void {
  amendCommand(charter);
  signCommand(charter);
  statusCommand(charter);
  historyCommand(charter);
}

function amendCommand(charter: Command): void {
  const amend = withHome(charter.command('amend'))
    .description('propose the next charter; says what widens, what narrows, who has to sign')
    .option('--file <json>', 'the next charter, from `charter history --export`, changed')
    .option('--add-member <card>', 'org.json of a member who joins; repeat', collect, [])
    .option('--remove-member <id>', 'a member who leaves; repeat', collect, [])
    .option('--rekey <card>', "a member's card with other keys (org rotate); repeat", collect, [])
    .option('--lost <id>', 'its old keys are lost and cannot sign; repeat', collect, [])
    .option('--operator <card>', 'operator.json, new or with more machines; repeat', collect, [])
    .option('--remove-operator <id>', 'an operator who leaves; repeat', collect, [])
    .option('--hardware <card>', "a machine's card: its environments are added", collect, [])
    .option('--retire-environment <id>', 'repeat', collect, [])
    .option('--add-measurement <env=hex>', 'a version more of its program; repeat', collect, [])
    .option('--retire-measurement <env=hex>', 'a version less; repeat', collect, [])
    .option('--minimum-svn <env=n>', 'the least security version; repeat', collect, [])
    .option('--add-spare <id>', 'an operator whose keeper may stand in; repeat', collect, [])
    .option('--remove-spare <id>', 'repeat', collect, [])
    .option('--keepers <n>', 'keeper seats', count)
    .option('--threshold <t>', 'how many keepers open together', count)
    .option('--vendors <v>', 'any v-1 root families together stay below the threshold', count)
    .option('--faulty <f>', 'witnesses that may lie', count)
    .option('--quorum <q>', 'witnesses that must sign', count)
    .option('--fold <n>', "version of the ledger's rules", count)
    .option('--name <text>', 'name of the tenancy')
    .option('--within <size>', 'ledger size by which it must be in force', count)
    .option('--dry-run', 'say what it would do, and propose nothing', false)
    .action(async (options, command: Command) => {
      const admin = await adminOf(options.home);
      const { body, roots } = await nextOf(await admin.charter(), options);
      const { readableCharter } = await import('@cloister/contract');
      const answer = await admin.amend({
        charter: readableCharter(body),
        replaces: options.lost,
        roots: roots.map(toBase64),
        dryRun: options.dryRun,
        ...(options.within === undefined ? {} : { within: options.within }),
      });
      print(command, answer, [
        ...amendmentLines(answer.amendment),
        ...(answer.inForce ? [`in force: version ${answer.amendment.version}`] : []),
      ]);
    });
  withExample(
    amend,
    [
      'cloister charter amend --home bank --add-member branch/org.json --dry-run',
      'cloister charter amend --home bank --retire-measurement bank-sgx-worker=9c41...',
    ].join('\n  '),
  );
}

async function nextOf(answer: CharterAnswer, options: Record<string, unknown>) {
  const before = charterFromReadable(answer.charter);
  if (typeof options['file'] === 'string') {
    const { charter, roots = [] } = (await readJson(options['file'])) as Record<string, unknown>;
    const { fromBase64 } = await import('@cloister/core');
    return { body: charterFromReadable(charter), roots: (roots as string[]).map(fromBase64) };
  }
  const { changedCharter } = await import('../charter-changes.ts');
  const { readCard, rootDocument } = await import('../hardware.ts');
  const list = (name: string) => options[name] as string[];
  const cards = <T>(name: string, shape: Shape<T>) =>
    Promise.all(list(name).map((path) => readShape(path, shape)));
  const hardware = await Promise.all(list('hardware').map(readCard));
  const wishes = {
    ...options,
    removeMember: list('removeMember'),
    removeOperator: list('removeOperator'),
    retireEnvironment: list('retireEnvironment'),
    addMeasurement: list('addMeasurement'),
    retireMeasurement: list('retireMeasurement'),
    minimumSvn: list('minimumSvn'),
    addSpare: list('addSpare'),
    removeSpare: list('removeSpare'),
    addMember: await cards('addMember', memberCard),
    rekey: await cards('rekey', memberCard),
    operator: await cards('operator', operatorCard),
    hardware,
  };
  return { body: await changedCharter(before, wishes), roots: hardware.map(rootDocument) };
}

interface Shape<T> {
  safeParse(value: unknown): { success: boolean; data?: T };
}

async function readShape<T>(path: string, shape: Shape<T>): Promise<T> {
  const parsed = shape.safeParse(await readJson(path));
  if (parsed.success && parsed.data !== undefined) return parsed.data;
  throw cliError('file-malformed', `${path} is not the card that is wanted here`);
}

function signCommand(charter: Command): void {
  const sign = withHome(charter.command('sign'))
    .description(
      'agree to an amendment; late, to the charter in force: it may touch your data then',
    )
    .argument(
      '[amendment]',
      'its id; by default the only one that is open, or else the one in force',
    )
    .option('--for <file>', 'write it to a file, for a member who signs without a gateway')
    .option('--offline <file>', 'sign the amendment in such a file, without a gateway')
    .option(
      '--out <file>',
      'where to write a signature that was made offline; required with --offline',
    )
    .option('--event <file>', 'put a signature that was made offline on the ledger')
    .option('--wait <seconds>', 'how long to wait for the amendment to be known here', count, 10)
    .action(async (id: string | undefined, options, command: Command) => {
      if (options.offline !== undefined) return signOffline(options, command);
      const admin = await adminOf(options.home);
      if (options.event !== undefined) {
        const event = toBase64(await readBytes(options.event));
        return printSigned(command, await admin.signAmendment({ event }));
      }
      const amend = await patiently(options.wait, async () =>
        amendmentOf(await admin.charter(), id),
      );
      if (amend === undefined) return none(await admin.charter());
      if (options.for !== undefined) {
        const file = await admin.amendmentFile(amend);
        await writeNamed(options.for, utf8(`${JSON.stringify(file, null, 2)}\n`));
        return print(command, { file: options.for, amend }, [`wrote ${options.for}`]);
      }
      printSigned(command, await admin.signAmendment({ amend }));
    });
  withExample(
    sign,
    [
      'cloister charter sign --home bureau 4b1d...',
      'cloister charter sign --home bank 4b1d... --for amendment.json',
      'cloister charter sign --home branch --offline amendment.json --out branch.sig',
      'cloister charter sign --home bank --event branch.sig',
    ].join('\n  '),
  );
}

function printSigned(
  command: Command,
  signed: { seq: number; inForce: boolean; late: boolean; version: number },
): void {
  const outcome = signed.inForce ? `version ${signed.version} is in force` : 'more is missing';
  const late = signed.late ? `version ${signed.version} may touch your data` : outcome;
  print(command, signed, [`signed at ${signed.seq}: ${late}`]);
}

async function signOffline(
  options: { home: string; offline: string; out?: string },
  command: Command,
): Promise<void> {
  const { signOfflineWith } = await import('../charter-signing.ts');
  const parsed = amendmentFile.safeParse(await readJson(options.offline));
  if (!parsed.success) throw cliError('file-malformed', `${options.offline} is no amendment`);
  if (options.out === undefined) {
    throw cliError('option-malformed', 'say --out <file>: where the signature goes');
  }
  const file: AmendmentFile = parsed.data;
  await writeNamed(options.out, await signOfflineWith(options.home, file));
  print(command, { file: options.out, amend: file.amend }, [
    `wrote ${options.out}: a member with a gateway puts it on the ledger`,
    ...charterLines(charterFromReadable(file.charter), file.genesis),
  ]);
}

/** The one that is meant, if it is known; with no id the only one that is open. */
function amendmentOf(answer: CharterAnswer, id: string | undefined): string | undefined {
  if (id !== undefined) {
    const found = answer.open.find((one) => one.id?.startsWith(id));
    return (
      found?.id ??
      answer.history.find((one) => one.amendment?.startsWith(id))?.amendment ??
      undefined
    );
  }
  const [only, ...more] = answer.open;
  if (only !== undefined || more.length > 0)
    return more.length > 0 ? undefined : (only?.id ?? undefined);
  const mine = answer.accepted.find(({ member }) => member === answer.member)?.version ?? 0;
  return mine < answer.version ? (answer.history.at(-1)?.amendment ?? undefined) : undefined;
}

function none(answer: CharterAnswer): never {
  const open = answer.open.map((one) => one.id?.slice(0, 16)).join(', ') || 'none';
  throw cliError('option-malformed', `say which amendment; open are: ${open}`);
}

function statusCommand(charter: Command): void {
  const status = withHome(charter.command('status'))
    .description('the charter in force, amendments that wait, and who has not signed')
    .action(async (options, command: Command) => {
      const answer = await (await adminOf(options.home)).charter();
      const behind = answer.accepted.filter(({ version }) => version < answer.version);
      print(command, answer, [
        `version ${answer.version} is in force, ledger size ${answer.size}`,
        ...behind.map(
          ({ member, version }) =>
            `${member} has signed version ${version}: what came since does not touch its data`,
        ),
        ...(answer.open.length === 0 ? ['no amendment is open'] : []),
        ...answer.open.flatMap((one) => ['', ...amendmentLines(one)]),
      ]);
    });
  withExample(status, 'cloister charter status --home bank');
}

function historyCommand(charter: Command): void {
  const history = withHome(charter.command('history'))
    .description('the charters that were in force, and what each changed')
    .option('--export <file>', 'write the charter in force as JSON, to change it')
    .action(async (options, command: Command) => {
      const answer = await (await adminOf(options.home)).charter();
      if (options.export !== undefined) {
        const file = { genesis: answer.genesis, roots: [], charter: answer.charter };
        await writeNamed(options.export, utf8(`${JSON.stringify(file, null, 2)}\n`));
      }
      const rows = answer.history.map((one) => [
        String(one.version),
        String(one.seq),
        one.author ?? '(founders)',
        one.amendment?.slice(0, 16) ?? answer.genesis.slice(0, 16),
      ]);
      print(command, answer.history, [
        ...table([['version', 'position', 'by', 'id'], ...rows]),
        ...answer.history.flatMap((one) => one.changes.map((says) => `${one.version}  ${says}`)),
        ...(options.export === undefined ? [] : [`wrote ${options.export}`]),
      ]);
    });
  withExample(history, 'cloister charter history --home bank --export next.json');
}

const SIGNS = { widens: '+', narrows: '-', neutral: ' ' } as const;

/** What an amendment is, in words. */
export function amendmentLines(one: AmendmentJson): string[] {
  const { effects } = one;
  const missing = one.wanted - one.signed.length;
  const lost = effects.lost.map(({ seat, operator }) => `seat ${seat} (${operator})`).join(', ');
  const left = effects.seats - effects.lost.length;
  const owners = effects.owners.filter((id) => !one.signed.includes(id));
  return [
    ...(one.id === null ? [] : [`amendment ${one.id}`]),
    `version ${one.version}, by ${one.author}`,
    ...one.changes.map(({ effect, says }) => `${SIGNS[effect]} ${says}`),
    `signed    ${one.signed.join(', ') || 'nobody'}; ${one.wanted} wanted`,
    ...(missing > 0 ? [`missing   ${missing} more member(s)`] : []),
    ...one.own.map((id) => `missing   ${id}, with the key that it has now`),
    ...one.unshown.map(({ member, key }) => `missing   ${member}, with ${key.slice(0, 16)}...`),
    ...(lost === '' ? [] : [`seats     ${lost} lose their place at the next epoch`]),
    ...(effects.keyLost
      ? [`THE KEY IS LOST: ${left} of ${effects.seats} seats stay, ${effects.threshold} open it`]
      : []),
    ...effects.retired.map((id) => `data      all datasets of ${id} are retired, for good`),
    ...(effects.gains && owners.length > 0
      ? [`data      of ${owners.join(', ')} stays out of its reach until they sign`]
      : []),
    ...(effects.gains && owners.length === 0 ? ['data      every owner has signed'] : []),
    ...(one.within === null ? [] : [`void if it is not in force by ledger size ${one.within}`]),
  ];
}
