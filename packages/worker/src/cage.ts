// SPDX-License-Identifier: Apache-2.0
// What the charter wants a task's code to be held by, and whether this machine comes to it: asked
// before evidence is made and a run is used up. The runner looks again at what ran, and the record
// of use says it. docs/design/the-cage.md.
import { type Cage, cageHolds, type Runner } from '@cloister/contract/policy';
import { workerError } from './errors.ts';
import type { WorkerPorts } from './ports.ts';

/** The least that this worker's environment takes; the ledger judges one that is no more. */
export function leastCage({ config, follower }: Pick<WorkerPorts, 'config' | 'follower'>): Cage {
  const place = follower.charter.environments.find(({ id }) => id === config.environment);
  return place?.cage ?? 'process';
}

/** @throws CodedError `worker-cage-weak` */
export async function requireCage(runner: Pick<Runner, 'cage'>, least: Cage): Promise<void> {
  const { cage, lacks } = await runner.cage();
  if (cageHolds(cage, least)) return;
  const got = `this machine holds code by ${cage}, without ${lacks.join(', ')}`;
  const help = 'install bubblewrap and let its user make user namespaces, or ask another worker';
  throw workerError('worker-cage-weak', `${got}; the charter wants ${least}: ${help}`);
}
