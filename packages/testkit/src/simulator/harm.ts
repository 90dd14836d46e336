// SPDX-License-Identifier: Apache-2.0
// Looks at what honest people and nodes suffer, with the whole truth: nobody honest is excluded,
// kept out, held back or refused on record, what an honest member states stands, the clock is
// nobody's alone, the key stays where a majority put it, and no witness goes back. What nodes give
// away is checker.ts's.
import { type AdmittedEvent, type AnyEvent, newestEpochOf, type Outcome } from '@cloister/contract';
import { type CodedError, equal, toHex } from '@cloister/core';
import { START_MS } from '../world/index.ts';
import { MEMBERS, type Stage } from './stage.ts';

/** A keeper as it is looked at. */
interface Player {
  readonly name: string;
  readonly alive: boolean;
  /** How it misbehaves; `honest` where it does not. */
  readonly byzantine: string;
}

/** A node whose progress is looked at. */
interface Watched {
  readonly name: string;
  following(): boolean;
  size(): number;
}

/** Operators whose keepers honest members name. */
const SEATED: ReadonlySet<string> = new Set(MEMBERS.slice(0, 3));
const LOOK_MS = 500;
/** How long a head may be cosigned before every node that follows has it. */
const PINNED_MS = 2_000;
/** How many ticks of an honest witness may be void one after another. */
const UNHEARD = 4;
const STATEMENTS: ReadonlySet<string> = new Set(['approve', 'decline', 'collateral']);
/** The same again, and what a member says twice at once: here its people do not ask its gateway. */
const OWN_RACES: ReadonlySet<string> = new Set(['duplicate', 'statement-not-next']);

export class Harm {
  readonly #stage: Stage;
  readonly #liars: ReadonlySet<string>;
  /** The newest head that an honest gateway had with a quorum on it. */
  #cosigned = 0;
  readonly #heads: { readonly at: number; readonly size: number }[] = [];
  readonly #watched: Watched[] = [];
  /** Since when each of them follows. */
  readonly #following = new Map<string, number>();
  /** The largest size that each witness key has signed. */
  readonly #heights = new Map<string, number>();
  /** Ticks of each member's witness that were void since the last that counted. */
  readonly #unheard = new Map<string, number>();
  /** Joins whose exclusion has been judged. */
  readonly #out = new Set<string>();
  /** By epoch, the identity keys of members who want it. */
  readonly #wants = new Map<string, Set<string>>();
  #active: string | null = null;
  /** Whether a spare took a seat since members last chose the operators. */
  #swapped = false;

