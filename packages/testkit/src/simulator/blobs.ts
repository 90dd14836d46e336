// SPDX-License-Identifier: Apache-2.0
// The blobs of a seed as a node sees them: one store of all honest gateways, which fails while the
// node is cut off, and now and then. Where a gateway floods, hangs or loses blobs, nodes read them
// with the real `HttpBlobs` from each gateway by itself, and gateways with the real relay; only the
// transport is written out here, with the limits that HTTP's client keeps.
import { HttpBlobs, type HttpJson, type HttpRequest } from '@cloister/api';
import {
  type BlobStore,
  blobTooLarge,
  CodedError,
  equal,
  fromHex,
  type Timers,
  toHex,
} from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { BlobRelay, everywhere } from '@cloister/gateway/protocol';
import { type BlobHarm, isBlobHarm } from './adversaries.ts';
import { MEMBERS, type Stage } from './stage.ts';
import { RECIPIENT } from './tasks.ts';

/** Whoever reads or stores. */
export interface Reader {
  readonly name: string;
  readonly alive: boolean;
  readonly timers: Timers;
}

/** What is really stored where it is said to be; undefined: nothing. */
export type Tap = (bytes: Uint8Array) => Promise<Uint8Array | undefined>;

/** A phase of a key epoch is so much shorter here than one has to be outside. */
const HURRY = 24;
const PIECE = 65_536;
const DRIP_MS = 60;
/** What a node may be made to hold of one blob, and a piece more: evidence, or sealed openings. */
const KEEPER_MOST = 131_072 + PIECE;
const NODE_MOST = 16 * 1_048_576 + PIECE;
const ONE_AFTER_ANOTHER_MS = 120_000;

/** The blobs of these gateways, the first asked first. */
export function blobsFrom(
  stage: Stage,
  reader: Reader,
  { names, tap }: { names: readonly string[]; tap?: Tap },
): BlobStore {
  if (!isBlobHarm(stage.adversary)) return plain(stage, reader, tap);
  const answers = new WeakMap<Uint8Array, Uint8Array>();
  const peers = names.map((name) => new BlobPeer(stage, reader, { name, tap, answers }));
  const crypto = {
    ...stage.shared.crypto,
    digest: ((hash, ...parts) => {
      const named = stage.off('blob-digest') ? answers.get(parts[0] as Uint8Array) : undefined;
      return Uint8Array.from(named ?? stage.shared.crypto.digest(hash, ...parts));
    }) satisfies typeof nodeCrypto.digest,
  };
  const real = new HttpBlobs(peers as unknown as HttpJson[], crypto, {
    timers: stage.off('blob-step') ? NEVER : hurried(reader.timers),
  });
  return {
    put: (bytes) => real.put(bytes),
    head: (digest) => real.head(digest),
    range: (...asked) => real.range(...asked),
    get: async (digest, most) => {
      const bytes = await real.get(digest, stage.off('blob-bound') ? Number.MAX_VALUE : most);
      if (equal(nodeCrypto.digest('sha256', bytes), digest)) return bytes;
      stage.violate(`${reader.name} took other bytes than the blob that it asked for`);
      return bytes;
    },
  };
}

/** Each gateway's by itself. */
export function blobsOfEach(
  stage: Stage,
  reader: Reader,
  { names, tap }: { names: readonly string[]; tap?: Tap },
): BlobStore[] {
  return names.map((name) => blobsFrom(stage, reader, { names: [name], ...given(tap) }));
}

/** A gateway's own, and all that it can have of the others. */
export function blobsAt(
  stage: Stage,
  reader: Reader,
): { blobs: BlobStore; allBlobs: Pick<BlobStore, 'get'> } {
  const all = plain(stage, reader);
  const honest = isBlobHarm(stage.adversary) && reader.name !== stage.traitor;
  if (!honest) return { blobs: all, allBlobs: all };
  const blobs = own(stage, reader.name);
  const names = MEMBERS.filter((name) => name !== reader.name);
  const others = blobsFrom(stage, reader, { names });
  const timers = hurried(reader.timers);
  const relay = new BlobRelay({ into: blobs, from: () => others, timers });
  return { blobs, allBlobs: everywhere(blobs, (digest, most) => relay.fetch(digest, most)) };
}

