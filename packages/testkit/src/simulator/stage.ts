// SPDX-License-Identifier: Apache-2.0
// What all actors of one seed share: the network, the true ledger, the blobs, and the truth about
// every join, which only the checker reads. Invariant: every key and every random byte comes from
// the seed.
import { type EventBody, reportData } from '@cloister/contract';
import {
  charterSpecimen,
  namedBytes,
  namedSigner,
  START_MS,
  seededRandom,
  World,
} from '@cloister/contract/testing';
import {
  type BlobStore,
  CodedError,
  parseCose,
  type Random,
  type Signer,
  toHex,
  utf8,
} from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { generateHpkeKeyPair, type HpkeKeyPair } from '@cloister/threshold/node';
import { MerkleTree } from '@cloister/tlog';
import { stubEvidence } from './evidence.ts';
import { Network } from './network.ts';

export const MEMBERS = ['insurer', 'hospital', 'bank', 'lab'] as const;
export const CALM_MS = 6_000;
export const END_MS = 20_000;

/** What is wrong with a node's evidence; `none` for an honest one. */
export type Flaw =
  | 'none'
  | 'measurement'
  | 'debug'
  | 'forged-maker'
  | 'report-data'
  | 'evidence-expired';

export interface NodeKeys {
  readonly name: string;
  readonly signer: Signer;
  readonly hpke: HpkeKeyPair;
  readonly random: Random;
  /** The countersigned join as bytes, its id, hexadecimal. */
  readonly event: Uint8Array;
  readonly id: string;
  readonly body: EventBody<'join'>;
}

export class Stage {
  readonly seed: number;
  readonly label: string;
  readonly network: Network;
  readonly world: World;
  readonly tree = new MerkleTree(nodeCrypto);
  readonly blobs = new Map<string, Uint8Array>();
  /** Joins whose evidence is as it should be. */
  readonly attested = new Set<string>();
  /** Void code of a join, where it was refused. */
  readonly voidJoins = new Map<string, string>();
  /** Join behind an HPKE key, hexadecimal both. */
  readonly joinOfKey = new Map<string, string>();
  /** Witness and text of every freshness note that was really signed. */
  readonly issued = new Set<string>();
  /** How often keepers refused, by code. */
  readonly refusals = new Map<string, number>();
  readonly violations: string[] = [];
  readonly mutant: string | undefined;

  constructor(seed: number, mutant?: string) {
    this.seed = seed;
    this.label = `sim-${seed}`;
    this.mutant = mutant;
    this.network = new Network(seed, CALM_MS);
    const options = { seed: this.label, members: MEMBERS, seats: 3, threshold: 2, vendors: 2 };
    const charter = charterSpecimen(options);
    const deadlines = { ...charter.deadlines, epochPhase: 2_500 };
    this.world = new World(options, { ...charter, deadlines });
  }

  get clock() {
    return { now: () => START_MS + this.network.now };
  }

  off(guard: string): boolean {
    return this.mutant === guard;
  }

  violate(what: string): void {
    this.violations.push(`${this.network.now} ms: ${what}`);
  }

  /** The blob store as `actor` sees it: it fails while the actor is cut off, and now and then. */
  blobsFor(actor: string, tap?: (bytes: Uint8Array) => Promise<Uint8Array>): BlobStore {
    const reach = () => {
      const { network } = this;
      const rough = network.now < network.calmAt && network.choose() < 0.03;
      if (!rough && !network.isCut(actor)) return;
      network.count('blob-unavailable');
      throw new CodedError('peer-unreachable', 'unavailable', 'no gateway has the blob now');
    };
    return {
      put: async (bytes) => {
        reach();
        return this.putBlob(tap === undefined ? bytes : await tap(bytes));
      },
      get: async (digest) => {
        reach();
        const found = this.blobs.get(toHex(digest));
        if (found === undefined) throw new CodedError('blob-not-found', 'not-found', 'no blob');
        return Uint8Array.from(found);
      },
      head: async (digest) => this.blobs.get(toHex(digest))?.length,
      range: async (digest, start, end) =>
        Uint8Array.from((this.blobs.get(toHex(digest)) ?? new Uint8Array()).subarray(start, end)),
    };
  }

  putBlob(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
    const digest = nodeCrypto.digest('sha256', bytes);
    this.blobs.set(toHex(digest), bytes);
    return digest;
  }

  /** Fresh keys, evidence over them and the join of a node of `operator`. */
  async node(
    operator: string,
    name: string,
    of: { task?: Uint8Array; run?: Uint8Array; flaw?: Flaw },
  ): Promise<NodeKeys> {
    const role = of.task === undefined ? 'keeper' : 'worker';
    const random = seededRandom(`${this.label}/${name}`);
    const signer = namedSigner(this.label, name);
    const hpke = generateHpkeKeyPair(random);
    const of2 = of.task === undefined ? {} : { task: of.task, run: of.run as Uint8Array };
    const base = this.world.joinBody(operator, role, name, of2);
    const body = { ...base, hpke: hpke.publicKey, checkpoint: utf8('a checkpoint') };
    const evidence = this.#evidence(body, signer, of.flaw ?? 'none');
    const join = { ...body, evidence: this.putBlob(evidence) };
    const event = await this.world.joinBytes(signer, join);
    const id = toHex(eventId(event));
    if ((of.flaw ?? 'none') === 'none') this.attested.add(id);
    this.joinOfKey.set(toHex(hpke.publicKey), id);
    return { name, signer, hpke, random, event, id, body: join };
  }

  #evidence(body: EventBody<'join'>, signer: Signer, flaw: Flaw): Uint8Array {
    const environment = this.world.charter.environments.find((e) => e.id === body.environment);
    const tee = environment?.tee ?? '';
    const right = environment?.measurements[0]?.measurement as Uint8Array;
    const other = flaw === 'report-data' ? { ...body, tls: new Uint8Array(32) } : body;
    const input = { genesis: this.world.genesis, signing: signer.key, join: other };
    return stubEvidence(flaw === 'forged-maker' ? 'another maker' : tee, {
      measurement: toHex(flaw === 'measurement' ? namedBytes('other', 'program') : right),
      debug: flaw === 'debug',
      until: flaw === 'evidence-expired' ? START_MS - 1 : START_MS + 86_400_000,
      reportData: toHex(reportData(input, 64, nodeCrypto)),
    });
  }
}

/** SHA-256 of an event's Sig_structure. */
export function eventId(event: Uint8Array): Uint8Array {
  return nodeCrypto.digest('sha256', parseCose(event).sigStructure);
}
