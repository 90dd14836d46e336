// SPDX-License-Identifier: Apache-2.0
// Openings at a member's gateway: sealed to the members who may read, read back from blobs, always
// checked against the commitments on the ledger before anything in them is used.
import {
  BLOB_MOST,
  checkOpenings,
  type EventBody,
  type Member,
  type Opening,
  type OpeningMap,
  openOpenings,
  sealOpenings,
} from '@cloister/contract';
import { hpkeOpen, hpkeSeal } from '@cloister/threshold/node';
import type { Gateway } from '../context.ts';

const NO_AAD = new Uint8Array(0);

/** Seals openings to `members` and stores the blob; answers its digest. */
export async function sealForMembers(
  gateway: Gateway,
  members: readonly Member[],
  openings: OpeningMap,
): Promise<Uint8Array> {
  const blob = await sealOpenings({
    genesis: gateway.genesis,
    openings,
    recipients: members,
    seal: (publicKey, info, plaintext) =>
      hpkeSeal({ publicKey, info, aad: NO_AAD, plaintext, random: gateway.random }),
  });
  return gateway.blobs.put(blob);
}

/** Schema and policy of a dataset. @throws CodedError `openings-not-for-me`, `opening-mismatch` */
export function readDatasetOpenings(
  gateway: Gateway,
  body: EventBody<'dataset'>,
): Promise<Record<'schema' | 'policy', Opening>> {
  const { schema, policy } = body;
  return read(gateway, body.openings, { schema, policy });
}

/** Code, parameters, uses and purpose of a task. @throws CodedError as above */
export function readTaskParts(
  gateway: Gateway,
  body: EventBody<'task'>,
): Promise<Record<'code' | 'parameters' | 'uses' | 'purpose', Opening>> {
  const { code, parameters, uses, purpose } = body;
  return read(gateway, body.openings, { code, parameters, uses, purpose });
}

async function read<Name extends string>(
  gateway: Gateway,
  digest: Uint8Array,
  commitments: Readonly<Record<Name, Uint8Array>>,
): Promise<Record<Name, Opening>> {
  const openings = await openOpenings({
    genesis: gateway.genesis,
    blob: await gateway.allBlobs.get(digest, BLOB_MOST.openings),
    me: gateway.card.id,
    open: (info, sealed) => hpkeOpen({ keyPair: gateway.keys.hpke, info, aad: NO_AAD, sealed }),
  });
  checkOpenings(openings, commitments, gateway.crypto);
  return openings as Record<Name, Opening>;
}
