// SPDX-License-Identifier: Apache-2.0
// Requests and answers over a byte stream between a launcher and its node:
//
//   u32 big endian   length of the frame that follows, at most 4 MiB
//   frame            deterministic CBOR: [0, id, method, body] a request
//                                        [1, id, body] an answer, [2, id, {code, kind, message}] a
//                                        coded refusal
//
// Invariants: whoever breaks the framing loses the channel; an error that is not coded is answered
// as `launcher-protocol` without its text; every request ends by an answer, a time-out or the loss
// of the channel.
import type { Duplex } from 'node:stream';
import {
  type Cbor,
  type CodedError,
  concat,
  decodeCbor,
  encodeCbor,
  isCoded,
  isErrorKind,
  toldError,
} from '@cloister/core';
import { attesterError } from './errors.ts';

const MAX_FRAME_BYTES = 4 * 1_048_576;
const REQUEST = 0;
const ANSWER = 1;
const REFUSAL = 2;

/** Serves one method; a CodedError that it throws reaches the other side with its code. */
export type Handler = (body: Cbor) => Promise<Cbor>;

interface Waiting {
  resolve(value: Cbor): void;
  reject(error: CodedError): void;
  timer: NodeJS.Timeout;
}

/** One end of the channel; both ends may ask and serve. */
export class Channel {
  readonly #stream: Duplex;
  readonly #handlers: Readonly<Record<string, Handler>>;
  readonly #waiting = new Map<number, Waiting>();
  #buffer: Uint8Array = new Uint8Array(0);
  #nextId = 1;
  #lost = false;
  /** Resolves once the other end is gone or the channel was closed. */
  readonly closed: Promise<void>;
  #markClosed: () => void = () => undefined;

  constructor(stream: Duplex, handlers: Readonly<Record<string, Handler>> = {}) {
    this.#stream = stream;
    this.#handlers = handlers;
    this.closed = new Promise((resolve) => {
      this.#markClosed = resolve;
    });
    stream.on('data', (chunk: Uint8Array) => this.#receive(chunk));
    stream.on('end', () => this.close());
    stream.on('error', () => this.close());
    stream.on('close', () => this.close());
  }

  /** Asks the other end. @throws its CodedError, `launcher-lost`, `launcher-timeout` */
  request(method: string, body: Cbor, timeoutMs: number): Promise<Cbor> {
    if (this.#lost) return Promise.reject(lost());
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        const message = `no answer to '${method}' within ${timeoutMs} ms`;
        reject(attesterError('launcher-timeout', message));
      }, timeoutMs);
      this.#waiting.set(id, { resolve, reject, timer });
      this.#send([REQUEST, id, method, body]);
    });
  }

  /** Ends the channel; every open request fails with `launcher-lost`. Idempotent. */
  close(): void {
    if (this.#lost) return;
    this.#lost = true;
    this.#stream.destroy();
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.timer);
      waiting.reject(lost());
    }
    this.#waiting.clear();
    this.#markClosed();
  }

  #send(frame: Cbor): void {
    if (this.#lost) return;
    const bytes = encodeCbor(frame);
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, bytes.length);
    this.#stream.write(concat(length, bytes));
  }

  #receive(chunk: Uint8Array): void {
    this.#buffer = concat(this.#buffer, chunk);
    while (this.#buffer.length >= 4 && !this.#lost) {
      const view = new DataView(this.#buffer.buffer, this.#buffer.byteOffset);
      const length = view.getUint32(0);
      if (length > MAX_FRAME_BYTES) {
        this.close();
        return;
      }
      if (this.#buffer.length < 4 + length) return;
      const frame = this.#buffer.subarray(4, 4 + length);
      this.#buffer = this.#buffer.slice(4 + length);
      try {
        this.#dispatch(decodeCbor(frame));
      } catch (error) {
        if (!isCoded(error)) throw error;
        this.close();
      }
    }
  }

  #dispatch(frame: Cbor): void {
    const [kind, id, ...rest] = (Array.isArray(frame) ? frame : []) as Cbor[];
    if (typeof id !== 'number') {
      this.close();
      return;
    }
    if (kind === REQUEST && typeof rest[0] === 'string' && rest.length === 2) {
      void this.#serve(id, rest[0], rest[1] as Cbor);
      return;
    }
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    if (kind === ANSWER && rest.length === 1) waiting.resolve(rest[0] as Cbor);
    else waiting.reject(readRefusal(rest[0]));
  }

  async #serve(id: number, method: string, body: Cbor): Promise<void> {
    const handler = Object.hasOwn(this.#handlers, method) ? this.#handlers[method] : undefined;
    try {
      if (handler === undefined) {
        const message = `no method '${method.slice(0, 40)}'`;
        throw attesterError('launcher-protocol', message);
      }
      this.#send([ANSWER, id, await handler(body)]);
    } catch (error) {
      const failed = `'${method}' failed on the other side`;
      const { code, kind, message } = isCoded(error)
        ? error
        : attesterError('launcher-protocol', failed);
      this.#send([REFUSAL, id, { code, kind, message }]);
    }
  }
}

function lost(): CodedError {
  return attesterError('launcher-lost', 'the other end of the channel is gone');
}

function readRefusal(value: unknown): CodedError {
  const { code, kind, message } = (value ?? {}) as Record<string, unknown>;
  if (typeof code === 'string' && isErrorKind(kind) && typeof message === 'string') {
    return toldError({ code, kind, message });
  }
  return attesterError('launcher-protocol', 'the other side answered out of form');
}
