// SPDX-License-Identifier: Apache-2.0
// A witness key that comes into a charter speaks once for itself: it names the amendment and the
// identity key that it belongs to, so that nobody enters a key that somebody else holds. A
// COSE_Sign1 under the witness key, subject `charter-key`, payload [1, genesis, amend, identity].
// spec/events.md, "amend, sign".
import { type CryptoPort, equal, type Signer } from '@cloister/core';
import { contractError } from '../errors.ts';
import { isBytes, readCarried, signCarried } from './carried.ts';

/** CWT subject of such a word: no event kind has this name. */
export const CHARTER_KEY_SUBJECT = 'charter-key';

/** A key that has spoken. */
export interface ShownKey {
  readonly key: Uint8Array;
}

/** What the word is about: the ledger, the amendment's event id, the identity key it belongs to. */
export interface ShownFor {
  readonly genesis: Uint8Array;
  readonly amend: Uint8Array;
  readonly identity: Uint8Array;
}

export function signCharterKey(
  witness: Signer,
  issuer: string,
  { genesis, amend, identity }: ShownFor,
): Promise<Uint8Array<ArrayBuffer>> {
  const fields = [amend, identity];
  return signCarried(witness, issuer, { subject: CHARTER_KEY_SUBJECT, genesis, fields });
}

/** @throws CodedError `charter-key-malformed`, and core's COSE and CBOR codes */
export async function readShownKey(
  bytes: Uint8Array,
  about: ShownFor,
  crypto: CryptoPort,
): Promise<ShownKey> {
  const of = { subject: CHARTER_KEY_SUBJECT, genesis: about.genesis, count: 2, crypto };
  const { fields, signer } = await readCarried(bytes, of, malformed);
  const [amend, identity] = fields;
  const same =
    isBytes(amend, 32) &&
    isBytes(identity, 32) &&
    equal(amend, about.amend) &&
    equal(identity, about.identity);
  if (same) return { key: signer };
  throw malformed('it is for another amendment or identity');
}

function malformed(why: string) {
  return contractError('charter-key-malformed', `a witness key's word does not hold: ${why}`);
}
