// SPDX-License-Identifier: Apache-2.0
// What every attested node is: keeper and worker are made of it.
export * from './append.ts';
export * from './brisk-peer.ts';
export * from './config.ts';
export * from './cosigned-head.ts';
export * from './errors.ts';
export * from './following.ts';
export * from './http-server.ts';
export * from './join.ts';
export * from './log.ts';
export * from './patience.ts';
export * from './ports.ts';
export * from './process.ts';
export * from './tls-key.ts';
export * from './trouble.ts';
