// SPDX-License-Identifier: Apache-2.0
// A worker's machine in the hands of an attacker: it joins, asks witnesses and keepers as a worker
// does, and does one thing otherwise. Its protocol is written out here, as the real worker refuses
// to do these things; whom it asks is real.
import { decodeOpened, openAnswerInfo } from '@cloister/api';
import {
  columnsDigest,
  encodeTaskOpenings,
  openingsInfo,
  reportData,
  signReceipt,
} from '@cloister/contract';
import { type Signer, toHex, utf8 } from '@cloister/core';
import {
  generateHpkeKeyPair,
  type HpkeKeyPair,
  hpkeOpen,
  hpkeSeal,
} from '@cloister/threshold/node';
import {
  formatFreshness,
  formatNote,
  parseFreshness,
  parseNote,
  signFreshness,
} from '@cloister/tlog';
import type { Gateway, KeeperPeer } from '@cloister/worker/protocol';
import { MEASURED, namedBytes } from '../world/index.ts';
import { Endpoint, passing } from './endpoint.ts';
import { gatewayPeer, keeperPeer } from './peers.ts';
import { eventId, type Flaw, fromHexKey, MEMBERS, type Place, type Stage } from './stage.ts';
import { OWNER, PROPOSER } from './tasks.ts';
import type { Task } from './truth.ts';

/** What it does otherwise, besides what may be wrong with its evidence or its task. */
export const TRICKS = [
  'stale-head',
  'few-witnesses',
  'without-owner',
  'mixed-heads',
  'forked-quorum',
  'other-charter',
  'swapped-openings',
  'after-the-end',
  'invented-result',
  'uninvited',
] as const;
export type Trick = (typeof TRICKS)[number];

const ROUNDS = 5;
const ENOUGH = 2;
const PAUSE_MS = 250;
const NO_AAD = new Uint8Array(0);

type Notes = ReadonlyMap<string, string>;
type Answer = Awaited<ReturnType<KeeperPeer['open']>>;

export class Attacker {
  readonly name: string;
  readonly #stage: Stage;
  readonly #task: Task;
  readonly #trick: Trick | undefined;
  readonly #flaw: Flaw;
  readonly #at: Partial<Place>;
  readonly #keepers: () => readonly string[];
  readonly #endpoint: Endpoint;
  readonly #gateways: ReadonlyMap<string, Gateway>;
  readonly signer: Signer;
  readonly #hpke: HpkeKeyPair;
  readonly run: Uint8Array;
  /** What keepers signed that they opened to it, one a keeper. */
  receipts: readonly Uint8Array[] = [];
  readonly #place: number | undefined;
  readonly #versions: readonly number[] | undefined;
  #old: Notes | undefined;

