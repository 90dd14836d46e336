// SPDX-License-Identifier: Apache-2.0
// Members with real folders, real gateways in this process and a real ledger over HTTP, for tests.
// A `World` knows everybody's keys, so a test writes the part of the history that keepers and other
// members would write; `publish` puts it on the ledger.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AdminClient, GatewayClient, HttpJson } from '@cloister/api';
import { encodeFoundingCharter } from '@cloister/contract';
import { isCoded, systemClock, toHex, utf8 } from '@cloister/core';
import {
  ed25519Signer,
  FileBlobs,
  makeFolderDurably,
  nodeCrypto,
  writeDurably,
} from '@cloister/core/node';
import { type LedgerServer, serveLedger } from '@cloister/ledger-log';
import { LogLedger } from '@cloister/log-store';
import { type CharterOptions, namedBytes, World } from '@cloister/testkit/world';
import { deriveHpkeKeyPair } from '@cloister/threshold/node';
import { logOrigin, MerkleTree, Witness } from '@cloister/tlog';
import { fileWitnessStore } from '@cloister/tlog/node';
import { pino } from 'pino';
import { CHARTER_FILE, readAdminToken, writeGatewayConfig } from '../src/home.ts';
import { type RunningGateway, startGateway } from '../src/start.ts';
import { charterOnHardware, giveEvidence } from './hardware.ts';

const SEED = 'federation';
/** The clock of the ledger when a history begins: gateways tick with the time of day. */
const HISTORY_MS = Date.now() - 1_000;
const MEMBERS = ['insurer', 'hospital', 'bank'] as const;
export type MemberId = (typeof MEMBERS)[number];

export interface Started extends RunningGateway {
  readonly admin: AdminClient;
  readonly client: GatewayClient;
  readonly token: string;
}

export class Federation {
  readonly root: string;
  readonly world: World;
  ledger: LedgerServer;
  readonly running = new Map<MemberId, Started>();
  #published = 0;

  private constructor(root: string, world: World, ledger: LedgerServer) {
    this.root = root;
    this.world = world;
    this.ledger = ledger;
  }

  /**
   * Folders and a ledger; `history` writes what is on it before any gateway starts. A seat an
   * operator unless told.
   */
  static async create(
    history?: (world: World, put: (bytes: Uint8Array) => Promise<Uint8Array>) => Promise<void>,
    keepers: Pick<CharterOptions, 'seats' | 'threshold' | 'engines'> = {},
  ): Promise<Federation> {
    const root = await mkdtemp(join(tmpdir(), 'cloister-gateways-'));
    const specimen = charterOnHardware({ seed: SEED, members: MEMBERS, ...keepers });
    const members = specimen.members.map((m) => ({ ...m, hpke: hpkeOf(m.id).publicKey }));
    const world = new World({ seed: SEED }, { ...specimen, members });
    const ledger = await serve(join(root, 'ledger'), world);
    const federation = new Federation(root, world, ledger);
    for (const id of MEMBERS) await federation.#makeHome(id);
    if (history !== undefined) {
      await history(world, (bytes) => federation.putEverywhere(bytes));
      await federation.publish();
      for (const id of MEMBERS) await federation.beginWitness(id);
    }
    return federation;
  }

  home(id: MemberId): string {
    return join(this.root, id);
  }

  get origin(): string {
    return logOrigin(this.world.genesis);
  }

  /** Puts a blob into every member's store. */
  async putEverywhere(bytes: Uint8Array): Promise<Uint8Array> {
    const stores = MEMBERS.map((id) => new FileBlobs(join(this.home(id), 'blobs')));
    const digests = await Promise.all(stores.map((store) => store.put(bytes)));
    return digests[0] as Uint8Array;
  }