function given(tap: Tap | undefined) {
  return tap === undefined ? {} : { tap };
}

/** On a gateway's disk; the others can have it from there. */
function own(stage: Stage, name: string): BlobStore {
  const held = stage.held.get(name) ?? new Map<string, Uint8Array>();
  stage.held.set(name, held);
  return {
    put: async (bytes) => {
      const digest = stage.putBlob(bytes);
      held.set(toHex(digest), bytes);
      return digest;
    },
    ...reading(held),
  };
}

function plain(stage: Stage, reader: Reader, tap?: Tap): BlobStore {
  const { get, ...rest } = reading(stage.blobs);
  return {
    put: async (bytes) => {
      await reach(stage, reader);
      return kept(stage, bytes, tap);
    },
    get: async (digest, most) => {
      await reach(stage, reader);
      return get(digest, most);
    },
    ...rest,
  };
}

function reading(blobs: ReadonlyMap<string, Uint8Array>): Omit<BlobStore, 'put'> {
  return {
    get: async (digest, most) => {
      const found = blobs.get(toHex(digest));
      if (found === undefined) throw notFound();
      if (found.length <= most) return Uint8Array.from(found);
      throw blobTooLarge(digest, { from: 'a gateway', got: found.length, most });
    },
    head: async (digest) => blobs.get(toHex(digest))?.length,
    range: async (digest, start, end) =>
      Uint8Array.from((blobs.get(toHex(digest)) ?? new Uint8Array()).subarray(start, end)),
  };
}

async function kept(stage: Stage, bytes: Uint8Array, tap: Tap | undefined) {
  const stored = tap === undefined ? bytes : await tap(bytes);
  return stored === undefined ? nodeCrypto.digest('sha256', bytes) : stage.putBlob(stored);
}

async function reach({ network }: Stage, reader: Reader): Promise<void> {
  if (!reader.alive) await new Promise<never>(() => {});
  const rough = network.now < network.calmAt && network.choose() < 0.03;
  if (!rough && !network.isCut(reader.name)) return;
  network.count('blob-unavailable');
  throw new CodedError('peer-unreachable', 'unavailable', 'no gateway has the blob now');
}

function notFound(): CodedError {
  return new CodedError('blob-not-found', 'not-found', 'no blob');
}

/** Waits as long in a seed as real waits are beside real phases. */
function hurried(timers: Timers): Timers {
  return {
    elapsed: () => timers.elapsed() * HURRY,
    after: (ms, wake) => timers.after(Math.ceil(ms / HURRY), wake),
  };
}

const NEVER: Timers = { elapsed: () => 0, after: () => () => {} };

type Answer = Awaited<ReturnType<HttpJson['bytes']>>;

/** One gateway's blobs as a node's HTTP client has them. */
class BlobPeer implements Pick<HttpJson, 'base' | 'bytes' | 'range'> {
  readonly base: string;
  readonly #stage: Stage;
  readonly #reader: Reader;
  readonly #tap: Tap | undefined;
  /** By what it answered that is another blob, the digest that was asked for. */
  readonly #answers: WeakMap<Uint8Array, Uint8Array>;
  readonly #harm: BlobHarm | undefined;
  /** A member whose own gateway does not take its results has none. */
  readonly #own: boolean;

  constructor(
    stage: Stage,
    reader: Reader,
    of: { name: string; tap: Tap | undefined; answers: WeakMap<Uint8Array, Uint8Array> },
  ) {
    this.base = `http://${of.name}`;
    this.#stage = stage;
    this.#reader = reader;
    this.#tap = of.tap;
    this.#answers = of.answers;
    const { adversary, traitor } = stage;
    this.#harm = of.name === traitor && isBlobHarm(adversary) ? adversary : undefined;
    this.#own = of.name === RECIPIENT && !reader.name.startsWith('keeper');
  }

