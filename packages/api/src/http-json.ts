// SPDX-License-Identifier: Apache-2.0
// The HTTP client that all typed clients share: a base address, a time-out on every request, signed
// requests or a bearer token where wanted, answers checked against a schema, and errors that come
// back as the CodedErrors they were. Answers are bounded, so a lying peer cannot fill our memory.
import { type Clock, CodedError, type CryptoPort, firstIssue, type Signer } from '@cloister/core';
import type { z } from 'zod';
import { apiError, errorBody, fromErrorBody } from './errors.ts';
import { requestRange } from './http-range.ts';
import { REQUEST_HEADER, signRequest } from './request-signature.ts';

const DEFAULT_TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
const MAX_REFUSAL_BYTES = 64 * 1024;

/** Who signs a client's requests, and the genesis it serves. */
export interface RequestSigner {
  readonly signer: Signer;
  readonly issuer: string;
  readonly genesis: Uint8Array;
  readonly crypto: CryptoPort;
  readonly clock: Clock;
}

export interface HttpJsonOptions {
  /** For example `http://127.0.0.1:7001`. */
  readonly base: string;
  readonly sign?: RequestSigner;
  /** A bearer token, for a gateway's admin API. */
  readonly token?: string;
  /** Headers of every request. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds until a request is given up; 30 s when absent. */
  readonly timeoutMs?: number;
}

export interface HttpRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'HEAD' | 'DELETE';
  readonly path: string;
  /** A JSON value, or bytes to send as they are. */
  readonly json?: unknown;
  readonly bytes?: Uint8Array;
  /** A file to stream; not with signed requests. */
  readonly file?: Blob;
  /** Called with how many bytes of `file` have been handed to the network so far. */
  readonly onSent?: (bytes: number) => void;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
  /** Ends the request when it aborts. */
  readonly signal?: AbortSignal;
  /** Most bytes of an answer that is no refusal; 64 MiB when absent. */
  readonly maxBytes?: number;
  /** The error of a longer answer, of which `got` bytes were told of or came. */
  readonly tooLong?: (got: number) => CodedError;
}

/** One peer, by its address. */
export class HttpJson {
  readonly base: string;
  readonly #options: HttpJsonOptions;

  constructor(options: HttpJsonOptions) {
    this.base = options.base.replace(/\/+$/, '');
    this.#options = options;
  }

  /** Sends and answers the parsed JSON, checked against `schema`. */
  async json<T extends z.ZodType>(schema: T, request: HttpRequest): Promise<z.infer<T>> {
    const { bytes } = await this.bytes(request);
    const parsed = schema.safeParse(parseJson(bytes));
    if (!parsed.success) throw this.#malformed(request, firstIssue(parsed.error).says);
    return parsed.data;
  }

  /**
   * Sends and answers the raw body.
   * @throws CodedError the peer's own error, `peer-unreachable`, `peer-timed-out`,
   *   `response-malformed`
   */
  async bytes(
    request: HttpRequest,
  ): Promise<{ status: number; headers: Headers; bytes: Uint8Array<ArrayBuffer> }> {
    const { response, bytes } = await this.#exchange(request, (got) => readBounded(got, request));
    return { status: response.status, headers: response.headers, bytes };
  }

