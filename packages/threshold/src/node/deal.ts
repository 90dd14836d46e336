// SPDX-License-Identifier: Apache-2.0
// Sealing a deal to a seat's receiving key, and opening one at the seat it is for.
import type { Random } from '@cloister/core';
import { type DealContext, dealLabel } from '../deal.ts';
import { thresholdError } from '../errors.ts';
import { assertSealedKey, encodeSealedKey } from '../sealed-key.ts';
import { type HpkeKeyPair, openWithDh } from './hpke.ts';
import { opensslCurve } from './multiply.ts';
import { sealWithProof } from './open.ts';

/** Seals 32 bytes of deal: what a reveal carries for the seat. */
export function sealDeal(
  args: DealContext & { deal: Uint8Array; random: Random },
): Uint8Array<ArrayBuffer> {
  const { recipientKey: recipient, deal: secret, random } = args;
  return encodeSealedKey(sealWithProof({ recipient, label: dealLabel(args), secret, random }));
}

/**
 * Opens a deal after its pi held over this very context. The 32 bytes are not checked against the
 * commitments here: `verifyDeal` or `combineDeals` does.
 * @throws CodedError `pi-invalid`, `hpke-open-failed` and the codes of a malformed sealed key: for
 *   each of them `complain` makes the evidence
 */
export function openDeal(
  args: Omit<DealContext, 'recipientKey'> & { sealed: Uint8Array; keyPair: HpkeKeyPair },
): Uint8Array<ArrayBuffer> {
  const { keyPair, dealer } = args;
  const recipient = keyPair.publicKey;
  const label = dealLabel({ ...args, recipientKey: recipient });
  const { enc, ct } = assertSealedKey({ sealed: args.sealed, label, curve: opensslCurve });
  const dh = keyPair.dh(enc);
  const opened = openWithDh({ dh, enc, recipient, info: label, aad: new Uint8Array(0), ct });
  dh.fill(0);
  if (opened !== undefined) return opened;
  const message = `the deal of dealer ${dealer} does not open under the key it was sealed to`;
  throw thresholdError('hpke-open-failed', message);
}
