// SPDX-License-Identifier: Apache-2.0
// The label of a sealed key: HPKE's `info`, and what pi is bound to (protocol notes, "Keys"). It
// names the key, never the epoch, so a reshare leaves sealed keys valid.
//
//   [ "cloister/sealed-key/v1", genesis (32), group key (65), owner (text), dataset (16),
//     version, column id, policy commitment (32) ]           deterministic CBOR
import { encodeCbor } from '@cloister/core';
import { decodeAs, isBytes } from './check.ts';
import { thresholdError } from './errors.ts';
import { POINT_BYTES, parsePoint } from './point.ts';

const DOMAIN = 'cloister/sealed-key/v1';

export interface Label {
  /** SHA-256 of the charter's first version. */
  readonly genesis: Uint8Array;
  /** 65 bytes. */
  readonly groupKey: Uint8Array;
  readonly owner: string;
  /** 16 bytes. */
  readonly dataset: Uint8Array;
  readonly version: number;
  /** Column id, a position from 1; 0 is the footer key. */
  readonly column: number;
  /** Salted commitment to the column's policy, 32 bytes. */
  readonly policy: Uint8Array;
}

/** @throws CodedError `label-malformed` and the point codes, for a label that has no right form */
export function encodeLabel(label: Label): Uint8Array<ArrayBuffer> {
  const { genesis, groupKey, owner, dataset, version, column, policy } = label;
  return encodeCbor(
    checked([DOMAIN, genesis, groupKey, owner, dataset, version, column, policy]).array,
  );
}

/** @throws CodedError `label-malformed` and the point codes */
export function parseLabel(bytes: Uint8Array): Label {
  const value = decodeAs(bytes, 'label-malformed', 'a label');
  return checked(value).label;
}

function checked(value: unknown) {
  if (!Array.isArray(value) || value.length !== 8 || value[0] !== DOMAIN) throw malformed('form');
  const [, genesis, groupKey, owner, dataset, version, column, policy] = value as unknown[];
  if (!isBytes(genesis, 32)) throw malformed('genesis');
  if (!isBytes(groupKey, POINT_BYTES)) throw malformed('group key');
  if (typeof owner !== 'string' || owner === '') throw malformed('owner');
  if (!isBytes(dataset, 16)) throw malformed('dataset');
  if (!isCount(version)) throw malformed('version');
  if (!isCount(column)) throw malformed('column');
  if (!isBytes(policy, 32)) throw malformed('policy commitment');
  parsePoint(groupKey);
  const label: Label = { genesis, groupKey, owner, dataset, version, column, policy };
  return {
    label,
    array: [DOMAIN, genesis, groupKey, owner, dataset, version, column, policy] as const,
  };
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function malformed(field: string) {
  return thresholdError('label-malformed', `a label's ${field} has not its form`);
}
