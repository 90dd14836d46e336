// SPDX-License-Identifier: Apache-2.0
// `npm run sim -- --seeds N --from S --jobs J` runs seeds and prints what happened; `--mutants`
// switches off each guard in turn (or those of `--only a,b`) and looks for a seed that shows it.
// With `--adversary A` that one plays in every seed.
// With more than one job the seeds, or the guards, are divided among child processes. Exit status
// 1: a violation, a kind of fault that never occurred, or a mutant that lived.
import { spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ADVERSARIES, type Adversary } from './simulator/adversaries.ts';
import { ATTACKERS, GUARD_NAMES, type Guard } from './simulator/guards.ts';
import { ATTACKS, simulate, verdict } from './simulator/simulate.ts';
import { add, type Counts, countsOf, KINDS, lines, NOTHING } from './simulator/tally.ts';

/** Every kind of fault must have occurred in a run of at least this many seeds. */
const ENOUGH_SEEDS = 300;
const MUTANT_SEEDS = 1_000;
const PROGRESS_SEEDS = 250;
/** A seed with fewer has shown too little. */
const LEAST_MESSAGES = 300;

function option(name: string): string | undefined {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? undefined : process.argv[at + 1];
}

const number = (name: string, otherwise: number) => Number(option(name) ?? otherwise);
const say = (line: string) => process.stdout.write(`${line}\n`);
/** Plays in every seed; by default the seeds choose. */
const adversary = adversaryNamed(option('adversary'));
/** A child tells its parent in lines of JSON behind this mark. */
const MARK = '#counts ';
const child = process.argv.includes('--child');

function adversaryNamed(name: string | undefined): Adversary | undefined {
  if (name === undefined) return undefined;
  const known = ADVERSARIES.find((adversary) => adversary === name);
  if (known === undefined) throw new Error(`--adversary is one of ${ADVERSARIES.join(', ')}`);
  return known;
}

async function seeds(from: number, count: number): Promise<Counts> {
  let counts = NOTHING;
  let shown = 0;
  for (let seed = from; seed < from + count; seed++) {
    const report = await simulate(seed, undefined, adversary);
    counts = add(counts, countsOf(report));
    if (report.violations.length > 0) say(`seed ${seed} of ${commit()}: ${verdict(report)}`);
    if (child && (seed - from) % 25 === 24) say(MARK + JSON.stringify(counts));
    if (child || counts.seeds - shown < PROGRESS_SEEDS) continue;
    shown = counts.seeds;
    progress(counts);
  }
  if (child) say(MARK + JSON.stringify(counts));
  return counts;
}

function progress(counts: Counts): void {
  const seconds = (performance.now() / 1_000).toFixed(0);
  say(`... ${counts.seeds} seeds, ${counts.messages} messages, ${seconds} s`);
}

/** The same in child processes, each over a range of its own. */
async function divided(from: number, count: number, jobs: number): Promise<Counts> {
  const each = Math.ceil(count / jobs);
  const parts: Counts[] = Array.from({ length: jobs }, () => NOTHING);
  let shown = 0;
  const range = (job: number) => {
    const first = from + job * each;
    const seeds = String(Math.min(each, from + count - first));
    const playing = adversary === undefined ? [] : ['--adversary', adversary];
    return ['--from', String(first), '--seeds', seeds, ...playing];
  };
  const running = parts.map((_, job) =>
    spawned(range(job), (counts) => {
      parts[job] = counts;
      const all = parts.reduce(add, NOTHING);
      if (all.seeds - shown < PROGRESS_SEEDS) return;
      shown = all.seeds;
      progress(all);
    }),
  );
  await Promise.all(running);
  return parts.reduce(add, NOTHING);
}

function spawned(args: readonly string[], told: (counts: Counts) => void): Promise<boolean> {
  const self = fileURLToPath(import.meta.url);
  const running = spawn(process.execPath, [...process.execArgv, self, '--child', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let rest = '';
  running.stdout.setEncoding('utf8').on('data', (text: string) => {
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) {
      if (line.startsWith(MARK)) told(JSON.parse(line.slice(MARK.length)) as Counts);
      else say(line);
    }
  });
  return new Promise((resolve) => running.on('close', (code) => resolve(code === 0)));
}

function judge(counts: Counts): boolean {
  const kinds = [...KINDS, ...ATTACKS.map((attack) => `attack: ${attack}`)];
  for (const line of lines(counts, kinds)) say(line);
  const missing = kinds.filter((kind) => counts.faults[kind] === undefined);
  const fine = counts.violations === 0 && counts.least >= LEAST_MESSAGES;
  const short = counts.seeds < ENOUGH_SEEDS || adversary !== undefined;
  if (short || missing.length === 0) return fine;
  say(`never occurred: ${missing.join(', ')}`);
  return false;
}

async function mutants(from: number, guards: readonly string[], jobs: number): Promise<boolean> {
  if (jobs > 1) {
    const shares = Array.from({ length: jobs }, (_, job) =>
      guards.filter((_guard, i) => i % jobs === job).join(','),
    );
    const all = shares
      .filter((share) => share !== '')
      .map((share) => spawned(['--mutants', '--from', String(from), '--only', share], () => {}));
    return (await Promise.all(all)).every((caught) => caught);
  }
  let fine = true;
  for (const guard of guards) {
    const caught = await hunt(guard, from);
    say(`${guard}: ${caught ?? `LIVED ${MUTANT_SEEDS} seeds`}`);
    fine &&= caught !== undefined;
  }
  return fine;
}

async function hunt(guard: string, from: number): Promise<string | undefined> {
  for (let seed = from; seed < from + MUTANT_SEEDS; seed++) {
    const attacker = adversary ?? ATTACKERS[guard as Guard];
    const [first] = (await simulate(seed, guard, attacker)).violations;
    if (first !== undefined) return `caught by seed ${seed}, ${first}`;
  }
  return undefined;
}

/** With the seed it replays a run. */
function commit(): string {
  const git = spawnSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' });
  return git.status === 0 ? git.stdout.trim() : 'no commit';
}

async function main(): Promise<boolean> {
  const from = number('from', 1);
  const jobs = number('jobs', 1);
  if (!child) say(`commit ${commit()}`);
  if (process.argv.includes('--mutants')) {
    return mutants(from, option('only')?.split(',') ?? GUARD_NAMES, jobs);
  }
  const count = number('seeds', 50);
  if (child) return (await seeds(from, count)).violations === 0;
  return judge(jobs > 1 ? await divided(from, count, jobs) : await seeds(from, count));
}

process.exitCode = (await main()) ? 0 : 1;
