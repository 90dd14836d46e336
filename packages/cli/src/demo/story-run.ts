// SPDX-License-Identifier: Apache-2.0
// A run of the insurer's, watched to its end, whatever that is.
import type { RunStatus } from '@cloister/api';
import { cliError } from '../errors.ts';
import type { World } from './world.ts';

const WAIT_MS = 60_000;

/** Has the worker at `address` run the task. @throws CodedError `demo-timed-out` */
export async function playRun(
  { admins }: Pick<World, 'admins'>,
  task: string,
  address: string,
): Promise<RunStatus> {
  let status = await admins.insurer.startRun(task, address);
  const end = Date.now() + WAIT_MS;
  while (status.state !== 'released' && status.state !== 'failed' && Date.now() < end) {
    status = await admins.insurer.runStatus(status.run, { known: status.state, waitMs: 5_000 });
  }
  if (status.state === 'released' || status.state === 'failed') return status;
  const message = `waited ${WAIT_MS / 1_000} s for the run, which is ${status.state}`;
  throw cliError('demo-timed-out', message);
}
