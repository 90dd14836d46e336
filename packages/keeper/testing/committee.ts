// SPDX-License-Identifier: Apache-2.0
// Everything around keepers, in this process and for this package's tests: a charter of three
// members with three makes of simulated hardware, a ledger, datasets whose keys are sealed, an
// approved task, a worker with minted evidence. `Committee.create` leaves the ledger founded, with
// collateral; `form` starts keepers and waits until they hold a key.

import { jsonLog } from '@cloister/attested';
import {
  type Duties,
  inProcessAttester,
  MAKES,
  type Make,
  simulatedHardware,
} from '@cloister/attester';
import type { CharterBody, Environment } from '@cloister/contract';
import { type BlobStore, systemClock, systemRandom, systemTimers, utf8 } from '@cloister/core';
import { ephemeralEd25519Signer, nodeCrypto } from '@cloister/core/node';
import { encodeRoot } from '@cloister/evidence';
import {
  createDevelopmentRoot,
  type DevelopmentRoot,
  hardwareIdOf,
  type MintRequest,
  mintEvidence,
  mintParts,
} from '@cloister/evidence/mint';
import { charterSpecimen, START_MS, World } from '@cloister/testkit/world';
import { Keeper, type KeeperOptions, keeperParts } from '../src/keeper.ts';
import type { KeeperParts } from '../src/ports.ts';
import { MemoryBlobs, MemoryLedger } from './ledger.ts';

export const OPERATORS: Readonly<Record<string, Make>> = {
  insurer: 'sgx',
  hospital: 'snp',
  bank: 'optee',
};
export const KEEPER_PROGRAM = utf8('the keeper of these tests');
export const WORKER_PROGRAM = utf8('the worker of these tests');
const FAMILIES = { sgx: 'intel', snp: 'amd', optee: 'op-tee:bank' } as const;

const roots = new Map<Make, DevelopmentRoot>();

/** One development root a make for the whole test process: making RSA keys is slow. */
export function rootOf(make: Make): DevelopmentRoot {
  const known = roots.get(make) ?? createDevelopmentRoot(MAKES[make], { enrolledBy: 'bank' });
  roots.set(make, known);
  return known;
}

export function hardwareOf(make: Make, program: Uint8Array) {
  return simulatedHardware({ make, developmentRoot: rootOf(make), program, clock: TEST_CLOCK });
}

/** A machine of this make that mints its evidence with something changed. */
export function mintingHardware(
  make: Make,
  change: Partial<MintRequest>,
  program: Uint8Array = KEEPER_PROGRAM,
) {
  const real = hardwareOf(make, program);
  const { measurement, hardware: hardwareId } = real;
  const quote = async (reportData: Uint8Array) => {
    const about = { root: rootOf(make), measurement, reportData, hardwareId, at: TEST_CLOCK.time };
    return mintEvidence({ ...about, ...change }).bytes;
  };
  return { ...real, quote };
}

/** What evidence is minted by; `Committee.create` sets it. */
export const TEST_CLOCK = { time: START_MS, now: () => TEST_CLOCK.time };

function environment(
  role: 'keeper' | 'worker',
  make: Make,
  { keeperMeasurements: given, minimumSvn = {} }: CommitteeOptions = {},
): Environment {
  const program = role === 'keeper' ? KEEPER_PROGRAM : WORKER_PROGRAM;
  const measurement = given?.[make] ?? hardwareOf(make, program).measurement;
  return {
    id: `${role}-${make}`,
    role,
    tee: MAKES[make],
    family: FAMILIES[make],
    root: nodeCrypto.digest('sha256', encodeRoot(rootOf(make).root)),
    rootKey: nodeCrypto.digest('sha256', rootOf(make).root.key),
    evaluation: { least: 0 },
    trust: 'simulated',
    measurements: [{ measurement, source: 'commit 0', recipe: 'none' }],
    tcb: make === 'sgx' ? ['UpToDate'] : ['UpToDate', 'Unrated'],
    advisories: [],
    minimumSvn: minimumSvn[make] ?? 'any',
    signers: [],
    cage: role === 'worker' ? 'process' : 'none',
    engines: role === 'worker' ? ['duckdb'] : [],
    also: [],
  };
}

function testCharter(options: CommitteeOptions): CharterBody {
  const charter = charterSpecimen();
  const makes = Object.values(OPERATORS);
  const phase = options.epochPhaseMs === undefined ? {} : { epochPhase: options.epochPhaseMs };
  return {
    ...charter,
    deadlines: { ...charter.deadlines, ...phase },
    witnesses: { faulty: 1, quorum: 3 },
    operators: charter.operators.map((operator) => {
      const make = OPERATORS[operator.id] as Make;
      return { ...operator, hardware: [{ tee: MAKES[make], id: hardwareIdOf(rootOf(make)) }] };
    }),
    environments: [
      ...makes.map((make) => environment('keeper', make, options)),
      environment('worker', 'sgx'),
    ],
  };
}

