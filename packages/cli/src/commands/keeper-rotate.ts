// SPDX-License-Identifier: Apache-2.0
// keeper rotate: who takes the seats, who leaves, whether the key stays; explained, then done.
import type { RotationPlan } from '@cloister/api';
import type { Command } from 'commander';
import { adminOf } from '../admin-client.ts';
import { print, progress, table } from '../output.ts';
import { type Rotated, rotate, waitingLine } from '../rotation.ts';
import { collect, count, withExample, withHome } from './options.ts';

interface Options {
  readonly home: string;
  readonly join: string[];
  readonly newKey: boolean;
  readonly refresh: boolean;
  readonly dryRun: boolean;
  readonly wait: number;
}

export function rotateCommand(keeper: Command): void {
  const command = withHome(keeper.command('rotate'))
    .description('give the seats to the newest keepers; the group key stays, or --new-key')
    .option('--new-key', 'make another key; every gateway seals its datasets to it', false)
    .option('--refresh', 'deal the shares again even when no seat changes', false)
    .option(
      '--join <id>',
      'join ids in seat order; by default the newest of each machine',
      collect,
      [],
    )
    .option('--dry-run', 'say what would be done and why, and do nothing', false)
    .option('--wait <seconds>', 'how long to wait for keepers, key and seals', count, 180)
    .action(async (options: Options, command: Command) => {
      const admin = await adminOf(options.home);
      if (options.dryRun) {
        const { join: joins, newKey, refresh } = options;
        const plan = await admin.planRotation({ joins, newKey, refresh });
        return print(command, plan, planLines(plan));
      }
      const say = (line: string) => progress(command, line);
      const plan = (made: RotationPlan) => planLines(made).forEach(say);
      const rotated = await rotate(admin, options, { plan, say });
      print(command, rotated, resultLines(rotated));
    });
  withExample(
    command,
    [
      'cloister keeper rotate --home bank --dry-run',
      'cloister keeper rotate --home bank --new-key',
    ].join('\n  '),
  );
}

const KINDS: Readonly<Record<RotationPlan['kind'], string>> = {
  none: 'nothing to do: no seat changes and the key stays (--refresh, --new-key)',
  reshare: 'reshare: the group key stays, and datasets stay sealed as they are',
  'new-key': 'a new group key: every gateway seals its datasets to it',
};

function planLines(plan: RotationPlan): string[] {
  const seats = plan.seats.map((s) => [
    String(s.seat),
    s.operator,
    s.tee,
    s.family,
    s.join.slice(0, 12),
    s.holds
      ? plan.kind === 'reshare'
        ? 'deals its share again'
        : 'has a seat now'
      : 'takes a seat',
  ]);
  const card = (one: { operator: string; tee: string; join: string }) =>
    `${one.operator} (${one.tee}, join ${one.join.slice(0, 12)})`;
  return [
    KINDS[plan.kind],
    `why     ${plan.why}`,
    ...table([['seat', 'operator', 'hardware', 'roots', 'join', ''], ...seats]),
    ...plan.leaving.map((one) => `leaves  ${card(one)}: ${one.why}`),
    ...plan.leftOut.map(
      (one) => `refused ${card(one)}: ${one.code}, wanted ${one.wanted}, got ${one.got}`,
    ),
    `rule    any ${plan.threshold} open; ${holdingLine(plan.holdings)}`,
    ...plan.reseal.map(({ owner, datasets }) => `seals   ${owner}: ${datasets} dataset version(s)`),
  ];
}

/** The rule's numbers: who holds how many of the seats, and how many at most. */
export function holdingLine(holdings: RotationPlan['holdings']): string {
  if (holdings.length === 0) return 'one share is the key, so no rule holds';
  return holdings.map((h) => `${h.who.join(' and ')} ${h.seats} of at most ${h.most}`).join(', ');
}

function resultLines({ plan, groupKey, attempts, resealing }: Rotated): string[] {
  if (plan.kind === 'none') return planLines(plan);
  const holders = plan.seats.map((s) => `${s.operator} (${s.tee})`).join(', ');
  const same = plan.kind === 'reshare' ? 'the same as before' : 'new';
  const waiting = waitingLine(resealing);
  return [
    `group key ${groupKey}, ${same}`,
    `held by ${holders}; any ${plan.threshold} of them open a column`,
    ...(attempts.length > 1
      ? [`${attempts.length} attempts, see the ledger for the ended ones`]
      : []),
    ...(plan.kind === 'reshare'
      ? ['the shares of the epoch before are wiped; datasets stay sealed as they are']
      : [
          `${resealing.reduce((sum, o) => sum + o.sealed, 0)} dataset version(s) sealed to it`,
          ...(waiting === '' ? [] : [`NOT sealed: ${waiting}; it seals when it is back`]),
        ]),
  ];
}
