// SPDX-License-Identifier: Apache-2.0
// org, hardware, charter: who takes part, on what, under which rules.

import { toHex, utf8 } from '@cloister/core';
import { writeDurably } from '@cloister/core/node';
import {
  createOperator,
  createOrg,
  memberCard,
  operatorCard,
  readOperator,
  readOrg,
} from '@cloister/gateway';
import type { Command } from 'commander';
import { draftCharter, formatCharterFile, readCharterFile } from '../charter-file.ts';
import { cliError } from '../errors.ts';
import { readJson } from '../files.ts';
import { cardPath, createHardware, parseMake, readCard, simulatedCollateral } from '../hardware.ts';
import { print } from '../output.ts';
import { collect, count, required } from './options.ts';

export function orgCommands(program: Command): void {
  const org = program.command('org').description('an organisation: its folder, keys and cards');
  required(org.command('init'), 'home')
    .description("make a member's folder with fresh keys; org.json in it is the card others need")
    .requiredOption('--id <slug>', 'name of the member in the charter: a-z, 0-9 and -')
    .requiredOption('--name <text>', 'name for people')
    .action(async (options, command: Command) => {
      const card = await createOrg(options.home, { id: options.id, name: options.name });
      print(command, card, [
        `made ${options.home} for ${card.name} (${card.id})`,
        'keep a backup: without its keys and vault its datasets are lost',
      ]);
    });
  required(org.command('operator'), 'home')
    .description('add an operator to a folder: who runs keepers and workers')
    .requiredOption('--id <slug>', 'name of the operator in the charter')
    .requiredOption('--name <text>', 'name for people')
    .action(async (options, command: Command) => {
      const card = await createOperator(options.home, { id: options.id, name: options.name });
      print(command, card, [`added operator ${card.id} to ${options.home}`]);
    });
  required(org.command('show'), 'home')
    .description("print a folder's public cards")
    .action(async (options, command: Command) => {
      const member = await readOrg(options.home).catch(() => null);
      const operator = await readOperator(options.home).catch(() => null);
      print(command, { member, operator }, [JSON.stringify({ member, operator }, null, 2)]);
    });

  const hardware = program.command('hardware').description('simulated hardware of an operator');
  required(hardware.command('create'), 'home')
    .description('make one simulated machine and enrol it: SIMULATED, it protects nothing')
    .requiredOption('--make <make>', 'sgx, snp or optee')
    .action(async (options, command: Command) => {
      const make = parseMake(options.make);
      const card = await createHardware(options.home, make);
      print(command, card, [
        `made a SIMULATED ${card.tee} machine; its card is ${cardPath(options.home, make)}`,
      ]);
    });
  required(hardware.command('collateral'), 'home')
    .description('mint fresh collateral (TCB info, CRLs) for a simulated machine')
    .requiredOption('--make <make>', 'sgx, snp or optee')
    .requiredOption('--out <file>', 'where to write the bundle')
    .action(async (options, command: Command) => {
      const bytes = await simulatedCollateral(options.home, parseMake(options.make), Date.now());
      if (bytes === undefined) {
        print(command, { written: false }, [`${options.make} takes no collateral`]);
        return;
      }
      await writeDurably(options.out, bytes);
      print(command, { written: true, bytes: bytes.length }, [`wrote ${options.out}`]);
    });
}

export function charterCommands(program: Command): void {
  const charter = program.command('charter').description('the rules that all founders sign');
  charter
    .command('draft')
    .description('write a charter file over simulated hardware')
    .requiredOption('--name <text>', 'name of the tenancy')
    .requiredOption('--member <card>', 'org.json of a member; repeat', collect)
    .requiredOption('--operator <card>', 'operator.json of an operator; repeat', collect)
    .requiredOption('--hardware <card>', 'card of a simulated machine; repeat', collect)
    .option('--keepers <n>', 'keeper seats', count, 3)
    .option('--threshold <t>', 'how many keepers open together', count, 2)
    .option('--vendors <v>', 'any v-1 root families together stay below the threshold', count, 2)
    .option('--faulty <f>', 'witnesses that may lie; by default 1 of three or more', count)
    .requiredOption('--out <file>', 'where to write the charter file')
    .action(async (options, command: Command) => {
      const file = await draftCharter({
        name: options.name,
        members: await Promise.all(options.member.map((p: string) => readShape(p, memberCard))),
        operators: await Promise.all(
          options.operator.map((p: string) => readShape(p, operatorCard)),
        ),
        hardware: await Promise.all(options.hardware.map(readCard)),
        keepers: { seats: options.keepers, threshold: options.threshold, vendors: options.vendors },
        ...(options.faulty === undefined ? {} : { faulty: options.faulty }),
      });
      await writeDurably(options.out, utf8(formatCharterFile(file)));
      const genesis = toHex(file.genesis);
      print(command, { genesis, file: options.out }, [
        `wrote ${options.out}`,
        `genesis ${genesis}`,
        'every founder compares this genesis before its gateway signs',
      ]);
    });
  charter
    .command('show')
    .argument('<file>', 'a charter file')
    .description('check a charter file and say what it means')
    .action(async (path: string, _options, command: Command) => {
      const { body, genesis } = await readCharterFile(path);
      const { seats, threshold, vendors } = body.keepers;
      print(command, { genesis: toHex(genesis), ...summary(body) }, [
        `${body.name}, version ${body.version}${body.simulated ? '  SIMULATED hardware is accepted: nothing here is protected by hardware' : ''}`,
        `genesis      ${toHex(genesis)}`,
        `members      ${body.members.map((m) => m.id).join(', ')}`,
        `witnesses    ${body.witnesses.quorum} of ${body.members.length} must sign; ${body.witnesses.faulty} may lie`,
        `keepers      ${threshold} of ${seats} open; any ${vendors - 1} root families together stay below ${threshold}`,
        `environments ${body.environments.map((e) => `${e.id} (${e.tee}, ${e.family})`).join(', ')}`,
      ]);
    });
}

function summary(body: Awaited<ReturnType<typeof readCharterFile>>['body']) {
  return {
    name: body.name,
    simulated: body.simulated,
    members: body.members.map((m) => m.id),
    operators: body.operators.map((o) => o.id),
    witnesses: body.witnesses,
    keepers: body.keepers,
    environments: body.environments.map(({ id, role, tee, family, measurements }) => {
      return { id, role, tee, family, measurements: measurements.map((m) => toHex(m.measurement)) };
    }),
  };
}

async function readShape<T>(
  path: string,
  shape: { safeParse(value: unknown): { success: boolean; data?: T } },
): Promise<T> {
  const parsed = shape.safeParse(await readJson(path));
  if (parsed.success && parsed.data !== undefined) return parsed.data;
  throw cliError('file-unreadable', 'malformed', `${path} is not the card that is wanted here`);
}