export interface CommitteeOptions {
  /** What the ledger's clock begins with; START_MS by default. */
  readonly at?: number;
  /** Measurements of a real keeper program, to pin instead of the tests' own. */
  readonly keeperMeasurements?: Readonly<Record<Make, Uint8Array>>;
  /** How long a phase of a key epoch may last; the specimen's where absent. */
  readonly epochPhaseMs?: number;
  /** Least security versions of the keepers' environments; any by default. */
  readonly minimumSvn?: Readonly<Partial<Record<Make, number>>>;
}

/** What is other than usual about a keeper. */
export interface KeeperChange {
  readonly duties?: Partial<Duties>;
  readonly options?: Partial<KeeperOptions>;
  readonly peers?: MemoryLedger[];
  /** Where it reads blobs; it puts its own in `committee.blobs` as well. */
  readonly blobs?: BlobStore;
  readonly receivingKey?: KeeperParts['receivingKey'];
}

export class Committee {
  readonly world: World;
  readonly ledger: MemoryLedger;
  readonly blobs = new MemoryBlobs();
  readonly keepers: Keeper[] = [];
  readonly logs: string[] = [];

  private constructor(world: World) {
    this.world = world;
    this.ledger = new MemoryLedger(world);
  }

  static async create(options: CommitteeOptions = {}): Promise<Committee> {
    TEST_CLOCK.time = options.at ?? START_MS;
    const world = new World({}, testCharter(options));
    await world.found();
    await world.tickAll(TEST_CLOCK.time);
    const committee = new Committee(world);
    await committee.addCollateral('sgx');
    await committee.addCollateral('snp');
    for (const make of Object.values(OPERATORS)) {
      await committee.blobs.put(encodeRoot(rootOf(make).root));
    }
    return committee;
  }

  async addCollateral(make: Make, number = 1, change: { status?: string } = {}): Promise<void> {
    const about = { at: TEST_CLOCK.time - 1_000, number, ...change };
    for (const part of mintParts(rootOf(make), about)) {
      const { outcome } = await this.world.put(this.world.identity('bank'), 'collateral', part);
      const known = outcome.status === 'void' && outcome.code === 'collateral-not-newer';
      if (outcome.status === 'void' && !known) throw new Error(outcome.sentence);
    }
  }

  duties(operator: string, role: 'keeper' | 'worker', change: Partial<Duties> = {}): Duties {
    const make = role === 'keeper' ? (OPERATORS[operator] as Make) : 'sgx';
    const program = role === 'keeper' ? KEEPER_PROGRAM : WORKER_PROGRAM;
    return {
      hardware: hardwareOf(make, program),
      role,
      operator: { id: operator, signer: this.world.operator(operator) },
      genesis: this.world.genesis,
      environment: `${role}-${make}`,
      ...change,
    };
  }

  /** A keeper that has not been started. */
  keeper(operator: string, change: KeeperChange = {}): Keeper {
    const duties = this.duties(operator, 'keeper', change.duties);
    const options: KeeperOptions = {
      name: `keeper-${operator}`,
      genesis: this.world.genesis,
      founding: this.world.charter,
      operator,
      environment: duties.environment,
      patienceMs: 5_000,
      ...change.options,
    };
    const ports = {
      crypto: nodeCrypto,
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      attester: inProcessAttester(duties),
      signer: ephemeralEd25519Signer(),
      peers: change.peers ?? [this.ledger],
      blobs: change.blobs ?? this.blobs,
      blobsOf: [this.blobs],
      log: jsonLog(systemClock, operator, (line) => this.logs.push(line)),
    };
    const parts = keeperParts(options, ports);
    const { receivingKey = parts.receivingKey } = change;
    const keeper = new Keeper(options, ports, { ...parts, receivingKey });
    this.keepers.push(keeper);
    return keeper;
  }

  /** Three keepers join and form an epoch; resolves when all hold their shares. */
  async form(changes: Readonly<Record<string, KeeperChange>> = {}): Promise<void> {
    const keepers = Object.keys(OPERATORS).map((id) => this.keeper(id, changes[id]));
    await Promise.all(keepers.map((keeper) => keeper.start()));
    await this.proposeEpoch(keepers);
    await until(() => keepers.every((keeper) => keeper.state === 'holding'), 'an active epoch');
  }

  async proposeEpoch(keepers: readonly Keeper[], by = 'bank'): Promise<Uint8Array> {
    const joins = keepers.map((keeper) => keeper.join as Uint8Array);
    return this.world.nameEpoch({ joins }, by);
  }

  async stop(): Promise<void> {
    await Promise.all(this.keepers.map((keeper) => keeper.stop()));
  }

  get groupKey(): Uint8Array {
    const { activeEpoch, epochs } = this.world.state;
    return epochs.get(activeEpoch ?? '')?.groupKey as Uint8Array;
  }
}

/** Polls until `condition` holds; fails after five seconds with what was waited for. */
export async function until(condition: () => boolean, what: string, ms = 5_000): Promise<void> {
  const end = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`gave up waiting for ${what}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}
