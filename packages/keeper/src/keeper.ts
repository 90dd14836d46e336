// SPDX-License-Identifier: Apache-2.0
// A keeper: makes its keys inside, proves itself, joins, takes its seat in an epoch, and answers
// workers with partial openings. Everything it needs of the world is a port (ports.ts).
//
// Invariants
// - Its keys and its share exist in this object's memory only; `stop` wipes them; a keeper that
//   starts again is a new keeper with a new join.
// - It acts on nothing but its own fold of entries under cosigned checkpoints
//   (contract/reading/checkpoint-follower.ts).
// - A join may ask again and is judged again; answers go to the key in the join and no other.
// - A refusal that asking again cannot change is put on the ledger by its code (contract,
//   lasting-refusals.ts), and never one of a join that this keeper has opened to.
import { encodeOpened, openAnswerInfo, openProofRequest } from '@cloister/api';
import {
  Appender,
  attestedError,
  briskPeer,
  enter,
  errorFields,
  followUntil,
  generateTlsKey,
  hasPlace,
  isPassing,
  keepOn,
  makeJoin,
  pause,
  type TlsKey,
  unlessStopped,
} from '@cloister/attested';
import {
  type CharterBody,
  CheckpointFollower,
  contractError,
  type Follower,
  JoinAppraiser,
  LASTING_REFUSALS,
  signReceipt,
} from '@cloister/contract';
import { isCoded, toHex } from '@cloister/core';
import {
  generateHpkeKeyPair,
  type HpkeKeyPair,
  hpkeSeal,
  type KeyShare,
  provePartials,
} from '@cloister/threshold/node';
import { mayDraw } from './asked.ts';
import { BlobCache } from './blob-cache.ts';
import { Ceremony } from './ceremony.ts';
import { Challenges } from './challenges.ts';
import { CheckedKeys } from './checked-keys.ts';
import { keeperError } from './errors.ts';
import { keeperMetrics } from './metrics.ts';
import { type Decision, decide, type OpenRequest } from './open.ts';
import type { KeeperParts, KeeperPorts } from './ports.ts';
import { Prefetch } from './prefetch.ts';

const POLL_MS = 1_000;
const IDLE_MS = 25;
/** How long it waits for its place in the charter. */
const PLACE_MS = 10_000;
const MAX_DECISIONS = 4_096;

export interface KeeperOptions {
  readonly name: string;
  readonly genesis: Uint8Array;
  readonly founding: CharterBody;
  readonly operator: string;
  readonly environment: string;
  /** Milliseconds to wait for a first checkpoint, and for the join to be accepted. */
  readonly patienceMs: number;
}

export type KeeperState = 'starting' | 'joined' | 'forming' | 'holding' | 'stopping';

/** What a keeper's process is made of. */
export function keeperParts(options: KeeperOptions, ports: KeeperPorts): KeeperParts {
  const { crypto, timers } = ports;
  const peers = ports.peers.map((peer) => briskPeer(peer, timers));
  const { genesis, founding } = options;
  const blobs = new BlobCache(ports.blobs);
  return {
    follower: new CheckpointFollower({ crypto, timers, peers, genesis, founding }),
    appraiser: new JoinAppraiser({ crypto, blobs }),
    challenges: new Challenges(ports),
    blobs,
    checked: new CheckedKeys(),
    decide,
    tlsKey: generateTlsKey,
    receivingKey: () => generateHpkeKeyPair(ports.random),
  };
}

