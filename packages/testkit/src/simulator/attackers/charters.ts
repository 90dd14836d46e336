// SPDX-License-Identifier: Apache-2.0
// How charters change in a seed: members propose and sign as their people would, and put it on the
// ledger. What the others play against an amendment, or with one, are the files beside this.
import { type CharterBody, charterDigest, type EventKind, type Said } from '@cloister/contract';
import { toHex } from '@cloister/core';
import { nodeCrypto } from '@cloister/core/node';
import { namedBytes } from '../../world/index.ts';
import type { Gateway } from '../gateways.ts';
import type { KeeperNode } from '../keeper-node.ts';
import { eventId, type Place, type Stage } from '../stage.ts';
import type { addTask } from '../tasks.ts';
import type { Task } from '../truth.ts';

export type Change = Partial<CharterBody>;

/** What a seed's play has come to when a charter changes in it. */
export interface Scene {
  readonly stage: Stage;
  readonly gateways: readonly Gateway[];
  /** Addresses of keepers, as they are when they are asked. */
  readonly keepers: () => readonly string[];
  /** A keeper of this operator, beside those of the seats. */
  keeper(operator: string): KeeperNode;
  /** An honest task, until the real worker has released its result. */
  release(name: string, task?: Parameters<typeof addTask>[2], at?: Partial<Place>): Promise<void>;
  task(change?: Parameters<typeof addTask>[2]): Promise<Task>;
}

/** A program that no charter has before members name it. */
export const NEWER = namedBytes('newer', 'worker');

/** Workers of these operators in any environment that the charter has for them. */
export function anyWorker({ world }: Stage, operators: readonly string[] = []) {
  const { environments, operators: known } = world.inForce;
  const named = environments.filter(({ role }) => role === 'worker').map(({ id }) => id);
  return { environments: named, operators: [...known.map(({ id }) => id), ...operators] };
}

/** The next charter, as an amendment's body. */
export function amending({ world }: Stage, change: Change): Said<'amend'> {
  const before = world.inForce;
  const charter = { ...before, ...change, version: before.version + 1 };
  return { before: charterDigest(before, nodeCrypto), charter };
}

/** The environments of workers, with one more program in the one that tasks name. */
export function withProgram({ world }: Stage, measurement: Uint8Array): Change {
  const more = { measurement, source: 'another', recipe: 'another' };
  const environments = world.inForce.environments.map((one) => {
    const named = one.id === 'worker-sgx';
    return named ? { ...one, measurements: [...one.measurements, more] } : one;
  });
  return { environments };
}

/**
 * These members make it the charter in force; answers the amendment's id. `speak` says what else it
 * needs.
 */
export async function amendWith(
  stage: Stage,
  signers: readonly string[],
  change: Change,
  speak: (amend: Uint8Array) => Promise<void> = async () => {},
): Promise<Uint8Array> {
  const [author, ...others] = signers as [string, ...string[]];
  const body = amending(stage, change);
  stage.wantedCharters.add(toHex(charterDigest(body.charter, nodeCrypto)));
  const amend = await say(stage, author, 'amend', body);
  for (const member of others) await say(stage, member, 'sign', { amend });
  await speak(amend);
  if (stage.world.inForce.version !== body.charter.version) {
    throw new Error('the simulator’s own amendment did not come into force');
  }
  stage.network.count('charter-amended');
  return amend;
}

/** Signs as this member and puts it on the ledger; answers its id. */
export async function say<K extends EventKind>(
  stage: Stage,
  member: string,
  kind: K,
  said: Said<K>,
): Promise<Uint8Array> {
  const event = await stage.world.sign(stage.key(member, 'identity'), kind, said);
  await stage.order(event);
  return eventId(event);
}
