// SPDX-License-Identifier: Apache-2.0
// Looks at what nodes do with the whole truth, without asking the code under test: who a node is,
// what is on the true ledger, who really signed, what was dealt. Each check names the sentence of
// the design that it holds the nodes to. What the honest suffer is looked at in harm.ts, progress
// also where a seed ends (simulate.ts).
import {
  type AdmittedEvent,
  type AnyEvent,
  type Epoch,
  type Join,
  type Outcome,
  type Run,
  runState,
} from '@cloister/contract';
import { decodeUses, encodeUses } from '@cloister/contract/policy';
import { type CodedError, equal, toHex } from '@cloister/core';
import type { OpenRequest } from '@cloister/keeper/protocol';
import {
  commitHash,
  parseReveal,
  pokStatement,
  seatPublicShare,
  verifySchnorr,
} from '@cloister/threshold';
import { opensslCurve } from '@cloister/threshold/node';
import { logOrigin, parseFreshness, parseNote } from '@cloister/tlog';
import { CharterChecks } from './charter-checks.ts';
import { Counted } from './counted.ts';
import type { Gateway } from './gateways.ts';
import { Harm } from './harm.ts';
import { LyingGateway } from './liars.ts';
import { fromHexKey, type Stage } from './stage.ts';
import { mayOpen, OWNER } from './tasks.ts';
import type { Task } from './truth.ts';

type Partials = readonly { readonly input: number; readonly column: number }[];

export class Checker {
  openings = 0;
  readonly harm: Harm;
  readonly #charters: CharterChecks;
  readonly #counted: Counted;
  readonly #stage: Stage;
  readonly #drawn = new Map<string, { by: string; join: string; least: number; used: boolean }>();
  readonly #opened = new Map<string, Set<string>>();
  /** By join, the keepers that opened for it. */
  readonly #openedBy = new Map<string, Set<string>>();
  readonly #ended = new Map<string, number>();
  /** By epoch, what its dealers committed to and revealed. */
  readonly #dealings = new Map<string, Pick<Epoch, 'commits' | 'reveals'>>();

  constructor(stage: Stage, gateways: readonly Gateway[]) {
    this.#stage = stage;
    this.#charters = new CharterChecks(stage);
    const liars = gateways.filter((gateway) => gateway instanceof LyingGateway);
    this.harm = new Harm(stage, new Set(liars.map(({ name }) => name)));
    this.#counted = new Counted(stage);
    stage.onOrdered = (event, outcome) => this.#ordered(event, outcome);
  }

  /** A keeper draws a challenge: no head older than what was cosigned now may answer it. */
  drew(by: string, join: string, challenge: Uint8Array): void {
    this.#drawn.set(toHex(challenge), { by, join, least: this.harm.cosigned, used: false });
  }

  /**
   * "Entries are believed only when the tree over them has the root of a head that a quorum of
   * witnesses signed": a node folds what the ledger ordered, in its place, and nothing else.
   */
  followed(node: string, seq: number, bytes: Uint8Array): void {
    const { world, shared } = this.#stage;
    this.#stage.followed.set(node, seq + 1);
    const ordered = world.log[seq];
    if (ordered !== undefined && shared.nameOf(ordered) === shared.nameOf(bytes)) return;
    this.#stage.violate(`${node} folded an entry ${seq} that the ledger never ordered there`);
  }

