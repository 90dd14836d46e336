// SPDX-License-Identifier: Apache-2.0
// keeper consent: what members want of the keepers and has not begun to form; and wanting it too.
// A gateway consents by itself to rotations that are due; this is for everything else.
import type { OpenProposal } from '@cloister/api';
import { voidError } from '@cloister/contract';
import type { Command } from 'commander';
import { adminOf } from '../admin-client.ts';
import { print, table } from '../output.ts';
import { withExample, withHome } from './options.ts';

export function consentCommand(keeper: Command): void {
  const command = withHome(keeper.command('consent'))
    .description('list the epochs that members have proposed, or consent to one of them')
    .argument('[epoch]', 'id of a proposal, or how it begins')
    .action(async (epoch: string | undefined, options: { home: string }, command: Command) => {
      const admin = await adminOf(options.home);
      const open = await admin.proposals();
      if (epoch === undefined) return print(command, open, proposalLines(open));
      const { id } = chosen(open, epoch);
      const recorded = await admin.consent(id);
      print(command, { epoch: id, recorded }, [`consented to ${id.slice(0, 16)}`]);
    });
  withExample(command, 'cloister keeper consent --home bank');
}

/** @throws CodedError `consent-unknown` unless exactly one begins so */
function chosen(open: readonly OpenProposal[], begins: string): OpenProposal {
  const found = open.filter(({ id }) => id.startsWith(begins.toLowerCase()));
  const [one] = found;
  if (one !== undefined && found.length === 1) return one;
  const message = `got ${begins}, which ${found.length} open proposals begin with: see the list`;
  throw voidError('consent-unknown', message);
}

function proposalLines(open: readonly OpenProposal[]): string[] {
  if (open.length === 0) return ['no epoch is proposed'];
  const rows = open.map(({ id, member, from, seats, agreed }) => [
    id.slice(0, 16),
    member,
    from === null ? 'a new key' : 'the same key',
    seats.map(({ operator, join }) => `${operator} ${join.slice(0, 8)}`).join(', '),
    `${agreed.by.length} of ${agreed.wanted}`,
  ]);
  return table([['epoch', 'proposed by', 'for', 'seats', 'wanted by'], ...rows]);
}
