// SPDX-License-Identifier: Apache-2.0
// A keeper on the simulated network: the real `Keeper` with its own loop, driven by virtual time
// through its ports. Here are those ports, the three calls that its HTTP server would take, and
// wrappers around its parts: for the checker, for a mutant, for a Byzantine host (rogue.ts).

import { type Asked, encodeOpened, openAnswerInfo } from '@cloister/api';
import { briskPeer, type LedgerPeer } from '@cloister/attested';
import { signReceipt } from '@cloister/contract';
import { isCoded, toHex } from '@cloister/core';
import { Keeper, type KeeperParts, type KeeperPorts, keeperParts } from '@cloister/keeper';
import { assertAsked, type Decision, decide, type OpenRequest } from '@cloister/keeper/protocol';
import { hpkeSeal } from '@cloister/threshold/node';
import { namedPoint } from '../world/index.ts';
import { isBlobHarm } from './adversaries.ts';
import { blobsFrom, blobsOfEach, type Tap } from './blobs.ts';
import type { Checker } from './checker.ts';
import { Endpoint, type Route } from './endpoint.ts';
import { followerOf } from './following.ts';
import { appraisersOf, decideWith } from './mutants.ts';
import { gatewayPeer } from './peers.ts';
import { type Byzantine, Rogue } from './rogue.ts';
import type { Flaw, Stage } from './stage.ts';
import { namedTlsKey } from './tls-key.ts';
import { PARTS } from './wrong-receipts.ts';

/** How many of a lying keeper's receipts it never signed. */
const UNSIGNED = 0.4;
/** So many challenges a keeper keeps open for one join. */
const CHALLENGES_A_JOIN = 8;
const PATIENCE_MS = 20_000;
/** Of calm weather, in which a keeper has joined. */
const JOIN_MS = 12_000;

export class KeeperNode {
  readonly name: string;
  readonly operator: string;
  readonly byzantine: Byzantine;
  readonly keeper: Keeper;
  readonly endpoint: Endpoint;
  /** Its start has failed: it will never join. */
  failed = false;
  readonly #stage: Stage;
  readonly #checker: Checker;
  /** Gateways in the order in which it knows them. */
  readonly #names: readonly string[];
  readonly #answered = new Map<string, Decision>();

  constructor(
    stage: Stage,
    checker: Checker,
    of: { name: string; operator: string; byzantine: Byzantine; flaw: Flaw },
  ) {
    const { name, operator, byzantine, flaw } = of;
    this.#stage = stage;
    this.#checker = checker;
    this.name = name;
    this.operator = operator;
    this.byzantine = byzantine;
    this.endpoint = new Endpoint(stage.network, name, this.#routes());
    this.#names = stage.gatewaysFor();
    const signer = stage.shared.signer(name);
    stage.keepers.push(name);
    checker.harm.watch({
      name,
      // Who is silent on purpose is not held: it does nothing more.
      following: () => this.alive && this.keeper.join !== undefined && this.byzantine !== 'silence',
      size: () => this.keeper.follower.size,
    });
    if (flaw === 'none') stage.sound.add(toHex(signer.key));
    if (byzantine === 'honest') stage.honestKeepers.add(toHex(signer.key));
    const random = stage.random(name);
    const rogue = new Rogue(stage, byzantine, {
      name,
      signer,
      random: stage.random(`${name}/lies`),
    });
    const tap: Tap = (bytes) => rogue.blob(bytes);
    // Elsewhere the gateways have one store together.
    const apart = isBlobHarm(stage.adversary) && !stage.off('blob-spread');
    const each = apart ? this.#names : this.#names.slice(0, 1);
    const { genesis, charter: founding } = stage.world;
    const environment = stage.environment(operator, 'keeper');
    const options = { name, genesis, founding, operator, environment, patienceMs: PATIENCE_MS };
    const ports: KeeperPorts = {
      crypto: stage.shared.crypto,
      clock: stage.clock,
      timers: this.endpoint.timers,
      random,
      attester: stage.attester({ operator, role: 'keeper', flaw }),
      signer,
      peers: this.#peers(rogue),
      blobs: blobsFrom(stage, this.endpoint, { names: this.#names, tap }),
      blobsOf: blobsOfEach(stage, this.endpoint, { names: each, tap }),
      log: { info: () => {}, warn: () => {} },
    };
    this.keeper = new Keeper(
      options,
      ports,
      this.#parts(keeperParts(options, ports), ports, rogue),
    );
  }

  get alive(): boolean {
    return this.endpoint.alive;
  }

  get holding(): boolean {
    return this.alive && this.keeper.seat !== undefined;
  }

  start(): void {
    const failed = (error: unknown) => {
      if (!isCoded(error)) throw error;
      this.failed = true;
      this.#checker.harm.turnedAway(this, error);
    };
    const { network } = this.#stage;
    network.go(this.keeper.start().catch(failed));
    network.after(Math.max(0, network.calmAt - network.now) + JOIN_MS, () => {
      if (this.keeper.join === undefined) this.#checker.harm.neverJoined(this);
    });
  }

  /** Everything that it knew is gone. */
  crash(): void {
    const { network, shared, dead } = this.#stage;
    network.count('keeper-crash');
    dead.add(toHex(shared.signer(this.name).key));
    this.endpoint.die();
  }

  #peers(rogue: Rogue): LedgerPeer[] {
    return this.#names.map((member) => {
      const peer = gatewayPeer(this.endpoint, member);
      const append: LedgerPeer['append'] = async (bytes) => {
        const said = await rogue.append(bytes);
        return said === undefined ? new Promise<never>(() => {}) : peer.append(said);
      };
      return { ...peer, append };
    });
  }

