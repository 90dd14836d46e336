// SPDX-License-Identifier: Apache-2.0
// One bounded HTTP call to a ledger. Whatever goes wrong comes out as a coded error: no connection,
// a time-out and a broken answer are `unavailable` and may be tried again; what the ledger refused
// keeps its kind.
import { CodedError, type ErrorKind } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { type LedgerLogErrorCode, ledgerError } from './errors.ts';
import { STATUS_OF, type WireError } from './wire.ts';

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
  readonly headers: Headers;
  readonly body: Uint8Array;
}

const OWN_CODES: readonly LedgerLogErrorCode[] = [
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
  'unauthenticated',
  'quota-exceeded',
];

/** Makes the call once. */
export async function callLedger(
  base: string,
  authenticate: RequestAuthenticator,
  call: Call,
): Promise<Reply> {
  const { method, path, body } = call;
  const bodyDigest = nodeCrypto.digest('sha256', body ?? new Uint8Array());
  const headers = await authenticate({ method, path, bodyDigest });
  const { signal, release } = limitedSignal(call);
  let response: Response;
  let bytes: Uint8Array;
  try {
    const request = { method, headers, signal, redirect: 'error' as const };
    const sent = body === undefined ? request : { ...request, body: body.slice() };
    response = await fetch(`${base}${path}`, sent);
    bytes = await readBounded(response, call.bytesMax);
  } catch (cause) {
    if (cause instanceof CodedError) throw cause;
    const message = `no answer from the ledger at ${base}: is it running?`;
    throw ledgerError('ledger-unreachable', 'unavailable', message, { cause });
  } finally {
    release();
  }
  if (response.status === 200) return { headers: response.headers, body: bytes };
  throw refusal(response.status, response.headers.get('retry-after'), bytes);
}

/** One signal of many and a time limit, that leaves nothing behind on the long-lived ones. */
function limitedSignal(call: Call): { signal: AbortSignal; release: () => void } {
  const own = new AbortController();
  const onAbort = () => own.abort();
  const timer = setTimeout(onAbort, call.timeoutMs);
  for (const signal of call.signals) {
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
  }
  const release = () => {
    clearTimeout(timer);
    for (const signal of call.signals) signal.removeEventListener('abort', onAbort);
  };
  return { signal: own.signal, release };
}

async function readBounded(response: Response, bytesMax: number): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array();
  const reader = response.body.getReader();
  const parts: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(Buffer.concat(parts));
    length += value.length;
    if (length > bytesMax) {
      await reader.cancel();
      throw responseMalformed(`has more than ${bytesMax} bytes`);
    }
    parts.push(value);
  }
}

function refusal(status: number, retryAfter: string | null, body: Uint8Array): Error {
  const wire = parseWireError(body);
  if (wire === undefined) {
    const message = `the ledger answered status ${status} without a reason`;
    const kind = status >= 500 ? 'unavailable' : 'malformed';
    return ledgerError('ledger-response-malformed', kind, message);
  }
  const { code, kind, message } = wire.error;
  const own = OWN_CODES.find((known) => known === code);
  const seconds = /^\d{1,4}$/.test(retryAfter ?? '') ? Number(retryAfter) : 0;
  const details = { remote: code, ...(seconds > 0 ? { retryAfterMs: seconds * 1000 } : {}) };
  return ledgerError(own ?? 'ledger-refused', kind, message, { details });
}

function parseWireError(body: Uint8Array): WireError | undefined {
  const value = parseJson(body) as Partial<WireError> | undefined;
  const { code, kind, message } = value?.error ?? {};
  if (typeof code !== 'string' || typeof message !== 'string') return undefined;
  if (!/^[a-z0-9-]{1,64}$/.test(code) || message.length > 1_000) return undefined;
  if (kind === undefined || !Object.hasOwn(STATUS_OF, kind)) return undefined;
  return { error: { code, kind: kind as ErrorKind, message } };
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
  return ledgerError('ledger-response-malformed', 'unavailable', message);
}
