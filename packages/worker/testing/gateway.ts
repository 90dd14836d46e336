// SPDX-License-Identifier: Apache-2.0
// As much of a gateway as a worker uses, over HTTP, for this package's tests: the world's log with
// real cosignatures, blobs, sealed openings. `bend` lets one lie, `mode` lets one be gone or
// silent.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { encodeTaskOpenings, openingsInfo, type TaskOpenings } from '@cloister/contract';
import { CodedError, fromHex, toBase64, toErrorResponse, toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import type { World } from '@cloister/testkit/world';
import { hpkeSeal } from '@cloister/threshold/node';
import {
  cosign,
  formatCheckpoint,
  formatFreshness,
  formatNote,
  logOrigin,
  MerkleTree,
  signFreshness,
} from '@cloister/tlog';

/** What all gateways of a test have in common. */
export interface Shared {
  readonly world: World;
  /** Openings by task id in hexadecimal. */
  readonly openings: Map<string, TaskOpenings>;
  readonly blobs: Map<string, Uint8Array>;
  lane: Promise<unknown>;
}

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly body: Uint8Array;
  readonly range: string | undefined;
}

/** Path (without query) to another answer than the honest one. */
export type Bend = (asked: Asked, honest: () => Promise<unknown>) => Promise<unknown>;

export class FakeGateway {
  readonly member: string;
  readonly shared: Shared;
  mode: 'well' | 'dead' | 'silent' = 'well';
  bend: Bend = (_, honest) => honest();
  /** Method and path of every request, in order. */
  readonly requests: string[] = [];
  /** Digests that were put here. */
  readonly taken = new Set<string>();
  readonly #server: Server;
  #address = '';

  constructor(member: string, shared: Shared) {
    this.member = member;
    this.shared = shared;
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  get address(): string {
    return this.#address;
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

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (this.mode === 'dead') request.socket.destroy();
    if (this.mode !== 'well') return;
    try {
      const parts: Buffer[] = [];
      for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
      const url = new URL(request.url ?? '/', 'http://gateway');
      const asked = {
        method: request.method ?? '',
        path: url.pathname,
        query: url.searchParams,
        body: new Uint8Array(Buffer.concat(parts)),
        range: request.headers.range,
      };
      this.requests.push(`${asked.method} ${asked.path}`);
      const answer = await this.bend(asked, () => this.#route(asked));
      const raw = answer instanceof Uint8Array;
      response.statusCode = raw && asked.range !== undefined ? 206 : 200;
      response.end(raw ? answer : JSON.stringify(answer));
    } catch (error) {
      const { status, body } = toErrorResponse(error);
      response.writeHead(status).end(JSON.stringify(body));
    }
  }

  async #route(asked: Asked): Promise<unknown> {
    const { world } = this.shared;
    const json = <T>() => JSON.parse(Buffer.from(asked.body).toString()) as T;
    const size = world.outcomes.length;
    if (asked.path === '/healthz') {
      const genesis = toHex(world.genesis);
      return { ok: true, role: 'gateway', name: this.member, genesis, size, simulated: true };
    }
    if (asked.path === '/v1/log/entries') {
      const from = Number(asked.query.get('from'));
      const events = world.log.slice(from, Math.min(size, from + Number(asked.query.get('limit'))));
      return { from, events: events.map(toBase64), size };
    }
    if (asked.path === '/v1/log/checkpoint') return this.#checkpoint(asked, size);
    if (asked.path === '/v1/events') return this.#append(asked.body);
    if (asked.path === '/v1/cosign')
      return { note: await this.cosignature(json<{ size: number }>().size) };
    if (asked.path === '/v1/freshness') return this.#freshness(json());
    if (asked.path === '/v1/openings') return this.#openings(json<{ join: string }>().join);
    return this.#blob(asked);
  }

  async #checkpoint(asked: Asked, size: number) {
    if (size < Number(asked.query.get('least') ?? 0)) {
      throw new CodedError('gateway-behind', 'unavailable', 'not yet');
    }
    const members = this.shared.world.charter.members.map(({ id }) => id);
    return { note: await this.note(size, members), size, root: toHex(this.#root(size)) };
  }

  cosignature(size: number): Promise<string> {
    return this.note(size, [this.member]);
  }

  /** A checkpoint of `size` with the cosignatures of these members. */
  async note(size: number, members: readonly string[]): Promise<string> {
    const { world } = this.shared;
    const checkpoint = { origin: logOrigin(world.genesis), size, root: this.#root(size) };
    const signatures = members.map((name) =>
      cosign(nodeCrypto, { name, signer: world.witness(name), timeSeconds: 1 }, checkpoint),
    );
    return formatNote(formatCheckpoint(checkpoint), await Promise.all(signatures));
  }

  async #append(bytes: Uint8Array) {
    const { shared } = this;
    const submitting = shared.lane.then(() => shared.world.submit(bytes));
    shared.lane = submitting.catch(() => undefined);
    const { outcome, event } = await submitting;
    const id = toHex(event?.id ?? new Uint8Array(32));
    const { seq, status } = outcome;
    if (outcome.status === 'accepted') return { seq, id, status };
    return { seq, id, status, code: outcome.code, sentence: outcome.sentence };
  }

  async #freshness(asked: { size: number; root: string; challenges: string[] }) {
    const { world } = this.shared;
    if (asked.size < world.outcomes.length) {
      const details = { size: world.outcomes.length, root: toHex(this.#root(0)) };
      throw new CodedError('witness-head-stale', 'conflict', 'ahead', { details });
    }
    const checkpoint = {
      origin: logOrigin(world.genesis),
      size: asked.size,
      root: this.#root(asked.size),
    };
    const statement = { checkpoint, challenges: asked.challenges.map((c) => fromHex(c)) };
    const by = { name: this.member, signer: world.witness(this.member), timeSeconds: 1 };
    const signature = await signFreshness(nodeCrypto, by, statement);
    return { note: formatNote(formatFreshness(statement), [signature]) };
  }

  #openings(joinHex: string) {
    const { world, openings } = this.shared;
    const join = world.state.joins.get(joinHex)?.body;
    const task = openings.get(toHex(join?.task ?? new Uint8Array(0)));
    if (join === undefined || task === undefined) {
      throw new CodedError('openings-not-for-you', 'policy', 'no');
    }
    const sealed = hpkeSeal({
      publicKey: join.hpke,
      info: openingsInfo(world.genesis, 'worker'),
      aad: fromHex(joinHex),
      plaintext: encodeTaskOpenings(task),
    });
    return { sealed: toBase64(sealed) };
  }

  #blob({ method, path, body, range }: Asked): unknown {
    const key = path.slice('/v1/blobs/'.length);
    if (method === 'PUT') {
      this.shared.blobs.set(key, body);
      this.taken.add(key);
      return {};
    }
    const found = this.shared.blobs.get(key);
    if (found === undefined) throw new CodedError('blob-not-found', 'not-found', 'none');
    const [, start, last] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? [];
    const bytes = Uint8Array.from(found);
    return start === undefined ? bytes : bytes.slice(Number(start), Number(last) + 1);
  }

  #root(size: number): Uint8Array {
    const tree = new MerkleTree(nodeCrypto);
    for (const entry of this.shared.world.log.slice(0, size)) tree.append(entry);
    return tree.root();
  }
}
