// SPDX-License-Identifier: Apache-2.0
// A keeper over HTTP with a real share of a key that the test's world dealt, and none of a keeper's
// judgement: what a worker must live with is how it answers, and each answer can be bent.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { encodeOpened, openAnswerInfo, openProofRequest, type PartialOpening } from '@cloister/api';
import {
  columnsDigest,
  columnsOpened,
  decodeTaskOpenings,
  type OpeningReceipt,
  openingsInfo,
  rightsOfJoin,
  signReceipt,
} from '@cloister/contract';
import {
  CodedError,
  fromBase64,
  fromHex,
  systemRandom,
  toBase64,
  toErrorResponse,
  toHex,
} from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import type { FormedEpoch, Node } from '@cloister/testkit/world';
import { encodeLabel, parseReveal, parseSealedKey } from '@cloister/threshold';
import {
  combineDeals,
  hpkeKeyPairFrom,
  hpkeOpen,
  hpkeSeal,
  type KeyShare,
  partialOpen,
  provePartials,
} from '@cloister/threshold/node';
import type { Shared } from './gateway.ts';

/** The share of one seat. */
export function shareOf(epoch: FormedEpoch, seat: number): KeyShare {
  const reveals = epoch.dealings.map(({ reveal }) => parseReveal(reveal));
  const deals = epoch.dealings.map((dealing, from) => {
    const { deal } = dealing.deals[seat - 1] as { deal: Uint8Array };
    return { dealer: reveals[from]?.seat as number, deal: Uint8Array.from(deal) };
  });
  const again = reveals[0]?.previous !== null;
  const expected = again ? { expectedGroupKey: epoch.groupKey } : {};
  return combineDeals({ seat, n: epoch.nodes.length, reveals, deals, ...expected });
}

export interface Answers {
  health: Record<string, unknown>;
  challenge: string;
  partials: PartialOpening[];
  open: { epoch: string; seat: number; sealed: string };
}

export class FakeKeeper {
  readonly seat: number;
  readonly shared: Shared;
  epoch: FormedEpoch;
  readonly requests: string[] = [];
  mode: 'well' | 'dead' | 'silent' = 'well';
  /** Paths on which it stays silent. */
  silentOn: string | undefined;
  refuse: CodedError | undefined;
  bendHealth: (health: Record<string, unknown>) => Record<string, unknown> = (h) => h;
  bendChallenge: (challenge: string) => string = (c) => c;
  bendPartials: (partials: PartialOpening[]) => PartialOpening[] | Promise<PartialOpening[]> = (
    p,
  ) => p;
  bendReceipt: (receipt: OpeningReceipt) => OpeningReceipt = (r) => r;
  bendOpen: (answer: Answers['open']) => Answers['open'] = (a) => a;
  #share: KeyShare;
  readonly #server: Server;
  #opened: { enc: Uint8Array; point: Uint8Array }[] = [];
  #address = '';