  constructor(
    stage: Stage,
    of: {
      name: string;
      task: Task;
      trick?: Trick;
      flaw?: Flaw;
      /** Where it runs what its evidence shows; at the proposer's as a rule. */
      at?: Partial<Place>;
      /** Whether the charter has a place for it, if its evidence is right; so by default. */
      sound?: boolean;
      /** In a distributed run: its place, and the name of the driver that opened the run. */
      place?: number;
      driver?: string;
      /** What its proposer's ticket says of versions. */
      versions?: readonly number[];
      /** Addresses, as they are when it asks. */
      keepers: () => readonly string[];
    },
  ) {
    this.#stage = stage;
    this.name = of.name;
    this.#task = of.task;
    this.#trick = of.trick;
    this.#flaw = of.flaw ?? 'none';
    this.#at = of.at ?? {};
    this.#keepers = of.keepers;
    this.#endpoint = new Endpoint(stage.network, of.name);
    this.#gateways = new Map(MEMBERS.map((m) => [m, gatewayPeer(this.#endpoint, m)]));
    this.signer = stage.shared.signer(of.name);
    this.#hpke = generateHpkeKeyPair(stage.random(of.name));
    this.run = namedBytes(stage.label, `${of.driver ?? of.name}/run`).slice(0, 16);
    this.#place = of.place;
    this.#versions = of.versions;
    if (this.#flaw === 'none' && of.sound !== false) stage.sound.add(toHex(this.signer.key));
  }

  async attack(): Promise<void> {
    await this.ask(await this.join());
  }

  /** Asks keepers to open for its join. */
  async ask(join: Uint8Array): Promise<void> {
    const { network } = this.#stage;
    if (this.#trick === 'swapped-openings') this.#stage.swapped.add(toHex(join));
    if (this.#trick === 'invented-result') return this.#invent(join);
    if (this.#trick === 'stale-head') {
      const own = [namedBytes(this.#stage.label, `${this.name}/challenge`)];
      this.#old = await this.#fresh(own);
    }
    let asked = 0;
    for (let round = 0; round < ROUNDS && asked < ENOUGH; round++) {
      await network.sleep(PAUSE_MS);
      if (await this.#round(join)) asked++;
    }
  }

  /** Puts its join on the ledger, and answers its id. */
  async join(): Promise<Uint8Array> {
    const { world, shared } = this.#stage;
    const { operator = PROPOSER, environment } = this.#at;
    const of = { ...this.#at, operator, role: 'worker', flaw: this.#flaw } as const;
    const attester = this.#stage.attester(of);
    const unproved = {
      role: 'worker' as const,
      operator,
      charter: world.charter.version,
      environment: environment ?? this.#stage.environment(operator, 'worker'),
      hardware: attester.hardware,
      measurement: attester.measurement,
      task: this.#task.id,
      run: this.run,
      ticket: await this.#ticket(),
      ...(this.#place === undefined ? {} : { place: this.#place }),
      tls: namedBytes(this.#stage.label, `${this.name}/tls`),
      hpke: this.#hpke.publicKey,
      checkpoint: utf8('a checkpoint'),
    };
    const signing = this.signer.key;
    const data = reportData({ genesis: world.genesis, signing, join: unproved }, 64, shared.crypto);
    const { evidence } = await attester.quote(data);
    const body = { ...unproved, evidence: this.#stage.putBlob(evidence) };
    const bytes = await attester.signJoin(await world.sign(this.signer, 'join', body));
    await this.#append(bytes);
    return eventId(bytes);
  }

  async #append(bytes: Uint8Array): Promise<void> {
    for (let i = 0; i < 2 * MEMBERS.length; i++) {
      const gateway = this.#gateways.get(MEMBERS[i % MEMBERS.length] as string) as Gateway;
      if ((await gateway.append(bytes).catch(passing)) !== undefined) return;
    }
  }

  /** Its proposer asked for this run: what it does beyond that is its own. */
  #ticket(): Promise<Uint8Array> {
    const { operator = PROPOSER } = this.#at;
    const place = this.#place === undefined ? {} : { place: this.#place };
    const versions = this.#versions === undefined ? {} : { versions: this.#versions };
    const asked = { task: this.#task.id, run: this.run, operator, ...place, ...versions };
    const { uninvited, network } = this.#stage;
    const proposer = this.#stage.key(this.#task.proposer, 'identity');
    if (this.#trick !== 'uninvited') return this.#stage.world.ticket(asked, proposer);
    network.count('attack: uninvited');
    uninvited.add(toHex(this.signer.key));
    return this.#stage.world.ticket(asked, this.signer);
  }

  /** The signer of a seat that signs whatever an attacker wants, if it is such a one. */
  #accomplice(join: string): Signer | undefined {
    const { world, shared, honestKeepers } = this.#stage;
    const key = toHex(world.state.joins.get(join)?.signer ?? new Uint8Array());
    if (honestKeepers.has(key)) return undefined;
    const signers = this.#keepers().map((name) => shared.signer(name));
    return signers.find((signer) => toHex(signer.key) === key);
  }

  /**
   * Asks no keeper, and records a usage with receipts of the keepers that are its accomplices,
   * fewer than t, and others that it signs itself.
   */
  async #invent(join: Uint8Array): Promise<void> {
    const { world, shared, network } = this.#stage;
    const { genesis, state } = world;
    const [epoch] = [...state.epochs].filter(([, { status }]) => status === 'active');
    const asked = state.tasks.get(toHex(this.#task.id))?.body.inputs ?? [];
    if (epoch === undefined) return;
    const inputs = asked.map((input) => ({ ...input, rows: 1_000_000, bytes: 1_000_000 }));
    const about = { task: this.#task.id, run: this.run, epoch: fromHexKey(epoch[0]) };
    const columns = columnsDigest(inputs, shared.crypto);
    const judged = { roster: [join], columns, parts: [], size: state.seq };
    const receiptOf = (seat: number, signer: Signer) => {
      const receipt = { ...about, ...judged, seat };
      return signReceipt(signer, this.name, { genesis, receipt });
    };
    const seats = epoch[1].joins.map((key, i) => ({ seat: i + 1, vouches: this.#accomplice(key) }));
    const vouched = seats.flatMap(({ seat, vouches }) => {
      return vouches === undefined ? [] : [receiptOf(seat, vouches)];
    });
    if (vouched.length > 0) network.count('attack: vouched-result');
    const forged = seats.flatMap(({ seat, vouches }) => {
      return vouches === undefined ? [receiptOf(seat, this.signer)] : [];
    });
    const receipts = network.pick([
      [...vouched, ...forged],
      vouched.length > 0 ? vouched : forged,
      [...vouched, ...vouched, ...forged].slice(0, seats.length),
    ]);
    const body = {
      ...about,
      join,
      inputs,
      result: namedBytes(this.name, 'result'),
      cage: 'process' as const,
      ...(await world.sealed(MEASURED)),
      receipts: await Promise.all(receipts),
    };
    network.count('attack: invented-result');
    await this.#append(await world.sign(this.signer, 'usage', body));
  }

  /** Its run is over: it says so itself, as keepers draw nothing for a run that has ended. */
  async #end(join: Uint8Array): Promise<void> {
    const body = { task: this.#task.id, run: this.run, join, code: 'run-failed' };
    await this.#append(await this.#stage.world.sign(this.signer, 'run-failed', body));
  }

  /** Challenges, notes over all of them, requests. True once requests have gone out. */
  async #round(join: Uint8Array): Promise<boolean> {
    const { network } = this.#stage;
    const by = this.signer.key;
    const keepers = this.#keepers().map((name) => keeperPeer(this.#endpoint, name, by));
    const receivers = this.#keepers().map((name) => this.#keeperJoin(name));
    const nonces = this.#stage.random(`${this.name}/challenges`);
    const drawn = await Promise.all(
      keepers.map((peer, i) => {
        const keeper = receivers[i]?.id ?? new Uint8Array(32);
        return peer.challenge({ join, keeper, nonce: nonces.bytes(32) }).catch(passing);
      }),
    );
    const challenges = drawn.flatMap((challenge) => challenge ?? []);
    if (challenges.length === 0) return false;
    if (this.#trick === 'after-the-end') await this.#end(join);
    const shown = await this.#shown(challenges);
    if (shown === undefined) return false;
    if (this.#trick !== undefined) network.count(`attack: ${this.#trick}`);
    const openings = this.#openings();
    const { genesis } = this.#stage.world;
    const info = openingsInfo(genesis, 'keeper');
    const random = this.#stage.random(`${this.name}/openings`);
    const asked = receivers.map(async (receiver, i) => {
      if (receiver === undefined) return undefined;
      const { publicKey, id: keeper } = receiver;
      const sealed = hpkeSeal({ publicKey, info, aad: NO_AAD, plaintext: openings, random });
      const request = { join, keeper, freshness: shown, openings: sealed };
      const answer = await keepers[i]?.open(request).catch(passing);
      return answer === undefined ? undefined : this.#receipt(join, answer);
    });
    const receipts = (await Promise.all(asked)).filter((receipt) => receipt !== undefined);
    if (receipts.length > this.receipts.length) this.receipts = receipts;
    return true;
  }

  /** Id and attested key of a keeper's join, once it has one. */
  #keeperJoin(name: string): { id: Uint8Array; publicKey: Uint8Array } | undefined {
    const { shared, world } = this.#stage;
    const signer = toHex(shared.signer(name).key);
    const known = [...world.state.joins].find(([, join]) => toHex(join.signer) === signer);
    if (known === undefined) return undefined;
    return { id: fromHexKey(known[0]), publicKey: known[1].body.hpke };
  }

  #receipt(join: Uint8Array, { epoch, seat, sealed }: Answer): Uint8Array {
    const info = openAnswerInfo(this.#stage.world.genesis, { join, epoch, seat });
    return decodeOpened(hpkeOpen({ keyPair: this.#hpke, info, aad: NO_AAD, sealed })).receipt;
  }

  #openings(): Uint8Array {
    const { openings } = this.#task;
    if (this.#trick !== 'swapped-openings') return encodeTaskOpenings(openings);
    return encodeTaskOpenings({
      ...openings,
      code: { ...openings.code, salt: new Uint8Array(16) },
    });
  }

  /** The notes to show; undefined: not now. */
  async #shown(challenges: readonly Uint8Array[]): Promise<string[] | undefined> {
    const { quorum } = this.#stage.world.charter.witnesses;
    if (this.#trick === 'stale-head') return this.#old === undefined ? undefined : all(this.#old);
    const notes = await this.#fresh(challenges);
    if (notes === undefined || !notes.has(OWNER)) return undefined;
    const others = [...notes].filter(([name]) => name !== OWNER).map(([, note]) => note);
    const owners = notes.get(OWNER) as string;
    switch (this.#trick) {
      case 'few-witnesses':
        return [owners, others[0] as string];
      case 'without-owner':
        return others.length >= quorum ? others : undefined;
      case 'mixed-heads':
        return this.#mixed(challenges, notes);
      case 'forked-quorum':
      case 'other-charter':
        return this.#signedByAll(owners);
      default:
        return all(notes);
    }
  }

  /** Two witnesses on the new head, a third on the head before it. */
  async #mixed(challenges: readonly Uint8Array[], before: Notes): Promise<string[] | undefined> {
    const text = parseNote(all(before)[0] as string).text;
    for (let tries = 0; tries < ROUNDS; tries++) {
      await this.#stage.network.sleep(PAUSE_MS);
      const now = await this.#fresh(challenges);
      const owners = now?.get(OWNER);
      if (now === undefined || owners === undefined || parseNote(owners).text === text) continue;
      const [second, third] = [...now.keys()].filter((name) => name !== OWNER && before.has(name));
      if (second === undefined || third === undefined) continue;
      return [owners, now.get(second) as string, before.get(third) as string];
    }
    return undefined;
  }

  /**
   * All witnesses sign what they are asked: in another charter that they serve too, or, with stolen
   * keys, a root that this ledger never had.
   */
  async #signedByAll(note: string): Promise<string[]> {
    const { issued, shared } = this.#stage;
    const { checkpoint, challenges } = parseFreshness(parseNote(note).text);
    const other = this.#trick === 'other-charter' ? { origin: `cloister/${'ab'.repeat(32)}` } : {};
    const fork = this.#trick === 'forked-quorum' ? { root: namedBytes('a', 'fork') } : {};
    const statement = { checkpoint: { ...checkpoint, ...other, ...fork }, challenges };
    const text = formatFreshness(statement);
    const timeSeconds = 1;
    return Promise.all(
      MEMBERS.map(async (name) => {
        const by = { name, signer: this.#stage.key(name, 'witness'), timeSeconds };
        issued.add(`${name}\n${text}`);
        return formatNote(text, [await signFreshness(shared.crypto, by, statement)]);
      }),
    );
  }

  /** Notes of a quorum over one text, by witness. */
  async #fresh(challenges: readonly Uint8Array[]): Promise<Notes | undefined> {
    const { quorum } = this.#stage.world.charter.witnesses;
    for (let tries = 0; tries < ROUNDS; tries++) {
      const heads = await Promise.all(
        [...this.#gateways.values()].map((gateway) => gateway.checkpoint().catch(passing)),
      );
      const honest = heads.filter((head) => head !== undefined && this.#isTrue(head));
      const head = honest.sort((a, b) => (b?.size ?? 0) - (a?.size ?? 0))[0];
      if (head !== undefined) {
        const at = { size: head.size, root: Uint8Array.from(Buffer.from(head.root, 'hex')) };
        const notes = new Map<string, string>();
        const asking = [...this.#gateways].map(async ([name, gateway]) => {
          const note = await gateway.freshness(at, challenges).catch(passing);
          if (note !== undefined) notes.set(name, note);
        });
        await Promise.all(asking);
        if (notes.size >= quorum) return notes;
      }
      await this.#stage.network.sleep(PAUSE_MS / 5);
    }
    return undefined;
  }

  #isTrue({ size, root }: { size: number; root: string }): boolean {
    const { tree } = this.#stage;
    return size > 0 && size <= tree.size && toHex(tree.root(size)) === root;
  }
}

function all(notes: Notes): string[] {
  return [...notes.values()];
}
