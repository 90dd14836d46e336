// SPDX-License-Identifier: Apache-2.0
// Puts a gateway together from its folder and starts it: local copy and ledger, follower, witness,
// peers, engine, HTTP. It then signs the charter if it has not, ticks, and declines what its own
// policies forbid. Stopping undoes all of it in the reverse order.
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GatewayClient, HttpBlobs, HttpJson, REQUEST_HEADER, signRequest } from '@cloister/api';
import {
  type CharterBody,
  decodeFoundingCharter,
  JoinAppraiser,
  signEvent,
} from '@cloister/contract';
import {
  type BlobStore,
  CodedError,
  equal,
  fromHex,
  isCoded,
  systemClock,
  systemRandom,
} from '@cloister/core';
import { FileBlobs, nodeCrypto } from '@cloister/core/node';
import { createDuckdbEngine } from '@cloister/engine-duckdb';
import { HttpLedger, LogLedger } from '@cloister/ledger-log';
import { logOrigin, Witness } from '@cloister/tlog';
import { fileWitnessStore } from '@cloister/tlog/node';
import { type Logger, pino } from 'pino';
import { type Gateway, publish } from './context.ts';
import type { GatewayErrorCode } from './errors.ts';
import {
  CHARTER_FILE,
  type GatewayConfig,
  type MemberCard,
  type OrgKeys,
  readAdminToken,
  readGatewayConfig,
  readKeys,
  readOrg,
} from './home.ts';
import { fetchBlob, relayedHeaders } from './http/blob-routes.ts';
import { buildServer } from './http/server.ts';
import { type EntryRecord, Follower } from './ledger/follower.ts';
import { WitnessService } from './ledger/witness-service.ts';
import { RunBook } from './work/runs.ts';
import { declineIfForbidden } from './work/tasks.ts';

export interface RunningGateway {
  readonly url: string;
  readonly gateway: Gateway;
  stop(): Promise<void>;
}

/**
 * Starts the gateway of the organisation in `home`.
 * @throws CodedError `home-missing`, `charter-mismatch`, `gateway-locked`, the ledger's and the
 * witness's codes
 */
export async function startGateway(options: {
  home: string;
  log?: Logger;
}): Promise<RunningGateway> {
  const { home } = options;
  const [card, keys, config] = await Promise.all([
    readOrg(home),
    readKeys(home),
    readGatewayConfig(home),
  ]);
  const log = (options.log ?? pino({ level: 'info' }, pino.destination(2))).child({
    member: card.id,
  });
  const genesis = fromHex(config.genesis);
  const charter = await readCharter(home, { card, genesis });
  const origin = logOrigin(genesis);
  const copy = await LogLedger.open({ folder: join(home, 'log'), origin });
  const replayed = await copy.size();
  const ledger = new HttpLedger({
    url: config.ledger,
    origin,
    authenticate: authenticator(keys, card, genesis),
  });
  let heard: (record: EntryRecord) => void = () => undefined;
  const onEntry = (record: EntryRecord) => heard(record);
  const follower = new Follower({ ledger, copy, crypto: nodeCrypto, onEntry });
  await follower.start();
  const peers = peersOf(config);
  const witness = await openWitness({ home, card, keys, origin, follower, replayed });
  const blobs = new FileBlobs(join(home, 'blobs'));
  const remotes = [...peers.values()].map(
    (peer) =>
      new HttpBlobs([new HttpJson({ base: peer.http.base, headers: relayedHeaders })], nodeCrypto),
  );
  const fetchFromPeers = (digest: Uint8Array) => fetchBlob(digest, remotes, blobs);
  const allBlobs = everywhere(blobs, fetchFromPeers);
  const gateway: Gateway = {
    home,
    card,
    keys,
    genesis,
    ledger,
    follower,
    witness: new WitnessService({ witness, follower, peers }),
    peers,
    blobs,
    allBlobs,
    engine: createDuckdbEngine(),
    appraiser: new JoinAppraiser({ crypto: nodeCrypto, blobs: allBlobs }),
    clock: systemClock,
    random: systemRandom,
    log,
  };
  const app = buildServer(gateway, {
    fetchFromPeers,
    token: await readAdminToken(home),
    runs: new RunBook(),
  });
  const url = await app.listen({ host: config.host, port: config.port });
  const duties = new Duties(gateway, charter, config.tickSeconds * 1_000);
  heard = (record) => duties.heard(record);
  duties.start();
  log.info({ url, size: follower.size }, 'gateway listening');
  return {
    url,
    gateway,
    async stop() {
      await duties.stop();
      await app.close();
      await follower.stop();
      await ledger.close();
      await copy.close();
      await gateway.engine.close();
      log.info('gateway stopped');
    },
  };
}