  /** "A joiner whose measurement, version, TCB or debug flag is not the charter's gets no deal." */
  #dealt({ body }: AdmittedEvent<'reveal'>): void {
    const { world, sound } = this.#stage;
    this.#charters.dealt(body.epoch);
    const { joins } = world.state.epochs.get(toHex(body.epoch)) ?? { joins: [] };
    const signers = joins.map((key) =>
      toHex(world.state.joins.get(key)?.signer ?? new Uint8Array()),
    );
    if (signers.every((signer) => sound.has(signer))) return;
    this.#stage.violate('a deal was sealed to a node whose evidence is wrong');
  }

  /** A keeper signs that it opened these. */
  signed(
    by: string,
    receipt: Uint8Array,
    of: { join: Uint8Array; epoch: Uint8Array; partials: Partials },
  ): void {
    this.#counted.signed(by, receipt, of);
  }

  /** "Keepers judge by their own fold": every opening of every keeper, Byzantine ones included. */
  opened(by: string, request: OpenRequest, partials: Partials): void {
    this.openings++;
    const join = toHex(request.join);
    this.#openedBy.set(join, (this.#openedBy.get(join) ?? new Set()).add(by));
    const wrong = this.#judge(by, join, request, partials);
    if (wrong !== undefined) this.#stage.violate(`${by} opened for ${join.slice(0, 8)}: ${wrong}`);
  }

  #judge(by: string, key: string, request: OpenRequest, partials: Partials): string | undefined {
    const { world, sound, tasks, swapped } = this.#stage;
    // "No receipt, no key: keepers answer only for a join that a cosigned checkpoint includes."
    const join = world.state.joins.get(key);
    if (join === undefined) return 'its join is not accepted';
    const task = tasks.get(toHex(join.body.task ?? new Uint8Array()));
    if (task === undefined) return 'there is no such task';
    // "Each keeper appraises the evidence": maker, program, debug flag, these very keys, its end.
    if (!sound.has(toHex(join.signer))) return 'its evidence is wrong';
    const unagreed = this.#charters.unagreed(join.signer);
    if (unagreed !== undefined) return unagreed;
    const stale = this.#stale(by, key, request.freshness);
    if (stale !== undefined) return stale;
    const roster = this.#rosterOf(join);
    if (roster !== undefined) return roster;
    // "Keepers judge uses": those that the ledger has commitments to.
    if (swapped.has(key)) return 'the openings are not those committed to';
    // "Keepers exponentiate nothing else (otherwise E' = rE makes them an oracle)."
    if (task.dataset.mended !== undefined) return 'the sealed keys are another dataset’s';
    // "A replaced version is read by a task granted on another only where its grant says so."
    const { versions = [] } = world.state.runs.get(toHex(join.body.run ?? new Uint8Array())) ?? {};
    const other = versions.find((version) => !task.versions.has(version));
    if (other !== undefined) return `version ${other} was never granted`;
    // "Its partial opening of only the granted columns"; a hidden column opens for nobody.
    const may = mayOpen(task);
    const extra = partials.find(({ column }) => !may.has(column));
    if (extra !== undefined) return `column ${extra.column} was never granted`;
    return this.#limit(key, task);
  }

  /** "Nothing opens before [...] the closed roster of all joins, every one matching." */
  #rosterOf({ body }: Join): string | undefined {
    const { state } = this.#stage.world;
    const { nodes = 1 } = state.tasks.get(toHex(body.task as Uint8Array))?.body.worker ?? {};
    const roster = [...(state.runs.get(toHex(body.run as Uint8Array))?.roster.values() ?? [])];
    if (roster.length < nodes) return `${roster.length} of ${nodes} nodes have joined`;
    const other = roster.find((key) => {
      return !this.#stage.sound.has(toHex(state.joins.get(key)?.signer ?? new Uint8Array()));
    });
    return other === undefined ? undefined : 'a node of its roster is not what it should be';
  }

  /** "Limits on runs": distinct joins that were opened for, against what the grant pays for. */
  #limit(join: string, task: Task): string | undefined {
    const key = toHex(task.id);
    const joins = this.#opened.get(key) ?? new Set();
    this.#opened.set(key, joins.add(join));
    return joins.size > task.runs
      ? `${joins.size} runs of ${task.runs} were opened for`
      : undefined;
  }

  /** "Freshness is causal": q witnesses and the owner's own signed one head with this challenge. */
  #stale(by: string, join: string, notes: readonly string[]): string | undefined {
    const { world, tree, issued } = this.#stage;
    const texts = new Set(notes.map((note) => parseNote(note).text));
    if (texts.size !== 1) return 'the witnesses signed different heads';
    const [text] = [...texts] as [string];
    const { checkpoint, challenges } = parseFreshness(text);
    // "The genesis is in every transcript": a head of another charter proves nothing here.
    if (checkpoint.origin !== logOrigin(world.genesis)) return 'the head is of another charter';
    const drawn = challenges
      .map((challenge) => this.#drawn.get(toHex(challenge)))
      .find((one) => one?.by === by && one.join === join && !one.used);
    if (drawn === undefined) return 'no challenge of its own that was unused';
    drawn.used = true;
    const names = notes.flatMap((note) => parseNote(note).signatures.map(({ name }) => name));
    const witnesses = this.#charters.witnessesAt(checkpoint.size);
    const signed = (name: string) => witnesses.has(name) && issued.has(`${name}\n${text}`);
    const real = new Set(names.filter(signed));
    if (real.size < world.charter.witnesses.quorum) return `${real.size} witnesses signed`;
    // "Your data, your witness."
    if (!real.has(OWNER)) return 'the owner’s own witness did not sign';
    const { size, root } = checkpoint;
    // "A chain that shows two histories is caught."
    if (size > tree.size || toHex(tree.root(size)) !== toHex(root)) return 'the head is a fork';
    if (size < drawn.least) return `the head ${size} is older than ${drawn.least}`;
    const ended = this.#ended.get(join);
    return ended !== undefined && ended < size ? 'its run had ended, or its place' : undefined;
  }

  /** "Whether the code does with the columns what its task says" is settled before keys. */
  ran(by: string, task: Task): void {
    const said = decodeUses(task.openings.uses.value);
    if (equal(encodeUses(said), encodeUses(task.uses))) return;
    this.#stage.violate(`${by} ran code that uses other columns than its task says`);
  }

  /** "No receipt, no result": a result leaves only when its usage record is on the ledger. */
  left(blob: Uint8Array): void {
    const { results, shared, world } = this.#stage;
    const run = results.get(toHex(shared.crypto.digest('sha256', blob)));
    if (run === undefined) return;
    if ((world.state.runs.get(run)?.usage ?? null) !== null) return;
    this.#stage.violate('a result left without its usage record');
  }

  /** "As long as t of the keepers that answer are honest the keys are had." */
  failed(by: string, error: CodedError): void {
    // "A receipt that would not count in the usage record is no answer."
    if (error.code === 'cose-signature-invalid' || error.code === 'receipt-malformed') {
      this.#stage.violate(`${by} was given a receipt that the ledger does not take: ${error.code}`);
    }
    if (error.code !== 'key-opening-failed') return;
    this.#stage.violate(`${by} had no keys although t honest keepers answered: ${error.message}`);
  }

  /** "If it dies between, the run stays used and billed, `unreleased`", and nothing has left. */
  unreleased(run: string): boolean {
    const { world } = this.#stage;
    const known = world.state.runs.get(run);
    return known !== undefined && runState(world.state, known) === 'unreleased';
  }

  #ordered(event: AnyEvent | undefined, outcome: Outcome): void {
    const { world } = this.#stage;
    const { seq } = outcome;
    this.harm.ordered(event, outcome);
    if (event === undefined) return;
    if (event.kind === 'run-failed' || event.kind === 'usage') {
      this.#over(world.state.runs.get(toHex(event.body.run)), seq);
    }
    if (world.state.closed !== null) this.#stage.violate('one member closed the ledger');
    for (const join of this.#charters.ordered(event, outcome)) {
      if (!this.#ended.has(join)) this.#ended.set(join, seq);
    }
    // With a member its tasks go.
    if (event.kind === 'sign') for (const run of world.state.runs.values()) this.#over(run, seq);
    // "What is withdrawn opens no more": the runs that would read it are over.
    if (event.kind === 'withdraw')
      for (const run of world.state.runs.values()) this.#over(run, seq);
    if (event.kind === 'usage' && outcome.status === 'accepted') {
      this.#recorded(event);
      this.#counted.judge('the ledger', event);
    }
    // "An operator burns only runs that it was asked for."
    if (event.kind === 'join' && outcome.status === 'accepted') {
      const uninvited = this.#stage.uninvited.has(toHex(event.signer));
      if (uninvited) this.#stage.violate('a run was used that its proposer never asked for');
    }
    if (event.kind === 'commit') this.#begun(event);
    if (event.kind === 'reveal') this.#dealt(event);
    if (event.kind === 'ack') this.#acknowledged(event);
    // "A gateway seals only to a key that it has verified": one that all seats acknowledged alike.
    if (event.kind === 'dataset' && !this.#isAgreed(event.body.groupKey)) {
      this.#stage.violate('a dataset was sealed to a key that its seats never agreed on');
    }
  }

  /** A run that is not under way any more, from `seq` on. */
  #over(run: Run | undefined, seq: number): void {
    if (run === undefined || run.status === 'joined' || this.#ended.has(run.join)) return;
    this.#ended.set(run.join, seq);
  }

  /** "Counted inside": a usage counts only where t keepers opened for the join that records it. */
  #recorded({ body }: AdmittedEvent<'usage'>): void {
    const { state } = this.#stage.world;
    const by = this.#openedBy.get(toHex(body.join))?.size ?? 0;
    const { threshold } = state.epochs.get(toHex(body.epoch)) ?? { threshold: 1 };
    if (by >= threshold) return;
    this.#stage.violate(`a usage was recorded of a run that ${by} keepers opened for`);
  }

  #isAgreed(groupKey: Uint8Array): boolean {
    return [...this.#stage.world.state.epochs.values()].some((epoch) => {
      return epoch.groupKey !== null && equal(epoch.groupKey, groupKey);
    });
  }

  /** The fold forgets how a key was made once it is over; who acknowledged may be judged later. */
  #begun({ body }: AdmittedEvent<'commit'>): void {
    const key = toHex(body.epoch);
    const epoch = this.#stage.world.state.epochs.get(key);
    if (epoch?.status !== 'forming' || this.#dealings.has(key)) return;
    const { commits, reveals } = epoch;
    this.#dealings.set(key, { commits, reveals });
  }

  /** What an honest keeper puts its name to must be a key generation as it should be. */
  #acknowledged({ signer, body }: AdmittedEvent<'ack'>): void {
    if (!this.#stage.honestKeepers.has(toHex(signer))) return;
    const key = toHex(body.epoch);
    const epoch = this.#stage.world.state.epochs.get(key);
    if (epoch === undefined) return;
    for (const dealer of epoch.dealers) {
      const wrong = this.#wrongWith(key, epoch, dealer, body.seat);
      if (wrong === undefined) continue;
      this.#stage.violate(`seat ${body.seat} acknowledged dealer ${dealer}: ${wrong}`);
      return;
    }
  }

  #wrongWith(key: string, epoch: Epoch, dealer: number, seat: number): string | undefined {
    const { world, wrongDeals } = this.#stage;
    const dealing = this.#dealings.get(key);
    const commit = dealing?.commits.get(dealer);
    const revealed = dealing?.reveals.get(dealer);
    // "Dealers commit by hash, then reveal": the ledger has no reveal that fits the commit, or one
    // whose proof does not hold, where the true fold has taken none.
    if (revealed === undefined) return 'no reveal of it that fits is on the ledger';
    const about = { genesis: world.genesis, epoch: fromHexKey(key), seat: dealer };
    const made = commitHash({ ...about, reveal: revealed.reveal });
    if (commit === undefined || !equal(commit, made)) return 'it revealed something else';
    const reveal = parseReveal(revealed.reveal);
    // "A proof of knowledge of the constant term."
    if (!verifySchnorr(pokStatement(reveal), reveal.pok, opensslCurve)) return 'it proves nothing';
    // "In a reshare the constant commitment must be the dealer's old public share."
    const old = epoch.from === null ? undefined : this.#dealings.get(epoch.from);
    if (old !== undefined) {
      const reveals = [...old.reveals.values()].map((one) => parseReveal(one.reveal));
      const share = seatPublicShare(reveals, dealer);
      if (!equal(share, reveal.commitments[0] as Uint8Array)) return 'it deals another share';
    }
    // "A complaint is an opened deal": a deal that does not fit is complained about, not used.
    const deal = toHex(revealed.deals[seat - 1] ?? new Uint8Array());
    return wrongDeals.has(deal) ? 'its deal does not fit its commitments' : undefined;
  }
}
