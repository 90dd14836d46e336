// SPDX-License-Identifier: Apache-2.0
// The face of `@cloister/evidence/mint` (Node only): development roots, and format-exact specimens
// under them. Dispatch is a table; a verifier never imports any of this.
import { type Cbor, decodeCbor, encodeCbor } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import {
  azureItems,
  createAzureRoot,
  mintAzure,
  mintedAzureMeasurement,
} from './azure-vtpm/mint.ts';
import { makeCollateral } from './collateral.ts';
import { createDcapRoot, dcapItems } from './dcap/mint.ts';
import { evidenceError } from './errors.ts';
import type {
  DevelopmentRoot,
  DevelopmentRootOptions,
  MintCollateralOptions,
  MintRequest,
} from './mint/types.ts';
import { createNitroRoot, mintNitro } from './nitro/mint.ts';
import { createOpteeRoot, mintOptee } from './op-tee/mint.ts';
import type { CollateralPart } from './parts.ts';
import { partsOfItems } from './parts-from-files.ts';
import { decodeRoot, encodeRoot } from './roots/encode.ts';
import { createSnpRoot, mintSnp, snpItems } from './sev-snp/mint.ts';
import { mintSgx } from './sgx-dcap/mint.ts';
import { mintTdx } from './tdx-dcap/mint.ts';
import { tdxMeasurement } from './tdx-dcap/parse.ts';
import { createTpmRoot, mintedTpmMeasurement, mintTpm } from './tpm2/mint.ts';
import type { Collateral, Evidence, EvidenceKind } from './types.ts';

export { HARDWARE_ID_LENGTH, hardwareIdOf } from './mint/request.ts';
export type * from './mint/types.ts';
export { mintNitro } from './nitro/mint.ts';
export { mintOptee, type OpteeMintRequest } from './op-tee/mint.ts';
export { certificateTable, mintSnp } from './sev-snp/mint.ts';
export { mintSgx, type SgxMintRequest } from './sgx-dcap/mint.ts';
export { mintTdx, type TdxMintRequest } from './tdx-dcap/mint.ts';
export { akPublic, mintTpm, mintTpmQuote } from './tpm2/mint.ts';

interface Minter {
  readonly create: (options: DevelopmentRootOptions) => DevelopmentRoot;
  readonly mint: (request: MintRequest) => Uint8Array;
  /** What `Claims.measurement` is for a requested measurement, where it is derived from it. */
  readonly measurement?: (requested: Uint8Array) => Uint8Array;
  readonly collateral?: (
    root: DevelopmentRoot,
    options: MintCollateralOptions,
  ) => Collateral['items'];
}

const MINTERS: Readonly<Partial<Record<EvidenceKind, Minter>>> = {
  'sgx-dcap': {
    create: (options) => createDcapRoot('sgx-dcap', options),
    mint: mintSgx,
    collateral: dcapItems,
  },
  'tdx-dcap': {
    create: (options) => createDcapRoot('tdx-dcap', options),
    mint: mintTdx,
    collateral: dcapItems,
    measurement: (mrTd) => tdxMeasurement(nodeCrypto, mrTd, Array(4).fill(new Uint8Array(48))),
  },
  'sev-snp': { create: createSnpRoot, mint: mintSnp, collateral: snpItems },
  'azure-snp-vtpm': {
    create: (options) => createAzureRoot('azure-snp-vtpm', options),
    mint: (request) => mintAzure('azure-snp-vtpm', request),
    collateral: azureItems,
    measurement: (pcr0) => mintedAzureMeasurement('azure-snp-vtpm', pcr0),
  },
  'azure-tdx-vtpm': {
    create: (options) => createAzureRoot('azure-tdx-vtpm', options),
    mint: (request) => mintAzure('azure-tdx-vtpm', request),
    collateral: azureItems,
    measurement: (pcr0) => mintedAzureMeasurement('azure-tdx-vtpm', pcr0),
  },
  tpm2: { create: createTpmRoot, mint: mintTpm, measurement: mintedTpmMeasurement },
  nitro: { create: createNitroRoot, mint: mintNitro },
  'op-tee': { create: createOpteeRoot, mint: mintOptee },
};

/** The kinds that can be minted. */
export const MINTABLE_KINDS: readonly EvidenceKind[] = Object.keys(MINTERS) as EvidenceKind[];

function minterOf(kind: EvidenceKind): Minter {
  const found = MINTERS[kind];
  if (found === undefined)
    throw evidenceError('mint-usage', `evidence of kind ${kind} cannot be minted`);
  return found;
}

/** A development root for one make of hardware. @throws CodedError `mint-usage` */
export function createDevelopmentRoot(
  kind: EvidenceKind,
  options: DevelopmentRootOptions = {},
): DevelopmentRoot {
  if (options.seed !== undefined && options.seed.length !== 32) {
    throw evidenceError('mint-usage', `a seed has 32 bytes, got ${options.seed.length}`);
  }
  return minterOf(kind).create(options);
}

/** Evidence under a development root. @throws CodedError `mint-usage` */
export function mintEvidence(request: MintRequest): Evidence {
  const { kind } = request.root;
  return { kind, bytes: minterOf(kind).mint(request) };
}

/**
 * What `Claims.measurement` will be for evidence minted with `measurement` and nothing else that is
 * measured: the same bytes, but for kinds that derive it (TDX, TPM, Azure).
 */
export function mintedMeasurement(kind: EvidenceKind, measurement: Uint8Array): Uint8Array {
  return minterOf(kind).measurement?.(measurement) ?? measurement;
}

/** Collateral for the platforms of a development root. @throws CodedError `mint-usage` */
export function mintCollateral(root: DevelopmentRoot, options: MintCollateralOptions): Collateral {
  const { collateral } = minterOf(root.kind);
  if (collateral === undefined) {
    throw evidenceError('mint-usage', `evidence of kind ${root.kind} takes no collateral`);
  }
  return makeCollateral(root.kind, collateral(root, options));
}

/** The same as parts, each with its chain. @throws CodedError `mint-usage` */
export function mintParts(root: DevelopmentRoot, options: MintCollateralOptions): CollateralPart[] {
  const { certificate } = root.root;
  return partsOfItems(
    mintCollateral(root, options).items,
    certificate === undefined ? [] : [certificate],
  );
}

/** Deterministic CBOR. Secret: it holds the private keys. */
export function encodeDevelopmentRoot(root: DevelopmentRoot): Uint8Array<ArrayBuffer> {
  const { kind, subject, keys, certificates } = root;
  return encodeCbor({ v: 1, kind, subject, root: encodeRoot(root.root), keys, certificates });
}

/** @throws CodedError `root-malformed` and core's CBOR codes */
export function decodeDevelopmentRoot(bytes: Uint8Array): DevelopmentRoot {
  const value = decodeCbor(bytes) as { [key: string]: Cbor } | null;
  const bad = () => evidenceError('root-malformed', 'not an encoded development root');
  if (typeof value !== 'object' || value === null || value['v'] !== 1) throw bad();
  const { kind, subject, root, keys, certificates } = value;
  if (typeof kind !== 'string' || typeof subject !== 'string') throw bad();
  if (!(root instanceof Uint8Array) || !isBytesMap(keys) || !isBytesMap(certificates)) throw bad();
  minterOf(kind as EvidenceKind);
  return { kind: kind as EvidenceKind, subject, root: decodeRoot(root), keys, certificates };
}

function isBytesMap(value: Cbor | undefined): value is { [key: string]: Uint8Array } {
  return (
    typeof value === 'object' &&
    value !== null &&
    Object.values(value).every((item) => item instanceof Uint8Array)
  );
}
