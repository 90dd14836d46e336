// SPDX-License-Identifier: Apache-2.0
// One connection that asks for ranges of bytes, one after another. The system puts what comes
// straight into the memory that waits for it: Node's own client gives each 64 KiB a buffer of its
// own, and copying those and collecting them costs four times what receiving them does.
//
// Invariants: a byte that nobody asked for ends the connection; memory that was given is written to
// only until the answer has come or failed.
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { type AnswerHead, HEAD_BYTES_MAX, parseAnswerHead } from './answer-head.ts';

const ERROR_BYTES = 65_536;
/** Sooner than Node's servers (5 s) and most proxies let go of a connection. */
const IDLE_MS = 4_000;
const HEAD_END = '\r\n\r\n';

export interface RangeAnswer {
  readonly status: number;
  /** What came, at most as long as was asked for; of an answer other than 2xx, its beginning. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** More came than was asked for. */
  readonly tooLong: boolean;
}

interface Asked {
  /** Where the body of a good answer goes; as long as it may be. */
  readonly into: Uint8Array<ArrayBuffer>;
  readonly resolve: (answer: RangeAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** An answer whose head has come. */
interface Body {
  readonly head: AnswerHead;
  /** Memory for what is read of it, and no more. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** More will come than is read. */
  readonly tooLong: boolean;
}

/** A connection to the host of a URL, http or https. */
export class RangeConnection {
  readonly #socket: Socket;
  readonly #head = Buffer.alloc(HEAD_BYTES_MAX);
  /** Bytes of a head, or of a body where one has begun, that are here. */
  #here = 0;
  #asked: Asked | undefined;
  #body: Body | undefined;
  #keepsAlive = true;
  #failure: unknown;
  /** Whether anything of an answer to the request under way has come. */
  answered = false;

  /** @param trust certificates to trust instead of the usual ones */
  constructor(url: URL, trust: { readonly ca?: string } = {}) {
    const onread = {
      buffer: () => this.#next(),
      callback: (length: number) => this.#take(length),
    };
    const host = url.hostname.replace(/^\[|\]$/g, '');
    const secure = url.protocol === 'https:';
    const port = Number(url.port) || (secure ? 443 : 80);
    const to = { host, port, onread, noDelay: true };
    const named = isIP(host) === 0 ? { servername: host } : {};
    this.#socket = secure
      ? connectTls({ ...to, ...named, ...trust, ALPNProtocols: ['http/1.1'] })
      : connectTcp(to);
    this.#socket.on('error', (error) => {
      this.#failure = error;
    });
    this.#socket.on('timeout', () => this.#socket.destroy());
    this.#socket.on('close', () => this.#closed());
  }

  /** Whether it can be asked: nothing is under way, and the other side has not ended it. */
  get idle(): boolean {
    return this.#asked === undefined && this.#keepsAlive && !this.#socket.destroyed;
  }

  /**
   * Sends one request. Rejects with the socket's error, the signal's reason or a SyntaxError.
   * @param request its head, the empty line at its end too
   */
  ask(request: string, into: Uint8Array<ArrayBuffer>, signal: AbortSignal): Promise<RangeAnswer> {
    this.answered = false;
    this.#socket.ref();
    this.#socket.setTimeout(0);
    const abort = () => {
      this.#failure = signal.reason;
      this.#socket.destroy();
    };
    const answer = new Promise<RangeAnswer>((resolve, reject) => {
      this.#asked = { into, resolve, reject };
    });
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
    this.#socket.write(request, 'latin1');
    return answer.finally(() => signal.removeEventListener('abort', abort));
  }

  /** Where the next bytes shall go. */
  #next(): Uint8Array {
    return (this.#body?.bytes ?? this.#head).subarray(this.#here);
  }

  /** Bytes have come into what `#next` answered; false ends reading. */
  #take(length: number): boolean {
    if (this.#asked === undefined) return this.#end();
    this.answered = true;
    this.#here += length;
    if (this.#body === undefined) return this.#takeHead(this.#asked);
    return this.#here < this.#body.bytes.length || this.#done(this.#body);
  }

  #takeHead(asked: Asked): boolean {
    const end = this.#head.subarray(0, this.#here).indexOf(HEAD_END, 0, 'latin1');
    if (end < 0) {
      return this.#here < this.#head.length || this.#refuse(`more than ${HEAD_BYTES_MAX} bytes`);
    }
    const head = parseAnswerHead(this.#head.toString('latin1', 0, end));
    if (head === undefined || head.status === 101) return this.#refuse('one that cannot be read');
    const rest = Uint8Array.from(this.#head.subarray(end + HEAD_END.length, this.#here));
    this.#here = 0;
    // An interim answer only says that another one will come.
    if (head.status < 200) return this.#restart(asked, rest);
    const good = head.status < 300;
    if (good && typeof head.length === 'string') return this.#refuse('one without a length');
    const body = bodyOf(head, good ? asked.into : new Uint8Array(ERROR_BYTES));
    this.#body = body;
    this.#here = Math.min(rest.length, body.bytes.length);
    body.bytes.set(rest.subarray(0, this.#here));
    // More than was announced is nothing that was asked for.
    if (rest.length > body.bytes.length) this.#keepsAlive = false;
    return this.#here < body.bytes.length || this.#done(body);
  }

  #restart(asked: Asked, rest: Uint8Array): boolean {
    this.#head.set(rest);
    this.#here = rest.length;
    return rest.length === 0 || this.#takeHead(asked);
  }

  #done({ head, bytes, tooLong }: Body): boolean {
    const asked = this.#asked;
    const answer = { status: head.status, bytes: bytes.subarray(0, this.#here), tooLong };
    this.#asked = undefined;
    this.#body = undefined;
    this.#here = 0;
    this.#keepsAlive &&= head.keepsAlive && head.length === bytes.length;
    if (this.#keepsAlive) {
      // What is idle keeps no process alive.
      this.#socket.unref();
      this.#socket.setTimeout(IDLE_MS);
    } else {
      this.#end();
    }
    asked?.resolve(answer);
    return this.#keepsAlive;
  }

  #refuse(what: string): boolean {
    this.#failure = new SyntaxError(`the head of an HTTP answer is ${what}`);
    return this.#end();
  }

  #end(): boolean {
    this.#keepsAlive = false;
    this.#socket.destroy();
    return false;
  }

  #closed(): void {
    this.#keepsAlive = false;
    const asked = this.#asked;
    if (asked === undefined) return;
    if (this.#body?.head.length === 'close' && this.#failure === undefined) {
      this.#done(this.#body);
      return;
    }
    this.#asked = undefined;
    asked.reject(this.#failure ?? new Error('the answer was cut off'));
  }
}

function bodyOf(head: AnswerHead, room: Uint8Array<ArrayBuffer>): Body {
  const { length } = head;
  if (length === 'close') return { head, bytes: room, tooLong: false };
  // Chunks are not put together: of an error in chunks the status is enough.
  if (length === 'chunks') return { head, bytes: new Uint8Array(0), tooLong: false };
  return { head, bytes: room.subarray(0, length), tooLong: length > room.length };
}
