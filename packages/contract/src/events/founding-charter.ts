// SPDX-License-Identifier: Apache-2.0
// The first charter as bytes: the payload that every founder signs. Its SHA-256 is the genesis, so
// whoever pins the genesis needs nobody's word for what the charter says.
import { type CryptoPort, coded, decodeCbor, equal } from '@cloister/core';
import type { CharterBody } from '../charter/body.ts';
import { contractError } from '../errors.ts';
import { EVENT_KINDS } from './bodies.ts';
import { EVENT_VERSION, encodeEvent } from './event.ts';

/** The payload bytes and the genesis of a first charter. */
export function encodeFoundingCharter(
  body: CharterBody,
  crypto: CryptoPort,
): { payload: Uint8Array<ArrayBuffer>; genesis: Uint8Array } {
  const payload = encodeEvent(null, 'charter', body);
  return { payload, genesis: crypto.digest('sha256', payload) };
}

/** @throws CodedError `founding-charter-mismatch`, `founding-charter-malformed` */
export function decodeFoundingCharter(
  payload: Uint8Array,
  genesis: Uint8Array,
  crypto: CryptoPort,
): CharterBody {
  if (!equal(crypto.digest('sha256', payload), genesis)) {
    const message = 'the charter does not hash to the genesis that was pinned';
    throw contractError('founding-charter-mismatch', message);
  }
  const parts = coded(
    () => decodeCbor(payload),
    () => malformed('it is not CBOR'),
  );
  const [version, before, kind, body] = (Array.isArray(parts) ? parts : []) as unknown[];
  const parsed = EVENT_KINDS.charter.body.safeParse(body);
  if (version !== EVENT_VERSION || before !== null || kind !== 'charter' || !parsed.success) {
    throw malformed('the payload is not that of a first charter');
  }
  return parsed.data;
}

function malformed(what: string) {
  return contractError('founding-charter-malformed', `a founding charter: ${what}`);
}
