// SPDX-License-Identifier: Apache-2.0
// What all actors of one seed share: the network, the true ledger, the blobs, and the truth about
// every node and task, which only the checker and mutants read. Invariant: every key and every
// random byte comes from the seed.
import type { Attester } from '@cloister/attester/node';
import {
  type AnyEvent,
  countersignJoin,
  foldEntry,
  eventId as idOfEvent,
  type Outcome,
} from '@cloister/contract';
import type { Use } from '@cloister/contract/policy';
import { type Signer, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import type { EntryRecord } from '@cloister/gateway/protocol';
import { MerkleTree } from '@cloister/tlog';
import {
  charterSpecimen,
  environmentId,
  hardwareOf,
  makeOf,
  namedBytes,
  START_MS,
  seededRandom,
  World,
} from '../world/index.ts';
import { ADVERSARIES, type Adversary, isBlobHarm, isDropper } from './adversaries.ts';
import { stubEvidence } from './evidence.ts';
import { chooser, Network } from './network.ts';
import { SharedWork } from './shared.ts';
import type { Task } from './truth.ts';

export const MEMBERS = ['insurer', 'hospital', 'bank', 'lab'] as const;
export const CALM_MS = 5_000;
export const END_MS = 30_000;
const EPOCH_PHASE_MS = 2_500;
const RUN_MS = 20_000;
const RELEASE_MS = 1_000;
const ADVERSARY_SALT = 0x5eed;
/** Of ordinary seeds with one more attacker. */
const ADVERSARY_SHARE = 0.6;
/** Of seeds whose attacker was called for. */
const GENTLE_SHARE = 0.75;

/** What is wrong with a node's evidence; `none` for an honest one. */
export type Flaw =
  | 'none'
  | 'measurement'
  | 'debug'
  | 'forged-maker'
  | 'report-data'
  | 'evidence-expired';

/** Where a node runs, as its join has it. */
export interface Place {
  readonly operator: string;
  readonly environment: string;
  readonly hardware: Uint8Array;
  readonly measurement: Uint8Array;
}

/** What a mutant sees in the place of a flaw, and the guard that would have refused the flaw. */
export interface Repair {
  readonly guard: string;
  readonly bytes: Uint8Array;
}

export class Stage {
  readonly label: string;
  readonly network: Network;
  readonly world: World;
  readonly shared: SharedWork;
  /** The guard that is off, if any. */
  readonly mutant: string | undefined;
  /** Who plays beside the attackers that every seed may have. */
  readonly adversary: Adversary | undefined;
  /** The member whose gateway, or whose person, is the adversary. */
  readonly traitor: string;
  /** No bad weather: what goes wrong is somebody's doing. */
  readonly gentle: boolean;
  readonly tree: MerkleTree;
  /** Of all honest gateways together, by digest. */
  readonly blobs = new Map<string, Uint8Array>();
  /** On the disk of each, where it matters which. */
  readonly held = new Map<string, Map<string, Uint8Array>>();
  /** Signing keys of nodes that run where and what they say. */
  readonly sound = new Set<string>();
  /** Signing keys of keepers that do what a keeper does. */
  readonly honestKeepers = new Set<string>();
  /** Signing keys of nodes whose process is gone. */
  readonly dead = new Set<string>();
  /** Signing keys of workers that do what a worker does, for tasks that are what they say. */
  readonly honestWorkers = new Set<string>();
  /** Digests of charters that as many members want as must. */
  readonly wantedCharters = new Set<string>();
  /** Signing keys of nodes that run where the data's owner has not agreed that any may. */
  readonly unagreed = new Set<string>();
  /** Epochs with a seat that an owner of data under their key has not agreed to. */
  readonly unagreedEpochs = new Set<string>();
  /** Members whose witness has its second key. */
  readonly rotated = new Set<string>();
  /** How many entries each node has folded. */
  readonly followed = new Map<string, number>();
  /** Epochs that an honest member proposed. */
  readonly wanted = new Set<string>();
  /** Names of all keepers so far. */
  readonly keepers: string[] = [];
  readonly tasks = new Map<string, Task>();
  /** What each task's code really does with the columns. */
  readonly plans = new Map<string, readonly Use[]>();
  /** Joins whose worker shows openings that were never committed to. */
  readonly swapped = new Set<string>();
  /** Signing keys of workers that no proposer has asked for a run. */
  readonly uninvited = new Set<string>();
  /** Digests of deals that do not fit their dealer's commitments. */
  readonly wrongDeals = new Set<string>();
  /** Witness and text of every freshness note that was really signed. */
  readonly issued = new Set<string>();
  /** Signatures of receipts that no keeper gave. */
  readonly unsigned = new Set<string>();
  readonly repairs = new Map<string, Repair>();
  /** Digests of results, with their run. */
  readonly results = new Map<string, string>();
  readonly violations: string[] = [];
  /** Told of every event that the ledger has ordered. */
  onOrdered: (event: AnyEvent | undefined, outcome: Outcome, bytes: Uint8Array) => void = () => {};
  /** Told of what gateways append, before it has a place. */
  overtake: (bytes: Uint8Array) => Promise<void> = async () => {};
  /** Told of what became of an event in the fold of a member's gateway. */
  folded: (member: string, record: EntryRecord) => void = () => {};
  /** Told from where on the ledger has something new. */
  onNews: (from: number) => void = () => {};
  /** Told of what the witnesses of honest gateways sign. */
  signed: (member: string, head: { size: number; root: Uint8Array }) => void = () => {};
  /** Told of the size of a head that an honest gateway has with a quorum on it. */
  gathered: (member: string, size: number) => void = () => {};
  readonly #outcomes = new Map<string, Outcome>();

  constructor(
    seed: number,
    { mutant, adversary }: { mutant?: string | undefined; adversary?: Adversary | undefined } = {},
  ) {
    this.label = `sim-${seed}`;
    this.mutant = mutant;
    // Drawn apart, so that whoever plays leaves the rest of the seed as it was.
    const draw = chooser(seed + ADVERSARY_SALT);
    const plays =
      draw() < ADVERSARY_SHARE ? ADVERSARIES[Math.floor(draw() * ADVERSARIES.length)] : undefined;
    this.adversary = adversary ?? plays;
    this.traitor = MEMBERS[Math.floor(draw() * MEMBERS.length)] as string;
    this.gentle = adversary !== undefined && draw() < GENTLE_SHARE;
    this.network = new Network(seed, this.gentle ? 0 : CALM_MS);
    this.shared = new SharedWork(this.label, (work) => this.network.hold(work));
    this.tree = new MerkleTree(this.shared.crypto);
    const plain = { seed: this.label, members: MEMBERS, seats: 3, threshold: 2, vendors: 2 };
    const spares = this.adversary === 'spare-chain' ? ['lab', 'insurer'] : [];
    const faulty = this.adversary === 'future-tick' ? { faulty: 0 } : {};
    const options = { ...plain, ...faulty, spares };
    const deadlines = { epochPhase: EPOCH_PHASE_MS, run: RUN_MS, release: RELEASE_MS };
    this.world = new World(options, { ...withOtherEngine(options), deadlines });
  }

  get clock() {
    return { now: () => START_MS + this.network.now };
  }

  off(guard: string): boolean {
    return this.mutant === guard;
  }

  violate(what: string): void {
    this.violations.push(`${this.network.now} ms: ${what}`);
  }

  /** The keys of a member: `identity`, `operator`, and the `witness` that it has now. */
  key(member: string, use: 'identity' | 'witness' | 'operator'): Signer {
    const again = use === 'witness' && this.rotated.has(member) ? '-2' : '';
    return this.shared.signer(`${member}/${use}${again}`);
  }

  /** Puts an event on the true ledger; the same bytes have one place. */
  async order(bytes: Uint8Array): Promise<Outcome> {
    const name = this.shared.nameOf(bytes);
    return this.#outcomes.get(name) ?? this.orderAgain(bytes);
  }

  /** As `order`, but it takes a place whether it has one or not. */
  async orderAgain(bytes: Uint8Array): Promise<Outcome> {
    const name = this.shared.nameOf(bytes);
    const { world, shared, tree } = this;
    const { outcome, event } = await foldEntry(world.state, bytes, shared.crypto, shared.admission);
    world.log.push(bytes);
    world.outcomes.push(outcome);
    tree.append(bytes);
    this.#outcomes.set(name, outcome);
    this.onNews(outcome.seq);
    this.onOrdered(event, outcome, bytes);
    return outcome;
  }

  /** Gateways in the order in which a node knows them: a bad one may come first. */
  gatewaysFor(): readonly string[] {
    const { adversary, traitor, network } = this;
    const names: readonly string[] = MEMBERS;
    const drawn = Math.floor(network.choose() * names.length);
    const may = isDropper(adversary) || isBlobHarm(adversary);
    const always = adversary === 'stale-first' || adversary === 'answers-slowly';
    const leads = always || (may && network.choose() < 0.5);
    const first = leads ? names.indexOf(traitor) : drawn;
    return [...names.slice(first), ...names.slice(0, first)];
  }

  putBlob(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const digest = nodeCrypto.digest('sha256', bytes);
    this.blobs.set(toHex(digest), bytes);
    return digest;
  }

  /**
   * The hardware under a node, and its operator. A flawed one quotes what an attacker could have
   * quoted instead.
   */
  attester(
    of: { operator: string; role: 'keeper' | 'worker'; flaw: Flaw } & Partial<Place>,
  ): Attester {
    const { operator, role, flaw } = of;
    const { world } = this;
    const id = this.environment(operator, role);
    const environment = world.charter.environments.find((e) => e.id === id);
    const tee = (environment?.tee ?? 'op-tee') as Attester['tee'];
    const pinned = environment?.measurements[0]?.measurement as Uint8Array;
    const right = of.measurement ?? pinned;
    const measured = flaw === 'measurement' ? namedBytes('other', 'program') : right;
    const signer = this.key(operator, 'operator');
    return {
      tee,
      reportDataLength: 64,
      hardware: of.hardware ?? hardwareOf(world.seed, operator, role),
      measurement: right,
      quote: async (data) => ({
        evidence: stubEvidence(flaw === 'forged-maker' ? 'another maker' : tee, {
          measurement: toHex(measured),
          debug: flaw === 'debug',
          until: flaw === 'evidence-expired' ? START_MS - 1 : START_MS + 86_400_000,
          reportData: toHex(flaw === 'report-data' ? namedBytes('other', 'keys') : data),
        }),
      }),
      signJoin: (join) => countersignJoin(signer, operator, join),
    };
  }

  environment(operator: string, role: 'keeper' | 'worker'): string {
    const { charter, inForce } = this.world;
    const all = [...charter.operators, ...inForce.operators].map(({ id }) => id);
    const index = [...new Set(all)].indexOf(operator);
    return environmentId(role, makeOf(role === 'keeper' ? index : 0).make);
  }

  random(name: string) {
    return seededRandom(`${this.label}/${name}`);
  }
}

/** The measurement of a worker with another engine than the one that runs here. */
export const OTHER_WORKER = namedBytes('other-engine', 'worker');

/** The specimen, and an environment whose workers hold another engine. */
function withOtherEngine(options: Parameters<typeof charterSpecimen>[0]) {
  const charter = charterSpecimen(options);
  const own = charter.environments.filter(({ role }) => role === 'worker');
  const other = own.map((environment) => ({
    ...environment,
    id: 'worker-other',
    measurements: [{ measurement: OTHER_WORKER, source: 'another', recipe: 'another' }],
    engines: ['spark'],
  }));
  return { ...charter, environments: [...charter.environments, ...other] };
}

/** The id of an event's bytes. */
export function eventId(event: Uint8Array): Uint8Array {
  return idOfEvent(event, nodeCrypto);
}

export function fromHexKey(hex: string): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, 'hex'));
}
