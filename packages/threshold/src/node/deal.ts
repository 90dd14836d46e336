// SPDX-License-Identifier: Apache-2.0
// Sealing a deal to a seat's attested key, and opening one at the seat it is for.
import { type CryptoPort, equal, type Random, type Signer, signCose } from '@cloister/core';
import {
  DEAL_CLAIMS,
  type DealContext,
  dealLabel,
  dealPayload,
  verifyDealSignature,
} from '../deal.ts';
import { thresholdError } from '../errors.ts';
import { assertSealedKey, encodeSealedKey } from '../sealed-key.ts';
import { type HpkeKeyPair, openWithDh } from './hpke.ts';
import { opensslCurve } from './multiply.ts';
import { sealWithProof } from './open.ts';

/** Seals 32 bytes of deal and signs: the bytes of the blob. */
export async function sealDeal(
  args: DealContext & { deal: Uint8Array; signer: Signer; random: Random },
): Promise<Uint8Array<ArrayBuffer>> {
  const { recipientKey: recipient, deal: secret, random } = args;
  const sealed = sealWithProof({ recipient, label: dealLabel(args), secret, random });
  return signCose(args.signer, DEAL_CLAIMS, dealPayload(args, encodeSealedKey(sealed)));
}

/**
 * Opens a deal after its signature, its context and its pi held. The 32 bytes are not checked
 * against the commitments here: `verifyDeal` or `combineDeals` does.
 * @throws CodedError `deal-malformed`, `deal-signature-invalid`, `deal-other-context`,
 *   `pi-invalid`, `hpke-open-failed`, and the codes of a malformed sealed key: for all but the
 *   first three `complain` makes the evidence
 */
export async function openDeal(
  args: Omit<DealContext, 'recipientKey'> & {
    signed: Uint8Array;
    /** The dealer's attested signing key. */
    dealerKey: Uint8Array;
    keyPair: HpkeKeyPair;
    crypto: CryptoPort;
  },
): Promise<Uint8Array<ArrayBuffer>> {
  const deal = await verifyDealSignature(args.crypto, args.signed);
  const wrong =
    (!equal(deal.genesis, args.genesis) && 'charter') ||
    (!equal(deal.epoch, args.epoch) && 'epoch') ||
    (deal.dealer !== args.dealer && 'dealer') ||
    (deal.recipient !== args.recipient && 'recipient') ||
    (!equal(deal.recipientKey, args.keyPair.publicKey) && 'recipient key') ||
    (!equal(deal.dealerKey, args.dealerKey) && 'signing key');
  if (wrong !== false) {
    const message = `the deal is of another ${wrong}`;
    throw thresholdError('deal-other-context', message, { details: { wrong } });
  }
  const label = dealLabel(deal);
  const { enc, ct } = assertSealedKey({ sealed: deal.sealed, label, curve: opensslCurve });
  const dh = args.keyPair.dh(enc);
  const recipient = args.keyPair.publicKey;
  const opened = openWithDh({ dh, enc, recipient, info: label, aad: new Uint8Array(0), ct });
  dh.fill(0);
  if (opened === undefined) {
    const message = `the deal of dealer ${deal.dealer} does not open under the key it names`;
    throw thresholdError('hpke-open-failed', message);
  }
  return opened;
}