  /** Puts on the ledger what the world has submitted since the last time. */
  async publish(): Promise<void> {
    const fresh = this.world.log.slice(this.#published);
    this.#published = this.world.log.length;
    await Promise.all(fresh.map((event) => this.ledger.ledger.append(event)));
  }

  /** The world knows what is on the ledger, gateways' own events too, and goes on from there. */
  async catchUp(): Promise<void> {
    await this.publish();
    const { events } = await this.ledger.ledger.read(0, 10_000);
    await this.world.follow(events);
    this.#published = this.world.log.length;
  }

  /** As after an earlier life of the gateway in which it signed nothing. */
  async beginWitness(id: MemberId): Promise<void> {
    const { genesis } = this.world;
    await Witness.create({
      crypto: nodeCrypto,
      clock: systemClock,
      name: id,
      signer: ed25519Signer(namedBytes(SEED, `ed25519/${id}/witness`)),
      origin: logOrigin(genesis),
      store: fileWitnessStore(join(this.home(id), 'witness')),
      tree: new MerkleTree(nodeCrypto),
    });
    await this.writeKeys(id, true);
  }

  async writeKeys(id: MemberId, witnessBegun: boolean): Promise<void> {
    const keys = {
      identity: toHex(namedBytes(SEED, `ed25519/${id}/identity`)),
      witness: toHex(namedBytes(SEED, `ed25519/${id}/witness`)),
      hpke: toHex(namedBytes(SEED, `hpke/${id}`)),
      ...(witnessBegun ? { witnessBegun } : {}),
    };
    await writeDurably(join(this.home(id), 'keys.json'), utf8(JSON.stringify(keys)), 0o600);
  }

  /** Starts a gateway and makes it and those that run each other's peers. */
  async start(id: MemberId): Promise<Started> {
    const home = this.home(id);
    const log = pino({ level: 'silent' });
    const running = await startGateway({ home, log, ledgerRetryMs: 200 });
    const token = await readAdminToken(home);
    const http = new HttpJson({ base: running.url, token });
    const client = new GatewayClient(new HttpJson({ base: running.url }));
    const started = { ...running, token, client, admin: new AdminClient(http) };
    for (const [other, gateway] of this.running) {
      peersOf(gateway).set(id, client);
      peersOf(started).set(other, gateway.client);
    }
    this.running.set(id, started);
    return started;
  }

  async startAll(): Promise<Started[]> {
    const all: Started[] = [];
    for (const id of MEMBERS) all.push(await this.start(id));
    return all;
  }

  async stop(id: MemberId): Promise<void> {
    const gateway = this.running.get(id);
    this.running.delete(id);
    await gateway?.stop();
  }

  /** Stops the ledger and begins another on the same address with the events that `keep` leaves. */
  async replaceLedger(keep: (events: Uint8Array[]) => Uint8Array[]): Promise<void> {
    const folder = join(this.root, 'ledger');
    const { port } = this.ledger;
    await this.ledger.close();
    const old = await LogLedger.open({ folder, origin: this.origin });
    const { events } = await old.read(0, 1_000);
    await old.close();
    await rm(folder, { recursive: true });
    const made = await LogLedger.open({ folder, origin: this.origin });
    await Promise.all(keep([...events]).map((event) => made.append(event)));
    await made.close();
    this.ledger = await serve(folder, this.world, port);
  }

  /** Begins the stopped ledger again. */
  async resumeLedger(): Promise<void> {
    this.ledger = await serve(join(this.root, 'ledger'), this.world, this.ledger.port);
  }

  async close(): Promise<void> {
    for (const id of [...this.running.keys()]) await this.stop(id);
    await this.ledger.close();
    await rm(this.root, { recursive: true, force: true });
  }

  async #makeHome(id: MemberId): Promise<void> {
    const home = this.home(id);
    await makeFolderDurably(home);
    const member = this.world.charter.members.find((m) => m.id === id);
    if (member === undefined) throw new Error(`${id} is no member`);
    const { name, identity, witness, hpke } = member;
    const keys = { identity: toHex(identity), witness: toHex(witness), hpke: toHex(hpke) };
    await writeDurably(join(home, 'org.json'), utf8(JSON.stringify({ id, name, ...keys })));
    await this.writeKeys(id, false);
    await writeDurably(join(home, 'admin-token'), utf8(`token-of-${id}`), 0o600);
    const { payload, genesis } = encodeFoundingCharter(this.world.charter, nodeCrypto);
    await writeDurably(join(home, CHARTER_FILE), payload);
    const ledger = { kind: 'log', url: this.ledger.url };
    const config = { genesis: toHex(genesis), port: 0, ledger, peers: {}, tickSeconds: 3_600 };
    await writeGatewayConfig(home, config);
  }
}

