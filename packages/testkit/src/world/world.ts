// SPDX-License-Identifier: Apache-2.0
// A ledger in memory with everyone who signs on it, for tests: `World.create()` knows all keys,
// `submit` takes an event's bytes the way a gateway does (admit, then fold), and the methods below
// it make the events of a plausible history with real signatures and a real key generation, each
// answering what the next needs. Methods whose event must be accepted throw when it is void. Long
// because one class knows every key and every step.

import type {
  CharterBody,
  EventBody,
  EventKind,
  Measures,
  MeasuresSaid,
  OpeningReceipt,
  RunTicket,
  Said,
} from '@cloister/contract';
import {
  type AnyEvent,
  cloneState,
  columnsDigest,
  countersignJoin,
  emptyState,
  encodeEvent,
  type FoldState,
  foldEntry,
  inputsRead,
  type Outcome,
  placed,
  sealMeasures,
  signEvent,
  signReceipt,
  signRunTicket,
} from '@cloister/contract';
import { type Random, type Signer, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { groupKeyOf, parseReveal, transcriptHash } from '@cloister/threshold';
import { combineDeals, createDealing, type Dealing, hpkeSeal } from '@cloister/threshold/node';
import {
  type CharterOptions,
  charterSpecimen,
  environmentId,
  hardwareOf,
  makeOf,
} from './charter-specimen.ts';
import { namedBytes, namedPoint, namedSecret, namedSigner } from './keys.ts';

/** The clock that `World.create` starts with. */
export const START_MS = 1_750_000_000_000;

/** What a run comes to, if nothing else is said. */
export const MEASURED: Measures = {
  rowsOut: 5,
  bytesOut: 400,
  milliseconds: 1_500,
  peakMemoryBytes: 50_000_000,
};

/** What became of submitted bytes. */
export interface Submitted {
  readonly outcome: Outcome;
  readonly bytes: Uint8Array;
  /** Absent when the bytes were no event. */
  readonly event?: AnyEvent;
}

/** A node with its keys and its accepted join. */
export interface Node {
  readonly signer: Signer;
  /** Event id of the join. */
  readonly id: Uint8Array;
  readonly body: Said<'join'>;
  /** Private key of `body.hpke`. */
  readonly hpkeSecret: Uint8Array;
}

export interface FormedEpoch {
  readonly id: Uint8Array;
  readonly nodes: readonly Node[];
  readonly groupKey: Uint8Array;
  readonly dealings: readonly Dealing[];
}

/** Quotes for a join and stores what it gets; answers the digest of the evidence. */
export type EvidenceOf = (signing: Uint8Array, join: Said<'join'>) => Promise<Uint8Array>;

export class World {
  readonly seed: string;
  readonly random: Random;
  readonly charter: CharterBody;
  readonly genesis: Uint8Array;
  state: FoldState;
  /** Every entry submitted, in order. */
  readonly log: Uint8Array[] = [];
  readonly outcomes: Outcome[] = [];
  /** Keepers that have joined here, by join. */
  readonly keepers = new Map<string, Node>();
  /** Evidence of a node, its digest: by default a digest of nothing. */
  evidenceOf: EvidenceOf | undefined;
  private names = 0;

  constructor(options: CharterOptions = {}, charter: CharterBody = charterSpecimen(options)) {
    this.seed = options.seed ?? 'specimen';
    this.random = { bytes: (length) => this.drawBytes(length) };
    this.charter = charter;
    this.genesis = nodeCrypto.digest('sha256', encodeEvent(null, 'charter', charter));
    this.state = emptyState(this.genesis);
  }

  /** A founded world whose clock runs. */
  static async create(options: CharterOptions = {}): Promise<World> {
    const world = new World(options);
    await world.found();
    await world.tickAll(START_MS);
    return world;
  }

  /** A world of its own that has come as far as this one; what happens in it stays there. */
  fork(): World {
    const copy = new World({ seed: this.seed }, this.charter);
    copy.state = cloneState(this.state);
    copy.log.push(...this.log);
    copy.outcomes.push(...this.outcomes);
    copy.names = this.names;
    for (const [join, node] of this.keepers) copy.keepers.set(join, node);
    copy.evidenceOf = this.evidenceOf;
    return copy;
  }

  /** The charter in force, or the one that will be. */
  get inForce(): CharterBody {
    return this.state.charter ?? this.charter;
  }

  /** A fresh name, so that whatever is derived from it is fresh. */
  fresh(what: string): string {
    this.names += 1;
    return `${what}-${this.names}`;
  }

  freshBytes(length: number): Uint8Array<ArrayBuffer> {
    return namedBytes(this.seed, this.fresh('bytes')).slice(0, length);
  }

  private drawBytes(length: number): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += 32) {
      out.set(this.freshBytes(Math.min(32, length - at)), at);
    }
    return out;
  }

  identity(member: string): Signer {
    return namedSigner(this.seed, `${member}/identity`);
  }

  witness(member: string): Signer {
    return namedSigner(this.seed, `${member}/witness`);
  }

  operator(id: string): Signer {
    return namedSigner(this.seed, `${id}/operator`);
  }

  /** A statement takes its place as the state stands; a tick is signed at the newest head. */
  sign<K extends EventKind>(signer: Signer, kind: K, said: Said<K>): Promise<Uint8Array> {
    const genesis = kind === 'charter' ? null : this.genesis;
    const body = placed(this.state, signer.key, { kind, said });
    return signEvent(signer, 'specimen', { genesis, kind, body });
  }

  /** Takes the next position of the log. */
  async submit(bytes: Uint8Array): Promise<Submitted> {
    const { outcome, event } = await foldEntry(this.state, bytes, nodeCrypto);
    this.log.push(bytes);
    this.outcomes.push(outcome);
    return event === undefined ? { outcome, bytes } : { outcome, bytes, event };
  }

  /** Begins anew from these entries, in their order. */
  async follow(entries: readonly Uint8Array[]): Promise<void> {
    this.state = emptyState(this.genesis);
    this.log.length = 0;
    this.outcomes.length = 0;
    for (const entry of entries) await this.submit(entry);
  }

  /** Signs and submits. */
  async put<K extends EventKind>(signer: Signer, kind: K, body: Said<K>): Promise<Submitted> {
    return this.submit(await this.sign(signer, kind, body));
  }

  /** Signs and submits what must be accepted; answers the event id. */
  async must<K extends EventKind>(signer: Signer, kind: K, body: Said<K>): Promise<Uint8Array> {
    return accepted(await this.put(signer, kind, body));
  }

  async found(): Promise<void> {
    for (const { id } of this.charter.members) {
      await this.must(this.identity(id), 'charter', this.charter);
    }
  }

  /** All witnesses tick, so that the clock is `time`. */
  async tickAll(time: number): Promise<void> {
    for (const { id } of this.charter.members) await this.must(this.witness(id), 'tick', { time });
  }

  /** A join's body for the machine of `operator`; keeper machines take turns among the makes. */
  joinBody(
    operator: string,
    role: 'keeper' | 'worker',
    name: string,
    { task, run }: { task?: Uint8Array; run?: Uint8Array } = {},
  ): Said<'join'> {
    const index = this.charter.operators.findIndex((o) => o.id === operator);
    const { make } = makeOf(role === 'keeper' ? index : 0);
    const machine = this.charter.operators[index]?.hardware[role === 'keeper' ? 0 : 1];
    const id = environmentId(role, make);
    const environment = this.inForce.environments.find((e) => e.id === id);
    const [pinned] = environment?.measurements ?? [];
    return {
      role,
      operator,
      charter: this.inForce.version,
      environment: id,
      hardware: machine?.id ?? hardwareOf(this.seed, operator, role),
      measurement: pinned?.measurement ?? namedBytes(this.seed, `measurement/${role}/${make}`),
      ...(task && { task }),
      ...(run && { run }),
      tls: namedBytes(this.seed, `${name}/tls`),
      hpke: namedPoint(this.seed, `${name}/hpke`),
      evidence: namedBytes(this.seed, `${name}/evidence`),
      checkpoint: namedBytes(this.seed, `${name}/checkpoint`),
    };
  }

  /** Bytes of a join, signed by the node and its operator. */
  async joinBytes(node: Signer, body: Said<'join'>): Promise<Uint8Array> {
    const inner = await this.sign(node, 'join', body);
    return countersignJoin(this.operator(body.operator), body.operator, inner);
  }

  async joinKeeper(operator: string): Promise<Node> {
    const name = this.fresh(`keeper/${operator}`);
    const signer = namedSigner(this.seed, name);
    const plain = this.joinBody(operator, 'keeper', name);
    const evidence = (await this.evidenceOf?.(signer.key, plain)) ?? plain.evidence;
    const body = { ...plain, evidence };
    const id = accepted(await this.submit(await this.joinBytes(signer, body)));
    const node = { signer, id, body, hpkeSecret: namedSecret(this.seed, `${name}/hpke`) };
    this.keepers.set(toHex(id), node);
    return node;
  }

  /** A worker's join with fresh keys and run, submitted whatever becomes of it. */
  async tryJoinWorker(
    operator: string,
    task: Uint8Array,
    change: Partial<EventBody<'join'>> = {},
  ): Promise<{ submitted: Submitted; node: Node }> {
    const name = this.fresh(`worker/${operator}`);
    const signer = namedSigner(this.seed, name);
    const asked = { task, run: this.freshBytes(16), operator, ...change } as RunTicket;
    const ticket = await this.ticket(asked);
    const plain = { ...this.joinBody(operator, 'worker', name, asked), ticket, ...change };
    const shown = change.evidence ?? (await this.evidenceOf?.(signer.key, plain));
    const own = shown === undefined ? plain : { ...plain, evidence: shown };
    const body = change.ticket === undefined && 'ticket' in change ? without(own, 'ticket') : own;
    const submitted = await this.submit(await this.joinBytes(signer, body));
    const id = submitted.event?.id ?? new Uint8Array(32);
    const hpkeSecret = namedSecret(this.seed, `${name}/hpke`);
    return { submitted, node: { signer, id, body, hpkeSecret } };
  }

  /** A ticket of the task's proposer, good for a day. */
  ticket(
    of: Pick<RunTicket, 'task' | 'run' | 'operator' | 'place' | 'versions'>,
    signer?: Signer,
  ): Promise<Uint8Array> {
    const { genesis } = this;
    const { task, run, operator, place, versions } = of;
    const until = this.state.clock + 86_400_000;
    const asked = { ...(place !== undefined && { place }), ...(versions && { versions }) };
    const ticket = { task, run, operator, until, ...asked };
    const proposer = this.state.tasks.get(toHex(task))?.proposer ?? 'bank';
    return signRunTicket(signer ?? this.identity(proposer), proposer, { genesis, ticket });
  }

  async joinWorker(operator: string, task: Uint8Array): Promise<Node> {
    const { submitted, node } = await this.tryJoinWorker(operator, task);
    accepted(submitted);
    return node;
  }

  /** Keepers join, commit, reveal and acknowledge: a new key in the seats of these operators. */
  async formEpoch(operators?: readonly string[]): Promise<FormedEpoch> {
    const nodes: Node[] = [];
    const { seats } = this.charter.keepers;
    const names = operators ?? this.charter.operators.map((o) => o.id).slice(0, seats);
    for (const operator of names) nodes.push(await this.joinKeeper(operator));
    const joins = nodes.map((node) => node.id);
    return this.runEpoch(await this.nameEpoch({ joins }), nodes);
  }

  /** A member proposes an epoch, others agree, and it begins to form. */
  async nameEpoch(
    body: Said<'epoch'>,
    by = this.charter.members[0]?.id ?? '',
  ): Promise<Uint8Array> {
    const id = await this.must(this.identity(by), 'epoch', body);
    await this.agreeTo(id, by);
    return id;
  }

  /** As many members as must want an epoch do, and their witnesses tick. */
  async agreeTo(epoch: Uint8Array, by: string): Promise<void> {
    const { members, witnesses } = this.charter;
    const others = members.map(({ id }) => id).filter((id) => id !== by);
    const some = [by, ...others].slice(0, witnesses.quorum);
    for (const id of some.slice(1)) await this.must(this.identity(id), 'consent', { epoch });
    for (const id of some) await this.must(this.witness(id), 'tick', { time: this.state.clock });
  }

  /** The three phases of an accepted epoch event for a new key. */
  async runEpoch(id: Uint8Array, nodes: readonly Node[]): Promise<FormedEpoch> {
    const dealings = this.deal(id, nodes.length);
    for (const [i, node] of nodes.entries()) {
      await this.must(node.signer, 'commit', this.commitBody(id, i + 1, dealings[i]));
    }
    for (const [i, node] of nodes.entries()) {
      await this.must(node.signer, 'reveal', this.revealBody(id, i + 1, dealings, nodes.length));
    }
    const reveals = dealings.map((dealing) => parseReveal(dealing.reveal));
    const groupKey = groupKeyOf(reveals);
    const transcript = transcriptHash({ reveals, n: nodes.length });
    for (const [i, node] of nodes.entries()) {
      const body = { epoch: id, seat: i + 1, transcript, groupKey };
      await this.must(node.signer, 'ack', body);
    }
    return { id, nodes, groupKey, dealings };
  }

  /**
   * Shares of `formed` dealt again to these nodes, some of which hold seats in it: an epoch event
   * with `from`, the dealers' commits and reveals, everyone's acknowledgement.
   */
  async reshare(formed: FormedEpoch, nodes: readonly Node[]): Promise<FormedEpoch> {
    const joins = nodes.map((node) => node.id);
    const id = await this.nameEpoch({ joins, from: formed.id });
    return this.finishReshare(formed, nodes, id);
  }

  /** The three phases of a reshare that has begun to form. */
  async finishReshare(
    formed: FormedEpoch,
    nodes: readonly Node[],
    id: Uint8Array,
  ): Promise<FormedEpoch> {
    const dealings = this.dealAgain(formed, nodes, id);
    for (const [i, node] of nodes.entries()) {
      const old = formed.nodes.findIndex((one) => toHex(one.id) === toHex(node.id)) + 1;
      await this.must(node.signer, 'commit', this.commitBody(id, i + 1, dealings.get(old)));
    }
    for (const [seat, { reveal }] of dealings) {
      const dealer = formed.nodes[seat - 1] as Node;
      const deals = nodes.map(() => this.freshBytes(32));
      await this.must(dealer.signer, 'reveal', { epoch: id, seat, reveal, deals });
    }
    const reveals = [...dealings.values()].map(({ reveal }) => parseReveal(reveal));
    const groupKey = groupKeyOf(reveals);
    const transcript = transcriptHash({ reveals, n: nodes.length });
    for (const [i, node] of nodes.entries()) {
      await this.must(node.signer, 'ack', { epoch: id, seat: i + 1, transcript, groupKey });
    }
    return { id, nodes, groupKey, dealings: [...dealings.values()] };
  }

  /** The dealings of a reshare, by seat of the epoch that is dealt again. */
  dealAgain(formed: FormedEpoch, nodes: readonly Node[], epoch: Uint8Array): Map<number, Dealing> {
    const { genesis, random } = this;
    const t = this.charter.keepers.threshold;
    const n = nodes.length;
    const stays = new Set(nodes.map((node) => toHex(node.id)));
    const reveals = formed.dealings.map(({ reveal }) => parseReveal(reveal));
    const out = new Map<number, Dealing>();
    for (const [i, holder] of formed.nodes.entries()) {
      if (!stays.has(toHex(holder.id))) continue;
      const seat = i + 1;
      const deals = formed.dealings.map((dealing, from) => {
        const deal = Uint8Array.from((dealing.deals[i] as { deal: Uint8Array }).deal);
        return { dealer: reveals[from]?.seat as number, deal };
      });
      const expected = reveals[0]?.previous === null ? {} : { expectedGroupKey: formed.groupKey };
      const share = combineDeals({ seat, n: formed.nodes.length, reveals, deals, ...expected });
      out.set(seat, createDealing({ genesis, epoch, seat, n, t, random, reshare: share }));
    }
    return out;
  }

  deal(epoch: Uint8Array, n: number): Dealing[] {
    const { genesis, random } = this;
    const t = this.charter.keepers.threshold;
    return Array.from({ length: n }, (_, i) =>
      createDealing({ genesis, epoch, seat: i + 1, n, t, random }),
    );
  }

  /** The private half of the key that a seat of `commitBody` receives deals under. */
  receivingSecret(epoch: Uint8Array, seat: number): Uint8Array<ArrayBuffer> {
    return namedSecret(this.seed, `receiving/${toHex(epoch)}/${seat}`);
  }

  /** What a seat begins an attempt with; without a dealing it does not deal. */
  commitBody(epoch: Uint8Array, seat: number, dealing?: Dealing): EventBody<'commit'> {
    const receive = namedPoint(this.seed, `receiving/${toHex(epoch)}/${seat}`);
    return { epoch, seat, receive, ...(dealing === undefined ? {} : { hash: dealing.commit }) };
  }

  revealBody(
    epoch: Uint8Array,
    seat: number,
    dealings: readonly Dealing[],
    n: number,
  ): EventBody<'reveal'> {
    const deals = Array.from({ length: n }, (_, i) => namedBytes(this.seed, `deal/${seat}/${i}`));
    return { epoch, seat, reveal: (dealings[seat - 1] as Dealing).reveal, deals };
  }

  /** A dataset's body, sealed to the active group key. */
  datasetBody(change: Partial<EventBody<'dataset'>> = {}): Said<'dataset'> {
    const active = this.state.epochs.get(this.state.activeEpoch ?? '');
    return {
      dataset: this.freshBytes(16),
      version: 1,
      kind: 'table',
      groupKey: active?.groupKey ?? namedPoint(this.seed, 'no-group-key'),
      rows: 1_000,
      files: { manifest: this.freshBytes(32), count: 1, length: 65_536 },
      columns: [0, 1, 2, 3].map((id) => ({ id, sealed: this.freshBytes(32) })),
      schema: this.freshBytes(32),
      policy: this.freshBytes(32),
      openings: this.freshBytes(32),
      price: { currency: 'EUR', run: 2_000_000, row: 100, gigabyte: 5_000_000, second: 1_000 },
      approvals: 1,
      ...change,
    };
  }

  async addDataset(
    owner: string,
    change: Partial<EventBody<'dataset'>> = {},
  ): Promise<Said<'dataset'>> {
    const body = this.datasetBody(change);
    await this.must(this.identity(owner), 'dataset', body);
    return body;
  }

  /** A task over columns 1 and 2 of each dataset, at the datasets' prices. */
  taskBody(
    datasets: readonly Said<'dataset'>[],
    change: Partial<EventBody<'task'>> = {},
  ): Said<'task'> {
    const recipient = this.charter.members[0]?.id ?? '';
    const measurement = namedBytes(this.seed, 'measurement/worker/sgx');
    return {
      engine: 'duckdb',
      statements: 1,
      budget: 0,
      code: this.freshBytes(32),
      parameters: this.freshBytes(32),
      uses: this.freshBytes(32),
      purpose: this.freshBytes(32),
      inputs: datasets.map(({ dataset, version }) => ({ dataset, version, columns: [1, 2] })),
      outputs: [
        { id: 1, recipients: [recipient] },
        { id: 2, recipients: [recipient] },
      ],
      worker: { measurements: [measurement], operators: this.inForce.operators.map((o) => o.id) },
      until: this.state.clock + 90 * 86_400_000,
      prices: datasets.map(({ price }) => price),
      openings: this.freshBytes(32),
      ...change,
    };
  }

  async propose(
    proposer: string,
    datasets: readonly Said<'dataset'>[],
    change: Partial<EventBody<'task'>> = {},
  ): Promise<Uint8Array> {
    return this.must(this.identity(proposer), 'task', this.taskBody(datasets, change));
  }

  /** A grant of columns 1 and 2, for two runs within an hour, by a person not seen before. */
  approveBody(
    task: Uint8Array,
    datasets: readonly Said<'dataset'>[],
    change: Partial<EventBody<'approve'>> = {},
  ): Said<'approve'> {
    return {
      task,
      inputs: datasets.map(({ dataset, version }) => ({ dataset, version, columns: [1, 2] })),
      statements: this.state.tasks.get(toHex(task))?.body.statements ?? 1,
      budget: 0,
      runs: 2,
      from: this.state.clock,
      until: this.state.clock + 3_600_000,
      person: this.freshBytes(32),
      ...change,
    };
  }

  async approve(
    owner: string,
    task: Uint8Array,
    datasets: readonly Said<'dataset'>[],
    change: Partial<EventBody<'approve'>> = {},
  ): Promise<Uint8Array> {
    return this.must(this.identity(owner), 'approve', this.approveBody(task, datasets, change));
  }

  /** A usage record of a run that read every row, with the receipts of t seats. */
  async usageBody(
    node: Node,
    change: Partial<EventBody<'usage'>> = {},
    measures: Measures = MEASURED,
  ): Promise<Said<'usage'>> {
    const { task, run } = node.body;
    const known = this.state.tasks.get(toHex(task ?? new Uint8Array()));
    const { versions = [] } = this.state.runs.get(toHex(run ?? new Uint8Array())) ?? {};
    const asked = known === undefined ? [] : inputsRead(known, versions);
    const inputs = asked.map(({ dataset, version, columns }) => {
      return { dataset, version, columns, rows: 1_000, bytes: 65_536 };
    });
    const plain = {
      task: task ?? new Uint8Array(32),
      run: run ?? new Uint8Array(16),
      join: node.id,
      epoch: hexBytes(this.state.activeEpoch ?? ''),
      inputs,
      result: namedBytes(this.seed, 'result'),
      cage: 'process' as const,
      ...(await this.sealed(measures)),
      ...change,
    };
    return { ...plain, receipts: change.receipts ?? (await this.receipts(plain)) };
  }

  /** Measures as a record says them, sealed to every member. */
  sealed(measures: Measures): Promise<MeasuresSaid> {
    const { genesis, random, charter } = this;
    const aad = new Uint8Array(0);
    return sealMeasures({
      ...{ genesis, measures, random, crypto: nodeCrypto, recipients: charter.members },
      seal: (publicKey, info, plaintext) => hpkeSeal({ publicKey, info, aad, plaintext, random }),
    });
  }

  /** What the first t seats of the record's epoch sign when they open for its run. */
  receipts(
    usage: Omit<Said<'usage'>, 'receipts'>,
    change: Partial<OpeningReceipt> = {},
  ): Promise<Uint8Array[]> {
    const { task, run, epoch, inputs } = usage;
    const { genesis, state } = this;
    const found = state.epochs.get(toHex(epoch)) ?? state.epochs.get(state.activeEpoch ?? '');
    const places = [...(state.runs.get(toHex(run))?.roster ?? [[1, toHex(usage.join)]])];
    const roster = places
      .sort(([a], [b]) => Number(a) - Number(b))
      .map(([, key]) => hexBytes(`${key}`));
    const columns = columnsDigest(inputs, nodeCrypto);
    const about = {
      task,
      run,
      epoch,
      roster,
      columns,
      parts: [],
      size: state.seq,
    };
    return Promise.all(
      (found?.joins ?? []).slice(0, found?.threshold).map((join, i) => {
        const keeper = this.keepers.get(join);
        if (keeper === undefined) throw new Error('a seat is not held by a keeper of this world');
        const receipt = { ...about, seat: i + 1, ...change };
        return signReceipt(keeper.signer, 'keeper', { genesis, receipt });
      }),
    );
  }

  async recordUsage(node: Node, change: Partial<EventBody<'usage'>> = {}): Promise<Uint8Array> {
    return this.must(node.signer, 'usage', await this.usageBody(node, change));
  }

  async release(node: Node, usage: Uint8Array): Promise<Uint8Array> {
    const { task = new Uint8Array(32), run = new Uint8Array(16) } = node.body;
    return this.must(node.signer, 'released', { task, run, usage });
  }
}

/** The event id of what must have been accepted. */
export function accepted({ outcome, event }: Submitted): Uint8Array {
  if (outcome.status === 'void') throw new Error(`void: ${outcome.code}: ${outcome.sentence}`);
  if (event === undefined) throw new Error('an accepted outcome without its event');
  return event.id;
}

function without<T extends object, K extends keyof T>(of: T, key: K): T {
  const { [key]: _, ...rest } = of;
  return rest as T;
}

function hexBytes(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16));
}
