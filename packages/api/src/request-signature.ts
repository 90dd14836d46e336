// SPDX-License-Identifier: Apache-2.0
// Signed requests. A caller proves who it is by a COSE_Sign1 in the header `cloister-request` over
// deterministic CBOR [domain, genesis, method, path with query, SHA-256 of the body, time]. It
// holds on any transport, so nothing relies on the loopback connection it travels over.
//
// A captured request can be replayed to the same server within the window; every endpoint that
// takes signed requests is idempotent or consumes something named in the body.
import {
  type Cbor,
  type Clock,
  type CodedError,
  type CryptoPort,
  decodeCbor,
  encodeCbor,
  equal,
  fromBase64Url,
  isCoded,
  requestError,
  type Signer,
  signCose,
  toBase64Url,
  verifyCose,
} from '@cloister/core';

export const REQUEST_HEADER = 'cloister-request';
const DOMAIN = 'cloister/request/v1';
const SUBJECT = 'request';
/** How far a request's time may be from the server's, in milliseconds. */
export const REQUEST_WINDOW_MS = 120_000;

export interface RequestFacts {
  readonly genesis: Uint8Array;
  readonly method: string;
  /** Path and query, as sent. */
  readonly path: string;
  /** The body's bytes, or the SHA-256 of them where they are not at hand. */
  readonly body: Uint8Array | { readonly sha256: Uint8Array };
}

function bodyDigest(facts: RequestFacts, crypto: CryptoPort): Uint8Array {
  return facts.body instanceof Uint8Array ? crypto.digest('sha256', facts.body) : facts.body.sha256;
}

/** The header value that signs a request; `issuer` is a name for logs. */
export async function signRequest(
  signer: Signer,
  issuer: string,
  facts: RequestFacts,
  ports: { crypto: CryptoPort; clock: Clock },
): Promise<string> {
  const payload = encodeCbor([
    DOMAIN,
    facts.genesis,
    facts.method,
    facts.path,
    bodyDigest(facts, ports.crypto),
    ports.clock.now(),
  ]);
  return toBase64Url(await signCose(signer, { iss: issuer, sub: SUBJECT }, payload));
}

/**
 * Answers the raw key that signed the request. Whether that key may do what is asked is for the
 * caller to judge.
 * @throws CodedError `request-unauthenticated`, `request-expired`
 */
export async function verifyRequest(
  header: string | undefined,
  facts: RequestFacts,
  ports: { crypto: CryptoPort; clock: Clock },
): Promise<Uint8Array> {
  if (header === undefined) throw unauthenticated('this request must be signed');
  let kid: Uint8Array;
  let payload: Cbor;
  try {
    const cose = await verifyCose(ports.crypto, fromBase64Url(header));
    if (cose.claims.sub !== SUBJECT) throw unauthenticated('not a request signature');
    kid = cose.kid;
    payload = decodeCbor(cose.payload);
  } catch (cause) {
    if (!isCoded(cause)) throw cause;
    throw unauthenticated('the request signature does not hold', cause);
  }
  const [domain, genesis, method, path, digest, time] = Array.isArray(payload) ? payload : [];
  const matches =
    Array.isArray(payload) &&
    payload.length === 6 &&
    domain === DOMAIN &&
    genesis instanceof Uint8Array &&
    equal(genesis, facts.genesis) &&
    method === facts.method &&
    path === facts.path &&
    digest instanceof Uint8Array &&
    equal(digest, bodyDigest(facts, ports.crypto)) &&
    typeof time === 'number';
  if (!matches) throw unauthenticated('the signature is for another request');
  if (Math.abs(ports.clock.now() - time) > REQUEST_WINDOW_MS) {
    const seconds = REQUEST_WINDOW_MS / 1000;
    const message = `the request was signed more than ${seconds} s away from this clock`;
    throw requestError('request-expired', message);
  }
  return kid;
}

function unauthenticated(message: string, cause?: unknown): CodedError {
  return requestError('request-unauthenticated', message, { cause });
}
