// SPDX-License-Identifier: Apache-2.0
// A quorum widens the charter and the owner of the data has no part in it: at once a worker runs at
// what was gained, and asks for the owner's columns. Then the owner agrees, and it may.
import { toHex } from '@cloister/core';
import { hardwareOf, namedBytes } from '../../world/index.ts';
import { Attacker } from '../attacker.ts';
import { MEMBERS, type Place, type Stage } from '../stage.ts';
import { OWNER, PROPOSER } from '../tasks.ts';
import {
  amendWith,
  anyWorker,
  type Change,
  NEWER,
  type Scene,
  say,
  withProgram,
} from './charters.ts';

interface Widening {
  readonly change: Change;
  /** Where a node runs that only this lets in. */
  readonly at: Partial<Place>;
}

const NEWCOMER = 'newcomer';
const LAX = 'worker-lax';
const RUNS = 4;

const WIDENINGS: Readonly<Record<string, (stage: Stage) => Widening>> = {
  program: (stage) => ({ change: withProgram(stage, NEWER), at: { measurement: NEWER } }),
  operator: (stage) => {
    const { world } = stage;
    const hardware = hardwareOf(world.seed, NEWCOMER, 'worker');
    const { key } = stage.key(NEWCOMER, 'operator');
    const machines = [{ tee: 'sgx-dcap', id: hardware }];
    const operator = { id: NEWCOMER, name: NEWCOMER, key, hardware: machines };
    const operators = [...world.inForce.operators, operator];
    return { change: { operators }, at: { operator: NEWCOMER } };
  },
  machine: ({ world }) => {
    const hardware = namedBytes(world.seed, 'another machine').slice(0, 16);
    const operators = world.inForce.operators.map((one) => {
      const more = [...one.hardware, { tee: 'sgx-dcap', id: hardware }];
      return one.id === PROPOSER ? { ...one, hardware: more } : one;
    });
    return { change: { operators }, at: { hardware } };
  },
  environment: ({ world }) => {
    const { environments } = world.inForce;
    const lax = environments
      .filter(({ id }) => id === 'worker-sgx')
      .map((one) => ({ ...one, id: LAX, tcb: 'any' as const }));
    return { change: { environments: [...environments, ...lax] }, at: { environment: LAX } };
  },
  witnesses: ({ world }) => {
    return { change: { witnesses: { ...world.inForce.witnesses, faulty: 0 } }, at: {} };
  },
};

export async function widening({ stage, task, release, keepers }: Scene): Promise<void> {
  const { network } = stage;
  const others = MEMBERS.filter((member) => member !== OWNER);
  const how = network.pick(Object.keys(WIDENINGS));
  const { change, at } = (WIDENINGS[how] as (typeof WIDENINGS)[string])(stage);
  const amend = await amendWith(stage, others, change);
  network.count(`adversary: widening by a ${how}`);
  const asked = { runs: RUNS, worker: anyWorker(stage) };
  const attacker = new Attacker(stage, { name: 'widened', task: await task(asked), keepers, at });
  stage.unagreed.add(toHex(attacker.signer.key));
  const join = await attacker.join();
  network.go(attacker.ask(join));
  // What was there all along does not wait for the owner; what it asks of all heads does.
  const stopped = how === 'witnesses';
  if (!stopped) await release('unagreed');
  if (!stopped && network.choose() < 0.5) return;
  await say(stage, OWNER, 'sign', { amend });
  await release('agreed', asked, at);
}
