// SPDX-License-Identifier: Apache-2.0
// The command tree.
import { Command, Option } from 'commander';
import { datasetCommands, resultCommands, taskCommands } from './commands/data.ts';
import { charterCommands, orgCommands } from './commands/org.ts';
import { gatewayCommands, ledgerCommands, nodeCommands } from './commands/processes.ts';
import { demoCommand } from './demo/command.ts';
import { EXIT_HELP } from './errors.ts';

export function buildProgram(): Command {
  const program = new Command('cloister')
    .description('Joint computation on encrypted data inside attested hardware')
    .version('0.1.0')
    .option('--json', 'print JSON for machines')
    .option('--quiet', 'no progress on stderr')
    .addOption(new Option('--exit-with-stdin').hideHelp())
    .addHelpText('after', EXIT_HELP)
    .showHelpAfterError('(add --help for the options)');
  demoCommand(program);
  orgCommands(program);
  charterCommands(program);
  ledgerCommands(program);
  gatewayCommands(program);
  nodeCommands(program);
  datasetCommands(program);
  taskCommands(program);
  resultCommands(program);
  return program;
}
