// SPDX-License-Identifier: Apache-2.0
// policy: what the policy of a dataset is, and another one for it, with what that does to tasks.
import type { PolicyAnswer } from '@cloister/api';
import type { Command } from 'commander';
import { adminOf } from '../admin-client.ts';
import { findDataset } from '../dataset-lookup.ts';
import { readJson } from '../named-files.ts';
import { print } from '../output.ts';
import { withExample, withHome } from './options.ts';

const WORDS: Readonly<Record<PolicyAnswer['tasks'][number]['effect'], string>> = {
  stays: 'stays granted',
  ends: 'ends',
  waits: 'waits',
  allowed: 'may be approved now',
  declined: 'will be declined',
};

export function policyCommands(program: Command): void {
  const policy = program.command('policy').description('field policies of datasets that are there');
  const show = withHome(policy.command('show'))
    .argument('<dataset>', 'owner/name or id; with @version that version, else the newest')
    .description('print the policy in force as a document that policy set takes')
    .action(async (name: string, options, command: Command) => {
      const admin = await adminOf(options.home);
      const { found } = await findDataset(admin, name);
      const shown = await admin.policy(found.dataset, found.version);
      print(command, shown, [JSON.stringify(shown.policy, null, 2)]);
    });
  withExample(show, 'cloister policy show --home bank bank/accounts > accounts.policy.json');
  const set = withHome(policy.command('set'))
    .argument('<dataset>', 'owner/name or id of a dataset of ours; with @version only that version')
    .argument('<file>', 'the field policy (JSON)')
    .option('--dry-run', 'say what would change, and what ends, and do nothing')
    .description('set another policy; grants that it would not allow today end')
    .action(async (name: string, file: string, options, command: Command) => {
      const admin = await adminOf(options.home);
      const { found, version } = await findDataset(admin, name);
      const only = version === undefined ? {} : { version };
      const about = { dataset: found.dataset, policy: await readJson(file), ...only };
      const answer = await admin.setPolicy({ ...about, dryRun: options.dryRun === true });
      print(command, answer, policyLines(answer, options.dryRun === true));
    });
  withExample(set, 'cloister policy set --home bank bank/accounts accounts.policy.json --dry-run');
}

function policyLines({ versions, tasks }: PolicyAnswer, dryRun: boolean): string[] {
  return [
    ...versions.flatMap(({ version, changes, recorded }) => [
      `version ${version}: ${changes.length === 0 ? 'has this policy' : headOf(recorded)}`,
      ...changes.map((line) => `  ${line}`),
    ]),
    ...tasks.map(({ task, purpose, effect, code, sentence, laterEnd }) => {
      const why = code === undefined ? '' : `: ${sentence} [${code}]`;
      const later = laterEnd && effect !== 'ends' ? '; not for later versions any more' : '';
      return `task ${task.slice(0, 16)} (${purpose}) ${WORDS[effect]}${why}${later}`;
    }),
    ...(dryRun ? ['nothing was changed'] : []),
  ];
}

function headOf(recorded: PolicyAnswer['versions'][number]['recorded']): string {
  return recorded === null ? 'would change' : `changed, on the ledger at ${recorded.seq}`;
}
