// SPDX-License-Identifier: Apache-2.0
// One seed, from the founding to the last release: form a key among keepers of which one may be
// Byzantine, run a task beside attackers, let a worker die before it releases, lose a keeper and
// run with the two that live, then reshare to a new keeper, or lose another, give the key up and
// seal everything again. Same seed and commit, same trace.

import { equal } from '@cloister/core';
import { START_MS } from '../world/index.ts';
import { type Adversary, isDropper } from './adversaries.ts';
import { Attacker, TRICKS, type Trick } from './attacker.ts';
import { RetiredGateway } from './attackers/retired-gateway.ts';
import { playScene } from './attackers/scenes.ts';
import { DroppingGateway, ImpostorGateway, SlowGateway, StaleGateway } from './bad-gateways.ts';
import { Checker } from './checker.ts';
import { Committee } from './committee.ts';
import { Gateway } from './gateways.ts';
import { startLedger } from './ledger.ts';
import { LyingGateway } from './liars.ts';
import { scheme, spareChain } from './schemes.ts';
import { END_MS, type Flaw, MEMBERS, type Place, Stage } from './stage.ts';
import {
  addDataset,
  addTask,
  asRecorded,
  copyDataset,
  OWNER,
  replaceDataset,
  withdraw,
} from './tasks.ts';
import type { Dataset, Task } from './truth.ts';
import { WorkerNode } from './worker-node.ts';
import { recordWrongly } from './wrong-receipts.ts';

const FLAWS = [
  'measurement',
  'debug',
  'forged-maker',
  'report-data',
  'evidence-expired',
] as const satisfies readonly Flaw[];
/** Attacks through a task: its approvals, its columns, its uses, its keys. */
const SCHEMES = [
  'run-limit',
  'unapproved',
  'hidden-column',
  'not-granted',
  'copied-keys',
  'lying-uses',
  'half-roster',
  'mixed-roster',
  'other-engine',
  'withdrawn',
  'replaced',
  'wrong-receipts',
] as const;
export const ATTACKS: readonly string[] = [...TRICKS, ...FLAWS, ...SCHEMES];
const ATTACKS_A_SEED = 3;
const POLL_MS = 60;

type TaskChange = Parameters<typeof addTask>[2];
/** What is under way when the play is over may still show itself, after the time for progress. */
const CURTAIN_MS = 1_200;

export interface Report {
  readonly seed: number;
  readonly violations: readonly string[];
  readonly messages: number;
  readonly openings: number;
  readonly virtualMs: number;
  readonly faults: ReadonlyMap<string, number>;
  readonly trace: string;
}

/**
 * Runs one seed to its end. `mutant` is the name of a guard to switch off; `adversary` plays in the
 * place of those that the seed itself may call (adversaries.ts).
 */
export async function simulate(
  seed: number,
  mutant?: string,
  adversary?: Adversary,
): Promise<Report> {
  const play = new Play(new Stage(seed, { mutant, adversary }), seed);
  return play.run();
}

/** At most one member's gateway is not honest. */
function gatewayOf(stage: Stage, name: string, liar: string): Gateway {
  const { adversary, traitor } = stage;
  if (adversary === 'retired-witnesses') {
    return name === traitor ? new RetiredGateway(stage, name) : new Gateway(stage, name);
  }
  if (isDropper(adversary) || adversary === 'stale-first' || adversary === 'answers-slowly') {
    if (name !== traitor) return new Gateway(stage, name);
    if (adversary === 'answers-slowly') return new SlowGateway(stage, name);
    return isDropper(adversary) ? new DroppingGateway(stage, name) : new StaleGateway(stage, name);
  }
  if (adversary === 'impersonates' && name === traitor) return new ImpostorGateway(stage, name);
  const lies = name === liar && name !== OWNER && !stage.gentle;
  // A charter that counts on no faulty witness has none but the adversary.
  return lies && adversary !== 'future-tick'
    ? new LyingGateway(stage, name)
    : new Gateway(stage, name);
}