  constructor(shared: Shared, epoch: FormedEpoch, seat: number) {
    this.shared = shared;
    this.epoch = epoch;
    this.seat = seat;
    this.#share = shareOf(epoch, seat);
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  get address(): string {
    return this.#address;
  }

  /** The same seat of another epoch; what it answered in the one before it forgets. */
  hold(epoch: FormedEpoch): void {
    this.epoch = epoch;
    this.#share = shareOf(epoch, this.seat);
    this.#opened = [];
  }

  async start(): Promise<this> {
    await new Promise<void>((done) => this.#server.listen(0, '127.0.0.1', done));
    this.#address = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
    return this;
  }

  async stop(): Promise<void> {
    const closed = new Promise<void>((done) => this.#server.close(() => done()));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Honest again. */
  reset(): void {
    this.mode = 'well';
    this.silentOn = undefined;
    this.refuse = undefined;
    this.bendHealth = (h) => h;
    this.bendChallenge = (c) => c;
    this.bendPartials = (p) => p;
    this.bendReceipt = (r) => r;
    this.bendOpen = (a) => a;
    this.requests.length = 0;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url ?? '';
    this.requests.push(path);
    if (this.mode === 'dead') request.socket.destroy();
    if (this.mode !== 'well' || this.silentOn === path) return;
    try {
      const parts: Buffer[] = [];
      for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
      const text = Buffer.concat(parts).toString();
      const asked = (text === '' ? {} : JSON.parse(text)) as Record<string, string>;
      const answer = JSON.stringify(await this.#route(path, asked));
      response.writeHead(200).end(answer);
    } catch (error) {
      const { status, body } = toErrorResponse(error);
      response.writeHead(status).end(JSON.stringify(body));
    }
  }

  #route(path: string, asked: Record<string, string>): unknown {
    const epoch = toHex(this.epoch.id);
    const { seat } = this;
    const join = toHex(this.epoch.nodes[seat - 1]?.id ?? new Uint8Array(0));
    if (path === '/healthz') {
      const { world } = this.shared;
      const base = { ok: true, role: 'keeper', name: `k${seat}`, genesis: toHex(world.genesis) };
      const at = { size: 1, simulated: true, state: 'holding', join, seat, epoch };
      return this.bendHealth({ ...base, ...at });
    }
    if (path === '/v1/challenge') {
      const challenge = this.bendChallenge(toHex(systemRandom.bytes(32)));
      return { challenge, lifetimeMs: 60_000 };
    }
    if (this.refuse !== undefined) throw this.refuse;
    if (path === '/v1/open') return this.#open(asked);
    const request = openProofRequest(
      this.shared.world.genesis,
      fromHex(asked['join'] ?? ''),
      nodeCrypto,
    );
    const proof = provePartials({ share: this.#share, request, openings: this.#opened });
    return { epoch, seat, proof: toBase64(proof) };
  }

  async #open(asked: Record<string, string>) {
    const { world } = this.shared;
    const { genesis } = world;
    const join = fromHex(asked['join'] ?? '');
    const rights = rightsOfJoin(world.state, toHex(join));
    if (!rights.ok) throw new CodedError(rights.code, 'policy', rights.sentence);
    const node = this.epoch.nodes[this.seat - 1];
    const keyPair = hpkeKeyPairFrom(node?.hpkeSecret ?? new Uint8Array(32));
    const info = openingsInfo(genesis, 'keeper');
    const aad = new Uint8Array(0);
    decodeTaskOpenings(
      hpkeOpen({ keyPair, info, aad, sealed: fromBase64(asked['openings'] ?? '') }),
    );
    this.#opened = [];
    const partials = rights.inputs.flatMap(({ input, owner, body }, at) => {
      const { groupKey, policy } = body;
      const about = { genesis, groupKey, owner, dataset: input.dataset, version: input.version };
      return [0, ...input.columns].map((column) => {
        const digest = body.columns.find(({ id }) => id === column)?.sealed ?? new Uint8Array(0);
        const sealed = parseSealedKey(this.shared.blobs.get(toHex(digest)) ?? new Uint8Array(0));
        const label = encodeLabel({ ...about, column, policy });
        const point = partialOpen({ share: this.#share, sealed, label });
        this.#opened.push({ enc: sealed.enc, point });
        return { input: at, column, point };
      });
    });
    const { seat } = this;
    const epoch = this.epoch.id;
    const signed: OpeningReceipt = {
      task: fromHex(rights.taskKey),
      run: fromHex(rights.runKey),
      epoch,
      seat,
      roster: rights.roster.map((key) => fromHex(key)),
      columns: columnsDigest(columnsOpened(rights.inputs, partials), nodeCrypto),
      parts: [],
      size: world.state.seq,
    };
    const receipt = await signReceipt((node as Node).signer, 'fake', {
      genesis,
      receipt: this.bendReceipt(signed),
    });
    const sealed = hpkeSeal({
      publicKey: rights.join.body.hpke,
      info: openAnswerInfo(genesis, { join, epoch, seat }),
      aad,
      plaintext: encodeOpened({ partials: await this.bendPartials(partials), receipt }),
    });
    return this.bendOpen({ epoch: toHex(epoch), seat, sealed: toBase64(sealed) });
  }
}
