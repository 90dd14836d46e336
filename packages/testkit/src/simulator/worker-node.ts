// SPDX-License-Identifier: Apache-2.0
// A worker's process and one run of it: the real `execute` with its follower, evidence, join,
// openings, keys, blame, usage record and release, driven by virtual time through its ports. Not
// real: the engine (it says what the code uses) and the files (no Parquet is read or sealed).

import {
  byKind,
  decodeUses,
  encodeUses,
  type Planner,
  type Runner,
} from '@cloister/contract/policy';
import { equal, isCoded, type Signer, toHex, utf8 } from '@cloister/core';
import {
  briskPeer,
  type DataPlane,
  execute,
  type Gateway,
  type Links,
  parseWorkerConfig,
  type WorkerPorts,
} from '@cloister/worker/protocol';
import { namedBytes } from '../world/index.ts';
import { blobsFrom, blobsOfEach } from './blobs.ts';
import type { Checker } from './checker.ts';
import { Endpoint } from './endpoint.ts';
import { followerOf } from './following.ts';
import { gatewayPeer, keeperPeer } from './peers.ts';
import type { Place, Stage } from './stage.ts';
import { OUTPUTS, PROPOSER } from './tasks.ts';
import { namedTlsKey } from './tls-key.ts';
import type { Task } from './truth.ts';
import { allOrNone, believing, trusting } from './worker-mutants.ts';

const PATIENCE_MS = 6_000;

export class WorkerNode {
  readonly name: string;
  readonly task: Task;
  readonly run: Uint8Array;
  /** `running`, `released`, `crashed`, or the code that it failed with. */
  state = 'running';
  readonly endpoint: Endpoint;
  readonly #stage: Stage;
  readonly #checker: Checker;
  readonly #keepers: readonly string[];
  /** Gateways in the order in which it knows them. */
  readonly #names: readonly string[];
  readonly #crashes: boolean;
  readonly #at: Partial<Place>;
  /** The id of a usage record that some gateway said it had. */
  #said: string | undefined;

  /** `crashes`: when the usage record is cosigned and nothing has been released. */
  constructor(
    stage: Stage,
    checker: Checker,
    of: {
      name: string;
      task: Task;
      keepers: readonly string[];
      crashes?: boolean;
      /** Where it runs; at the proposer's as a rule. */
      at?: Partial<Place> | undefined;
    },
  ) {
    this.#stage = stage;
    this.#checker = checker;
    this.name = of.name;
    this.task = of.task;
    this.#keepers = of.keepers;
    this.#names = stage.gatewaysFor();
    this.#crashes = of.crashes === true;
    this.#at = of.at ?? {};
    this.run = namedBytes(stage.label, `${of.name}/run`).slice(0, 16);
    this.endpoint = new Endpoint(stage.network, of.name);
  }

