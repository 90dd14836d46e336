// SPDX-License-Identifier: Apache-2.0
// Everything around one worker in this process, for its tests: a founded world with a key in three
// real shares, three gateways and three keepers over HTTP, a dataset of three rows that is really
// encrypted, tasks with real openings, and a worker with the DuckDB engine.
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { GatewayClient, HttpJson } from '@cloister/api';
import {
  CheckpointFollower,
  commitTo,
  countersignJoin,
  datasetAadPrefix,
  digestTree,
  encodeFileManifest,
  encodeParameters,
  encodeSchema,
  filesSaid,
  type Measures,
  type Opening,
  openMeasures,
  type Run,
  type Said,
  textCodeOf,
} from '@cloister/contract';
import {
  byKind,
  encodePolicy,
  encodeUses,
  type Planner,
  type Policy,
  type Runner,
  statementsOf,
} from '@cloister/contract/policy';
import { fromBase64, systemClock, systemRandom, systemTimers, toHex, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { BufferSink, bufferSource, encryptParquet } from '@cloister/parquet-crypto';
import { type FormedEpoch, namedSecret, World } from '@cloister/testkit/world';
import { encodeLabel } from '@cloister/threshold';
import { hpkeKeyPairFrom, hpkeOpen, sealMasterKey } from '@cloister/threshold/node';
import { parseWorkerConfig } from '../src/config.ts';
import type { AskedRun } from '../src/identity.ts';
import type { WorkerPorts } from '../src/ports.ts';
import { ephemeralKeys, fileData, httpLinks } from '../src/process-ports.ts';
import { FakeGateway, type Shared } from './gateway.ts';
import { FakeKeeper } from './keeper.ts';

/** Columns a BIGINT, b VARCHAR, c BIGINT; rows (1, x, 10), (2, y, 20), (3, z, 30). */
const PARQUET = fromBase64(
  [
    'UEFSMRUAFTwVNiwVBhUAFQYVBgAAHhwCAAAABgEBAAkBAQ4sAAAAAAMAAAAAAAAAFQAVKhUuLBUGFQAVBhUGAAAVUA',
    'IAAAAGAQEAAAB4AQAAAHkBAAAAehUAFTwVOiwVBhUAFQYVBgAAHhwCAAAABgEKAAkBPBQAAAAAAAAAHgAAAAAAAAAV',
    'AhlMNQAYDWR1Y2tkYl9zY2hlbWEVBgAVBCUCGAFhJSQAFQwlAhgBYiUAABUEJQIYAWMlJAAWBhkcGTwmABwVBBkVAB',
    'kYAWEVAhYGFl4WWCYIPBgIAwAAAAAAAAAYCAEAAAAAAAAAFgAoCAMAAAAAAAAAGAgBAAAAAAAAABERAAAAJgAcFQwZ',
    'FQAZGAFiFQIWBhZMFlAmYDwYAXoYAXgWACgBehgBeBERAAAAJgAcFQQZFQAZGAFjFQIWBhZeFlwmsAE8GAgeAAAAAA',
    'AAABgICgAAAAAAAAAWACgIHgAAAAAAAAAYCAoAAAAAAAAAEREAAAAWiAIWBiYIFoQCACgoRHVja0RCIHZlcnNpb24g',
    'djEuNS42IChidWlsZCAwNjljYzlmOWI1KRk8HAAAHAAAHAAAADQBAABQQVIx',
  ].join(''),
);
const ports = { crypto: nodeCrypto, random: systemRandom };
const ANY = { for: 'any', purpose: 'any', code: 'any' } as const;
const COLUMNS = [
  { id: 1, name: 'a', type: 'BIGINT' },
  { id: 2, name: 'b', type: 'VARCHAR' },
  { id: 3, name: 'c', type: 'BIGINT' },
];
const POLICY: Policy = {
  version: 1,
  k: 'none',
  approvals: 1,
  limits: { runs: 'none', days: 'none' },
  columns: COLUMNS.map(({ id, name }) => ({ id, name, rules: [{ rule: 'reveal', ...ANY }] })),
};

export interface StageDataset {
  readonly owner: string;
  readonly body: Said<'dataset'>;
  readonly schema: Opening;
  readonly policy: Opening;
}

/** What plans and runs the tasks of a stage. */
export interface StageEngine {
  readonly planner: Planner;
  readonly runner: Runner;
}

/** Saves a run the start of an engine process: `SELECT` of what was granted is what was read. */
function copying(kind: string): Runner {
  return {
    kind,
    nodes: 'one',
    close: async () => {},
    cage: async () => ({ cage: 'process', lacks: [] }),
    run: async ({ plan, tables, ready, take }) => {
      await ready;
      const file = tables[0]?.files[0] ?? '';
      for (let statement = 0; statement < statementsOf(plan); statement++) {
        await take({ statement, file, rows: 3 });
      }
      return { rows: 3, bytes: 1, metrics: [], cage: 'process' };
    },
  };
}

export class Stage {
  readonly world: World;
  readonly epoch: FormedEpoch;
  readonly shared: Shared;
  readonly gateways: FakeGateway[];
  readonly keepers: FakeKeeper[];
  readonly engine: StageEngine;
  readonly more: readonly StageEngine[];
  readonly scratch: string;
  /** Where results wait: what lies there is ciphertext. */
  readonly spool: string;

  private constructor(made: {
    world: World;
    epoch: FormedEpoch;
    shared: Shared;
    gateways: FakeGateway[];
    keepers: FakeKeeper[];
    engine: StageEngine;
    more: readonly StageEngine[];
    scratch: string;
    spool: string;
  }) {
    this.world = made.world;
    this.epoch = made.epoch;
    this.shared = made.shared;
    this.gateways = made.gateways;
    this.keepers = made.keepers;
    this.engine = made.engine;
    this.more = made.more;
    this.scratch = made.scratch;
    this.spool = made.spool;
  }

  /** `more` are engines that its worker has beside the one that tasks are planned by. */
  static async raise(engine: StageEngine, more: readonly StageEngine[] = []): Promise<Stage> {
    const engines = [engine, ...more].map(({ planner }) => planner.kind).sort();
    const world = await World.create({ engines });
    const epoch = await world.formEpoch();
    const shared = { world, openings: new Map(), blobs: new Map(), lane: Promise.resolve() };
    const members = world.charter.members.map(({ id }) => id);
    const gateways = members.map((id) => new FakeGateway(id, shared));
    const keepers = [1, 2, 3].map((seat) => new FakeKeeper(shared, epoch, seat));
    await Promise.all([...gateways, ...keepers].map((node) => node.start()));
    const scratch = await mkdtemp(join(tmpdir(), 'cloister-worker-test-'));
    const spool = await mkdtemp(join(tmpdir(), 'cloister-spool-test-'));
    return new Stage({ world, epoch, shared, gateways, keepers, engine, more, scratch, spool });
  }

  async lower(): Promise<void> {
    await Promise.all([...this.gateways, ...this.keepers].map((node) => node.stop()));
  }

  /** Everyone well and honest. */
  reset(): void {
    for (const keeper of this.keepers) keeper.reset();
    for (const gateway of this.gateways) {
      gateway.mode = 'well';
      gateway.bend = (_, honest) => honest();
      gateway.requests.length = 0;
      gateway.taken.clear();
    }
  }

  /** What this member reads of a usage record's measures. */
  measures(usage: Run['usage'] | undefined, me: string): Promise<Measures> {
    if (usage == null) throw new Error('no usage is on the ledger');
    const { genesis, seed } = this.world;
    const keyPair = hpkeKeyPairFrom(namedSecret(seed, `${me}/hpke`));
    const aad = new Uint8Array(0);
    const open = (info: Uint8Array, sealed: Uint8Array) => hpkeOpen({ keyPair, info, aad, sealed });
    return openMeasures({ genesis, said: usage.body, me, open, crypto: nodeCrypto });
  }

  put(bytes: Uint8Array): Uint8Array {
    const digest = nodeCrypto.digest('sha256', bytes);
    this.shared.blobs.set(toHex(digest), bytes);
    return digest;
  }

  async addDataset(owner: string): Promise<StageDataset> {
    const { world, epoch } = this;
    const { genesis } = world;
    const { groupKey } = epoch;
    const schema = commitTo(encodeSchema({ name: 'rows', columns: COLUMNS }), ports);
    const policy = commitTo(encodePolicy(POLICY), ports);
    const dataset = systemRandom.bytes(16);
    const about = { genesis, groupKey, owner, dataset, version: 1, policy: policy.commitment };
    const keys = new Map([0, 1, 2, 3].map((id) => [id, systemRandom.bytes(32)]));
    const columns = [...keys].map(([id, masterKey]) => {
      const label = encodeLabel({ ...about, column: id });
      return { id, sealed: this.put(sealMasterKey({ groupKey, label, masterKey })) };
    });
    const keyOf = (id: number) => ({ id: String(id), masterKey: keys.get(id) as Uint8Array });
    const sink = new BufferSink();
    await encryptParquet({
      source: bufferSource(PARQUET),
      sink,
      footerKey: keyOf(0),
      columnKeys: new Map(COLUMNS.map(({ id, name }) => [name, keyOf(id)])),
      aadPrefix: datasetAadPrefix({ genesis, dataset, version: 1, file: 0 }),
    });
    const file = sink.bytes();
    const chunks = async function* () {
      yield file;
    };
    const { leaves, root, length } = await digestTree(chunks(), nodeCrypto);
    const listed = [{ blob: this.put(file), length, root, leaves: this.put(leaves) }];
    const files = filesSaid(listed, this.put(encodeFileManifest(listed)));
    const commitments = { schema: schema.commitment, policy: policy.commitment };
    const body = await world.addDataset(owner, {
      dataset,
      files,
      columns,
      rows: 3,
      ...commitments,
    });
    return { owner, body, schema: schema.opening, policy: policy.opening };
  }

  /** Proposed by the bank, approved by the owner; recipients by output, in order. */
  /** A run of a task as its proposer asks for it. */
  async asked(task: Uint8Array, run = systemRandom.bytes(16)): Promise<AskedRun> {
    return { task, run, ticket: await this.world.ticket({ task, run, operator: 'bank' }) };
  }

  async addTask(
    dataset: StageDataset,
    about: {
      code: string;
      columns: number[];
      outputs: { statement?: number; name: string; type: string; recipients: string[] }[];
      /** Code that the uses are taken from, where they are to differ. */
      usesOf?: string;
      /** Of which engine it is, where it is not the first. */
      engine?: StageEngine;
      /** Outputs on the ledger that the parameters do not have. */
      moreOutputs?: { id: number; recipients: string[] }[];
    },
  ): Promise<Uint8Array> {
    const tables = [{ name: 't', columns: COLUMNS }];
    const { planner } = about.engine ?? this.engine;
    const { uses } = await planner.plan({
      code: about.usesOf ?? about.code,
      params: {},
      tables,
    });
    const outputs = about.outputs.map(({ statement = 0, name, type }, i) => {
      return { id: i + 1, statement, name, type };
    });
    const value = encodeParameters({ tables: ['t'], params: {}, outputs });
    const parts = {
      code: commitTo(textCodeOf(about.code), ports),
      parameters: commitTo(value, ports),
      uses: commitTo(encodeUses(uses), ports),
      purpose: commitTo(utf8('testing'), ports),
    };
    const { dataset: id, version } = dataset.body;
    const inputs = [{ dataset: id, version, columns: about.columns }];
    const task = await this.world.propose('bank', [dataset.body], {
      engine: planner.kind,
      code: parts.code.commitment,
      parameters: parts.parameters.commitment,
      uses: parts.uses.commitment,
      purpose: parts.purpose.commitment,
      inputs,
      statements: (outputs.at(-1)?.statement ?? 0) + 1,
      outputs: [
        ...about.outputs.map(({ recipients }, i) => ({ id: i + 1, recipients })),
        ...(about.moreOutputs ?? []),
      ],
    });
    await this.world.approve(dataset.owner, task, [dataset.body], { inputs, runs: 100 });
    this.shared.openings.set(toHex(task), {
      code: parts.code.opening,
      parameters: parts.parameters.opening,
      uses: parts.uses.opening,
      purpose: parts.purpose.opening,
      inputs: [{ schema: dataset.schema, policy: dataset.policy }],
    });
    return task;
  }

  /**
   * Ports of a worker of the bank's operator, whose hardware is the test itself. Unless it
   * `computes`, its engine plans for real and answers with the rows that were read.
   */
  ports(change: { patienceMs?: number; computes?: boolean } = {}): WorkerPorts {
    const { world } = this;
    const { planner, runner } = this.engine;
    const { genesis, charter } = world;
    const config = parseWorkerConfig({
      name: 'worker',
      genesis: toHex(genesis),
      charter: '',
      operator: 'bank',
      environment: 'worker-sgx',
      gateways: this.gateways.map(({ address }) => address),
      keepers: this.keepers.map(({ address }) => address),
      scratch: this.scratch,
      spool: this.spool,
      patienceMs: change.patienceMs ?? 5_000,
    });
    const gateways = config.gateways.map((base) => new GatewayClient(new HttpJson({ base })));
    const crypto = nodeCrypto;
    const body = world.joinBody('bank', 'worker', 'any');
    return {
      config,
      genesis,
      charter,
      attester: {
        tee: 'sgx-dcap',
        reportDataLength: 64,
        hardware: body.hardware,
        measurement: body.measurement,
        quote: async () => ({ evidence: utf8('evidence') }),
        signJoin: (inner) => countersignJoin(world.operator('bank'), 'bank', inner),
      },
      follower: new CheckpointFollower({
        crypto,
        timers: systemTimers,
        peers: gateways,
        genesis,
        founding: charter,
      }),
      links: httpLinks(config, { genesis, crypto, clock: systemClock }),
      keys: ephemeralKeys,
      data: fileData(),
      planners: byKind([planner, ...this.more.map((one) => one.planner)]),
      runners: byKind([
        change.computes === true ? runner : copying(runner.kind),
        ...this.more.map((one) => one.runner),
      ]),
      crypto,
      clock: systemClock,
      timers: systemTimers,
      random: systemRandom,
      log: { info: () => {}, warn: () => {} },
    };
  }
}
