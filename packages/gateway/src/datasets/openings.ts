// SPDX-License-Identifier: Apache-2.0
// Openings at a member's gateway: sealed to the members who may read, read back from blobs, always
// checked against the commitments on the ledger before anything in them is used.
import {
  BLOB_MOST,
  checkOpenings,
  type EventBody,
  encodeOpeningMap,
  type Member,
  type Opening,
  type OpeningMap,
  openOpenings,
  sealOpenings,
} from '@cloister/contract';
import { hpkeOpen, hpkeSeal } from '@cloister/threshold/node';
import { type Gateway, stateInForce } from '../context.ts';
import { gatewayError } from '../errors.ts';

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

/** What HPKE adds to a plaintext, and the frame of a member's part, at most. */
const SEAL_BYTES = 65 + 16;
const PART_BYTES = 64;

/**
 * Refuses a schema and a policy that are too long to be sealed to every member: nobody could read
 * them. @throws CodedError `dataset-openings-too-long`
 */
export function refuseLongOpenings(gateway: Gateway, openings: OpeningMap): void {
  const { members } = stateInForce(gateway).charter;
  const each = encodeOpeningMap(openings).length + SEAL_BYTES + PART_BYTES;
  const got = each * members.length;
  const most = BLOB_MOST.openings;
  if (got <= most) return;
  const message =
    `names of columns and policy have ${each} bytes, sealed to ${members.length} members ${got}, ` +
    `and at most ${most} are read: shorten names and groupings, or divide the dataset`;
  throw gatewayError('dataset-openings-too-long', message, { details: { got, most } });
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
