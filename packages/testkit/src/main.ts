// SPDX-License-Identifier: Apache-2.0
// `npm run sim -- --seeds N --from S` runs seeds and prints what happened; `--mutants` switches off
// each guard in turn (or those of `--only a,b`) and looks for a seed that shows it. Exit status 1:
// a violation, a kind of fault that never occurred, or a mutant that lived.
import { GUARDS } from './simulator/guards.ts';
import { simulate, verdict } from './simulator/simulate.ts';

/** Every kind of fault must have occurred in a run of at least this many seeds. */
const ENOUGH_SEEDS = 50;
const MUTANT_SEEDS = 1_000;
const KINDS = [
  'delay',
  'loss',
  'duplication',
  'reordering',
  'partition',
  'keeper-crash',
  'gateway-crash',
  'gateway-restart',
  'blob-unavailable',
  'wrong-deals',
  'wrong-partials',
  'silence',
  'equivocation',
  'mismatched-keeper',
  'lying-witness',
  'frozen-time',
  'forked-ledger',
  'usage-dropped',
  'reshare',
  'attack: stale-head',
  'attack: few-witnesses',
  'attack: without-owner',
  'attack: mixed-heads',
  'attack: other-charter',
  'attack: swapped-openings',
  'attack: after-the-end',
  'attack: run-limit',
  'attack: unapproved',
  'attack: forged-maker',
  'attack: copied-keys',
];

function option(name: string, otherwise: number): number {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
}

async function seeds(from: number, count: number): Promise<boolean> {
  const totals = new Map<string, number>();
  let messages = 0;
  let least = Number.POSITIVE_INFINITY;
  let openings = 0;
  let fine = true;
  for (let seed = from; seed < from + count; seed++) {
    const report = await simulate(seed);
    messages += report.messages;
    least = Math.min(least, report.messages);
    openings += report.openings;
    for (const [kind, n] of report.faults) totals.set(kind, (totals.get(kind) ?? 0) + n);
    if (report.violations.length === 0) continue;
    fine = false;
    process.stdout.write(`seed ${seed}: ${verdict(report)}\n`);
  }
  const names = [...new Set([...KINDS, ...totals.keys()])].sort();
  for (const kind of names) process.stdout.write(`  ${kind}: ${totals.get(kind) ?? 0}\n`);
  const said = `${count} seeds, ${messages} messages, at least ${least} each`;
  process.stdout.write(`${said}, ${openings} openings, ${fine ? 'no violation' : 'VIOLATIONS'}\n`);
  const missing = KINDS.filter((kind) => !totals.has(kind));
  if (count < ENOUGH_SEEDS || missing.length === 0) return fine;
  process.stdout.write(`never occurred: ${missing.join(', ')}\n`);
  return false;
}

async function mutants(from: number, guards: readonly string[]): Promise<boolean> {
  let fine = true;
  for (const guard of guards) {
    const caught = await hunt(guard, from);
    process.stdout.write(`${guard}: ${caught ?? `LIVED ${MUTANT_SEEDS} seeds`}\n`);
    fine &&= caught !== undefined;
  }
  return fine;
}

async function hunt(guard: string, from: number): Promise<string | undefined> {
  for (let seed = from; seed < from + MUTANT_SEEDS; seed++) {
    const [first] = (await simulate(seed, guard)).violations;
    if (first !== undefined) return `caught by seed ${seed}, ${first}`;
  }
  return undefined;
}

const from = option('from', 1);
const only = process.argv.indexOf('--only');
const guards = only < 0 ? GUARDS : (process.argv[only + 1] ?? '').split(',');
const fine = process.argv.includes('--mutants')
  ? await mutants(from, guards)
  : await seeds(from, option('seeds', 50));
process.exitCode = fine ? 0 : 1;
