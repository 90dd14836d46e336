// SPDX-License-Identifier: Apache-2.0
// The secret side of key sharing, in Node only: OpenSSL multiplies, randomness is a port, shares
// and key pairs refuse to be serialised.
export * from './node/complain.ts';
export * from './node/deal.ts';
export * from './node/dealing.ts';
export {
  deriveHpkeKeyPair,
  generateHpkeKeyPair,
  HpkeKeyPair,
  hpkeKeyPairFrom,
  hpkeOpen,
  hpkeSeal,
  openWithDh,
} from './node/hpke.ts';
export { opensslCurve } from './node/multiply.ts';
export {
  combinePartials,
  type PartialPoint,
  partialOpen,
  provePartials,
  sealMasterKey,
} from './node/open.ts';
export { KeyShare, type ShareFacts } from './node/share.ts';
