// SPDX-License-Identifier: Apache-2.0
// Runs of our own tasks: ask a worker to run one, and hand the openings to the worker once its join
// is cosigned and its evidence stands. Whoever answers the worker wrongly here gives away code and
// schemas, so the evidence is appraised anew and the openings are sealed to the attested key only.
import { HttpJson, type RunStatus, WorkerClient } from '@cloister/api';
import {
  contractError,
  encodeTaskOpenings,
  missingGrants,
  openingsInfo,
  rightsOfJoin,
  signRunTicket,
  voidError,
} from '@cloister/contract';
import { equal, toHex } from '@cloister/core';
import { hpkeSeal } from '@cloister/threshold/node';
import { type Gateway, stateInForce } from '../context.ts';
import { gatewayError } from '../errors.ts';
import { freshenClock } from '../ticking.ts';
import { placesOf, readTask } from './tasks.ts';

const FOLLOW_MS = 5_000;
/** A worker that has not joined by then is not waited for. */
const TICKET_MS = 600_000;

/** Where each run was started: the gateway forwards status questions there. */
export class RunBook {
  readonly #workers = new Map<string, string>();

  /**
   * Asks the worker at `address` to run `task` once, over the `newest` versions of these tables and
   * those that the task names of the others. Its ticket is for the operator that it says it
   * belongs to: where that is another, its join is void.
   * @throws CodedError the worker's refusal, `task-malformed`, `join-version-not-granted`
   */
  async start(
    gateway: Gateway,
    task: Uint8Array,
    { address, newest = [] }: { address: string; newest?: readonly string[] },
  ): Promise<RunStatus> {
    const found = stateInForce(gateway).tasks.get(toHex(task));
    if (found === undefined || found.proposer !== gateway.card.id) {
      const message = 'only the proposer of a task can have it run';
      throw gatewayError('task-not-yours', message);
    }
    const versions = newest.length === 0 ? {} : await newestOf(gateway, toHex(task), newest);
    await freshenClock(gateway);
    const client = workerClient(gateway, address);
    const { operator } = await client.health();
    const run = gateway.random.bytes(16);
    const until = Math.max(gateway.clock.now(), stateInForce(gateway).clock) + TICKET_MS;
    const ticket = await signRunTicket(gateway.keys.identity, gateway.card.id, {
      genesis: gateway.genesis,
      ticket: { task, run, operator, until, ...versions },
    });
    const id = await client.run({ task, run, ticket });
    this.#workers.set(id, address);
    return client.status(id);
  }

  async status(
    gateway: Gateway,
    run: string,
    options: { known?: string; waitMs?: number },
  ): Promise<RunStatus> {
    const address = this.#workers.get(run);
    if (address === undefined) {
      const message = `run ${run} was not started by this gateway since it started`;
      throw gatewayError('result-not-found', message);
    }
    return workerClient(gateway, address).status(run, options);
  }
}

/** The versions of a run that reads the newest of these tables, once the grants allow it. */
async function newestOf(
  gateway: Gateway,
  key: string,
  tables: readonly string[],
): Promise<{ versions: number[] }> {
  const { task, contents } = await readTask(gateway, key);
  const state = stateInForce(gateway);
  const places = placesOf(contents, tables);
  const versions = task.body.inputs.map(({ dataset, version }, at) => {
    return places.includes(at) ? (state.datasets.get(toHex(dataset))?.newest ?? version) : version;
  });
  const code = 'join-version-not-granted';
  const missing = missingGrants(state, key, versions).find((one) => one.code === code);
  if (missing === undefined) return { versions };
  const message =
    `the grants on ${missing.input} are not for the newest version of ${tables.join(', ')}: its ` +
    'schema and policy may be others, or an owner has not said so (task approve --any-version)';
  throw voidError(code, message);
}

function workerClient(gateway: Gateway, base: string): WorkerClient {
  const { identity } = gateway.keys;
  const sign = {
    signer: identity,
    issuer: gateway.card.id,
    genesis: gateway.genesis,
    crypto: gateway.crypto,
    clock: gateway.clock,
  };
  return new WorkerClient(new HttpJson({ base, sign }));
}

/**
 * The openings of a task of ours, sealed to the worker of the join.
 * @throws CodedError `openings-not-for-you`, `worker-not-accepted`, and the rights codes
 */
export async function openingsForWorker(
  gateway: Gateway,
  join: Uint8Array,
  caller: Uint8Array,
): Promise<Uint8Array> {
  const key = toHex(join);
  const { size } = await gateway.witness.checkpoint();
  await gateway.follower.reached(size, FOLLOW_MS);
  const state = stateInForce(gateway);
  const rights = rightsOfJoin(state, key);
  if (!rights.ok) throw voidError(rights.code, rights.sentence);
  if (!equal(rights.join.signer, caller) || rights.task.proposer !== gateway.card.id) {
    const message = 'openings go to the worker of the join, from the proposer of its task';
    throw gatewayError('openings-not-for-you', message);
  }
  const appraisal = await gateway.appraiser.appraise(state, key);
  if (!appraisal.ok) {
    const { code, wanted, got } = appraisal.mismatch;
    const message = `the worker's evidence does not stand (${code}): wanted ${wanted}, got ${got}`;
    // What is only not there yet is asked again.
    if (code === 'collateral-not-in-force') throw contractError(code, message);
    throw gatewayError('worker-not-accepted', message);
  }
  const { openings } = await readTask(gateway, rights.taskKey, rights.run.versions);
  return hpkeSeal({
    publicKey: rights.join.body.hpke,
    info: openingsInfo(gateway.genesis, 'worker'),
    aad: join,
    plaintext: encodeTaskOpenings(openings),
    random: gateway.random,
  });
}