  start(): void {
    const { network, sound, honestWorkers } = this.#stage;
    const signer = this.#stage.shared.signer(this.name);
    sound.add(toHex(signer.key));
    const { openings, uses } = this.task;
    if (equal(openings.uses.value, encodeUses(uses))) honestWorkers.add(toHex(signer.key));
    const work = this.#execute(signer, (phase) => {
      if (phase !== 'releasing' || !this.#crashes) return;
      network.count('worker-crash');
      this.state = 'crashed';
      this.endpoint.die();
    }).then(
      () => {
        this.state = 'released';
      },
      (error: unknown) => {
        if (!isCoded(error)) throw error;
        this.state = error.code;
        this.#checker.failed(this.name, error);
      },
    );
    network.go(work);
  }

  /** With the ticket that its proposer gave it. */
  async #execute(signer: Signer, onPhase: (phase: string) => void): Promise<void> {
    const { task, run } = { task: this.task.id, run: this.run };
    const proposer = this.#stage.key(this.task.proposer, 'identity');
    const { operator = PROPOSER } = this.#at;
    const ticket = await this.#stage.world.ticket({ task, run, operator }, proposer);
    return execute(this.#ports(signer), { task, run, ticket }, onPhase);
  }

  #ports(signer: Signer): WorkerPorts {
    const stage = this.#stage;
    const { name, endpoint } = this;
    const { genesis, charter } = stage.world;
    const { timers } = endpoint;
    const { operator = PROPOSER } = this.#at;
    const crypto = stage.off('answer-receipt') ? trusting(stage) : stage.shared.crypto;
    const config = parseWorkerConfig({
      name,
      genesis: toHex(genesis),
      charter: '',
      operator,
      environment: this.#at.environment ?? stage.environment(operator, 'worker'),
      gateways: this.#names.map((member) => `http://${member}`),
      keepers: this.#keepers.map((keeper) => `http://${keeper}`),
      patienceMs: PATIENCE_MS,
    });
    const peers = this.#gateways(signer.key).map((gateway) => briskPeer(gateway, timers));
    const follower = followerOf(stage, this.#checker, { node: name, timers, peers });
    const blind = stage.off('usage-receipt');
    const silent = () => {};
    return {
      config,
      genesis,
      charter,
      attester: stage.attester({ ...this.#at, operator, role: 'worker', flaw: 'none' }),
      follower: blind ? believing(follower, toHex(this.run), () => this.#said) : follower,
      links: () => this.#links(signer),
      keys: { signer: () => signer, tls: () => namedTlsKey(stage.label, name) },
      data: this.#data(),
      planners: byKind([this.#planner()]),
      runners: byKind([this.#runner()]),
      crypto,
      clock: stage.clock,
      timers,
      random: stage.random(name),
      log: { warn: silent, info: silent },
    };
  }

  #gateways(by: Uint8Array): Gateway[] {
    const { shared } = this.#stage;
    return this.#names.map((member) => {
      const gateway = gatewayPeer(this.endpoint, member, by);
      const append: Gateway['append'] = async (bytes) => {
        const answer = await gateway.append(bytes);
        const event = await shared.admission(bytes, shared.crypto);
        if (event.kind === 'usage' && answer.status === 'accepted') this.#said = event.key;
        return answer;
      };
      return { ...gateway, append };
    });
  }

  #links(signer: Signer): Links {
    const stage = this.#stage;
    const tap = async (bytes: Uint8Array) => {
      this.#checker.left(bytes);
      return bytes;
    };
    const names = this.#names;
    const each = blobsOfEach(stage, this.endpoint, { names, tap });
    return {
      gateways: this.#gateways(signer.key),
      blobs: blobsFrom(stage, this.endpoint, { names, tap }),
      blobsOf: stage.off('result-takers') ? allOrNone(stage, each) : each,
      keeper: (base) => {
        const keeper = keeperPeer(this.endpoint, base.replace('http://', ''), signer.key);
        if (!stage.off('blame')) return keeper;
        return { ...keeper, prove: async () => new Promise<never>(() => {}) };
      },
    };
  }

  /** It plans what the code really uses; a mutant believes the task. */
  #planner(): Planner {
    const { uses, openings } = this.task;
    const stage = this.#stage;
    return {
      kind: 'duckdb',
      version: '0',
      plan: async ({ code }) => {
        const said = decodeUses(openings.uses.value);
        const planned = stage.off('uses-again') ? said : uses;
        return { uses: planned, outputs: OUTPUTS, suppression: [], steps: [code] };
      },
      close: async () => {},
    };
  }

  #runner(): Runner {
    return {
      kind: 'duckdb',
      nodes: 'one',
      cage: async () => ({ cage: 'process', lacks: [] }),
      run: async ({ ready }) => {
        await ready;
        this.#checker.ran(this.name, this.task);
        return { rows: 5, bytes: 400, metrics: [], cage: 'process' };
      },
      close: async () => {},
    };
  }

  /** Keys are compared with those that the owner sealed; a result is a few bytes of its run. */
  #data(): DataPlane {
    const { task } = this;
    const stage = this.#stage;
    return {
      makeScratch: async () => 'memory',
      dropScratch: async () => {},
      readInputs: async ({ keys }) => {
        for (const [column, key] of keys[0] ?? []) {
          const right = task.dataset.keys.get(column);
          if (right !== undefined && equal(right, key)) continue;
          stage.violate(`${this.name} was given a wrong key for column ${column}`);
        }
        return [{ rows: 1_000, bytes: 65_536 }];
      },
      resultSealer: ({ run }) => ({
        take: async () => {},
        finish: async () => {
          const parts = ['result', 'keys'].map((part) => utf8(`${part} of ${toHex(run)}`));
          const digestOf = (blob: Uint8Array) => stage.shared.crypto.digest('sha256', blob);
          for (const blob of parts) stage.results.set(toHex(digestOf(blob)), toHex(run));
          const blobs = parts.map((blob) => ({ length: blob.length, read: async () => blob }));
          return { blobs, result: digestOf(parts[0] as Uint8Array) };
        },
        close: () => {},
      }),
    };
  }
}
