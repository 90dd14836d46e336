// SPDX-License-Identifier: Apache-2.0
// One bounded HTTP call to a ledger. Whatever goes wrong comes out as a coded error: no connection,
// a time-out and a broken answer are `unavailable` and may be tried again; what the ledger refused
// keeps its kind.
import { Agent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { contractError } from '@cloister/contract';
import {
  CodedError,
  type ErrorBody,
  hasCode,
  isErrorKind,
  type RequestCode,
  requestError,
} from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { type LogStoreErrorCode, logStoreError } from '@cloister/log-store';
import { type LedgerLogErrorCode, ledgerError } from './errors.ts';

/** Makes the header fields that prove who asks. */
export type RequestAuthenticator = (request: {
  readonly method: string;
  readonly path: string;
  /** SHA-256 of the body; of nothing when there is none. */
  readonly bodyDigest: Uint8Array;
}) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;

export interface Call {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body?: Uint8Array;
  readonly timeoutMs: number;
  /** Most bytes of an answer. */
  readonly bytesMax: number;
  /** Any of them ends the call. */
  readonly signals: readonly AbortSignal[];
}

export interface Reply {
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

type SayableCode = LogStoreErrorCode | LedgerLogErrorCode | RequestCode;

/** What a ledger may say in our codes; what has become of its history is ours alone to judge. */
const SAYABLE: ReadonlySet<string> = new Set<SayableCode>([
  'event-empty',
  'event-too-large',
  'position-invalid',
  'ledger-closed',
  'ledger-overloaded',
  'ledger-disk-full',
  'ledger-io-failed',
  'ledger-full',
  'ledger-damaged',
  'request-malformed',
  'request-too-large',
  'route-unknown',
  'internal',
  'unauthenticated',
  'quota-exceeded',
]);

/** Connections to one ledger, kept open between calls. */
export function ledgerAgent(base: string): Agent {
  const options = { keepAlive: true, maxSockets: 256, maxFreeSockets: 16 };
  return base.startsWith('https:') ? new HttpsAgent(options) : new Agent(options);
}

/** Makes the call once. @throws CodedError; kind `unavailable` where trying again may help */
export async function callLedger(
  target: { readonly base: string; readonly agent: Agent },
  authenticate: RequestAuthenticator,
  call: Call,
): Promise<Reply> {
  const { method, path, body = new Uint8Array() } = call;
  const bodyDigest = nodeCrypto.digest('sha256', body);
  const fields = await authenticate({ method, path, bodyDigest });
  let reply: Reply & { readonly status: number };
  try {
    reply = await exchange(target, call, body, fields);
  } catch (cause) {
    if (cause instanceof CodedError) throw cause;
    const message = `no answer from the ledger at ${target.base}: is it running?`;
    throw contractError('ledger-unreachable', message, { cause });
  }
  if (reply.status === 200) return reply;
  throw refusal(reply.status, reply.headers['retry-after'], reply.body);
}

/** Sends and receives within the call's time, size and signals. */
function exchange(
  target: { readonly base: string; readonly agent: Agent },
  call: Call,
  body: Uint8Array,
  fields: Readonly<Record<string, string>>,
): Promise<Reply & { readonly status: number }> {
  return new Promise((resolve, reject) => {
    const { method } = call;
    const headers = { ...fields, 'content-length': String(body.length) };
    const send = target.base.startsWith('https:') ? httpsRequest : httpRequest;
    const request = send(`${target.base}${call.path}`, { method, headers, agent: target.agent });
    const end = (settle: () => void) => {
      clearTimeout(timer);
      for (const signal of call.signals) signal.removeEventListener('abort', onAbort);
      settle();
    };
    const fail = (error: unknown) => {
      request.destroy();
      end(() => reject(error));
    };
    const onAbort = () => fail(new Error('the call was ended'));
    const timer = setTimeout(onAbort, call.timeoutMs);
    for (const signal of call.signals) signal.addEventListener('abort', onAbort, { once: true });
    request.on('error', fail);
    request.on('response', (response) => {
      const parts: Buffer[] = [];
      let length = 0;
      response.on('data', (part: Buffer) => {
        length += part.length;
        if (length > call.bytesMax) fail(responseMalformed(`has more than ${call.bytesMax} bytes`));
        else parts.push(part);
      });
      response.on('error', fail);
      response.on('aborted', () => fail(new Error('the answer was cut')));
      response.on('end', () => {
        const whole = new Uint8Array(Buffer.concat(parts));
        const status = response.statusCode ?? 0;
        end(() => resolve({ status, headers: single(response.headers), body: whole }));
      });
    });
    request.end(body);
    if (call.signals.some((signal) => signal.aborted)) onAbort();
  });
}

function single(headers: IncomingHttpHeaders): Record<string, string> {
  const out: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === 'string') out[name] = value;
  }
  return out;
}

/** What the ledger refused: a code of ours means what it means here; another is told beside. */
function refusal(status: number, retryAfter: string | undefined, body: Uint8Array): CodedError {
  const told = parseWireError(body);
  if (told === undefined) {
    const message = `the ledger answered status ${status} without a reason`;
    return ledgerError('ledger-response-malformed', message);
  }
  const { code, kind, message } = told;
  const seconds = /^\d{1,4}$/.test(retryAfter ?? '') ? Number(retryAfter) : 0;
  const details = { remote: code, ...(seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}) };
  if (SAYABLE.has(code)) {
    if (hasCode(ledgerError, code)) return ledgerError(code, message, { details });
    if (hasCode(logStoreError, code)) return logStoreError(code, message, { details });
    if (hasCode(requestError, code)) return requestError(code, message, { details });
  }
  if (kind === 'unavailable') return contractError('ledger-unreachable', message, { details });
  return ledgerError('ledger-refused', message, { details });
}

function parseWireError(body: Uint8Array): Omit<ErrorBody['error'], 'details'> | undefined {
  const value = parseJson(body) as { error?: Partial<ErrorBody['error']> } | undefined;
  const { code, kind, message } = value?.error ?? {};
  if (typeof code !== 'string' || typeof message !== 'string') return undefined;
  if (!/^[a-z0-9-]{1,64}$/.test(code) || message.length > 1_000) return undefined;
  return isErrorKind(kind) ? { code, kind, message } : undefined;
}

/** A JSON object, or undefined for anything else. */
export function parseJson(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** A 200 that is not what was agreed: someone else answers there, or the ledger lies. */
export function responseMalformed(what: string): Error {
  const message = `an answer of the ledger ${what}`;
  return ledgerError('ledger-response-malformed', message);
}
