// SPDX-License-Identifier: Apache-2.0
// A signature under an amendment without a gateway: by a member who is to join, or whose gateway
// cannot start. Somebody with a gateway puts it on the ledger.
import type { AmendmentFile } from '@cloister/api';
import {
  charterFromReadable,
  memberById,
  STATEMENT_LANDING,
  signCharterKey,
  signEvent,
} from '@cloister/contract';
import { equal, fromHex } from '@cloister/core';
import { readKeys, readOrg } from '@cloister/gateway/home';
import { cliError } from './errors.ts';

/**
 * The signed event: by the identity key that the amendment gives this member, or by the one that it
 * has, and with the witness key's word where that is the folder's.
 * @throws CodedError `verification-failed` where the amendment names it with other keys
 */
export async function signOfflineWith(
  home: string,
  file: AmendmentFile,
): Promise<Uint8Array<ArrayBuffer>> {
  const [{ id }, keys] = await Promise.all([readOrg(home), readKeys(home)]);
  const named = memberById(charterFromReadable(file.charter), id);
  const signer = [keys.next.identity, keys.identity].find(
    (one) => named !== undefined && equal(one.key, named.identity),
  );
  if (signer === undefined || named === undefined) {
    const message = `the amendment does not name ${id} with an identity key of ${home}`;
    throw cliError('verification-failed', message);
  }
  const [genesis, amend] = [fromHex(file.genesis, 32), fromHex(file.amend, 32)];
  const witness = keys.next.witness;
  const about = { genesis, amend, identity: signer.key };
  const word = equal(witness.key, named.witness)
    ? { witness: await signCharterKey(witness, id, about) }
    : {};
  const body = { amend, within: file.size + STATEMENT_LANDING, ...word };
  return signEvent(signer, id, { genesis, kind: 'sign', body });
}
