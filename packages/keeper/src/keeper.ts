// SPDX-License-Identifier: Apache-2.0
// A keeper: makes its keys inside, proves itself, joins, takes its seat in an epoch, and answers
// workers with partial openings. Everything it needs of the world is a port (ports.ts).
//
// Invariants
// - Its keys and its share exist in this object's memory only; `stop` wipes them; a keeper that
//   starts again is a new keeper with a new join.
// - It acts on nothing but its own fold of entries under cosigned checkpoints (contract/checkpoint-follower.ts).
// - One join is answered once and then the same again, to the key in the join and no other.
// - A refusal that judges (not one that could not reach somebody) is put on the ledger by its code.
import { generateKeyPairSync } from 'node:crypto';
import { encodePartials, openAnswerInfo, openProofRequest } from '@cloister/api';
import {
  type CharterBody,
  CheckpointFollower,
  type EventBody,
  type EventKind,
  JoinAppraiser,
  type RightInput,
  reportData,
  rightsOfJoin,
  signEvent,
} from '@cloister/contract';
import { CodedError, isCoded, parseCose, toHex, utf8 } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import {
  generateHpkeKeyPair,
  type HpkeKeyPair,
  hpkeSeal,
  type KeyShare,
  provePartials,
} from '@cloister/threshold/node';
import { BlobCache } from './blob-cache.ts';
import { Ceremony } from './ceremony.ts';
import { Challenges } from './challenges.ts';
import { keeperError } from './errors.ts';
import { errorFields } from './log.ts';
import { Metrics } from './metrics.ts';
import { type Decision, decide, type OpenRequest } from './open.ts';
import type { KeeperPorts, LedgerPeer } from './ports.ts';

const POLL_MS = 1_000;
const IDLE_MS = 25;
const RETRY_MS = 100;
const APPEND_ATTEMPTS = 50;
const MAX_DECISIONS = 4_096;
const MAX_PREFETCHED = 64;

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

export class Keeper {
  readonly metrics = new Metrics();
  readonly follower: CheckpointFollower;
  readonly #options: KeeperOptions;
  readonly #ports: KeeperPorts;
  readonly #hpke: HpkeKeyPair;
  readonly #challenges: Challenges;
  readonly #appraiser: JoinAppraiser;
  readonly #decisions = new Map<string, Decision>();
  readonly #refused = new Set<string>();
  readonly #background = new Set<Promise<void>>();
  readonly #stopping = new AbortController();
  #ceremony: Ceremony | undefined;
  #join: Uint8Array | undefined;
  #loop: Promise<void> = Promise.resolve();

