// SPDX-License-Identifier: Apache-2.0
// A member's gateway on the simulated network: the real follower, witness, gathering of
// cosignatures, duties and openings, over a disk that a crash leaves as it was. Written out are the
// routes that its HTTP server would have, and the adapter to the ledger (ledger-link.ts).
import { emptyState, type FoldState } from '@cloister/contract';
import { byKind } from '@cloister/contract/policy';
import { type Clock, CodedError, isCoded, toHex } from '@cloister/core';
import {
  appendAndFold,
  Duties,
  type EntryRecord,
  followAndWitness,
  type GatewayParts,
  openingsForWorker,
  type Gateway as RealGateway,
  recordedAnswer,
} from '@cloister/gateway/protocol';
import { hpkeKeyPairFrom } from '@cloister/threshold/node';
import { logOrigin, parseNote } from '@cloister/tlog';
import { namedBytes, namedSecret } from '../world/index.ts';
import { blobsAt } from './blobs.ts';
import { Disk } from './disk.ts';
import { Endpoint, passing, type Route } from './endpoint.ts';
import type { Appended } from './ledger.ts';
import { LedgerLink, type News } from './ledger-link.ts';
import { admissionOf, appraisersOf } from './mutants.ts';
import { gatewayPeer } from './peers.ts';
import { planner } from './planner.ts';
import { MEMBERS, type Stage } from './stage.ts';

const TICK_MS = 1_400;
const LONGEST_WAIT_MS = 20_000;

export interface Head {
  readonly size: number;
  readonly root: Uint8Array;
}

/** One life of its process. */
interface Life {
  readonly endpoint: Endpoint;
  real: RealGateway | undefined;
}

export class Gateway {
  readonly name: string;
  readonly stage: Stage;
  readonly disk = new Disk();
  #life: Life | undefined;
  #lives = 0;
  /** The largest size that its witness has signed, in any life. */
  #signed = 0;

  constructor(stage: Stage, name: string) {
    this.stage = stage;
    this.name = name;
  }

  get origin(): string {
    return logOrigin(this.stage.world.genesis);
  }

  /** Entries that it has followed and made durable. */
  get log(): readonly Uint8Array[] {
    return this.disk.entries.slice(0, this.size);
  }

  /** Entries that it has folded. */
  get size(): number {
    return this.#life?.real?.follower.size ?? 0;
  }

  get state(): FoldState {
    return this.#life?.real?.follower.state ?? emptyState(this.stage.world.genesis);
  }

  /** @throws CodedError while its process is not there, as a connection would fail */
  get real(): RealGateway {
    const real = this.#life?.real;
    if (real !== undefined) return real;
    throw new CodedError('gateway-starting', 'unavailable', `${this.name} is starting`);
  }

  start(): void {
    this.stage.network.go(this.#live());
  }

  /** Loses everything but what is on its disk. */
  crash(forMs: number): void {
    const { network } = this.stage;
    network.count('gateway-crash');
    this.#life?.endpoint.die();
    this.#life = undefined;
    this.disk.crash(network.choose);
    network.after(forMs, () => {
      network.count('gateway-restart');
      this.start();
    });
  }

  /** Its process stops, takes the witness key that waits into use, and starts again. */
  takeKey(forMs: number): void {
    this.#life?.endpoint.die();
    this.#life = undefined;
    this.disk.crash(() => 1);
    this.disk.takeKey();
    this.#signed = 0;
    this.stage.rotated.add(this.name);
    this.stage.network.after(forMs, () => this.start());
  }

  async #live(): Promise<void> {
    const { stage, name } = this;
    const endpoint = new Endpoint(stage.network, name, this.#routes());
    const life: Life = { endpoint, real: undefined };
    this.#life = life;
    const link = new LedgerLink(endpoint);
    endpoint.onMessage = ({ kind, body }) => {
      if (kind === 'news') link.heard(body as unknown as News);
    };
    let duties: Duties | undefined;
    const parts = this.#parts(endpoint, link, (record) => {
      duties?.heard(record);
      stage.folded(name, record);
    });
    const { gateway, fresh } = await followAndWitness(parts);
    life.real = gateway;
    const { charter } = stage.world;
    const freshWitness = fresh && this.minds;
    const about = { charter, tickMs: TICK_MS, freshWitness, sweep: async () => {} };
    duties = new Duties(gateway, about);
    gateway.follower.start();
    duties.start();
    if (this.#lives > 1) stage.network.go(this.#tempt(gateway));
  }

