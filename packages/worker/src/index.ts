// SPDX-License-Identifier: Apache-2.0
// The worker as a class with ports; `dist/main.js` is the process that a launcher starts.
export {
  parseWorkerConfig,
  type WorkerConfig,
  type WorkerConfigInput,
  workerConfig,
} from './config.ts';
export type { WorkerErrorCode } from './errors.ts';
export type { WorkerPorts } from './ports.ts';
export { serveWorker } from './server.ts';
export { Worker } from './worker.ts';