  /** `liars` are members whose witness signs anything. */
  constructor(stage: Stage, liars: ReadonlySet<string>) {
    this.#stage = stage;
    this.#liars = liars;
    stage.signed = (member, head) => {
      if (!liars.has(member)) this.#signed(member, head);
    };
    stage.gathered = (member, size) => {
      if (!liars.has(member)) this.#cosigned = Math.max(this.#cosigned, size);
    };
    stage.network.after(LOOK_MS, () => this.#look());
  }

  get cosigned(): number {
    return this.#cosigned;
  }

  ordered(event: AnyEvent | undefined, outcome: Outcome): void {
    this.#excluded();
    if (event !== undefined) this.#wanted(event, outcome);
    this.#moved();
    this.#clock();
    if (event === undefined) return;
    this.#blocked(event, outcome);
    this.#keptOut(event, outcome);
    this.#ticked(event, outcome);
    if (event.kind === 'refusal' && outcome.status === 'accepted') this.#refused(event);
  }

  /** A node that follows all the time. */
  watch(node: Watched): void {
    this.#watched.push(node);
  }

  /** Honest nodes go on: as long as honest gateways answer, a sound keeper can join. */
  neverJoined({ alive, byzantine, name }: Player): void {
    if (!alive || byzantine !== 'honest') return;
    this.#stage.violate(`an honest keeper never joined: ${name}`);
  }

  /** Nor does its join stand on the ledger and count for nothing. */
  turnedAway({ byzantine, name }: Player, { code }: CodedError): void {
    if (byzantine !== 'honest' || code !== 'join-void') return;
    this.#stage.violate(`the join of an honest keeper is void: ${name}`);
  }

  /**
   * "The head is durable before a signature of it leaves": also after a crash a witness signs the
   * one history, and never less of it than before.
   */
  #signed(member: string, { size, root }: { size: number; root: Uint8Array }): void {
    const { tree } = this.#stage;
    const key = toHex(this.#stage.key(member, 'witness').key);
    const before = this.#heights.get(key) ?? 0;
    this.#heights.set(key, Math.max(before, size));
    if (size > tree.size || !equal(tree.root(size), root)) {
      this.#stage.violate(`the witness of ${member} signed another history at ${size}`);
    } else if (size < before) {
      this.#stage.violate(`the witness of ${member} went back from ${before} to ${size}`);
    }
  }

  /** Now and then: a node goes on as long as honest gateways have something for it. */
  #look(): void {
    const { network } = this.#stage;
    network.after(LOOK_MS, () => this.#look());
    const { now, calmAt } = network;
    this.#heads.push({ at: now, size: this.#cosigned });
    const known = this.#heads.filter(({ at }) => at <= now - PINNED_MS).at(-1)?.size ?? 0;
    for (const { name, size, following } of this.#watched) {
      if (!following()) continue;
      const began = this.#following.get(name) ?? now;
      this.#following.set(name, began);
      if (network.isCut(name)) this.#following.set(name, now);
      if (now - Math.max(began, calmAt) <= PINNED_MS || size() >= known) continue;
      this.#stage.violate(`${name} is held at ${size()} of ${known} entries`);
    }
  }

  /**
   * "Seats that are proved to be at fault or silent are excluded", and no others. A phase that
   * began in bad weather proves nothing: an honest keeper may be late.
   */
  #excluded(): void {
    const { world, network, honestKeepers, sound, dead } = this.#stage;
    const { epochPhase } = world.charter.deadlines;
    const { deadline = 0 } = newestEpochOf(world.state)?.epoch ?? {};
    const calm = deadline - epochPhase >= START_MS + network.calmAt;
    for (const [key, { excluded, signer }] of world.state.joins) {
      if (excluded === null || this.#out.has(key)) continue;
      this.#out.add(key);
      const node = toHex(signer);
      if (!calm || !honestKeepers.has(node) || !sound.has(node) || dead.has(node)) continue;
      this.#stage.violate(`an honest keeper was excluded: ${excluded}`);
    }
  }

  /** Who wants an epoch: its proposer, and who consented to it. */
  #wanted(event: AnyEvent, outcome: Outcome): void {
    if (outcome.status === 'void') return;
    if (event.kind !== 'epoch' && event.kind !== 'consent') return;
    const key = event.kind === 'epoch' ? event.key : toHex(event.body.epoch);
    this.#wants.set(key, (this.#wants.get(key) ?? new Set()).add(toHex(event.signer)));
  }

