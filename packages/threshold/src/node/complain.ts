// SPDX-License-Identifier: Apache-2.0
// Making a complaint, at the seat that received the deal. The deal is opened to the public only if
// its pi holds; otherwise its being wrong is evident as it stands.
import { isCoded, type Random, systemRandom } from '@cloister/core';
import { complaintStatement, encodeComplaint } from '../complaint.ts';
import { type DealContext, dealLabel } from '../deal.ts';
import { encodePoint, parsePoint } from '../point.ts';
import { assertSealedKey, type SealedKey } from '../sealed-key.ts';
import type { HpkeKeyPair } from './hpke.ts';
import { opensslCurve } from './multiply.ts';
import { proveDleqBatch } from './prove.ts';

/**
 * The complaint about a deal, encoded. It discloses the deal, so it is made only for a deal found
 * wrong. `keyPair` is the seat's receiving key, `sealed` what stands in the dealer's reveal.
 */
export function complain(
  args: Omit<DealContext, 'recipientKey'> & {
    reveal: Uint8Array;
    sealed: Uint8Array;
    keyPair: HpkeKeyPair;
    random?: Random;
  },
): Uint8Array<ArrayBuffer> {
  const { reveal, sealed, keyPair } = args;
  const recipientKey = keyPair.publicKey;
  const context = { ...args, recipientKey };
  let parsed: SealedKey;
  try {
    parsed = assertSealedKey({ sealed, label: dealLabel(context), curve: opensslCurve });
  } catch (error) {
    if (!isCoded(error)) throw error;
    return encodeComplaint({ reveal, sealed, recipientKey });
  }
  const secret = keyPair.privateKey;
  const point = encodePoint(opensslCurve.multiply(secret, parsePoint(parsed.enc)));
  const statement = complaintStatement(context, parsed.enc, point);
  const proof = proveDleqBatch(statement, secret, args.random ?? systemRandom);
  secret.fill(0);
  return encodeComplaint({ reveal, sealed, recipientKey, opened: { point, proof } });
}
