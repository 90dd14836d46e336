// SPDX-License-Identifier: Apache-2.0
// Statements that travel inside events: a COSE_Sign1 as an event is, under a subject that no event
// kind has, over [1, genesis, ...fields]. spec/events.md, "Tickets and receipts".
import {
  type Cbor,
  type CodedError,
  type CryptoPort,
  decodeCbor,
  encodeCbor,
  equal,
  type Signer,
  signCose,
  verifyCose,
} from '@cloister/core';

const VERSION = 1;

export function signCarried(
  signer: Signer,
  issuer: string,
  of: { subject: string; genesis: Uint8Array; fields: readonly Cbor[] },
): Promise<Uint8Array<ArrayBuffer>> {
  const payload = encodeCbor([VERSION, of.genesis, ...of.fields]);
  return signCose(signer, { iss: issuer, sub: of.subject }, payload);
}

/**
 * The fields of a statement whose signature holds, `count` of them, and who signed.
 * @throws CodedError what `refuse` makes of a reason, and core's COSE and CBOR codes
 */
export async function readCarried(
  bytes: Uint8Array,
  of: { subject: string; genesis: Uint8Array; count: number; crypto: CryptoPort },
  refuse: (why: string) => CodedError,
): Promise<{ fields: readonly unknown[]; signer: Uint8Array }> {
  const { claims, payload, kid } = await verifyCose(of.crypto, bytes);
  if (claims.sub !== of.subject) throw refuse('its subject is another');
  const parts = decodeCbor(payload);
  if (!Array.isArray(parts) || parts.length !== of.count + 2 || parts[0] !== VERSION) {
    throw refuse('its payload is of another form');
  }
  const [, genesis, ...fields] = parts as unknown[];
  if (isBytes(genesis, 32) && equal(genesis, of.genesis)) return { fields, signer: kid };
  throw refuse('it is for another ledger');
}

export function isBytes(value: unknown, length: number): value is Uint8Array {
  return value instanceof Uint8Array && value.length === length;
}