  /**
   * Sends, and hands over the body as it comes, of whatever length; answers its length. The time
   * limit is for the beginning, and again for each piece.
   * @throws CodedError like `bytes`, and what `take` throws
   */
  async stream(
    request: Omit<HttpRequest, 'maxBytes' | 'tooLong'>,
    take: (piece: Uint8Array) => Promise<void>,
  ): Promise<number> {
    let length = 0;
    // What `take` throws is no failure of the peer's.
    const failures: unknown[] = [];
    const taken = (piece: Uint8Array) =>
      take(piece).catch((error: unknown) => {
        failures.push(error);
        throw error;
      });
    const read = async ({ body }: Response, limit: TimeLimit) => {
      for await (const piece of (body ?? []) as unknown as AsyncIterable<Uint8Array>) {
        length += piece.length;
        await taken(piece);
        limit.again();
      }
      return new Uint8Array(0);
    };
    await this.#exchange(request, read).catch((error: unknown) => {
      throw failures[0] ?? error;
    });
    return length;
  }

  /** One request: what is no refusal is read by `read`, and a refusal is thrown. */
  async #exchange(
    request: HttpRequest,
    read: (response: Response, limit: TimeLimit) => Promise<Uint8Array<ArrayBuffer>>,
  ): Promise<{ response: Response; bytes: Uint8Array<ArrayBuffer> }> {
    const body = request.json === undefined ? request.bytes : encode(request.json);
    const timeout = request.timeoutMs ?? this.#options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
    const headers = await this.#headers(request, body);
    const limit = new TimeLimit(timeout, request.signal);
    const sent: RequestInit = {
      method: request.method ?? (body === undefined ? 'GET' : 'POST'),
      headers,
      ...bodyOf(request, body),
      signal: limit.signal,
      redirect: 'error',
    };
    let response: Response;
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      response = await fetch(this.base + request.path, sent);
      bytes = await (response.ok ? read(response, limit) : readBounded(response, request));
    } catch (cause) {
      throw this.#unreachable(request, cause, timeout);
    } finally {
      limit.end();
    }
    if (response.ok) return { response, bytes };
    throw this.#refusal(request, response.status, bytes);
  }

  /**
   * Asks for bytes [start, end) of what lies at a path, unsigned: a range is public or it is not
   * given as one. Answers what came, which may be shorter.
   * @throws CodedError like `bytes`
   */
  async range(request: {
    readonly path: string;
    readonly start: number;
    readonly end: number;
    readonly timeoutMs: number;
    /** Memory for what comes; fresh memory where absent. */
    readonly into?: Uint8Array<ArrayBuffer> | undefined;
  }): Promise<{ status: number; bytes: Uint8Array<ArrayBuffer> }> {
    const { path, start, end, into, timeoutMs } = request;
    const headers = this.#options.headers ?? {};
    const signal = AbortSignal.timeout(timeoutMs);
    const asked = requestRange(this.base + path, { start, end, into, headers, signal });
    const { status, bytes, tooLong } = await asked.catch((cause: unknown) => {
      if (cause instanceof SyntaxError) throw this.#malformed(request, cause.message);
      throw this.#unreachable(request, signal.aborted ? signal.reason : cause, timeoutMs);
    });
    if (status < 200 || status > 299) throw this.#refusal(request, status, bytes);
    if (tooLong) throw this.#malformed(request, `more than the ${end - start} bytes`);
    return { status, bytes };
  }

  #refusal(request: Pick<HttpRequest, 'path'>, status: number, bytes: Uint8Array): CodedError {
    const error = errorBody.safeParse(parseJson(bytes));
    if (error.success) return fromErrorBody(error.data);
    const message = `${this.base}${request.path} answered status ${status} without a code`;
    return apiError(status === 404 ? 'response-not-found' : 'response-malformed', message);
  }

  async #headers(
    request: HttpRequest,
    body: Uint8Array | undefined,
  ): Promise<Record<string, string>> {
    const headers: Record<string, string> = { ...this.#options.headers, ...request.headers };
    if (request.json !== undefined) headers['content-type'] = 'application/json';
    else if (body !== undefined) headers['content-type'] ??= 'application/octet-stream';
    if (this.#options.token !== undefined)
      headers['authorization'] = `Bearer ${this.#options.token}`;
    const { sign } = this.#options;
    if (sign !== undefined) {
      const method = request.method ?? (body === undefined ? 'GET' : 'POST');
      const facts = {
        genesis: sign.genesis,
        method,
        path: request.path,
        body: body ?? new Uint8Array(0),
      };
      headers[REQUEST_HEADER] = await signRequest(sign.signer, sign.issuer, facts, sign);
    }
    return headers;
  }

  #unreachable(request: Pick<HttpRequest, 'path'>, cause: unknown, timeout: number): CodedError {
    if (cause instanceof CodedError) return cause;
    const where = `${this.base}${request.path}`;
    const name = cause instanceof Error ? cause.name : '';
    // Of a file that is sent: what is read from it is not what it was when it was opened.
    if (cause instanceof Error && isUnreadable(cause.cause)) {
      const message = 'the file could not be read while it was sent: has it changed? send it again';
      return apiError('upload-unreadable', message, { cause });
    }
    return name === 'TimeoutError'
      ? apiError('peer-timed-out', `${where} did not answer within ${timeout} ms`)
      : apiError('peer-unreachable', `${where} could not be reached: is it running?`, { cause });
  }

  #malformed(request: Pick<HttpRequest, 'path'>, issue: string | undefined): CodedError {
    const where = `${this.base}${request.path}`;
    const message = `${where} answered something else than asked: ${issue ?? 'not JSON'}`;
    return apiError('response-malformed', message);
  }
}

