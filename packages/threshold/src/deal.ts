// SPDX-License-Identifier: Apache-2.0
// A deal on the wire: the value of a dealer's polynomial at one seat, sealed to the seat's attested
// HPKE key like a master key (enc, ct, pi) and signed by the dealer (COSE_Sign1, Ed25519).
//
//   payload = [ "cloister/deal/v1", genesis (32), epoch (32), dealer, recipient,
//               recipient key (65), sealed ]                    deterministic CBOR
//
// The label of the sealing is the same list without its last item. pi is required before anyone
// multiplies by the recipient's key, and so before a complaint opens a deal: without it a dealer
// could send r times another dealer's enc, draw a complaint and read that other deal from it.
import {
  type CryptoPort,
  decodeCbor,
  encodeCbor,
  isCoded,
  parseCose,
  verifyCose,
} from '@cloister/core';
import { isBytes, isSeat } from './check.ts';
import { thresholdError } from './errors.ts';
import { POINT_BYTES, parsePoint } from './point.ts';

const DOMAIN = 'cloister/deal/v1';
/** CWT claims of a deal's signature. */
export const DEAL_CLAIMS = { iss: 'cloister/dealer', sub: DOMAIN } as const;

/** Who deals what to whom. */
export interface DealContext {
  readonly genesis: Uint8Array;
  readonly epoch: Uint8Array;
  /** The dealer's seat, as in its reveal. */
  readonly dealer: number;
  /** The seat in the new epoch. */
  readonly recipient: number;
  /** The recipient's attested HPKE key, 65 bytes. */
  readonly recipientKey: Uint8Array;
}

/** A signed deal, parsed. */
export interface SignedDeal extends DealContext {
  /** Raw Ed25519 key that signed. */
  readonly dealerKey: Uint8Array;
  /** The encoded sealed key; it may be anything that the dealer signed. */
  readonly sealed: Uint8Array;
}

/** HPKE's info for a deal, and what its pi is bound to. */
export function dealLabel(c: DealContext): Uint8Array<ArrayBuffer> {
  return encodeCbor([DOMAIN, c.genesis, c.epoch, c.dealer, c.recipient, c.recipientKey]);
}

export function dealPayload(c: DealContext, sealed: Uint8Array): Uint8Array<ArrayBuffer> {
  return encodeCbor([DOMAIN, c.genesis, c.epoch, c.dealer, c.recipient, c.recipientKey, sealed]);
}

/** Parses without checking the signature. @throws CodedError `deal-malformed`, point codes */
export function parseDeal(bytes: Uint8Array): SignedDeal {
  const { kid, payload, claims } = wrapped(() => parseCose(bytes));
  if (claims.iss !== DEAL_CLAIMS.iss || claims.sub !== DEAL_CLAIMS.sub) throw malformed('claims');
  const value = wrapped(() => decodeCbor(payload));
  if (!Array.isArray(value) || value.length !== 7 || value[0] !== DOMAIN) throw malformed('form');
  const [, genesis, epoch, dealer, recipient, recipientKey, sealed] = value as unknown[];
  if (!isBytes(genesis, 32)) throw malformed('genesis');
  if (!isBytes(epoch, 32)) throw malformed('epoch');
  if (!isSeat(dealer)) throw malformed('dealer');
  if (!isSeat(recipient)) throw malformed('recipient');
  if (!isBytes(recipientKey, POINT_BYTES)) throw malformed('recipient key');
  if (!(sealed instanceof Uint8Array)) throw malformed('sealed part');
  parsePoint(recipientKey);
  return { genesis, epoch, dealer, recipient, recipientKey, sealed, dealerKey: kid };
}

/** Also checks the signature. @throws CodedError `deal-signature-invalid`, `deal-malformed` */
export async function verifyDealSignature(
  crypto: CryptoPort,
  bytes: Uint8Array,
): Promise<SignedDeal> {
  const deal = parseDeal(bytes);
  try {
    await verifyCose(crypto, bytes);
  } catch (cause) {
    if (!isCoded(cause)) throw cause;
    const message = `the deal of dealer ${deal.dealer} is not signed by the key it names`;
    throw thresholdError('deal-signature-invalid', message, { cause });
  }
  return deal;
}

function wrapped<T>(f: () => T): T {
  try {
    return f();
  } catch (cause) {
    if (!isCoded(cause)) throw cause;
    const message = 'a deal is not a COSE_Sign1 over CBOR';
    throw thresholdError('deal-malformed', message, { cause });
  }
}

function malformed(field: string) {
  return thresholdError('deal-malformed', `a deal's ${field} has not its form`);
}
