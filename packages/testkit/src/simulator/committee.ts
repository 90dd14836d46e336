// SPDX-License-Identifier: Apache-2.0
// Operators and members around the keepers: start them, replace those that died, were excluded or
// never joined, name the seats of an epoch, reshare while t live, give the key up when fewer do.
import { toHex } from '@cloister/core';
import { isBadKeeper } from './adversaries.ts';
import type { Checker } from './checker.ts';
import { KeeperNode } from './keeper-node.ts';
import { BYZANTINE, type Byzantine } from './rogue.ts';
import { eventId, type Flaw, fromHexKey, MEMBERS, type Stage } from './stage.ts';

const SEATS = MEMBERS.slice(0, 3);
const THRESHOLD = 2;
const POLL_MS = 100;
/** A reshare that came to nothing this often is given up, and the key with it. */
const RESHARES = 2;

export class Committee {
  readonly #stage: Stage;
  readonly #checker: Checker;
  /** What the first keeper of all is. */
  readonly #first: Byzantine | 'mismatched';
  #keepers: KeeperNode[] = [];
  #launched = 0;
  #proposed = 0;

  constructor(stage: Stage, checker: Checker) {
    this.#stage = stage;
    this.#checker = checker;
    const first = stage.network.pick(['honest', 'mismatched', ...BYZANTINE] as const);
    // An adversary is not helped: where one was called for, the other keepers are honest.
    const called = stage.gentle ? 'honest' : first;
    this.#first = isBadKeeper(stage.adversary) ? stage.adversary : called;
  }

  live(): readonly KeeperNode[] {
    return this.#keepers.filter(({ alive }) => alive);
  }

  /** Where workers look for keepers; one that has died may be among them. */
  addresses(): readonly string[] {
    return this.#keepers.map(({ name }) => name);
  }

  /** A new key in three seats, however many attempts it takes. */
  async form(): Promise<void> {
    const { state } = this.#stage.world;
    const before = state.activeEpoch;
    while (state.activeEpoch === before) {
      const seats = await this.#seats();
      await this.#propose(seats, null);
      await this.#ended();
      this.#replaceUnfit();
    }
    await this.#holding(3);
  }

  /** Back to three seats; false when the key had to be given up. */
  async recover(): Promise<boolean> {
    const { network, world } = this.#stage;
    const { state } = world;
    const before = state.activeEpoch;
    for (let tries = 0; tries < RESHARES; tries++) {
      const holders = this.live().filter(({ holding }) => holding).length;
      if (holders < THRESHOLD) break;
      await this.#propose(await this.#seats(), before);
      await this.#ended();
      if (state.activeEpoch === before) continue;
      network.count('reshare');
      await this.#holding(3);
      return true;
    }
    network.count('key-given-up');
    for (const keeper of this.live()) if (keeper.byzantine !== 'honest') keeper.crash();
    await this.form();
    return false;
  }

  /** Three keepers that have joined, one an operator; those that cannot are replaced. */
  async #seats(): Promise<readonly KeeperNode[]> {
    const { network, world } = this.#stage;
    for (;;) {
      for (const operator of SEATS) {
        const known = this.live().find((keeper) => keeper.operator === operator);
        const join = world.state.joins.get(toHex(known?.keeper.join ?? new Uint8Array()));
        if (known !== undefined && !known.failed && join?.excluded == null) continue;
        known?.crash();
        this.#launch(operator);
      }
      const seated = this.live().filter(({ keeper }) => keeper.join !== undefined);
      if (seated.length === SEATS.length) return seated;
      await network.sleep(POLL_MS);
    }
  }

  #launch(operator: string): void {
    const { network, gentle } = this.#stage;
    const first = this.#launched++ === 0;
    const flawed = first && this.#first === 'mismatched';
    if (flawed) network.count('mismatched-keeper');
    if (this.#launched > SEATS.length) network.count('keeper-restart');
    const byzantine = first && this.#first !== 'mismatched' ? this.#first : 'honest';
    const flaw: Flaw = flawed ? 'measurement' : 'none';
    const name = `keeper-${operator}-${this.#launched}`;
    const of = { name, operator, byzantine, flaw };
    const keeper = new KeeperNode(this.#stage, this.#checker, of);
    this.#keepers = [...this.#keepers.filter((one) => one.operator !== operator), keeper];
    if (!gentle && network.choose() < 0.5) network.cut(name, network.now + 300, network.now + 900);
    keeper.start();
  }

  async #propose(seated: readonly KeeperNode[], from: string | null): Promise<void> {
    const { world } = this.#stage;
    this.#proposed++;
    // Another order makes another event, should the same seats try again.
    const turned = seated.map((_, i) => seated[(i + this.#proposed) % seated.length]);
    const joins = turned.map((one) => (one as KeeperNode).keeper.join as Uint8Array);
    const body = { joins, ...(from === null ? {} : { from: fromHexKey(from) }) };
    const member = this.#stage.key('lab', 'identity');
    const event = await world.sign(member, 'epoch', body);
    this.#stage.wanted.add(toHex(eventId(event)));
    await this.#stage.order(event);
  }

  async #ended(): Promise<void> {
    const { network, world } = this.#stage;
    while (world.state.formingEpoch !== null) await network.sleep(POLL_MS);
  }

  /** An attempt that ended on wrong evidence excludes nobody: its operator mends its machine. */
  #replaceUnfit(): void {
    for (const keeper of this.live()) {
      const join = this.#stage.world.state.joins.get(toHex(keeper.keeper.join ?? new Uint8Array()));
      const sound = join === undefined || this.#stage.sound.has(toHex(join.signer));
      if (!sound) keeper.crash();
    }
  }

  async #holding(seats: number): Promise<void> {
    const { network } = this.#stage;
    while (this.live().filter(({ holding }) => holding).length < seats) {
      await network.sleep(POLL_MS);
    }
  }
}
