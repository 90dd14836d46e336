// SPDX-License-Identifier: Apache-2.0
// Operators and members around the keepers: start them, replace those that died, were at fault or
// never joined, propose the seats of an epoch, reshare while t live, give the key up when fewer do.
// Gateways consent by themselves; to give a key up, people do.
import { newestEpochOf } from '@cloister/contract';
import { toHex } from '@cloister/core';
import { consentTo } from '@cloister/gateway/protocol';
import { isBadKeeper } from './adversaries.ts';
import type { Checker } from './checker.ts';
import { passing } from './endpoint.ts';
import type { Gateway } from './gateways.ts';
import { KeeperNode } from './keeper-node.ts';
import { BYZANTINE, type Byzantine } from './rogue.ts';
import { eventId, type Flaw, fromHexKey, MEMBERS, type Stage } from './stage.ts';

const SEATS = MEMBERS.slice(0, 3);
const THRESHOLD = 2;
const POLL_MS = 100;
/** How long members may take to agree before something else is proposed. */
const AGREE_MS = 4_000;
/** A reshare that came to nothing this often is given up, and the key with it. */
const RESHARES = 2;

export class Committee {
  readonly #stage: Stage;
  readonly #checker: Checker;
  readonly #gateways: readonly Gateway[];
  /** What the first keeper of all is. */
  readonly #first: Byzantine | 'mismatched';
  #keepers: KeeperNode[] = [];
  #launched = 0;
  #proposed = 0;

  constructor(stage: Stage, checker: Checker, gateways: readonly Gateway[]) {
    this.#stage = stage;
    this.#checker = checker;
    this.#gateways = gateways;
    const first = stage.network.pick(['honest', 'mismatched', ...BYZANTINE] as const);
    // An adversary is not helped: where one was called for, the other keepers are honest.
    const called = stage.gentle ? 'honest' : first;
    const blind = stage.adversary === 'consents-blindly' ? 'withholds-evidence' : called;
    this.#first = isBadKeeper(stage.adversary) ? stage.adversary : blind;
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
      if (await this.#propose(seats, null)) await this.#ended();
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
      if (await this.#propose(await this.#seats(), before)) await this.#ended();
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
        const fit = join?.excluded == null && !this.#atFault(known?.keeper.join);
        if (known !== undefined && !known.failed && fit) continue;
        known?.crash();
        this.#launch(operator);
      }
      const seated = this.live().filter(({ keeper }) => keeper.join !== undefined);
      if (seated.length === SEATS.length) return seated;
      await network.sleep(POLL_MS);
    }
  }

  /** Whether the newest attempt failed by it: gateways leave it out then. */
  #atFault(join: Uint8Array | undefined): boolean {
    const newest = newestEpochOf(this.#stage.world.state)?.epoch;
    return join !== undefined && newest?.end?.faults.includes(toHex(join)) === true;
  }

  /** A keeper beside those of the seats. */
  extra(operator: string): KeeperNode {
    const name = `keeper-${operator}-extra-${++this.#launched}`;
    const of = { name, operator, byzantine: 'honest', flaw: 'none' } as const;
    const keeper = new KeeperNode(this.#stage, this.#checker, of);
    keeper.start();
    return keeper;
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

  /** Answers whether it begins to form. */
  async #propose(seated: readonly KeeperNode[], from: string | null): Promise<boolean> {
    const { world, network } = this.#stage;
    this.#proposed++;
    const turned = seated.map((_, i) => seated[(i + this.#proposed) % seated.length]);
    const joins = turned.map((one) => (one as KeeperNode).keeper.join as Uint8Array);
    const body = { joins, ...(from === null ? {} : { from: fromHexKey(from) }) };
    const member = this.#stage.key(world.inForce.members.at(-1)?.id ?? '', 'identity');
    const event = await world.sign(member, 'epoch', body);
    const id = toHex(eventId(event));
    this.#stage.wanted.add(id);
    await this.#stage.order(event);
    const till = network.now + AGREE_MS;
    // Which key to give up is for people to say.
    if (from === null && world.state.activeEpoch !== null) network.go(this.#persuade(id, till));
    const begun = () => world.state.epochs.has(id);
    while (!begun() && network.now < till) await network.sleep(POLL_MS);
    return begun();
  }

  /** The people of every member consent as soon as their gateways can. */
  async #persuade(id: string, till: number): Promise<void> {
    const { network, world } = this.#stage;
    while (world.state.proposals.has(id) && network.now < till) {
      const { consents } = world.state.proposals.get(id) ?? {};
      for (const gateway of this.#gateways.filter(({ name }) => consents?.has(name) === false)) {
        network.go(this.#consent(gateway, id));
      }
      await network.sleep(5 * POLL_MS);
    }
  }

  async #consent(gateway: Gateway, id: string): Promise<void> {
    try {
      await consentTo(gateway.real, id);
    } catch (error) {
      passing(error);
    }
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
      if (!sound || keeper.byzantine === 'withholds-evidence') keeper.crash();
    }
  }

  async #holding(seats: number): Promise<void> {
    const { network } = this.#stage;
    while (this.live().filter(({ holding }) => holding).length < seats) {
      await network.sleep(POLL_MS);
    }
  }
}
