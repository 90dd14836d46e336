// SPDX-License-Identifier: Apache-2.0
// One seed, from the founding to the last release: form a key among keepers of which one may be
// Byzantine, run a task beside attackers, lose a keeper and run another with the two that live,
// reshare to a new keeper and run a third. Same seed and commit, same trace.
import { START_MS } from '@cloister/contract/testing';
import { Checker } from './checker.ts';
import { Gateway, startLedger, submit } from './gateways.ts';
import { type Byzantine, KeeperNode } from './keeper-node.ts';
import { END_MS, type Flaw, MEMBERS, Stage } from './stage.ts';
import { addDataset, addTask, type Dataset, type Task } from './tasks.ts';
import { type Trick, WorkerNode } from './worker-node.ts';

const BYZANTINE: readonly (Byzantine | 'mismatched')[] = [
  'honest',
  'wrong-deals',
  'wrong-partials',
  'silence',
  'equivocation',
  'mismatched',
];
const ATTACKS: readonly (Trick | Exclude<Flaw, 'none'> | Special)[] = [
  'stale-head',
  'few-witnesses',
  'without-owner',
  'mixed-heads',
  'other-charter',
  'swapped-openings',
  'after-the-end',
  'measurement',
  'debug',
  'forged-maker',
  'report-data',
  'evidence-expired',
  'run-limit',
  'unapproved',
  'hidden-column',
  'not-granted',
  'copied-keys',
];
type Special = 'run-limit' | 'unapproved' | 'hidden-column' | 'not-granted' | 'copied-keys';
const TRICKS: ReadonlySet<string> = new Set(ATTACKS.slice(0, 7));
const FLAWS: ReadonlySet<string> = new Set(ATTACKS.slice(7, 12));
const SEATS = MEMBERS.slice(0, 3);

export interface Report {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly messages: number;
  readonly openings: number;
  readonly virtualMs: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly refusals: ReadonlyMap<string, number>;
  readonly trace: string;
}

/** Runs one seed to its end. `mutant` is the name of a guard to switch off. */
export async function simulate(seed: number, mutant?: string): Promise<Report> {
  const play = new Play(new Stage(seed, mutant), seed);
  return play.run();
}

class Play {
  readonly #stage: Stage;
  readonly #checker: Checker;
  readonly #gateways: Gateway[];
  readonly #byzantine: Byzantine | 'mismatched';
  #keepers: KeeperNode[] = [];
  #launched = 0;
  #act = 0;
  #proposed = 0;
  #dataset: Dataset | undefined;
  #worker: WorkerNode | undefined;
  #over = false;
  readonly #seed: number;

  constructor(stage: Stage, seed: number) {
    this.#stage = stage;
    this.#seed = seed;
    const { network } = stage;
    const liar = Math.floor(network.choose() * 6);
    this.#gateways = MEMBERS.map((name, i) => new Gateway(stage, name, i === liar && i !== 1));
    this.#checker = new Checker(stage, this.#gateways);
    this.#byzantine = BYZANTINE[Math.floor(network.choose() * BYZANTINE.length)] as Byzantine;
  }

  async run(): Promise<Report> {
    const { network, world } = this.#stage;
    for (const { id } of world.charter.members) {
      await submit(this.#stage, await world.sign(world.identity(id), 'charter', world.charter));
    }
    for (const { id } of world.charter.members) {
      await submit(this.#stage, await world.sign(world.witness(id), 'tick', { time: START_MS }));
    }
    startLedger(this.#stage, Math.floor(network.choose() * 4));
    for (const gateway of this.#gateways) await gateway.start();
    this.#trouble();
    this.#direct();
    const step = () => this.#checker.step();
    const done = () => this.#over || this.#stage.violations.length > 0;
    await network.run(END_MS, step, done);
    if (!this.#over && this.#stage.violations.length === 0) {
      this.#stage.violate(`no progress: act ${this.#act}, ${this.#worker?.state ?? 'no worker'}`);
    }
    const { violations, refusals } = this.#stage;
    return {
      seed: this.#seed,
      violations,
      messages: network.delivered,
      openings: this.#checker.openings,
      virtualMs: network.now,
      faults: network.faults,
      refusals,
      trace: network.trace(),
    };
  }

  /** A gateway is cut off and another crashes; both come back. */
  #trouble(): void {
    const { network } = this.#stage;
    const pick = () => Math.floor(network.choose() * MEMBERS.length);
    const from = Math.floor(network.choose() * 4_000);
    network.cut(MEMBERS[pick()] as string, from, from + 900);
    const crashing = this.#gateways[pick()] as Gateway;
    network.after(Math.floor(network.choose() * 4_000), async () => crashing.crash(700));
  }

  #direct(): void {
    this.#stage.network.after(100, async () => {
      this.#direct();
      await this.#organise();
      await this.#stageActs();
    });
  }

