// SPDX-License-Identifier: Apache-2.0
// The Node forms of core's ports.
export * from './blobs/file-blobs.ts';
export * from './crypto/node.ts';
export * from './durable.ts';
export * from './last-words.ts';
export * from './many-buffers.ts';