  /**
   * "One member alone must not move the key": q members wanted the epoch, or it gave one seat to a
   * spare of the charter, for the first time since q members chose other operators.
   */
  #moved(): void {
    const { world, wanted } = this.#stage;
    const { activeEpoch, epochs } = world.state;
    if (activeEpoch === null || activeEpoch === this.#active) return;
    const before = this.#operatorsOf(epochs.get(this.#active ?? '')?.joins ?? []);
    this.#active = activeEpoch;
    const operators = this.#operatorsOf(epochs.get(activeEpoch)?.joins ?? []);
    const agreed = (this.#wants.get(activeEpoch)?.size ?? 0) >= world.charter.witnesses.quorum;
    const gained = without(operators, before);
    const spares = gained.length === 1 && gained.every((id) => this.#isSpare(id));
    const swap = spares && !this.#swapped;
    this.#swapped = !agreed || (this.#swapped && gained.length === 0);
    if (!agreed && !swap) this.#stage.violate('one member alone moved the key');
    // By themselves gateways want nothing that no honest member would propose.
    const strange = !wanted.has(activeEpoch) && gained.some((id) => !SEATED.has(id));
    if (strange && !swap) this.#stage.violate('honest members let the key go to a stranger');
  }

  #operatorOf(join: string): string {
    return this.#stage.world.state.joins.get(join)?.body.operator ?? '';
  }

  #operatorsOf(joins: readonly string[]): string[] {
    return joins.map((key) => this.#operatorOf(key));
  }

  #isSpare(operator: string): boolean {
    return this.#stage.world.charter.keepers.spares.includes(operator);
  }

  /** "Time enters by ticks alone", and no single witness makes it. */
  #clock(): void {
    const { world, clock } = this.#stage;
    const ahead = world.state.clock - clock.now();
    if (ahead > 0) this.#stage.violate(`the ledger's clock is ${ahead} ms ahead of everybody's`);
  }

  /** What an honest member states as it should is not void, whatever another member did. */
  #blocked(event: AnyEvent, outcome: Outcome): void {
    if (outcome.status !== 'void' || OWN_RACES.has(outcome.code)) return;
    if (!STATEMENTS.has(event.kind)) return;
    const { world, traitor, adversary } = this.#stage;
    const author = world.inForce.members.find(({ identity }) => equal(identity, event.signer));
    if (author === undefined || (author.id === traitor && adversary !== undefined)) return;
    this.#stage.violate(`a true ${event.kind} of an honest member was void: ${outcome.code}`);
  }

  /** A node's keys are its own, whoever names them first. */
  #keptOut(event: AnyEvent, outcome: Outcome): void {
    if (event.kind !== 'join' || outcome.status !== 'void') return;
    const { honestKeepers, honestWorkers } = this.#stage;
    const node = toHex(event.signer);
    const honest = honestKeepers.has(node) || honestWorkers.has(node);
    if (!honest || outcome.code !== 'join-key-reused') return;
    this.#stage.violate('an honest node was kept out, as another had named its keys');
  }

  /** A witness that ticks is heard, whatever it has said before: a race is lost once, or twice. */
  #ticked(event: AnyEvent, outcome: Outcome): void {
    if (event.kind !== 'tick') return;
    const { world } = this.#stage;
    const member = world.inForce.members.find(({ witness }) => equal(witness, event.signer));
    if (member === undefined || this.#liars.has(member.id)) return;
    const lost = outcome.status === 'void' ? (this.#unheard.get(member.id) ?? 0) + 1 : 0;
    this.#unheard.set(member.id, lost);
    if (lost < UNHEARD) return;
    this.#stage.violate(`${lost} ticks of ${member.id} have not counted in a row`);
  }

  /** A keeper's refusal is for good and public: none of an honest run by an honest keeper. */
  #refused({ signer, body }: AdmittedEvent<'refusal'>): void {
    const { world, mutant, honestKeepers, honestWorkers } = this.#stage;
    // A keeper with a guard off may judge by another value than the true one.
    if (mutant !== undefined) return;
    const worker = world.state.joins.get(toHex(body.join))?.signer ?? new Uint8Array();
    if (!honestKeepers.has(toHex(signer)) || !honestWorkers.has(toHex(worker))) return;
    this.#stage.violate(`an honest keeper refused an honest run on record: ${body.code}`);
  }
}

/** The operators with a seat that they had not before; one may have several. */
function without(now: readonly string[], before: readonly string[]): string[] {
  const left = [...before];
  return now.filter((id) => {
    const at = left.indexOf(id);
    if (at >= 0) left.splice(at, 1);
    return at < 0;
  });
}