  #parts(standard: KeeperParts, ports: KeeperPorts, rogue: Rogue): KeeperParts {
    const stage = this.#stage;
    const checker = this.#checker;
    const { name } = this;
    const { timers } = ports;
    const peers = ports.peers.map((peer) => briskPeer(peer, timers));
    const { challenges, blobs } = standard;
    const appraisers = appraisersOf(stage, blobs);
    const real = decideWith(stage, decide, appraisers.worker);
    return {
      blobs,
      follower: rogue.deceived(followerOf(stage, checker, { node: name, timers, peers })),
      appraiser: appraisers.seats,
      challenges: {
        lifetimeMs: challenges.lifetimeMs,
        use: (join, candidates) => challenges.use(join, candidates),
        draw: (drawing) => {
          const challenge = challenges.draw(drawing);
          checker.drew(name, drawing.join, challenge);
          return challenge;
        },
      },
      decide: async (given, share, request) => {
        const decision = await real(given, share, request);
        checker.opened(name, request, decision.partials);
        await this.#signs(request.join, decision);
        this.#answered.set(toHex(request.join), decision);
        return decision;
      },
      tlsKey: () => namedTlsKey(stage.label, name),
      receivingKey: standard.receivingKey,
    };
  }

  /** What the HTTP server does: whose request it is, then the keeper's own methods. */
  #routes(): Readonly<Record<string, Route>> {
    type Signed = Asked & { by: Uint8Array };
    const authenticate = async (asked: Signed) => {
      if (this.byzantine === 'silence') await new Promise<never>(() => {});
      await assertAsked(this.keeper, asked, asked.by);
    };
    return {
      health: async () => {
        const { keeper, name } = this;
        const { genesis } = this.#stage.world;
        const join = keeper.join === undefined ? null : toHex(keeper.join);
        const held = keeper.seat;
        const epoch = held === undefined ? null : toHex(held.epoch);
        const about = { ok: true, role: 'keeper', name, genesis: toHex(genesis), simulated: true };
        const { size } = keeper.follower;
        return { ...about, size, state: keeper.state, join, seat: held?.seat ?? null, epoch };
      },
      challenge: async (_: string, asked: Signed & { nonce: Uint8Array }) => {
        await authenticate(asked);
        for (let i = 0; i < CHALLENGES_A_JOIN; i++) this.#forward('challenge', asked);
        return this.keeper.challenge(asked.join, asked.nonce);
      },
      open: async (_: string, request: OpenRequest & Signed) => {
        await authenticate(request);
        this.#forward('open', request);
        return this.#bend(request.join, await this.keeper.open(request));
      },
      prove: async (_: string, asked: Signed) => {
        await authenticate(asked);
        return this.keeper.prove(asked.join);
      },
    };
  }

  /** What the keeper will sign of it: a signature is the same each time. */
  async #signs(join: Uint8Array, { receipt, partials }: Decision): Promise<Uint8Array> {
    const { shared, world } = this.#stage;
    const { genesis } = world;
    const signed = await signReceipt(shared.signer(this.name), this.name, { genesis, receipt });
    this.#checker.signed(this.name, signed, { join, epoch: receipt.epoch, partials });
    return signed;
  }

  /** The others get it as the worker's. */
  #forward(kind: string, request: object): void {
    const { network, keepers } = this.#stage;
    if (this.byzantine !== 'forwards-requests') return;
    for (const other of keepers.filter((name) => name !== this.name)) {
      network.count('adversary: forwards-requests');
      network.send(this.name, other, kind, { ...request, call: network.call() });
    }
  }

  async #bend(join: Uint8Array, answer: Awaited<ReturnType<Keeper['open']>>) {
    const decision = this.#answered.get(toHex(join)) as Decision;
    const { partials } = decision;
    if (this.byzantine === 'wrong-partials') {
      this.#stage.network.count('wrong-partials');
      const wrong = partials.map((one) => ({ ...one, point: namedPoint('wrong', 'partial') }));
      const receipt = await this.#signs(join, decision);
      return this.#seal(join, answer, { partials: wrong, receipt });
    }
    if (this.byzantine !== 'wrong-receipts') return answer;
    const receipt = await this.#lie(join, decision);
    return this.#seal(join, answer, { partials, receipt });
  }

  /** Right answers, and a receipt that is wrong in one part, or that it never signed. */
  async #lie(join: Uint8Array, decision: Decision): Promise<Uint8Array> {
    const { network, unsigned } = this.#stage;
    network.count('wrong-receipts');
    if (network.choose() < UNSIGNED) {
      const receipt = Uint8Array.from(await this.#signs(join, decision));
      receipt[receipt.length - 1] = (receipt.at(-1) as number) ^ 1;
      unsigned.add(toHex(receipt.subarray(-64)));
      return receipt;
    }
    const change = network.pick(PARTS)(decision.receipt);
    return this.#signs(join, { ...decision, receipt: { ...decision.receipt, ...change } });
  }

  #seal(
    join: Uint8Array,
    { epoch, seat }: { epoch: Uint8Array; seat: number },
    opened: Parameters<typeof encodeOpened>[0],
  ) {
    const { genesis } = this.#stage.world;
    const body = this.keeper.follower.state.joins.get(toHex(join))?.body;
    const sealed = hpkeSeal({
      publicKey: body?.hpke as Uint8Array,
      info: openAnswerInfo(genesis, { join, epoch, seat }),
      aad: new Uint8Array(0),
      plaintext: encodeOpened(opened),
      random: this.#stage.random(`${this.name}/wrong/${toHex(join)}`),
    });
    return { epoch, seat, sealed };
  }
}