class Play {
  readonly #stage: Stage;
  readonly #checker: Checker;
  readonly #gateways: readonly Gateway[];
  readonly #committee: Committee;
  readonly #seed: number;
  #dataset: Dataset | undefined;
  #scene = 'founding';
  #over = false;

  constructor(stage: Stage, seed: number) {
    this.#stage = stage;
    this.#seed = seed;
    const { network } = stage;
    const liar = network.pick([...MEMBERS, 'nobody', 'nobody']);
    this.#gateways = MEMBERS.map((name) => gatewayOf(stage, name, liar));
    this.#checker = new Checker(stage, this.#gateways);
    this.#committee = new Committee(stage, this.#checker, this.#gateways);
  }

  async run(): Promise<Report> {
    const { network, violations } = this.#stage;
    network.go(this.#play());
    try {
      await network.run(END_MS + CURTAIN_MS, () => this.#over || violations.length > 0);
    } catch (error) {
      // What nobody caught is a bug; a mutant must be found by the checker.
      if (this.#stage.mutant !== undefined || !(error instanceof Error)) throw error;
      this.#stage.violate(`thrown: ${error.stack}`);
    }
    // "Progress after faults end", and with it that a key with t live holders stays openable.
    if (!this.#over && violations.length === 0) this.#stage.violate(`no progress: ${this.#scene}`);
    return {
      seed: this.#seed,
      violations,
      messages: network.delivered,
      openings: this.#checker.openings,
      virtualMs: network.now,
      faults: network.faults,
      trace: network.trace(),
    };
  }

  async #play(): Promise<void> {
    const { network } = this.#stage;
    await this.#found();
    this.#trouble();
    scheme(this.#stage, this.#committee);
    const formed = this.#committee.form();
    network.go(formed);
    await this.#seal();
    await formed;
    await this.#attack();
    await this.#amend();
    await this.#release('one');
    if (network.choose() < 0.3) await this.#dieUnreleased();
    const whole = this.#committee.live().every(({ byzantine }) => byzantine === 'honest');
    if (whole || this.#committee.live().some(({ byzantine }) => byzantine === 'other-constant')) {
      await this.#loseKeeper();
    }
    if (this.#stage.adversary === 'spare-chain') await spareChain(this.#stage, this.#committee);
    this.#scene = 'last words';
    await network.sleep(CURTAIN_MS);
    this.#over = true;
  }

  async #found(): Promise<void> {
    const { world, network } = this.#stage;
    const [count, how] = [Math.floor(network.choose() * 3), network.choose()];
    const drops = { count, lies: how < 0.5, alters: how < 0.25 };
    startLedger(this.#stage, drops);
    for (const gateway of this.#gateways) gateway.start();
    // Two witnesses, of whom one lies, are a clock already.
    await this.#until(() => world.state.clock >= START_MS);
  }

  /** A gateway is cut off and another crashes; both come back. */
  #trouble(): void {
    const { network, gentle } = this.#stage;
    if (gentle) return;
    const from = Math.floor(network.choose() * 3_000);
    network.cut(network.pick(MEMBERS), from, from + 900);
    const crashing = network.pick(this.#gateways);
    network.after(Math.floor(network.choose() * 3_500), () => crashing.crash(700));
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) await this.#stage.network.sleep(POLL_MS);
  }

  /**
   * The owner seals to the key in its gateway's fold; to another key that gateway seals again by
   * itself.
   */
  async #seal(): Promise<void> {
    this.#scene = 'waiting for a key to seal to';
    const owner = this.#gateways.find(({ name }) => name === OWNER) as Gateway;
    const key = () => owner.state.epochs.get(owner.state.activeEpoch ?? '')?.groupKey ?? undefined;
    const known = this.#dataset;
    if (known === undefined) {
      await this.#until(() => key() !== undefined);
      const groupKey = key() as Uint8Array;
      this.#dataset = await addDataset(this.#stage, groupKey, owner.disk.vault());
      return;
    }
    const before = known.body.groupKey;
    const again = () => asRecorded(this.#stage, known);
    await this.#until(() => !equal(again().body.groupKey, before));
    this.#dataset = again();
    this.#stage.network.count('sealed-again');
  }

  /** An honest task: its run may fail in bad weather and is then started again. */
  async #release(name: string, of: TaskChange = {}, at?: Partial<Place>): Promise<void> {
    const task = await addTask(this.#stage, this.#dataset as Dataset, of);
    for (let attempt = 1; attempt <= task.runs; attempt++) {
      const worker = this.#worker(`worker-${name}-${attempt}`, task, { at });
      this.#scene = `waiting for run ${name} to be released`;
      await this.#until(() => worker.state !== 'running');
      if (worker.state === 'released') return;
      this.#scene = `run ${name} failed: ${worker.state}`;
      this.#stage.network.count('run-failed');
    }
    await new Promise<never>(() => {});
  }

  #worker(
    name: string,
    task: Task,
    how: { crashes?: boolean; at?: Partial<Place> | undefined } = {},
  ): WorkerNode {
    const keepers = this.#committee.addresses();
    const worker = new WorkerNode(this.#stage, this.#checker, { name, task, keepers, ...how });
    worker.start();
    return worker;
  }

  /** A worker dies between the receipt and the release. */
  async #dieUnreleased(): Promise<void> {
    const task = await addTask(this.#stage, this.#dataset as Dataset);
    const worker = this.#worker('worker-dying', task, { crashes: true });
    this.#scene = 'waiting for a worker to die';
    await this.#until(() => worker.state !== 'running');
    if (worker.state !== 'crashed') return;
    this.#scene = 'waiting for a run to count as unreleased';
    const run = Buffer.from(worker.run).toString('hex');
    await this.#until(() => this.#checker.unreleased(run));
    this.#stage.network.count('unreleased');
  }

  async #loseKeeper(): Promise<void> {
    const { network } = this.#stage;
    const committee = this.#committee;
    network.pick(committee.live().filter((k) => k.byzantine === 'honest')).crash();
    await this.#release('two');
    this.#scene = 'resharing, or giving the key up';
    if (network.choose() < 0.4) network.pick(committee.live()).crash();
    const kept = await committee.recover();
    if (!kept) await this.#seal();
    await this.#release('three');
  }

  /** Charters change in some seeds. */
  #amend(): Promise<void> {
    const stage = this.#stage;
    const dataset = this.#dataset as Dataset;
    return playScene({
      stage,
      gateways: this.#gateways,
      keepers: () => this.#committee.addresses(),
      keeper: (operator) => this.#committee.extra(operator),
      release: (name, of, at) => this.#release(name, of, at),
      task: (of) => addTask(stage, dataset, of),
    });
  }

  async #attack(): Promise<void> {
    for (let i = 0; i < ATTACKS_A_SEED; i++) {
      const kind = this.#stage.network.pick(ATTACKS);
      await this.#begin(kind, `attacker-${i}`);
    }
  }

  /** The driver asks alone, or beside an executor that runs another program. */
  async #distributed(kind: string, name: string, task: Task): Promise<void> {
    const stage = this.#stage;
    const keepers = () => this.#committee.addresses();
    const driver = new Attacker(stage, { name, task, keepers, place: 1 });
    const second = { name: `${name}-2`, task, keepers, place: 2, driver: name };
    const executor = new Attacker(stage, { ...second, flaw: 'measurement' });
    const join = await driver.join();
    if (kind === 'mixed-roster') await executor.join();
    stage.network.go(driver.ask(join));
  }

  /** Its join is accepted; then the owner withdraws what it reads, and the attacker asks. */
  async #withdrawn(name: string): Promise<void> {
    const stage = this.#stage;
    const keepers = () => this.#committee.addresses();
    const owner = this.#gateways.find((gateway) => gateway.name === OWNER) as Gateway;
    const { groupKey } = (this.#dataset as Dataset).body;
    const dataset = await addDataset(stage, groupKey, owner.disk.vault());
    const task = await addTask(stage, dataset, { runs: 1 });
    const attacker = new Attacker(stage, { name, task, keepers });
    const join = await attacker.join();
    await withdraw(stage, dataset);
    stage.network.count('attack: withdrawn');
    stage.network.go(attacker.ask(join));
  }

  /**
   * The owner replaces what a task was granted on; its proposer asks for the newest version, which
   * the grant is for, or not, or would be but for another policy.
   */
  async #replaced(name: string): Promise<void> {
    const stage = this.#stage;
    const keepers = () => this.#committee.addresses();
    const vault = (this.#gateways.find(({ name: own }) => own === OWNER) as Gateway).disk.vault();
    const dataset = await addDataset(stage, (this.#dataset as Dataset).body.groupKey, vault);
    const how = stage.network.choose();
    const [anyVersion, otherPolicy] = [how < 0.6, how < 0.3];
    const task = await addTask(stage, dataset, { runs: 1, anyVersion });
    await replaceDataset(stage, dataset, { vault, otherPolicy });
    if (anyVersion && !otherPolicy) task.versions.add(2);
    stage.network.count('attack: replaced');
    const attacker = new Attacker(stage, { name, task, keepers, versions: [2] });
    stage.network.go(attacker.attack());
  }

  /** Keepers open for one of its runs; what it records then is wrong. */
  async #wrongReceipts(name: string): Promise<void> {
    const stage = this.#stage;
    const keepers = () => this.#committee.addresses();
    // It may ask for a column more than its code uses, and so more than is opened.
    const dataset = this.#dataset as Dataset;
    const task = await addTask(stage, dataset, { used: [1], runs: 2 });
    const [node, second] = [name, `${name}-2`].map((own) => {
      return new Attacker(stage, { name: own, task, keepers });
    }) as [Attacker, Attacker];
    const opened = { node, join: await node.join() };
    const other = { node: second, join: await second.join() };
    stage.network.count('attack: wrong-receipts');
    const record = () => recordWrongly(stage, { task, opened, other });
    stage.network.go(node.ask(opened.join).then(record));
  }

  async #begin(kind: string, name: string): Promise<void> {
    const stage = this.#stage;
    const dataset = this.#dataset as Dataset;
    const keepers = () => this.#committee.addresses();
    const start = (task: Task, how: { trick?: Trick; flaw?: Flaw } = {}) => {
      const attacker = new Attacker(stage, { name, task, keepers, ...how });
      stage.network.go(attacker.attack());
    };
    const task = (change: Parameters<typeof addTask>[2] = {}) =>
      addTask(stage, dataset, { runs: 1, ...change });
    if ((TRICKS as readonly string[]).includes(kind)) {
      return start(await task(), { trick: kind as Trick });
    }
    if (kind === 'withdrawn') return this.#withdrawn(name);
    if (kind === 'replaced') return this.#replaced(name);
    if (kind === 'wrong-receipts') return this.#wrongReceipts(name);
    stage.network.count(`attack: ${kind}`);
    if ((FLAWS as readonly string[]).includes(kind)) {
      return start(await task(), { flaw: kind as Flaw });
    }
    if (kind === 'run-limit') {
      // The one run of the grant is taken before the attacker comes, who asks for another.
      const limited = await task();
      await new Attacker(stage, { name: `${name}-first`, task: limited, keepers }).join();
      return start(limited);
    }
    if (kind === 'unapproved') return start(await task({ approve: false }));
    if (kind === 'hidden-column') return start(await task({ columns: [1, 2, 3], used: [1, 2] }));
    if (kind === 'not-granted') return start(await task({ columns: [1], used: [1, 3] }));
    if (kind === 'other-engine') return start(await task({ engine: 'spark' }));
    if (kind === 'half-roster' || kind === 'mixed-roster') {
      return this.#distributed(kind, name, await task({ nodes: 2 }));
    }
    if (kind === 'lying-uses') {
      this.#worker(name, await task({ really: [1, 2] }));
      return;
    }
    return start(await addTask(stage, await copyDataset(stage, dataset), { runs: 1 }));
  }
}

/** For messages: a seed's first violation, or none. */
export function verdict(report: Report): string {
  return report.violations[0] ?? `fine, ${report.messages} messages, ${report.trace}`;
}