/** What a gateway does by itself: sign the charter, tick, decline what its policies forbid. */
class Duties {
  readonly #gateway: Gateway;
  readonly #charter: CharterBody;
  readonly #tickMs: number;
  #timer: NodeJS.Timeout | undefined;
  #work: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(gateway: Gateway, charter: CharterBody, tickMs: number) {
    this.#gateway = gateway;
    this.#charter = charter;
    this.#tickMs = tickMs;
  }

  start(): void {
    this.#queue('found', () => this.#found());
    this.#queue('tick', () => this.#tick());
    this.#timer = setInterval(() => this.#queue('tick', () => this.#tick()), this.#tickMs);
  }

  heard(record: EntryRecord): void {
    const { event, status } = record;
    if (status !== 'accepted' || event === undefined) return;
    if (event.kind === 'charter') this.#queue('tick', () => this.#tick());
    if (event.kind === 'task') this.#queue('judge', () => this.#judge(event.id));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#work;
  }

  /** One duty at a time; what fails is logged and does not stop the next. */
  #queue(name: string, duty: () => Promise<void>): void {
    this.#work = this.#work.then(async () => {
      if (this.#stopped) return;
      try {
        await duty();
      } catch (error) {
        this.#gateway.log.warn({ err: error, duty: name }, 'a duty failed');
      }
    });
  }

  async #found(): Promise<void> {
    const { follower, keys, card } = this.#gateway;
    if (follower.state.charter !== null) return;
    const event = { genesis: null, kind: 'charter', body: this.#charter } as const;
    await this.#gateway.ledger.append(await signEvent(keys.identity, card.id, event));
  }

  async #tick(): Promise<void> {
    if (this.#gateway.follower.state.charter === null) return;
    await publish(this.#gateway, 'tick', { time: this.#gateway.clock.now() });
  }

  async #judge(task: Uint8Array): Promise<void> {
    try {
      await declineIfForbidden(this.#gateway, task);
    } catch (error) {
      if (!isCoded(error, 'openings-not-for-me')) throw error;
    }
  }
}

async function readCharter(
  home: string,
  own: { card: MemberCard; genesis: Uint8Array },
): Promise<CharterBody> {
  const bytes = await readFile(join(home, CHARTER_FILE)).catch(() => undefined);
  if (bytes === undefined) {
    const message = `${join(home, CHARTER_FILE)} is missing: put the charter there (cloister gateway init)`;
    throw new CodedError<GatewayErrorCode>('home-missing', 'not-found', message);
  }
  const charter = decodeFoundingCharter(bytes, own.genesis, nodeCrypto);
  const { id, identity, witness, hpke } = own.card;
  const mine = charter.members.find((member) => member.id === id);
  const same =
    mine !== undefined &&
    equal(mine.identity, fromHex(identity)) &&
    equal(mine.witness, fromHex(witness)) &&
    equal(mine.hpke, fromHex(hpke));
  if (same) return charter;
  const message = `the charter does not name ${id} with the keys of this folder`;
  throw new CodedError<GatewayErrorCode>('charter-mismatch', 'verification', message);
}

function authenticator(keys: OrgKeys, card: MemberCard, genesis: Uint8Array) {
  const ports = { crypto: nodeCrypto, clock: systemClock };
  return async (request: { method: string; path: string; bodyDigest: Uint8Array }) => {
    const { method, path, bodyDigest } = request;
    const facts = { genesis, method, path, body: { sha256: bodyDigest } };
    return { [REQUEST_HEADER]: await signRequest(keys.identity, card.id, facts, ports) };
  };
}

function peersOf(config: GatewayConfig): Map<string, GatewayClient> {
  return new Map(
    Object.entries(config.peers).map(([id, base]) => [
      id,
      new GatewayClient(new HttpJson({ base })),
    ]),
  );
}

/** A witness key's memory begins once, with an empty log; after that it is only ever opened. */
async function openWitness(of: {
  home: string;
  card: MemberCard;
  keys: OrgKeys;
  origin: string;
  follower: Follower;
  /** Entries that the local copy held at start. */
  replayed: number;
}): Promise<Witness> {
  const path = join(of.home, 'witness');
  const options = {
    crypto: nodeCrypto,
    clock: systemClock,
    name: of.card.id,
    signer: of.keys.witness,
    origin: of.origin,
    store: fileWitnessStore(path),
    tree: of.follower.tree,
  };
  const begun = await stat(path).then(
    () => true,
    () => false,
  );
  // A log without the witness's memory is a restore: that key must not sign again.
  return begun || of.replayed > 0 ? Witness.open(options) : Witness.create(options);
}

function everywhere(local: FileBlobs, fetch: (digest: Uint8Array) => Promise<boolean>): BlobStore {
  const here = async (digest: Uint8Array) => {
    if ((await local.head(digest)) === undefined) await fetch(digest);
  };
  return {
    put: (bytes) => local.put(bytes),
    async get(digest) {
      await here(digest);
      return local.get(digest);
    },
    async head(digest) {
      await here(digest);
      return local.head(digest);
    },
    async range(digest, start, end) {
      await here(digest);
      return local.range(digest, start, end);
    },
  };
}
