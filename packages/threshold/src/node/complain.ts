// SPDX-License-Identifier: Apache-2.0
// Making a complaint, at the seat that received the deal. The deal is opened to the public only if
// its pi holds; otherwise its being wrong is evident as it stands.
import { isCoded, type Random, systemRandom } from '@cloister/core';
import { complaintStatement, encodeComplaint } from '../complaint.ts';
import { dealLabel, parseDeal } from '../deal.ts';
import { encodePoint, parsePoint } from '../point.ts';
import { assertSealedKey, type SealedKey } from '../sealed-key.ts';
import type { HpkeKeyPair } from './hpke.ts';
import { opensslCurve } from './multiply.ts';
import { proveDleqBatch } from './prove.ts';

/**
 * The complaint about a deal whose signature and context held (`openDeal`), encoded. It discloses
 * the deal, so it is made only for a deal found wrong.
 * @throws CodedError `deal-malformed` for bytes that no dealer can be held to
 */
export function complain(args: {
  reveal: Uint8Array;
  signed: Uint8Array;
  keyPair: HpkeKeyPair;
  random?: Random;
}): Uint8Array<ArrayBuffer> {
  const { reveal, signed } = args;
  const deal = parseDeal(signed);
  let sealed: SealedKey;
  try {
    sealed = assertSealedKey({ sealed: deal.sealed, label: dealLabel(deal), curve: opensslCurve });
  } catch (error) {
    if (!isCoded(error)) throw error;
    return encodeComplaint({ reveal, signed });
  }
  const secret = args.keyPair.privateKey;
  const point = encodePoint(opensslCurve.multiply(secret, parsePoint(sealed.enc)));
  const statement = complaintStatement(deal, sealed.enc, point);
  const proof = proveDleqBatch(statement, secret, args.random ?? systemRandom);
  secret.fill(0);
  return encodeComplaint({ reveal, signed, opened: { point, proof } });
}