function bodyOf({ file, onSent }: HttpRequest, body: Uint8Array | undefined): RequestInit {
  if (file === undefined) return { body: (body as Uint8Array<ArrayBuffer> | undefined) ?? null };
  if (onSent === undefined) return { body: file };
  // The types lack `duplex`, which fetch demands where the body is a stream.
  return { body: counted(file, onSent), duplex: 'half' } as RequestInit;
}

function counted(file: Blob, onSent: (bytes: number) => void): ReadableStream {
  let sent = 0;
  const count = new TransformStream<Uint8Array, Uint8Array>({
    transform(piece, out) {
      sent += piece.length;
      out.enqueue(piece);
      onSent(sent);
    },
  });
  return file.stream().pipeThrough(count);
}

function encode(value: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(JSON.stringify(value)) as Uint8Array<ArrayBuffer>;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as unknown;
  } catch {
    return undefined;
  }
}

/** Nothing is read of an answer that says that it is too long, and no more of one that is. */
async function readBounded(
  response: Response,
  { maxBytes = MAX_ANSWER_BYTES, tooLong = longer(maxBytes) }: HttpRequest,
): Promise<Uint8Array<ArrayBuffer>> {
  const { ok, body, headers } = response;
  const limit = ok ? maxBytes : MAX_REFUSAL_BYTES;
  const told = body === null ? 0 : Number(headers.get('content-length') ?? 0);
  const parts: Uint8Array[] = [];
  let size = 0;
  if (told > limit) {
    await body?.cancel();
    throw tooLong(told);
  }
  if (body !== null) {
    for await (const part of body as unknown as AsyncIterable<Uint8Array>) {
      size += part.length;
      if (size > limit) throw tooLong(size);
      parts.push(part);
    }
  }
  const out = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

function longer(limit: number): (got: number) => CodedError {
  return (got) => {
    const message = `an answer has ${got} bytes or more, wanted ${limit} at most`;
    return apiError('response-malformed', message);
  };
}

function isUnreadable(cause: unknown): boolean {
  return cause instanceof Error && cause.name === 'NotReadableError';
}

/**
 * Aborts after `ms`, or when `other` does. `AbortSignal.any` holds what it is made of weakly: in
 * Node 20 a time limit that nothing else holds is collected as garbage and never comes.
 */
class TimeLimit {
  readonly #controller = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #other: AbortSignal | undefined;

  constructor(ms: number, other: AbortSignal | undefined) {
    const late = () => new DOMException('the time limit has passed', 'TimeoutError');
    this.#timer = setTimeout(() => this.#controller.abort(late()), ms);
    this.#timer.unref();
    this.#other = other;
    if (other?.aborted === true) this.#stop();
    other?.addEventListener('abort', this.#stop);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The whole time from now on. */
  again(): void {
    this.#timer.refresh();
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#other?.removeEventListener('abort', this.#stop);
  }

  readonly #stop = (): void => this.#controller.abort(this.#other?.reason);
}
