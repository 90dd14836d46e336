// SPDX-License-Identifier: Apache-2.0
// org, hardware: who takes part, and on which simulated machines.
import { isCoded, utf8 } from '@cloister/core';
import {
  createOperator,
  createOrg,
  prepareKeys,
  readOperator,
  readOrg,
  takeKeys,
} from '@cloister/gateway/home';
import type { Command } from 'commander';
import { adminOf } from '../admin-client.ts';
import { cliError } from '../errors.ts';
import { writeNamed } from '../named-files.ts';
import { print } from '../output.ts';
import { collect, withExample, withHome } from './options.ts';

export function orgCommands(program: Command): void {
  const org = program.command('org').description('an organisation: its folder, keys and cards');
  const init = withHome(org.command('init'))
    .description("make a member's folder with fresh keys; org.json in it is the card others need")
    .requiredOption('--id <slug>', 'name of the member in the charter: a-z, 0-9 and -')
    .requiredOption('--name <text>', 'name for people')
    .option('--operator <slug>', 'be an operator too, under this name in the charter')
    .action(async (options, command: Command) => {
      const { home, id, name } = options;
      const card = await createOrg(home, { id, name });
      const operator =
        options.operator === undefined
          ? null
          : await createOperator(home, { id: options.operator, name });
      print(command, operator === null ? card : { ...card, operator }, [
        `made ${home} for ${card.name} (${card.id})`,
        ...(operator === null ? [] : [`added operator ${operator.id}`]),
        'keep a backup: without its keys and vault its datasets are lost',
      ]);
    });
  withExample(init, 'cloister org init --home bank --id bank --name "First Meridian Bank"');
  const operator = withHome(org.command('operator'))
    .description('add an operator to a folder: who runs keepers and workers')
    .requiredOption('--id <slug>', 'name of the operator in the charter')
    .requiredOption('--name <text>', 'name for people')
    .action(async (options, command: Command) => {
      const card = await createOperator(options.home, { id: options.id, name: options.name });
      print(command, card, [`added operator ${card.id} to ${options.home}`]);
    });
  withExample(operator, 'cloister org operator --home dc --id dc --name "Data centre"');
  const rotate = withHome(org.command('rotate'))
    .description("make new keys of a member's for the next charter, or take them into use")
    .option('--identity', 'a new identity key; this or --witness is required without --take', false)
    .option('--witness', 'a new witness key', false)
    .option(
      '--out <file>',
      'where to write the card for `charter amend --rekey`; required without --take',
    )
    .option('--take', 'the amendment is in force and the gateway stopped: use the new keys', false)
    .action(async (options, command: Command) => {
      if (options.take) {
        const card = await takeKeys(options.home);
        return print(command, card, ['the new keys are in use: start the gateway']);
      }
      const which = (['identity', 'witness'] as const).filter((key) => options[key]);
      if (which.length === 0 || options.out === undefined) {
        const message = 'say --identity, --witness or both, and --out <file>; or --take';
        throw cliError('option-malformed', message);
      }
      const card = await prepareKeys(options.home, which);
      await writeNamed(options.out, utf8(`${JSON.stringify(card, null, 2)}\n`));
      print(command, card, [
        `wrote ${options.out}: a member proposes it (charter amend --rekey)`,
        'the old keys are in use until the amendment is in force',
      ]);
    });
  withExample(
    rotate,
    [
      'cloister org rotate --home bank --witness --out next.json',
      'cloister org rotate --home bank --take',
    ].join('\n  '),
  );
  const show = withHome(org.command('show'))
    .description("print a folder's public cards")
    .action(async (options, command: Command) => {
      const member = await readOrg(options.home).catch(ifMissing);
      const operator = await readOperator(options.home).catch(ifMissing);
      if (member === null && operator === null) {
        const message = `${options.home} holds no member and no operator (cloister org init)`;
        throw cliError('file-unreadable', message);
      }
      print(command, { member, operator }, [JSON.stringify({ member, operator }, null, 2)]);
    });
  withExample(show, 'cloister org show --home bank');
  hardwareCommands(program);
}

function hardwareCommands(program: Command): void {
  const hardware = program.command('hardware').description('simulated hardware of an operator');
  const create = withHome(hardware.command('create'))
    .description('make one simulated machine and enrol it: SIMULATED, it protects nothing')
    .requiredOption('--make <make>', 'sgx, snp, optee, or tpm (a software TPM: needs swtpm)')
    .option(
      '--device <address>',
      'tpm: one that is there: /dev/tpmrm0, unix:<path>, tcp:<host:port>',
    )
    .option(
      '--ek-ca <file>',
      "its maker's certificates, root and issuers, PEM; repeat; required with --device",
      collect,
    )
    .action(async (options, command: Command) => {
      const { cardPath, createHardware, parseMake } = await import('../hardware.ts');
      const make = parseMake(options.make);
      const { device, ekCa: authority } = options;
      const asked = { ...(device && { device }), ...(authority && { authority }) };
      const did = device === undefined ? 'made' : 'enrolled';
      const { card, proved } = await createHardware(options.home, make, asked);
      print(command, { ...card, proved }, [
        `${did} a SIMULATED ${card.tee} machine; its card is ${cardPath(options.home, make)}`,
        ...proved.map((line) => `  ok  ${line}`),
        ...(proved.length === 0 ? [] : [`it counts under ${card.family}, who enrolled it`]),
      ]);
    });
  withExample(create, 'cloister hardware create --home bank --make sgx');
  const collateral = withHome(hardware.command('collateral'))
    .description('mint fresh collateral (TCB info, CRLs) for a simulated machine')
    .requiredOption('--make <make>', 'sgx, snp, optee or tpm')
    .option('--publish', "put it on the ledger through this folder's gateway")
    .option('--out <file>', 'where to write the parts; required without --publish')
    .action(async (options, command: Command) => {
      const { parseMake, simulatedCollateral } = await import('../hardware.ts');
      if (options.out === undefined && options.publish !== true) {
        const message = 'say --publish, --out <file> or both: what to do with the collateral';
        throw cliError('option-malformed', message);
      }
      const bytes = await simulatedCollateral(options.home, parseMake(options.make), Date.now());
      if (bytes === undefined) {
        print(command, { bytes: 0 }, [`${options.make} takes no collateral`]);
        return;
      }
      if (options.out !== undefined) await writeNamed(options.out, bytes);
      const recorded =
        options.publish === true
          ? await (await adminOf(options.home)).addCollateral(bytes)
          : undefined;
      print(command, { bytes: bytes.length, file: options.out, recorded }, [
        ...(options.out === undefined ? [] : [`wrote ${options.out}`]),
        ...(recorded === undefined
          ? []
          : [`published ${recorded.added.length} parts of the collateral of ${options.make}`]),
      ]);
    });
  withExample(collateral, 'cloister hardware collateral --home bank --make sgx --publish');
}

/** A folder may be a member's, an operator's or both; what is there and broken is told. */
function ifMissing(error: unknown): null {
  if (isCoded(error, 'home-missing')) return null;
  throw error;
}