  /** Operators replace keepers that died or were excluded; a member names the seats. */
  async #organise(): Promise<void> {
    const { world } = this.#stage;
    const { state } = world;
    if (state.formingEpoch !== null) return;
    const active = state.epochs.get(state.activeEpoch ?? '');
    if (active !== undefined && (this.#act < 4 || this.#act >= 5)) return;
    const seated: KeeperNode[] = [];
    for (const operator of SEATS) {
      const known = this.#keepers.find((k) => k.operator === operator && k.alive);
      const join = state.joins.get(known?.keys.id ?? '');
      // An attempt that ended on wrong evidence excludes nobody: its operator mends its machine.
      const unfit = this.#proposed > 0 && !this.#stage.attested.has(known?.keys.id ?? '');
      if (known !== undefined && join?.excluded == null && !unfit) {
        if (join !== undefined) seated.push(known);
        continue;
      }
      known?.crash();
      await this.#launch(operator);
    }
    if (seated.length < SEATS.length) return;
    if (active !== undefined && !this.#keepers.some((k) => k.holding)) return;
    this.#proposed++;
    // Another order makes another event, should the same seats try again.
    const turned = seated.map((_, i) => seated[(i + this.#proposed) % 3] as KeeperNode);
    const joins = turned.map((keeper) => Uint8Array.from(Buffer.from(keeper.keys.id, 'hex')));
    const from = state.activeEpoch === null ? {} : { from: bytes(state.activeEpoch) };
    const member = world.identity('lab');
    await submit(this.#stage, await world.sign(member, 'epoch', { joins, ...from }));
  }

  async #launch(operator: string): Promise<void> {
    const stage = this.#stage;
    const first = this.#launched++ === 0;
    const flawed = first && this.#byzantine === 'mismatched';
    const kind = first && this.#byzantine !== 'mismatched' ? this.#byzantine : 'honest';
    if (flawed) stage.network.count('mismatched-keeper');
    const name = `keeper-${operator}-${this.#launched}`;
    const keys = await stage.node(operator, name, flawed ? { flaw: 'measurement' } : {});
    const keeper = new KeeperNode(stage, this.#checker, {
      keys,
      operator,
      byzantine: kind as Byzantine,
    });
    this.#keepers = [...this.#keepers.filter((k) => k.alive), keeper];
    const { network } = stage;
    if (network.choose() < 0.5) network.cut(name, network.now + 300, network.now + 900);
    keeper.start();
  }

  async #stageActs(): Promise<void> {
    const { state } = this.#stage.world;
    const holding = this.#keepers.filter((k) => k.holding).length;
    if (this.#act === 0 && state.activeEpoch !== null && holding === 3) {
      this.#dataset = await addDataset(this.#stage);
      await this.#honestRun('one');
      for (let i = 0; i < 3; i++) await this.#attack(i);
      this.#act = 1;
    } else if (this.#act === 1 && this.#worker?.state === 'released') {
      this.#act = 2;
      const lame = this.#keepers.some((k) => k.byzantine !== 'honest');
      if (!lame)
        (this.#keepers[Math.floor(this.#stage.network.choose() * 3)] as KeeperNode).crash();
      await this.#honestRun('two');
    } else if (this.#act === 2 && this.#worker?.state === 'released') {
      this.#act = this.#keepers.every((k) => k.alive) ? 6 : 4;
    } else if (this.#act === 4 && this.#proposed > 0 && holding === 3) {
      this.#stage.network.count('reshare');
      this.#act = 5;
      await this.#honestRun('three');
    } else if (this.#act >= 5 && this.#worker?.state === 'released') {
      this.#act = 7;
      // What is under way may still show itself.
      this.#stage.network.after(1_500, async () => {
        this.#over = true;
      });
    }
  }

  readonly #live = () => this.#keepers.filter((keeper) => keeper.alive);

  async #honestRun(name: string): Promise<void> {
    const task = await addTask(this.#stage, this.#dataset as Dataset);
    this.#worker = await this.#startWorker(`worker-${name}`, task, {});
  }

  async #startWorker(
    name: string,
    task: Task,
    of: { flaw?: Flaw; trick?: Trick; copied?: boolean },
  ): Promise<WorkerNode> {
    const run = this.#stage.world.freshBytes(16);
    const flaw = of.flaw === undefined ? {} : { flaw: of.flaw };
    const keys = await this.#stage.node('bank', name, { task: task.id, run, ...flaw });
    const worker = new WorkerNode(this.#stage, this.#checker, {
      ...of,
      keys,
      task,
      keepers: this.#live,
    });
    worker.start();
    return worker;
  }

  async #attack(i: number): Promise<void> {
    const { network } = this.#stage;
    const kind = ATTACKS[Math.floor(network.choose() * ATTACKS.length)] as string;
    const name = `attacker-${i}`;
    if (!TRICKS.has(kind)) network.count(`attack: ${kind}`);
    const dataset = this.#dataset as Dataset;
    if (TRICKS.has(kind)) {
      const task = await addTask(this.#stage, dataset);
      await this.#startWorker(name, task, { trick: kind as Trick });
    } else if (FLAWS.has(kind)) {
      await this.#startWorker(name, await addTask(this.#stage, dataset), { flaw: kind as Flaw });
    } else if (kind === 'run-limit') {
      // The grant's one run is taken before this one comes.
      const task = await addTask(this.#stage, dataset);
      const run = this.#stage.world.freshBytes(16);
      const first = await this.#stage.node('lab', `${name}-first`, { task: task.id, run });
      await submit(this.#stage, first.event);
      await this.#startWorker(name, task, { trick: 'void-join' });
    } else if (kind === 'unapproved') {
      const task = await addTask(this.#stage, dataset, { approve: false });
      await this.#startWorker(name, task, { trick: 'void-join' });
    } else if (kind === 'hidden-column') {
      const task = await addTask(this.#stage, dataset, { columns: [1, 2, 3], used: [1, 2] });
      await this.#startWorker(name, task, {});
    } else if (kind === 'not-granted') {
      const task = await addTask(this.#stage, dataset, { columns: [1], used: [1, 3] });
      await this.#startWorker(name, { ...task, columns: [1] }, {});
    } else {
      const copy = await addDataset(this.#stage, dataset);
      await this.#startWorker(name, await addTask(this.#stage, copy), { copied: true });
    }
  }
}

function bytes(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}

/** For messages: a seed's first violation, or none. */
export function verdict(report: Report): string {
  return report.violations[0] ?? `fine, ${report.messages} messages, ${report.trace.slice(0, 12)}`;
}
