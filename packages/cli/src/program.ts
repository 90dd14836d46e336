// SPDX-License-Identifier: Apache-2.0
// The command tree. Commands load what they need when they run, so that most start quickly.
import { Command, Help, Option } from 'commander';
import { charterCommands } from './commands/charter.ts';
import { datasetCommands } from './commands/dataset.ts';
import { evidenceCommands } from './commands/evidence.ts';
import { gatewayCommands, ledgerCommands } from './commands/ledger.ts';
import { nodeCommands } from './commands/nodes.ts';
import { orgCommands } from './commands/org.ts';
import { parquetCommands } from './commands/parquet.ts';
import { policyCommands } from './commands/policy.ts';
import { resultCommands } from './commands/results.ts';
import { taskCommands } from './commands/task.ts';
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
    .configureHelp({ optionDescription })
    .showHelpAfterError('(add --help for the options)');
  demoCommand(program);
  orgCommands(program);
  charterCommands(program);
  ledgerCommands(program);
  gatewayCommands(program);
  nodeCommands(program);
  datasetCommands(program);
  policyCommands(program);
  taskCommands(program);
  resultCommands(program);
  evidenceCommands(program);
  parquetCommands(program);
  return program;
}

/** An option's description, which says when a command does nothing without it. */
function optionDescription(option: Option): string {
  const text = Help.prototype.optionDescription.call(new Help(), option);
  return option.mandatory ? `${text} (required)` : text;
}
