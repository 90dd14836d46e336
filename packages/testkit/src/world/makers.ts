// SPDX-License-Identifier: Apache-2.0
// A maker of SGX machines by name, whose collateral is minted: the same seed always gives the same
// keys.
import { equal } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import type { CollateralPart } from '@cloister/evidence';
import {
  createDevelopmentRoot,
  type DevelopmentRoot,
  type MintCollateralOptions,
  mintParts,
} from '@cloister/evidence/mint';
import { namedBytes } from './keys.ts';

const makers = new Map<string, DevelopmentRoot>();

export function namedMaker(seed: string): DevelopmentRoot {
  const options = { seed: namedBytes(seed, 'maker') };
  const known = makers.get(seed) ?? createDevelopmentRoot('sgx-dcap', options);
  makers.set(seed, known);
  return known;
}

/** The maker of this name whose root key this is the digest of. */
export function makerOf(rootKey: Uint8Array): DevelopmentRoot {
  const found = [...makers.values()].find(({ root }) => {
    return equal(nodeCrypto.digest('sha256', root.key), rootKey);
  });
  if (found === undefined) throw new Error('no maker by name has this root key');
  return found;
}

/** One part of what that maker serves. */
export function namedPart(
  seed: string,
  name: CollateralPart['part'],
  options: MintCollateralOptions,
): CollateralPart {
  const found = mintParts(namedMaker(seed), options).find(({ part }) => part === name);
  if (found === undefined) throw new Error(`an SGX maker serves no ${name}`);
  return found;
}
