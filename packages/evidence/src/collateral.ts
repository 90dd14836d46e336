// SPDX-License-Identifier: Apache-2.0
// Collateral bundles: made from named items, written as deterministic CBOR, read back strictly.
// Subject and number are always derived from the items, so a bundle cannot lie about them.
//
//   { "v": 1, "kind": "sgx-dcap", "items": { "tcb-info": h'...', ... } }
import { type Cbor, decodeCbor, encodeCbor } from '@cloister/core';
import { deriveDcap, itemsFromDcapBundle } from './dcap/collateral.ts';
import { evidenceError } from './errors.ts';
import { parseJson } from './json.ts';
import { deriveSnp } from './sev-snp/collateral.ts';
import type { Collateral, EvidenceKind } from './types.ts';

export type CollateralItems = Readonly<Record<string, Uint8Array>>;
type Derive = (items: CollateralItems) => { subject: string; number: number };

const MAX_BUNDLE_BYTES = 16 * 1024 * 1024;
const VERSION = 1;

const DERIVE: Readonly<Partial<Record<EvidenceKind, Derive>>> = {
  'sgx-dcap': (items) => deriveDcap(items, 'SGX'),
  'tdx-dcap': (items) => deriveDcap(items, 'TDX'),
  'azure-tdx-vtpm': (items) => deriveDcap(items, 'TDX'),
  'sev-snp': deriveSnp,
  'azure-snp-vtpm': deriveSnp,
};

/** True where evidence of `kind` is verified with collateral. */
export function needsCollateral(kind: EvidenceKind): boolean {
  return DERIVE[kind] !== undefined;
}

/**
 * A bundle from its items; what they must be is in the kind's collateral.ts. Signatures are not
 * checked here.
 * @throws CodedError `collateral-malformed`, `evidence-kind-unsupported` and the parsers' codes
 */
export function makeCollateral(kind: EvidenceKind, items: CollateralItems): Collateral {
  const derive = DERIVE[kind];
  if (derive === undefined) {
    throw evidenceError(
      'evidence-kind-unsupported',
      `evidence of kind ${kind} takes no collateral`,
    );
  }
  const copies = Object.fromEntries(Object.entries(items).map(([k, v]) => [k, v.slice()]));
  return Object.freeze({ kind, ...derive(copies), items: Object.freeze(copies) });
}

/** Deterministic CBOR: one bundle has one encoding and one digest. */
export function encodeCollateral(collateral: Collateral): Uint8Array<ArrayBuffer> {
  return encodeCbor({ v: VERSION, kind: collateral.kind, items: collateral.items });
}

/** @throws CodedError `collateral-malformed` and what `makeCollateral` throws */
export function decodeCollateral(bytes: Uint8Array): Collateral {
  if (bytes.length > MAX_BUNDLE_BYTES) {
    throw evidenceError('collateral-malformed', 'a bundle is larger than 16 MiB');
  }
  const value = decodeCbor(bytes) as { [key: string]: Cbor };
  const items = value?.['items'] as { [key: string]: Cbor };
  const shaped =
    typeof value === 'object' &&
    value !== null &&
    Object.keys(value).length === 3 &&
    value['v'] === VERSION &&
    typeof value['kind'] === 'string' &&
    typeof items === 'object' &&
    items !== null &&
    Object.values(items).every((item) => item instanceof Uint8Array);
  if (!shaped) throw evidenceError('collateral-malformed', 'wanted { v: 1, kind, items }');
  return makeCollateral(value['kind'] as EvidenceKind, items as Record<string, Uint8Array>);
}

/**
 * Reads a JSON bundle as PCS tools write it: the members of Intel's quote collateral structure at
 * the top or under `collateral`, DER in hexadecimal.
 * @throws CodedError `collateral-malformed` and what `makeCollateral` throws
 */
export function parseCollateralJson(kind: EvidenceKind, bytes: Uint8Array): Collateral {
  return makeCollateral(kind, itemsFromDcapBundle(parseJson(bytes, 'collateral-malformed')));
}
