// SPDX-License-Identifier: Apache-2.0
// Everything of core that runs in Node and in a browser alike. Node's own forms of the ports are in
// `@cloister/core/node`, the browser's in `@cloister/core/web`.
export * from './blobs/too-large.ts';
export * from './bytes.ts';
export * from './cbor.ts';
export * from './cose.ts';
export type * from './crypto/port.ts';
export * from './errors.ts';
export * from './first-of.ts';
export * from './http-errors.ts';
export * from './issue-sentence.ts';
export * from './lane.ts';
export * from './nearest.ts';
export * from './ports.ts';
export * from './token-buckets.ts';
