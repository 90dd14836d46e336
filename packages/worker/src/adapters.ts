// SPDX-License-Identifier: Apache-2.0
// Which engines a worker plans and runs code on: chosen here, from settings with a kind, and
// nowhere else. A new engine is a package and a line in this table.
import {
  byKind,
  type Planner,
  type Planners,
  type Runner,
  type Runners,
} from '@cloister/contract/policy';
import { createDuckdbPlanner, createDuckdbRunner } from '@cloister/engine-duckdb';
import type { WorkerConfig } from './config.ts';
import { workerError } from './errors.ts';

interface Engine {
  readonly planner: () => Planner;
  readonly runner: (config: WorkerConfig) => Runner;
}

const ENGINES: Readonly<Record<string, Engine>> = {
  duckdb: {
    planner: () => createDuckdbPlanner(),
    runner: ({ limits, scratch }) => createDuckdbRunner({ spare: limits, scratch }),
  },
};

/**
 * The engines of a worker's configuration.
 * @throws CodedError `engine-unknown`, `engine-kind-twice`
 */
export function openEngines(config: WorkerConfig): { planners: Planners; runners: Runners } {
  const chosen = byKind(config.engines);
  const engines = [...chosen.keys()].map(engineOf);
  return {
    planners: byKind(engines.map(({ planner }) => planner())),
    runners: byKind(engines.map(({ runner }) => runner(config))),
  };
}

function engineOf(kind: string): Engine {
  const found = Object.hasOwn(ENGINES, kind) ? ENGINES[kind] : undefined;
  if (found !== undefined) return found;
  const kinds = Object.keys(ENGINES).join(', ');
  const message = `this worker has no engine of kind ${kind}; it has: ${kinds}`;
  throw workerError('engine-unknown', message);
}
