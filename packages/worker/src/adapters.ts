// SPDX-License-Identifier: Apache-2.0
// Which engine a worker runs code on: chosen here, from a setting with a kind, and nowhere else. A
// new engine is a package and a line in this table.
import type { EnginePort } from '@cloister/contract/policy';
import { createDuckdbEngine } from '@cloister/engine-duckdb';
import type { WorkerConfig } from './config.ts';
import { workerError } from './errors.ts';

const ENGINES: Readonly<Record<string, (config: WorkerConfig) => EnginePort>> = {
  duckdb: ({ limits }) => createDuckdbEngine({ spare: limits }),
};

/** The engine of a worker's configuration. @throws CodedError `engine-unknown` */
export function openEngine(config: WorkerConfig): EnginePort {
  const { kind } = config.engine;
  const open = Object.hasOwn(ENGINES, kind) ? ENGINES[kind] : undefined;
  if (open !== undefined) return open(config);
  const kinds = Object.keys(ENGINES).join(', ');
  const message = `this worker has no engine of kind ${kind}; it has: ${kinds}`;
  throw workerError('engine-unknown', message);
}