export class Keeper {
  readonly metrics = keeperMetrics();
  readonly follower: Follower;
  readonly #options: KeeperOptions;
  readonly #ports: KeeperPorts;
  readonly #parts: KeeperParts;
  readonly #hpke: HpkeKeyPair;
  /** Its private half is for channels to workers: bound by the evidence, wiped by `stop`. */
  readonly tls: TlsKey;
  readonly #decisions = new Map<string, Decision>();
  readonly #refused = new Set<string>();
  readonly #openedTo = new Set<string>();
  readonly #background = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  readonly #appender: Appender;
  readonly #prefetch: Prefetch;
  #ceremony: Ceremony | undefined;
  #join: Uint8Array | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(
    options: KeeperOptions,
    ports: KeeperPorts,
    parts: KeeperParts = keeperParts(options, ports),
  ) {
    this.#options = options;
    this.#ports = ports;
    this.#parts = parts;
    this.#hpke = generateHpkeKeyPair(ports.random);
    this.tls = parts.tlsKey();
    this.follower = parts.follower;
    this.#prefetch = new Prefetch({ genesis: options.genesis, ...parts });
    const { genesis, name, patienceMs } = options;
    const { crypto, timers, signer, peers } = ports;
    const { signal } = this.#stopping;
    this.#appender = new Appender(
      { genesis, crypto, timers, follower: this.follower },
      { name, signer, peers, patienceMs, signal },
    );
  }

  /** Id of this keeper's join, once it is accepted. */
  get join(): Uint8Array | undefined {
    return this.#join;
  }

  get hpkeKey(): Uint8Array {
    return this.#hpke.publicKey;
  }

  get state(): KeeperState {
    if (this.#stopping.signal.aborted) return 'stopping';
    if (this.#join === undefined) return 'starting';
    if (this.#share() !== undefined) return 'holding';
    return this.#ceremony?.forming(this.follower.state) === undefined ? 'joined' : 'forming';
  }

  /** Seat and epoch while a share of the active epoch is held. */
  get seat(): { seat: number; epoch: Uint8Array } | undefined {
    const share = this.#share();
    return share === undefined ? undefined : { seat: share.seat, epoch: share.epoch };
  }

  /**
   * Follows the ledger, proves itself, joins, and keeps following until `stop`.
   * @throws CodedError `ledger-unreachable`, `environment-mismatch`, `join-void`
   */
  async start(): Promise<void> {
    const { timers, log } = this.#ports;
    const { patienceMs } = this.#options;
    const progress = () => this.follower.progress;
    const bounds = { timers, patienceMs, signal: this.#stopping.signal, progress };
    const inForce = () => this.follower.state.charter !== null;
    const first = 'a cosigned checkpoint with the charter in force';
    await followUntil(first, this.follower, bounds, inForce);
    await this.#untilPlaced();
    const { charter, note } = this.follower;
    const hpke = this.#hpke.publicKey;
    const facts = {
      ...this.#options,
      role: 'keeper' as const,
      charter,
      hpke,
      tls: this.tls.spki,
      checkpoint: note as string,
      state: this.follower.state,
    };
    const made = await makeJoin(facts, this.#ports);
    const { blobsOf } = this.#ports;
    const { faulty } = charter.witnesses;
    await enter(this.#appender, made, { ...bounds, blobsOf, faulty });
    const { id } = made;
    this.#take(id);
    log.info('joined', { join: toHex(id), environment: this.#options.environment });
    this.#loop = this.#run();
  }

  /**
   * The head that was shown first may be older than the amendment which made this keeper's place:
   * waits for it a while. Without it the join is refused here, with what was wanted.
   */
  async #untilPlaced(): Promise<void> {
    const { timers, attester } = this.#ports;
    const { operator, environment, patienceMs } = this.#options;
    const of = { role: 'keeper', operator, environment } as const;
    const placed = () => hasPlace({ ...of, charter: this.follower.charter }, attester.tee);
    if (placed()) return;
    const { signal } = this.#stopping;
    const bounds = { timers, signal, patienceMs: Math.min(patienceMs, PLACE_MS) };
    try {
      await followUntil('a charter with a place for this keeper', this.follower, bounds, placed);
    } catch (error) {
      if (!isPassing(error) || isCoded(error, 'node-stopping')) throw error;
    }
  }

  #take(id: Uint8Array): void {
    const { random, log } = this.#ports;
    const { appraiser, receivingKey } = this.#parts;
    const ports = { random, log, appraiser, receivingKey, appender: this.#appender };
    const ceremony = new Ceremony(ports, toHex(id));
    this.#ceremony = ceremony;
    this.follower.listen((event) => ceremony.hear(event));
    this.#join = id;
  }

  /** Ends following, waits for what is under way, and wipes every secret. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await Promise.allSettled([...this.#background]);
    this.#ceremony?.wipe();
    this.#hpke.wipe();
    this.tls.wipe();
    this.#decisions.clear();
  }

  /** Resolves once every refusal so far is on the ledger, or could not be put there. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#background);
  }

  /** Whose requests for a join are heard: its node's signing key, once the fold has the join. */
  async signerOfJoin(join: Uint8Array): Promise<Uint8Array> {
    const key = toHex(join);
    if (!this.follower.state.joins.has(key)) await this.follower.step();
    const known = this.follower.state.joins.get(key);
    if (known !== undefined) return known.signer;
    const message =
      'no cosigned checkpoint here has this join accepted: wait for it, then ask again';
    throw contractError('join-unknown', message);
  }

  /**
   * Draws a challenge for a join of an open run; the same nonce again gets the same one.
   * @throws CodedError `join-not-worker`, `run-ended`, `challenges-too-many`
   */
  challenge(join: Uint8Array, nonce?: Uint8Array): { challenge: Uint8Array; lifetimeMs: number } {
    const key = toHex(join);
    const { operator, rights } = mayDraw(this.follower.state, key);
    const own = toHex(nonce ?? this.#ports.random.bytes(32));
    const challenge = this.#parts.challenges.draw({ join: key, operator, nonce: own });
    void this.#prefetch.begin(this.follower.state, key, rights);
    this.metrics.count('cloister_keeper_challenges_total', {});
    return { challenge, lifetimeMs: this.#parts.challenges.lifetimeMs };
  }

  /**
   * Judges a request and answers with sealed partial openings.
   * @throws CodedError the refusal, whose code goes on the ledger if it lasts
   */
  async open(
    request: OpenRequest,
  ): Promise<{ epoch: Uint8Array; seat: number; sealed: Uint8Array }> {
    const share = this.#share();
    if (share === undefined) {
      const message = 'this keeper holds no share of the active epoch: ask another';
      throw attestedError('keeper-not-holding', message);
    }
    try {
      const { partials, receipt } = await this.#decide(share, request);
      const { genesis, name } = this.#options;
      const signed = await signReceipt(this.#ports.signer, name, { genesis, receipt });
      return this.#seal(share, request.join, encodeOpened({ partials, receipt: signed }));
    } catch (error) {
      this.#refuse(request.join, error);
      throw error;
    }
  }

  /** A batched DLEQ proof over everything that was answered to this join. */
  prove(join: Uint8Array): { epoch: Uint8Array; seat: number; proof: Uint8Array } {
    const share = this.#share();
    const decision =
      share === undefined ? undefined : this.#decisions.get(decisionKey(share, join));
    if (share === undefined || decision === undefined) {
      const message =
        'nothing was answered to this join in this epoch, so there is nothing to prove';
      throw keeperError('open-unanswered', message);
    }
    const openings = decision.encs.map((enc, i) => {
      return { enc, point: decision.partials[i]?.point as Uint8Array };
    });
    const request = openProofRequest(this.#options.genesis, join, this.#ports.crypto);
    const { random } = this.#ports;
    const proof = provePartials({ share, request, openings, random });
    return { epoch: share.epoch, seat: share.seat, proof };
  }

  async #decide(share: KeyShare, request: OpenRequest): Promise<Decision> {
    const { crypto, timers, log } = this.#ports;
    const { genesis } = this.#options;
    const began = timers.elapsed();
    const ports = { ...this.#parts, crypto, genesis, hpke: this.#hpke };
    const decision = await this.#parts.decide(ports, share, request);
    this.#remember(decisionKey(share, request.join), decision);
    this.#opened(toHex(request.join));
    const { length: keys } = decision.partials;
    this.metrics.count('cloister_keeper_opens_total', {});
    this.metrics.count('cloister_keeper_columns_total', {}, keys);
    const milliseconds = Math.round(timers.elapsed() - began);
    log.info('opened', { join: toHex(request.join), keys, milliseconds });
    return decision;
  }

  /** Joins that the ledger has forgotten are forgotten here. */
  #opened(join: string): void {
    this.#openedTo.add(join);
    if (this.#openedTo.size <= MAX_DECISIONS) return;
    const { joins } = this.follower.state;
    for (const key of this.#openedTo) if (!joins.has(key)) this.#openedTo.delete(key);
  }

  /** What was answered last is what `prove` proves. */
  #remember(key: string, decision: Decision): void {
    this.#decisions.delete(key);
    this.#decisions.set(key, decision);
    const oldest = this.#decisions.keys().next().value;
    if (this.#decisions.size > MAX_DECISIONS && oldest !== undefined) {
      this.#decisions.delete(oldest);
    }
  }

  #seal(share: KeyShare, join: Uint8Array, plaintext: Uint8Array) {
    const worker = this.follower.state.joins.get(toHex(join));
    const { genesis } = this.#options;
    const { epoch, seat } = share;
    const sealed = hpkeSeal({
      publicKey: worker?.body.hpke as Uint8Array,
      info: openAnswerInfo(genesis, { join, epoch, seat }),
      aad: new Uint8Array(0),
      plaintext,
      random: this.#ports.random,
    });
    return { epoch, seat, sealed };
  }

  /**
   * Puts a verdict that lasts on the ledger, once a join, without keeping the caller; none of a
   * join that was opened to.
   */
  #refuse(join: Uint8Array, error: unknown): void {
    const { code } = errorFields(error);
    this.metrics.count('cloister_keeper_refusals_total', { code });
    this.#ports.log.warn('refused', { join: toHex(join), ...errorFields(error) });
    if (!LASTING_REFUSALS.has(code) || this.#openedTo.has(toHex(join))) return;
    const body = this.follower.state.joins.get(toHex(join))?.body;
    if (body?.task === undefined || body.run === undefined) return;
    const key = toHex(join);
    if (this.#refused.has(key)) return;
    this.#refused.add(key);
    const { task, run } = body;
    const refusal = this.#appender.event('refusal', { task, run, join, code });
    const failed = (cause: unknown) => {
      if (isCoded(cause) && cause.kind === 'unavailable') this.#refused.delete(key);
      this.#ports.log.warn('refusal-not-appended', errorFields(cause));
    };
    const done = refusal.then(() => undefined, failed);
    this.#background.add(done);
    void done.finally(() => this.#background.delete(done));
  }

  #share(): KeyShare | undefined {
    const share = this.#ceremony?.share(this.follower.state);
    return share === undefined || share.wiped ? undefined : share;
  }

  #run(): Promise<void> {
    const { signal } = this.#stopping;
    let waitMs = POLL_MS;
    return keepOn(this.#ports, signal, async () => {
      const moved = await unlessStopped(signal, () => this.follower.step(waitMs));
      const { size } = this.follower;
      this.metrics.set('cloister_keeper_ledger_size', {}, size);
      await this.#ceremony?.advance(this.follower.state);
      // What landed may have brought the next thing to do, which has a deadline.
      waitMs = this.follower.size === size ? POLL_MS : 0;
      const holding = this.state === 'holding' ? 1 : 0;
      this.metrics.set('cloister_keeper_holding', {}, holding);
      if (!moved && waitMs > 0) await pause(this.#ports.timers, IDLE_MS, signal);
    });
  }
}

function decisionKey(share: KeyShare, join: Uint8Array): string {
  return `${toHex(share.epoch)}/${toHex(join)}`;
}
