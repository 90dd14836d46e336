// SPDX-License-Identifier: Apache-2.0
// Everything around keepers, in this process and for this package's tests: a charter of three
// members with three makes of simulated hardware, a ledger, datasets whose keys are sealed, an
// approved task, a worker with minted evidence. `Committee.create` leaves the ledger founded, with
// collateral; `form` starts keepers and waits until they hold a key.
import {
  type Duties,
  inProcessAttester,
  MAKES,
  type Make,
  simulatedHardware,
} from '@cloister/attester';
import {
  type CharterBody,
  commitTo,
  countersignJoin,
  type Environment,
  type EventBody,
  encodeParameters,
  encodeSchema,
  encodeTaskOpenings,
  openingsInfo,
  reportData,
  type TaskOpenings,
} from '@cloister/contract';
import { encodePolicy, encodeUses, type Policy, type Use } from '@cloister/contract/policy';
import { accepted, charterSpecimen, START_MS, World } from '@cloister/contract/testing';
import { type Signer, systemClock, systemRandom, utf8 } from '@cloister/core';
import { ephemeralEd25519Signer, nodeCrypto } from '@cloister/core/node';
import { encodeCollateral, encodeRoot } from '@cloister/evidence';
import {
  createDevelopmentRoot,
  type DevelopmentRoot,
  hardwareIdOf,
  mintCollateral,
} from '@cloister/evidence/mint';
import { encodeLabel } from '@cloister/threshold';
import {
  generateHpkeKeyPair,
  type HpkeKeyPair,
  hpkeSeal,
  sealMasterKey,
} from '@cloister/threshold/node';
import { Keeper, type KeeperOptions } from '../keeper.ts';
import { jsonLog } from '../log.ts';
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

/** What evidence is minted by; `Committee.create` sets it. */
export const TEST_CLOCK = { time: START_MS, now: () => TEST_CLOCK.time };

function environment(
  role: 'keeper' | 'worker',
  make: Make,
  given?: Readonly<Record<Make, Uint8Array>>,
): Environment {
  const program = role === 'keeper' ? KEEPER_PROGRAM : WORKER_PROGRAM;
  const measurement = given?.[make] ?? hardwareOf(make, program).measurement;
  return {
    id: `${role}-${make}`,
    role,
    tee: MAKES[make],
    family: FAMILIES[make],
    root: nodeCrypto.digest('sha256', encodeRoot(rootOf(make).root)),
    trust: 'simulated',
    measurements: [{ measurement, source: 'commit 0', recipe: 'none' }],
    tcb: make === 'sgx' ? ['UpToDate'] : ['UpToDate', 'Unrated'],
    advisories: [],
    minimumSvn: 'any',
  };
}

function testCharter(options: CommitteeOptions): CharterBody {
  const charter = charterSpecimen();
  const makes = Object.values(OPERATORS);
  return {
    ...charter,
    witnesses: { faulty: 1, quorum: 3 },
    operators: charter.operators.map((operator) => {
      const make = OPERATORS[operator.id] as Make;
      return { ...operator, hardware: [{ tee: MAKES[make], id: hardwareIdOf(rootOf(make)) }] };
    }),
    environments: [
      ...makes.map((make) => environment('keeper', make, options.keeperMeasurements)),
      environment('worker', 'sgx'),
    ],
  };
}

export interface CommitteeOptions {
  /** What the ledger's clock begins with; START_MS by default. */
  readonly at?: number;
  /** Measurements of a real keeper program, to pin instead of the tests' own. */
  readonly keeperMeasurements?: Readonly<Record<Make, Uint8Array>>;
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

