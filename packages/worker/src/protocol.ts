// SPDX-License-Identifier: Apache-2.0
// A run without its process: no timer, no network, no file. For the simulator, which brings its own
// ports; nothing that runs imports this.

export { briskPeer } from '@cloister/attested';
export { parseWorkerConfig } from './config.ts';
export type { DataPlane } from './data-plane.ts';
export type { WorkerErrorCode } from './errors.ts';
export type { Gateway, KeeperPeer, KeyMaker, Links, WorkerPorts } from './ports.ts';
export { execute, type OnPhase } from './run.ts';