  #sign(head: Head): void {
    this.#signed = Math.max(this.#signed, head.size);
    this.stage.signed(this.name, head);
  }

  /** Asks a witness that starts again for what is older than what it signed. */
  async #tempt({ witness }: RealGateway): Promise<void> {
    const { stage, name } = this;
    const size = this.#signed - 1;
    if (size < 1) return;
    const head = { size, root: stage.tree.root(size) };
    const note = await witness.cosign(head).catch(passing);
    if (note !== undefined) stage.signed(name, head);
  }

  #parts(
    endpoint: Endpoint,
    link: LedgerLink,
    onEntry: (record: EntryRecord) => void,
  ): GatewayParts {
    const { stage, name, disk } = this;
    const { world, network } = stage;
    const { timers } = endpoint;
    const { blobs, allBlobs } = blobsAt(stage, endpoint);
    const others = MEMBERS.filter((member) => member !== name);
    const failed = ({ err }: { err: unknown }) => {
      // A duty that fails is tried again; what is no coded error is a bug.
      if (!isCoded(err)) network.fault ??= err;
    };
    const life = ++this.#lives;
    return {
      home: '',
      card: { id: name, name, identity: '', witness: '', hpke: '' },
      keys: {
        identity: stage.key(name, 'identity'),
        witness: stage.key(name, 'witness'),
        hpke: hpkeKeyPairFrom(namedSecret(world.seed, `${name}/hpke`)),
        witnessBegun: disk.witnessBegun,
        witnessFresh: disk.witnessFresh,
        next: { identity: stage.key(name, 'identity'), witness: stage.key(name, 'witness') },
        tag: (...of) => namedBytes(name, of.map(toHex).join()),
      },
      genesis: world.genesis,
      ledger: this.orders(link),
      copy: disk.copy(timers),
      memory: disk.memory(timers),
      notes: disk.notes,
      peers: new Map(others.map((member) => [member, gatewayPeer(endpoint, member)])),
      vault: disk.vault(),
      blobs: blobs as GatewayParts['blobs'],
      allBlobs,
      planners: byKind([planner(stage)]),
      appraiser: appraisersOf(stage, allBlobs).seats,
      appraisals: { known: () => undefined, settled: async () => undefined },
      crypto: stage.shared.crypto,
      clock: this.clock,
      timers,
      random: stage.random(`${name}/gateway/${life}`),
      log: { info: () => {}, warn: failed, error: failed } as unknown as GatewayParts['log'],
      onEntry,
      admission: admissionOf(stage, { node: name, state: () => this.state }),
      soon: () => new Promise((resolve) => timers.after(0, resolve)),
    };
  }

  /** What it takes the time of day to be. */
  protected get clock(): Clock {
    return this.stage.clock;
  }

  /** Whether it stops when the ledger shows that its key has forgotten an earlier life. */
  protected get minds(): boolean {
    return true;
  }

  /** What it puts on the ledger; a liar puts other things. */
  protected orders(ledger: GatewayParts['ledger']): GatewayParts['ledger'] {
    return ledger;
  }

  /** What it answers; a liar answers otherwise. */
  protected bend(routes: Routes): Routes {
    return routes;
  }

  #routes(): Record<string, Route> {
    const { stage } = this;
    const { genesis } = stage.world;
    const routes: Routes = {
      health: async () => {
        const { follower } = this.real;
        const about = { ok: true, role: 'gateway', name: this.name, genesis: toHex(genesis) };
        return { ...about, size: follower.size, simulated: true };
      },
      entries: async (_, { from, limit, waitMs }) => {
        const { follower } = this.real;
        await follower.reached(from + 1, Math.min(waitMs, LONGEST_WAIT_MS));
        return { events: [...(await follower.read(from, limit))], size: follower.size };
      },
      checkpoint: async (_, { least }) => {
        const { note, size, root } = await this.real.witness.checkpoint(least);
        stage.gathered(this.name, size);
        return { note, size, root: toHex(root) };
      },
      handovers: async (_, { from }) => ({ notes: await this.real.handovers.list(from) }),
      append: async (_, { bytes }) => recordedAnswer(await appendAndFold(this.real, bytes)),
      cosign: async (_, { size, root }) => {
        const note = await this.real.witness.cosign({ size, root });
        this.#sign({ size, root });
        return { note };
      },
      freshness: async (_, { size, root, challenges }) => {
        const note = await this.real.witness.freshness({ size, root }, challenges);
        this.#sign({ size, root });
        stage.issued.add(`${this.name}\n${parseNote(note).text}`);
        return { note };
      },
      openings: async (_, { join, by }) => ({
        sealed: await openingsForWorker(this.real, join, by),
      }),
    };
    return { ...this.bend(routes) } as unknown as Record<string, Route>;
  }
}

export interface Routes {
  health(from: string, body: object): Promise<unknown>;
  entries(
    from: string,
    body: { from: number; limit: number; waitMs: number },
  ): Promise<{ events: Uint8Array[]; size: number }>;
  checkpoint(
    from: string,
    body: { least: number },
  ): Promise<{ note: string; size: number; root: string }>;
  handovers(from: string, body: { from: number }): Promise<{ notes: string[] }>;
  append(from: string, body: { bytes: Uint8Array }): Promise<Appended>;
  cosign(from: string, body: Head): Promise<{ note: string }>;
  freshness(
    from: string,
    body: Head & { challenges: readonly Uint8Array[] },
  ): Promise<{ note: string }>;
  openings(
    from: string,
    body: { join: Uint8Array; by: Uint8Array },
  ): Promise<{ sealed: Uint8Array }>;
}