  constructor(options: KeeperOptions, ports: KeeperPorts) {
    this.#options = options;
    this.#ports = { ...ports, blobs: new BlobCache(ports.blobs) };
    this.#hpke = generateHpkeKeyPair(ports.random);
    this.#challenges = new Challenges(ports);
    this.#appraiser = new JoinAppraiser(this.#ports);
    const { crypto, peers } = ports;
    const { genesis, founding } = options;
    this.follower = new CheckpointFollower({ crypto, peers, genesis, founding });
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
   * @throws CodedError `ledger-unreachable`, `environment-mismatch`, `join-rejected`
   */
  async start(): Promise<void> {
    await this.#patiently('a cosigned checkpoint with the charter in force', async () => {
      await this.follower.step();
      return this.follower.state.charter !== null;
    });
    this.#checkEnvironment();
    const { event, evidence, id } = await this.#makeJoin();
    await this.#appendBytes(event, 'join');
    await this.#patiently('the evidence at a gateway', async () => {
      await this.#ports.blobs.put(evidence);
      return true;
    });
    await this.#patiently('the join on a cosigned checkpoint', async () => {
      await this.follower.step(POLL_MS);
      return this.follower.state.joins.has(toHex(id));
    });
    this.#join = id;
    const { crypto, random, blobs, log, signer } = this.#ports;
    const append = this.#append.bind(this);
    this.#ceremony = new Ceremony(
      { crypto, random, blobs, log, append, signer, appraiser: this.#appraiser, hpke: this.#hpke },
      toHex(id),
    );
    log.info('joined', { join: toHex(id), environment: this.#options.environment });
    this.#loop = this.#run();
  }

  /** Ends following, waits for what is under way, and wipes every secret. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop;
    await Promise.allSettled([...this.#background]);
    this.#ceremony?.wipe();
    this.#hpke.wipe();
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
    throw keeperError('join-unknown', 'not-found', message);
  }

  /** Draws a challenge for a worker's join. */
  challenge(join: Uint8Array): { challenge: Uint8Array; lifetimeMs: number } {
    const key = toHex(join);
    if (this.follower.state.joins.get(key)?.body.role !== 'worker') {
      throw keeperError('join-not-worker', 'policy', 'columns open for workers only');
    }
    const challenge = this.#challenges.draw(key);
    this.#prefetch(key);
    this.metrics.count('cloister_keeper_challenges_total');
    return { challenge, lifetimeMs: this.#challenges.lifetimeMs };
  }

  /** While the witnesses sign: the blobs that the decision will need. Failures are met there. */
  #prefetch(key: string): void {
    const { state } = this.follower;
    const join = state.joins.get(key)?.body;
    const rights = rightsOfJoin(state, key);
    const sealed = rights.ok ? rights.inputs.flatMap(askedColumns) : [];
    const digests = sealed.slice(0, MAX_PREFETCHED).map((column) => column.sealed);
    if (join !== undefined) digests.push(join.evidence);
    for (const digest of digests) void this.#ports.blobs.get(digest).catch(() => undefined);
  }

  /**
   * Judges a request and answers with sealed partial openings.
   * @throws CodedError the refusal, whose code goes on the ledger unless it is a matter of reach
   */
  async open(
    request: OpenRequest,
  ): Promise<{ epoch: Uint8Array; seat: number; sealed: Uint8Array }> {
    const share = this.#share();
    if (share === undefined) {
      const message = 'this keeper holds no share of the active epoch: ask another';
      throw keeperError('keeper-not-holding', 'unavailable', message);
    }
    try {
      const { partials } = await this.#decide(share, request);
      return this.#seal(share, request.join, encodePartials(partials));
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
      throw keeperError('open-unanswered', 'not-found', message);
    }
    const openings = decision.encs.map((enc, i) => {
      return { enc, point: decision.partials[i]?.point as Uint8Array };
    });
    const request = openProofRequest(this.#options.genesis, join, this.#ports.crypto);
    const { random } = this.#ports;
    const proof = provePartials({ share, request, openings, random });
    return { epoch: share.epoch, seat: share.seat, proof };
  }

  /** The first decision for a join stands; only its freshness is asked again. */
  async #decide(share: KeyShare, request: OpenRequest): Promise<Decision> {
    const { crypto, blobs } = this.#ports;
    const ports = {
      crypto,
      blobs,
      follower: this.follower,
      challenges: this.#challenges,
      appraiser: this.#appraiser,
      hpke: this.#hpke,
      genesis: this.#options.genesis,
    };
    const began = this.#ports.clock.now();
    const decision = await decide(ports, share, request);
    const milliseconds = this.#ports.clock.now() - began;
    const key = decisionKey(share, request.join);
    if (!this.#decisions.has(key)) {
      this.#decisions.set(key, decision);
      const oldest = this.#decisions.keys().next().value;
      if (this.#decisions.size > MAX_DECISIONS && oldest !== undefined)
        this.#decisions.delete(oldest);
    }
    this.metrics.count('cloister_keeper_opens_total');
    this.metrics.count('cloister_keeper_columns_total', {}, decision.partials.length);
    const { length: keys } = decision.partials;
    this.#ports.log.info('opened', { join: toHex(request.join), keys, milliseconds });
    return decision;
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

  /** Puts a judged refusal on the ledger, once a join and code, without keeping the caller. */
  #refuse(join: Uint8Array, error: unknown): void {
    const { code } = errorFields(error);
    this.metrics.count('cloister_keeper_refusals_total', { code });
    this.#ports.log.warn('refused', { join: toHex(join), ...errorFields(error) });
    if (!isCoded(error) || error.kind === 'unavailable' || error.kind === 'not-found') return;
    const body = this.follower.state.joins.get(toHex(join))?.body;
    if (body?.task === undefined || body.run === undefined) return;
    if (this.#refused.has(toHex(join))) return;
    this.#refused.add(toHex(join));
    const { task, run } = body;
    const done = this.#append('refusal', { task, run, join, code }).catch((cause: unknown) => {
      this.#ports.log.warn('refusal-not-appended', errorFields(cause));
    });
    this.#background.add(done);
    void done.finally(() => this.#background.delete(done));
  }

  #share(): KeyShare | undefined {
    const share = this.#ceremony?.share(this.follower.state);
    return share === undefined || share.wiped ? undefined : share;
  }

  #checkEnvironment(): void {
    const { environment: id, operator } = this.#options;
    const { tee } = this.#ports.attester;
    const charter = this.follower.charter;
    const environment = charter.environments.find((e) => e.id === id);
    if (environment?.role === 'keeper' && environment.tee === tee) {
      if (charter.operators.some((o) => o.id === operator)) return;
    }
    const message = `the charter has no keeper environment '${id}' of ${tee} or no operator '${operator}'`;
    throw keeperError('environment-mismatch', 'policy', message);
  }

  async #makeJoin(): Promise<{ event: Uint8Array; evidence: Uint8Array; id: Uint8Array }> {
    const { attester, crypto } = this.#ports;
    const { genesis, operator, environment, name } = this.#options;
    const body: Omit<EventBody<'join'>, 'evidence'> = {
      role: 'keeper',
      operator,
      charter: this.follower.charter.version,
      environment,
      hardware: attester.hardware,
      tls: crypto.digest('sha256', tlsKey()),
      hpke: this.#hpke.publicKey,
      checkpoint: utf8(this.follower.note as string),
    };
    const input = { genesis, signing: this.#ports.signer.key, join: body };
    const { evidence } = await attester.quote(reportData(input, attester.reportDataLength, crypto));
    const join = { ...body, evidence: crypto.digest('sha256', evidence) };
    const inner = await signEvent(this.#ports.signer, name, { genesis, kind: 'join', body: join });
    const event = await attester.signJoin(inner);
    return { event, evidence, id: eventId(event) };
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        const moved = await this.follower.step(POLL_MS);
        this.metrics.set('cloister_keeper_ledger_size', this.follower.size);
        await this.#ceremony?.advance(this.follower.state);
        this.metrics.set('cloister_keeper_holding', this.state === 'holding' ? 1 : 0);
        if (!moved) await sleep(IDLE_MS, signal);
      } catch (error) {
        this.#ports.log.warn('behind', errorFields(error));
        await sleep(RETRY_MS, signal);
      }
    }
  }

  async #append<K extends EventKind>(kind: K, body: EventBody<K>): Promise<void> {
    const { genesis, name } = this.#options;
    await this.#appendBytes(
      await signEvent(this.#ports.signer, name, { genesis, kind, body }),
      kind,
    );
  }

  /** Appends through the first gateway that answers; the same bytes again are harmless. */
  async #appendBytes(event: Uint8Array, kind: EventKind): Promise<void> {
    let last: unknown;
    for (let attempt = 0; attempt < APPEND_ATTEMPTS; attempt++) {
      const peer = this.#ports.peers[attempt % this.#ports.peers.length] as LedgerPeer;
      try {
        const answer = await peer.append(event);
        if (answer.status === 'accepted' || answer.code === 'duplicate') return;
        const message = `the ledger holds the ${kind} void: ${answer.code} ${answer.sentence ?? ''}`;
        throw keeperError(kind === 'join' ? 'join-rejected' : 'event-rejected', 'policy', message);
      } catch (error) {
        if (isCoded(error) && error.kind !== 'unavailable') throw error;
        last = error;
        await sleep(RETRY_MS, this.#stopping.signal);
        if (this.#stopping.signal.aborted) break;
      }
    }
    throw last;
  }

  async #patiently(what: string, attempt: () => Promise<boolean>): Promise<void> {
    const { signal } = this.#stopping;
    const until = Date.now() + this.#options.patienceMs;
    let last: unknown;
    while (!signal.aborted) {
      try {
        if (await attempt()) return;
      } catch (error) {
        if (!(error instanceof CodedError)) throw error;
        last = error;
      }
      if (Date.now() >= until) break;
      await sleep(RETRY_MS, signal);
    }
    const cause = last === undefined ? '' : `: ${errorFields(last).message}`;
    const message = `gave up waiting for ${what}${cause}`;
    throw keeperError('ledger-unreachable', 'unavailable', message, { cause: last });
  }
}

function decisionKey(share: KeyShare, join: Uint8Array): string {
  return `${toHex(share.epoch)}/${toHex(join)}`;
}

/** The sealed keys that a decision may need: the footer's and those of the columns asked for. */
function askedColumns({ input, body }: RightInput) {
  return body.columns.filter(({ id }) => id === 0 || input.columns.includes(id));
}

/** The id that the fold gives an event: SHA-256 of the outer Sig_structure. */
function eventId(event: Uint8Array): Uint8Array {
  return nodeCrypto.digest('sha256', parseCose(event).sigStructure);
}

/** SubjectPublicKeyInfo of a fresh TLS key; the channel that uses its private half is to come. */
function tlsKey(): Uint8Array {
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }));
}

/** Resolves after `ms`, or at once when the signal aborts. */
function sleep(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}