  async addCollateral(make: Make, number = 1): Promise<void> {
    const collateral = mintCollateral(rootOf(make), { at: TEST_CLOCK.time - 1_000, number });
    const digest = await this.blobs.put(encodeCollateral(collateral));
    const { kind: tee, subject } = collateral;
    const body = { tee, subject, number: collateral.number, digest };
    await this.world.must(this.world.identity('bank'), 'collateral', body);
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
  keeper(
    operator: string,
    change: {
      duties?: Partial<Duties>;
      options?: Partial<KeeperOptions>;
      peers?: MemoryLedger[];
    } = {},
  ): Keeper {
    const duties = this.duties(operator, 'keeper', change.duties);
    const keeper = new Keeper(
      {
        name: `keeper-${operator}`,
        genesis: this.world.genesis,
        founding: this.world.charter,
        operator,
        environment: duties.environment,
        patienceMs: 5_000,
        ...change.options,
      },
      {
        crypto: nodeCrypto,
        clock: systemClock,
        random: systemRandom,
        attester: inProcessAttester(duties),
        signer: ephemeralEd25519Signer(),
        peers: change.peers ?? [this.ledger],
        blobs: this.blobs,
        log: jsonLog(systemClock, operator, (line) => this.logs.push(line)),
      },
    );
    this.keepers.push(keeper);
    return keeper;
  }

  /** Three keepers join and form an epoch; resolves when all hold their shares. */
  async form(): Promise<void> {
    const keepers = Object.keys(OPERATORS).map((operator) => this.keeper(operator));
    await Promise.all(keepers.map((keeper) => keeper.start()));
    await this.proposeEpoch(keepers);
    await until(() => keepers.every((keeper) => keeper.state === 'holding'), 'an active epoch');
  }

  async proposeEpoch(keepers: readonly Keeper[], by = 'bank'): Promise<Uint8Array> {
    const joins = keepers.map((keeper) => keeper.join as Uint8Array);
    return this.world.must(this.world.identity(by), 'epoch', { joins });
  }

  async stop(): Promise<void> {
    await Promise.all(this.keepers.map((keeper) => keeper.stop()));
  }

  get groupKey(): Uint8Array {
    const { activeEpoch, epochs } = this.world.state;
    return epochs.get(activeEpoch ?? '')?.groupKey as Uint8Array;
  }
}

/** A dataset on the ledger, and what its owner knows of it. */
export interface TestDataset {
  readonly owner: string;
  readonly body: EventBody<'dataset'>;
  readonly keys: ReadonlyMap<number, Uint8Array>;
  readonly schema: { salt: Uint8Array; value: Uint8Array };
  readonly policy: { salt: Uint8Array; value: Uint8Array };
}

const ports = { crypto: nodeCrypto, random: systemRandom };
const ANY = { for: 'any', purpose: 'any', code: 'any' } as const;

/** Column 1 may be shown, column 2 is hidden, column 3 may be shown. */
export const POLICY: Policy = {
  version: 1,
  k: 'none',
  approvals: 1,
  limits: { runs: 'none', days: 'none' },
  columns: [
    { id: 1, name: 'A', rules: [{ rule: 'reveal', ...ANY }] },
    { id: 2, name: 'B', rules: [{ rule: 'hidden', ...ANY }] },
    { id: 3, name: 'C', rules: [{ rule: 'reveal', ...ANY }] },
  ],
};

/** Registers a dataset of three columns with its keys sealed to the group. */
export async function addDataset(
  committee: Committee,
  owner: string,
  change: { wrongLabelFor?: number } = {},
): Promise<TestDataset> {
  const { world, groupKey, blobs } = committee;
  const columns = POLICY.columns.map(({ id, name }) => ({ id, name, type: 'BIGINT' }));
  const schema = commitTo(encodeSchema({ name: 't', columns }), ports);
  const policy = commitTo(encodePolicy(POLICY), ports);
  const dataset = systemRandom.bytes(16);
  const keys = new Map<number, Uint8Array>();
  const sealed: { id: number; sealed: Uint8Array }[] = [];
  for (const id of [0, 1, 2, 3]) {
    const masterKey = systemRandom.bytes(32);
    keys.set(id, masterKey);
    const column = id === change.wrongLabelFor ? id + 1 : id;
    const about = { genesis: world.genesis, groupKey, owner, dataset, version: 1, column };
    const label = encodeLabel({ ...about, policy: policy.commitment });
    sealed.push({ id, sealed: await blobs.put(sealMasterKey({ groupKey, label, masterKey })) });
  }
  const commitments = { schema: schema.commitment, policy: policy.commitment };
  const body = await world.addDataset(owner, { dataset, columns: sealed, ...commitments });
  return { owner, body, keys, schema: schema.opening, policy: policy.opening };
}

/** A task over columns 1 and 3 of each dataset, with what its proposer knows of it. */
export interface TestTask {
  readonly id: Uint8Array;
  readonly openings: TaskOpenings;
  readonly datasets: readonly TestDataset[];
}

/** Row by row, `columns` of every input shown. */
function showing(columns: readonly number[], inputs: number): Use[] {
  return Array.from({ length: inputs }, (_, input) => [
    {
      input,
      column: 0,
      role: 'output' as const,
      function: 'row-by-row',
      expression: '',
      output: 0,
    },
    ...columns.map((column, i) => ({
      input,
      column,
      role: 'output' as const,
      function: '',
      expression: `#${column}`,
      output: i + 1,
    })),
  ]).flat();
}

export async function proposeTask(
  committee: Committee,
  datasets: readonly TestDataset[],
  change: {
    /** Columns that the uses name; 1 and 3 by default. */
    used?: readonly number[];
    /** Columns asked for; 1 and 3 by default. */
    columns?: number[];
    approve?: readonly string[];
  } = {},
): Promise<TestTask> {
  const { world } = committee;
  const columns = change.columns ?? [1, 3];
  const code = commitTo(utf8('SELECT A, C FROM t'), ports);
  const outputs = [1, 2].map((id) => ({ id, name: `o${id}`, type: 'BIGINT' }));
  const tables = datasets.map((_, i) => `t${i}`);
  const parameters = commitTo(encodeParameters({ tables, params: {}, outputs }), ports);
  const uses = commitTo(encodeUses(showing(change.used ?? [1, 3], datasets.length)), ports);
  const purpose = commitTo(utf8('testing'), ports);
  const inputs = datasets.map(({ body: { dataset, version } }) => ({ dataset, version, columns }));
  const { measurement } = hardwareOf('sgx', WORKER_PROGRAM);
  const id = await world.propose(
    'bank',
    datasets.map((dataset) => dataset.body),
    {
      code: code.commitment,
      parameters: parameters.commitment,
      uses: uses.commitment,
      purpose: purpose.commitment,
      inputs,
      worker: { measurements: [measurement], operators: ['insurer', 'hospital', 'bank'] },
    },
  );
  for (const owner of change.approve ?? datasets.map((dataset) => dataset.owner)) {
    const own = datasets.filter((dataset) => dataset.owner === owner);
    const granted = inputs.filter((input) => own.some((d) => d.body.dataset === input.dataset));
    const bodies = own.map((dataset) => dataset.body);
    await world.approve(owner, id, bodies, { inputs: granted, runs: 1 });
  }
  const openings = {
    code: code.opening,
    parameters: parameters.opening,
    uses: uses.opening,
    purpose: purpose.opening,
    inputs: datasets.map(({ schema, policy }) => ({ schema, policy })),
  };
  return { id, openings, datasets };
}

/** A worker with its keys; `join` is its event's id, whatever became of it. */
export interface TestWorker {
  readonly signer: Signer;
  readonly hpke: HpkeKeyPair;
  readonly join: Uint8Array;
  readonly status: 'accepted' | 'void';
  readonly code: string | undefined;
}

/** Makes keys and evidence and joins the task, on the ledger of the committee. */
export async function joinTask(
  committee: Committee,
  task: TestTask,
  change: {
    program?: Uint8Array;
    /** Applied to the join after the evidence is made. */
    body?: Partial<EventBody<'join'>>;
    bendEvidence?: (evidence: Uint8Array) => Uint8Array;
  } = {},
): Promise<TestWorker> {
  const { world } = committee;
  const signer = ephemeralEd25519Signer();
  const hpke = generateHpkeKeyPair();
  const hardware = hardwareOf('sgx', change.program ?? WORKER_PROGRAM);
  const body: Omit<EventBody<'join'>, 'evidence'> = {
    role: 'worker',
    operator: 'insurer',
    charter: 1,
    environment: 'worker-sgx',
    hardware: hardware.hardware,
    task: task.id,
    run: systemRandom.bytes(16),
    tls: systemRandom.bytes(32),
    hpke: hpke.publicKey,
    checkpoint: utf8((await committee.ledger.checkpoint()).note),
  };
  const input = { genesis: world.genesis, signing: signer.key, join: body };
  const quote = await hardware.quote(reportData(input, 64, nodeCrypto));
  const evidence = await committee.blobs.put(change.bendEvidence?.(quote) ?? quote);
  const join = { ...body, evidence, ...change.body };
  const inner = await world.sign(signer, 'join', join);
  const outer = await countersignJoin(world.operator('insurer'), 'insurer', inner);
  const submitted = await world.submit(outer);
  const { outcome, event } = submitted;
  const code = outcome.status === 'void' ? outcome.code : undefined;
  const id = event?.id ?? accepted(submitted);
  return { signer, hpke, join: id, status: outcome.status, code };
}

/** The task's openings sealed to a keeper. */
export function sealOpenings(
  committee: Committee,
  keeper: Keeper,
  openings: TaskOpenings,
): Uint8Array {
  return sealOpeningsTo(committee, keeper.hpkeKey, openings);
}

export function sealOpeningsTo(
  committee: Committee,
  publicKey: Uint8Array,
  openings: TaskOpenings,
): Uint8Array {
  return hpkeSeal({
    publicKey,
    info: openingsInfo(committee.world.genesis, 'keeper'),
    aad: new Uint8Array(0),
    plaintext: encodeTaskOpenings(openings),
  });
}

/** Polls until `condition` holds; fails after five seconds with what was waited for. */
export async function until(condition: () => boolean, what: string, ms = 5_000): Promise<void> {
  const end = Date.now() + ms;
  while (!condition()) {
    if (Date.now() > end) throw new Error(`gave up waiting for ${what}`);
    await new Promise((done) => setTimeout(done, 5));
  }
}
