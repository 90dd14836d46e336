// SPDX-License-Identifier: Apache-2.0
// A deal: the value of a dealer's polynomial at one seat, sealed like a master key (enc, ct, pi) to
// the key that this seat published for this attempt. It carries no signature of its own: it stands
// in the dealer's reveal, whose signature and place are its too.
//
//   label = [ "cloister/deal/v1", genesis (32), epoch (32), dealer, recipient,
//             recipient key (65) ]                              deterministic CBOR
//
// pi is bound to the label, and required before anyone multiplies by the recipient's key, and so
// before a complaint opens a deal: without it a dealer could send r times another dealer's enc,
// draw a complaint and read that other deal from it.
import { encodeCbor } from '@cloister/core';

const DOMAIN = 'cloister/deal/v1';

/** Who deals what to whom. */
export interface DealContext {
  readonly genesis: Uint8Array;
  readonly epoch: Uint8Array;
  /** The dealer's seat, as in its reveal. */
  readonly dealer: number;
  /** The seat in the new epoch. */
  readonly recipient: number;
  /** The recipient's receiving key for this attempt, 65 bytes. */
  readonly recipientKey: Uint8Array;
}

/** HPKE's info for a deal, and what its pi is bound to. */
export function dealLabel(c: DealContext): Uint8Array<ArrayBuffer> {
  return encodeCbor([DOMAIN, c.genesis, c.epoch, c.dealer, c.recipient, c.recipientKey]);
}
