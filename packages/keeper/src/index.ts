// SPDX-License-Identifier: Apache-2.0
// A keeper: holds a share of the group key and opens granted columns to attested workers. The
// process is dist/main.js; this is for tests, the simulator and whoever configures one.
export * from './challenges.ts';
export * from './config.ts';
export type { KeeperErrorCode } from './errors.ts';
export * from './keeper.ts';
export * from './ports.ts';
export { runKeeper } from './run-keeper.ts';
export * from './server.ts';
