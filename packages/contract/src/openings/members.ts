// SPDX-License-Identifier: Apache-2.0
// Openings for members: the blob that a dataset or task event names. It holds, for each member who
// may read, the same map of openings sealed by HPKE to that member's charter key.
//
//   blob      [ 1, [ [ "bank", h'enc || ct' ], ... ] ]          ascending by member id
//   plaintext { "policy": [ h'salt', h'value' ], ... }          deterministic CBOR
//
// The HPKE info names genesis and member, so a sealed part of one charter or member opens nowhere
// else. Whoever reads checks each opening against the event's commitment and uses nothing else.
// Crypto and HPKE are handed in: this runs in a browser too. spec/events.md, "Openings".
import {
  type Cbor,
  type CodedError,
  type CryptoPort,
  coded,
  decodeCbor,
  encodeCbor,
  firstIssue,
} from '@cloister/core';
import { z } from 'zod';
import { contractError } from '../errors.ts';
import { bytesOf, bytesUpTo, slug } from '../shapes.ts';
import { type Opening, opens } from './commitment.ts';

const OPENINGS_VERSION = 1;
const MAX_SEALED_BYTES = 16_777_216;

/** Openings by the name of the field that has the commitment: `policy`, `code`... */
export type OpeningMap = Readonly<Record<string, Opening>>;

/** One member's sealed part. */
export interface SealedOpenings {
  readonly to: string;
  /** HPKE bytes of `encodeOpeningMap`, as the sealing function that was handed in makes them. */
  readonly sealed: Uint8Array;
}

/** Seals to a member's charter HPKE key; `info` is `memberOpeningsInfo`. */
export type SealTo = (
  recipient: Uint8Array,
  info: Uint8Array,
  plaintext: Uint8Array,
) => Promise<Uint8Array> | Uint8Array;

/** Opens with the member's own HPKE key. */
export type OpenMine = (info: Uint8Array, sealed: Uint8Array) => Promise<Uint8Array> | Uint8Array;

const bundle = z.tuple([
  z.literal(OPENINGS_VERSION),
  z.array(z.tuple([slug, bytesUpTo(MAX_SEALED_BYTES)])).max(200),
]);
const fieldName = z.string().regex(/^[a-z][a-zA-Z0-9-]{0,31}$/);
const pair = z.tuple([bytesOf(16), bytesUpTo(MAX_SEALED_BYTES, 0)]);
const openingMap = z.record(fieldName, pair);

/** HPKE info of a member's part. */
export function memberOpeningsInfo(genesis: Uint8Array, to: string): Uint8Array<ArrayBuffer> {
  return encodeCbor(['cloister/member-openings/v1', genesis, to]);
}

export function encodeOpeningMap(map: OpeningMap): Uint8Array<ArrayBuffer> {
  const pairs = Object.entries(map).map(([name, o]) => [name, [o.salt, o.value]]);
  return encodeCbor(Object.fromEntries(pairs) as Cbor);
}

/** @throws CodedError `openings-malformed` */
export function decodeOpeningMap(bytes: Uint8Array): OpeningMap {
  const read = parsed(openingMap, bytes, 'a map of openings');
  const pairs = Object.entries(read).map(([name, [salt, value]]) => [name, { salt, value }]);
  return Object.fromEntries(pairs) as OpeningMap;
}

export function encodeOpenings(parts: readonly SealedOpenings[]): Uint8Array<ArrayBuffer> {
  const sorted = [...parts].sort((a, b) => (a.to < b.to ? -1 : 1));
  return encodeCbor([OPENINGS_VERSION, sorted.map(({ to, sealed }) => [to, sealed])]);
}

/** The parts, ascending and distinct by member. @throws CodedError `openings-malformed` */
export function decodeOpenings(bytes: Uint8Array): SealedOpenings[] {
  const [, parts] = parsed(bundle, bytes, 'an openings blob');
  const ordered = parts.every(([to], i) => i === 0 || (parts[i - 1]?.[0] ?? '') < to);
  if (!ordered) throw malformed('members are not ascending, each once');
  return parts.map(([to, sealed]) => ({ to, sealed }));
}

/** The blob for these members: the same openings sealed to each. */
export async function sealOpenings(args: {
  genesis: Uint8Array;
  openings: OpeningMap;
  recipients: readonly { readonly id: string; readonly hpke: Uint8Array }[];
  seal: SealTo;
}): Promise<Uint8Array<ArrayBuffer>> {
  const plaintext = encodeOpeningMap(args.openings);
  const parts: SealedOpenings[] = [];
  for (const { id, hpke } of args.recipients) {
    const info = memberOpeningsInfo(args.genesis, id);
    parts.push({ to: id, sealed: await args.seal(hpke, info, plaintext) });
  }
  return encodeOpenings(parts);
}

/**
 * What `me` can read of the blob, not yet checked against any commitment.
 * @throws CodedError `openings-not-for-me`, `openings-malformed`, and what `open` throws
 */
export async function openOpenings(args: {
  genesis: Uint8Array;
  blob: Uint8Array;
  me: string;
  open: OpenMine;
}): Promise<OpeningMap> {
  const mine = decodeOpenings(args.blob).find((part) => part.to === args.me);
  if (mine === undefined) {
    const message = `the openings are not sealed to ${args.me}: ask their author to seal again`;
    throw contractError('openings-not-for-me', message);
  }
  return decodeOpeningMap(await args.open(memberOpeningsInfo(args.genesis, args.me), mine.sealed));
}

/**
 * The values behind `commitments`, by the same names, each checked.
 * @throws CodedError `opening-missing`, `opening-mismatch`
 */
export function checkOpenings<Name extends string>(
  openings: OpeningMap,
  commitments: Readonly<Record<Name, Uint8Array>>,
  crypto: CryptoPort,
): Record<Name, Uint8Array> {
  const values: Partial<Record<Name, Uint8Array>> = {};
  for (const [name, commitment] of Object.entries(commitments) as [Name, Uint8Array][]) {
    const opening = Object.hasOwn(openings, name) ? openings[name] : undefined;
    if (opening === undefined) {
      const message = `no opening of ${name}; wanted one for each commitment`;
      throw contractError('opening-missing', message);
    }
    if (!opens(commitment, opening, crypto)) {
      const message = `the opening of ${name} is not what the ledger has a commitment to`;
      throw contractError('opening-mismatch', message);
    }
    values[name] = opening.value;
  }
  return values as Record<Name, Uint8Array>;
}

function parsed<T extends z.ZodType>(schema: T, bytes: Uint8Array, what: string): z.infer<T> {
  const value = coded(
    () => decodeCbor(bytes),
    () => malformed(`${what} is not CBOR`),
  );
  const read = schema.safeParse(value);
  if (read.success) return read.data;
  throw malformed(`${what}: ${firstIssue(read.error).says}`);
}

function malformed(what: string): CodedError {
  return contractError('openings-malformed', `the openings are malformed: ${what}`);
}
