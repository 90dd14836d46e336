// SPDX-License-Identifier: Apache-2.0
// A quorum widens the charter and the owner of the data has no part in it: at once a worker runs at
// what was gained, and asks for the owner's columns. Then the owner agrees, and it may.
import { toHex } from '@cloister/core';
import { hardwareOf, namedBytes } from '../../world/index.ts';
import { Attacker } from '../attacker.ts';
import { fromHexKey, MEMBERS, type Place, type Stage } from '../stage.ts';
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
/** How often it is a seat, and how often it is tried. */
const SEATS = 0.3;
const TRIES = 2;
const TRY_MS = 900;
const POLL_MS = 100;
const OTHERS = MEMBERS.filter((member) => member !== OWNER);

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

export async function widening(scene: Scene): Promise<void> {
  const { network } = scene.stage;
  if (network.choose() < SEATS) return widenSeats(scene);
  return widenWorkers(scene);
}

/** The others deal the running key to a keeper that only they have agreed to. */
async function widenSeats({ stage, keeper, release }: Scene): Promise<void> {
  const { network, world } = stage;
  const { state } = world;
  const hardware = hardwareOf(world.seed, NEWCOMER, 'keeper');
  const { key } = stage.key(NEWCOMER, 'operator');
  const operator = {
    id: NEWCOMER,
    name: NEWCOMER,
    key,
    hardware: [{ tee: 'sev-snp', id: hardware }],
  };
  await amendWith(stage, OTHERS, { operators: [...world.inForce.operators, operator] });
  network.count('adversary: widening by a seat');
  const node = keeper(NEWCOMER);
  while (!state.joins.has(toHex(node.keeper.join ?? new Uint8Array())))
    await network.sleep(POLL_MS);
  const [proposer, ...others] = OTHERS as [string, ...string[]];
  for (let i = 0; i < TRIES; i++) {
    const active = state.activeEpoch as string;
    const { joins } = state.epochs.get(active) as { joins: readonly string[] };
    const seats = [...joins.slice(1).map(fromHexKey), node.keeper.join as Uint8Array];
    const epoch = await say(stage, proposer, 'epoch', { joins: seats, from: fromHexKey(active) });
    stage.unagreedEpochs.add(toHex(epoch));
    for (const member of others) await say(stage, member, 'consent', { epoch });
    await network.sleep(TRY_MS);
  }
  await release('unagreed');
}

async function widenWorkers({ stage, task, release, keepers }: Scene): Promise<void> {
  const { network } = stage;
  const how = network.pick(Object.keys(WIDENINGS));
  const { change, at } = (WIDENINGS[how] as (typeof WIDENINGS)[string])(stage);
  const amend = await amendWith(stage, OTHERS, change);
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