  async bytes(request: HttpRequest): Promise<Answer> {
    await reach(this.#stage, this.#reader);
    const { method = 'GET', path, bytes = new Uint8Array() } = request;
    const digest = fromHex(path.slice(path.lastIndexOf('/') + 1));
    if (method === 'PUT') return this.#put(request, bytes);
    const found = this.#stage.blobs.get(toHex(digest));
    if (this.#harm !== undefined && this.#harm !== 'impersonates') {
      const wrong = await this.#misread(request, found ?? new Uint8Array(9));
      this.#answers.set(wrong.bytes, digest);
      return wrong;
    }
    if (found === undefined) throw notFound();
    const headers = new Headers({ 'content-length': String(found.length) });
    if (method === 'HEAD') return { status: 200, headers, bytes: new Uint8Array() };
    const { maxBytes = 0, tooLong } = request;
    if (found.length > maxBytes) throw tooLong?.(found.length);
    return { status: 200, headers, bytes: Uint8Array.from(found) };
  }

  async range({ path, start, end }: { path: string; start: number; end: number }) {
    const { bytes } = await this.bytes({ path, maxBytes: Number.MAX_VALUE });
    return { status: 206, bytes: bytes.slice(start, end) };
  }

  async #put(request: HttpRequest, bytes: Uint8Array): Promise<Answer> {
    const answer = { status: 200, headers: new Headers(), bytes: new Uint8Array() };
    if (this.#harm === 'hangs-blobs' && !this.#own) return this.#hang(request);
    if (this.#harm === 'impersonates' && !this.#own) {
      if (this.#stage.network.choose() < 0.5) return this.#hang(request);
      throw new CodedError('blob-refused', 'policy', 'not for you');
    }
    if (this.#harm === 'loses-blobs') this.#count('loses-blobs');
    else await kept(this.#stage, bytes, this.#tap);
    return answer;
  }

  async #misread(request: HttpRequest, found: Uint8Array): Promise<Answer> {
    const { network } = this.#stage;
    if (this.#harm === 'loses-blobs') throw notFound();
    if (this.#harm === 'hangs-blobs') return this.#hang(request);
    const { maxBytes = PIECE } = request;
    const how = network.pick(['flood', 'longer', 'shorter', 'other'] as const);
    this.#count('floods-blobs');
    network.count(`blobs: ${how}`);
    if (how === 'flood') return this.#flood(request);
    const more = Math.min(maxBytes, found.length + 40);
    const length = { longer: more, shorter: found.length - 1, other: found.length }[how];
    const bytes = new Uint8Array(length);
    bytes.set(found.subarray(0, length));
    if (how === 'other') bytes[0] = (bytes[0] as number) ^ 1;
    return { status: 200, headers: new Headers(), bytes };
  }

  /** Piece after piece, of no length that was told: the client ends it. */
  #flood({ maxBytes = PIECE, tooLong }: HttpRequest): never {
    for (let got = PIECE; ; got += PIECE) {
      this.#holds(got);
      if (got > maxBytes || this.#stage.violations.length > 0) throw tooLong?.(got);
    }
  }

  /** Nothing at all, or a byte now and then. */
  #hang({ signal, timeoutMs = ONE_AFTER_ANOTHER_MS }: HttpRequest): Promise<never> {
    const { network } = this.#stage;
    const drips = network.choose() < 0.5;
    this.#count(this.#harm ?? '');
    network.count(drips ? 'blobs: drips' : 'blobs: silent');
    const limitMs = this.#stage.off('blob-step') ? ONE_AFTER_ANOTHER_MS : timeoutMs;
    const until = network.now + Math.ceil(limitMs / HURRY);
    return new Promise((_, reject) => {
      const look = () => {
        if (signal?.aborted !== true && network.now < until) wait();
        else reject(new CodedError('peer-timed-out', 'unavailable', `${this.base} did not answer`));
      };
      const wait = () =>
        this.#reader.timers.after(drips ? DRIP_MS : Math.max(1, until - network.now), look);
      signal?.addEventListener('abort', look);
      wait();
    });
  }

  #holds(bytes: number): void {
    const { name } = this.#reader;
    const most = name.startsWith('keeper') ? KEEPER_MOST : NODE_MOST;
    if (bytes > most) this.#stage.violate(`${name} was made to hold ${bytes} bytes of one blob`);
  }

  #count(what: string): void {
    this.#stage.network.count(`adversary: ${what}`);
  }
}
