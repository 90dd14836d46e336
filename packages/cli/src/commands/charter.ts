// SPDX-License-Identifier: Apache-2.0
// charter: the rules that all founders sign, drafted and checked as a file; how they change is in
// charter-amend.ts.
import { toHex, utf8 } from '@cloister/core';
import { memberCard, operatorCard } from '@cloister/gateway/home';
import { type Command, Option } from 'commander';
import type { CharterFile } from '../charter-file.ts';
import { charterLines } from '../charter-lines.ts';
import { cliError } from '../errors.ts';
import { readJson, writeNamed } from '../named-files.ts';
import { print } from '../output.ts';
import { amendCommands } from './charter-amend.ts';
import { collect, count, withExample } from './options.ts';

export function charterCommands(program: Command): void {
  const charter = program
    .command('charter')
    .description('the rules that all founders sign, and how they change');
  const draft = charter
    .command('draft')
    .description('write a charter file over simulated hardware')
    .requiredOption('--name <text>', 'name of the tenancy')
    .requiredOption('--member <card>', 'org.json of a member; repeat', collect)
    .requiredOption('--operator <card>', 'operator.json of an operator; repeat', collect)
    .requiredOption('--hardware <card>', 'card of a simulated machine; repeat', collect)
    .option('--keepers <n>', 'keeper seats', count, 3)
    .option('--threshold <t>', 'how many keepers open together', count, 2)
    .option('--vendors <v>', 'any v-1 root families together stay below the threshold', count, 2)
    .option(
      '--spare <operator>',
      'whose keeper may replace one without consent; repeat',
      collect,
      [],
    )
    .option('--faulty <f>', 'witnesses that may lie; by default 1 of three or more', count)
    .addOption(
      new Option('--cage <level>', "the least that holds a task's code on workers")
        .choices(['process', 'sandbox'])
        .default('process'),
    )
    .requiredOption('--out <file>', 'where to write the charter file')
    .action(async (options, command: Command) => {
      const { draftCharter, formatCharterFile } = await import('../charter-file.ts');
      const { readCard } = await import('../hardware.ts');
      const file = await draftCharter({
        name: options.name,
        members: await Promise.all(options.member.map((p: string) => readShape(p, memberCard))),
        operators: await Promise.all(
          options.operator.map((p: string) => readShape(p, operatorCard)),
        ),
        hardware: await Promise.all(options.hardware.map(readCard)),
        keepers: {
          seats: options.keepers,
          threshold: options.threshold,
          vendors: options.vendors,
          spares: options.spare,
        },
        cage: options.cage,
        ...(options.faulty === undefined ? {} : { faulty: options.faulty }),
      });
      await writeNamed(options.out, utf8(formatCharterFile(file)));
      const genesis = toHex(file.genesis);
      print(command, { genesis, file: options.out }, [
        `wrote ${options.out}`,
        `genesis ${genesis}`,
        'every founder compares this genesis before its gateway signs',
      ]);
    });
  withExample(
    draft,
    [
      'cloister charter draft --name Study --out charter.json \\',
      '    --member bank/org.json --member bureau/org.json \\',
      '    --operator bank/operator.json --operator bureau/operator.json \\',
      '    --operator dc/operator.json --hardware bank/hardware/sgx.json \\',
      '    --hardware bureau/hardware/snp.json --hardware dc/hardware/optee.json',
    ].join('\n'),
  );
  const show = charter
    .command('show')
    .argument('<file>', 'a charter file')
    .description('check a charter file and say what it means')
    .action(async (path: string, _options, command: Command) => {
      const { readCharterFile } = await import('../charter-file.ts');
      const { body, genesis } = await readCharterFile(path);
      print(command, { genesis: toHex(genesis), ...summary(body) }, [
        ...(body.simulated ? ['SIMULATED hardware is accepted: it protects nothing'] : []),
        ...charterLines(body, toHex(genesis)),
      ]);
    });
  withExample(show, 'cloister charter show charter.json');
  amendCommands(charter);
}

function summary(body: CharterFile['body']) {
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
  throw cliError('file-malformed', `${path} is not the card that is wanted here`);
}