/** A history with a founded charter, a clock and keepers that hold a key and can prove it. */
export async function withKeepers(
  world: World,
  put: (bytes: Uint8Array) => Promise<Uint8Array>,
): Promise<void> {
  await world.found();
  await world.tickAll(HISTORY_MS);
  await giveEvidence(world, put, HISTORY_MS);
  await world.formEpoch();
}

/** Such a history, which the bank's gateway alone follows. The test closes the federation. */
export async function bankAmongKeepers(
  keepers: Pick<CharterOptions, 'seats' | 'threshold' | 'engines'> = {},
): Promise<{ federation: Federation; world: World; bank: Started }> {
  const federation = await Federation.create(withKeepers, keepers);
  const bank = await federation.start('bank');
  await settled(bank);
  return { federation, world: federation.world, bank };
}

/** As `bankAmongKeepers`, with the hospital's gateway beside the bank's. */
export async function bankAndHospital(
  options: Pick<CharterOptions, 'engines'> = {},
): Promise<Awaited<ReturnType<typeof bankAmongKeepers>> & { hospital: Started }> {
  const among = await bankAmongKeepers(options);
  const hospital = await among.federation.start('hospital');
  await settled(hospital);
  return { ...among, hospital };
}

/** The gateway's own map, which a test fills because ports are known only once all listen. */
export function peersOf(started: RunningGateway): Map<string, GatewayClient> {
  return started.gateway.peers as Map<string, GatewayClient>;
}

/** Something with a part of it in another's place; its methods see that part as it was. */
export function instead<T extends object>(whole: T, parts: Partial<T>): T {
  return new Proxy(whole, {
    get: (of, name) => {
      if (name in parts) return parts[name as keyof T];
      const value: unknown = Reflect.get(of, name, of);
      return typeof value === 'function' ? value.bind(of) : value;
    },
  });
}

/** The code with which `act` fails, or `accepted`. */
export async function codeOf(act: Promise<unknown>): Promise<string> {
  try {
    await act;
  } catch (error) {
    return isCoded(error) ? error.code : `not coded: ${String(error)}`;
  }
  return 'accepted';
}

/** Asks until it holds, for at most five seconds. */
export async function eventually(holds: () => boolean | Promise<boolean>): Promise<void> {
  const end = performance.now() + 5_000;
  while (!(await holds())) {
    if (performance.now() > end) throw new Error('did not come true within 5 s');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Waits until a gateway has followed and said what it does by itself at its start. */
export async function settled({ gateway }: RunningGateway): Promise<void> {
  const { follower } = gateway;
  for (let size = -1; size !== follower.size || follower.state.clock === 0; ) {
    size = follower.size;
    await new Promise((resolve) => setTimeout(resolve, 80));
  }
}

/** Names in a folder, sorted; none when it is not there. */
export async function namesIn(folder: string): Promise<string[]> {
  return (await readdir(folder).catch(() => [])).sort();
}

function hpkeOf(id: string) {
  return deriveHpkeKeyPair(namedBytes(SEED, `hpke/${id}`));
}

function serve(folder: string, world: World, port = 0): Promise<LedgerServer> {
  return serveLedger({
    folder,
    origin: logOrigin(world.genesis),
    port,
    authenticate: () => 'anybody',
    authorise: () => undefined,
  });
}
